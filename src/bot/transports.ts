import { networkInterfaces } from "node:os";
import { RoomtapError } from "../core/fault.ts";
import { type IceUrl, parseIceUrl } from "../core/ice-url.ts";
import type { IceServer, LogLevel, NetworkWish } from "../core/room.ts";
import type { TransportParams } from "../core/sdp/description.ts";
import { proxyFor } from "../net/proxy.ts";
import { TurnBridge } from "../net/turn-bridge.ts";
import type { PeerHostOptions } from "../peer/host.ts";
import type {
  DataOptions,
  Transport,
  TransportFactory,
  TransportHandlers,
  TransportOptions,
} from "../peer/transport.ts";
import type { RoomCall } from "./join.ts";

/** The ICE agent uses no more TURN servers than this. */
const MAX_TURN = 2;

/** What a transport's ICE servers come to. */
type Routes = {
  /** For the agent itself. */
  readonly direct: readonly IceServer[];
  /** By a bridge. */
  readonly bridged: readonly { readonly url: IceUrl; readonly server: IceServer }[];
};

/** What a host needs to know of a call's network. `native`: what makes the agent's own transports. */
export function networkOf(
  { network = {} }: Pick<RoomCall, "network">,
  native: TransportFactory,
  log: (level: LogLevel, text: string) => void,
): Pick<PeerHostOptions, "transports" | "gatherMs"> {
  return {
    transports: routedTransports(native, network, log),
    ...(network.gatherMs === undefined ? {} : { gatherMs: network.gatherMs }),
  };
}

/**
 * Transports that use the servers of a wish besides those of the room, and reach by a bridge what the agent cannot: TURN over
 * TCP and TLS. `log` hears of servers that are of no use; never of secrets.
 */
export function routedTransports(
  native: TransportFactory,
  wish: NetworkWish,
  log: (level: LogLevel, text: string) => void,
): TransportFactory {
  return (options, handlers) => {
    const servers = [...(wish.iceServers ?? []), ...options.iceServers];
    const { direct, bridged } = routes(servers, wish.relayOnly === true);
    const { bindAddress, portRange } = wish;
    const own: TransportOptions = {
      ...options,
      iceServers: direct,
      ...(bindAddress === undefined ? {} : { bindAddress }),
      ...(portRange === undefined ? {} : { portRange }),
    };
    if (bridged.length > 0 || wish.relayOnly === true)
      return new RoutedTransport(native, own, handlers, { bridged, wish, log });
    return native(own, handlers);
  };
}

/** Throws a RoomtapError `usage` on a URL that is none, and where nothing could relay though it must. */
function routes(servers: readonly IceServer[], relayOnly: boolean): Routes {
  const direct: IceServer[] = [];
  const bridged: { url: IceUrl; server: IceServer }[] = [];
  let turn = 0;
  const all = servers.flatMap((server) =>
    server.urls.map((text) => ({ server, text, url: parseIceUrl(text) })),
  );
  // One way of each kind, before a second one of the same.
  const seen = new Set<string>();
  const second: typeof all = [];
  const take = ({ server, text, url }: (typeof all)[number]) => {
    if (url?.kind === "turn" && ++turn > MAX_TURN) return;
    if (url?.kind === "turn" && (relayOnly || url.transport !== "udp")) bridged.push({ url, server });
    else if (!relayOnly || !url) direct.push({ ...server, urls: [text] });
  };
  for (const one of all) {
    const way = one.url?.kind === "turn" ? one.url.transport : undefined;
    if (way !== undefined && seen.has(way)) second.push(one);
    else take(one);
    if (way !== undefined) seen.add(way);
  }
  for (const one of second) take(one);
  if (relayOnly && bridged.length === 0)
    throw new RoomtapError("usage", "there is no TURN server to relay through", {
      hint: "name one with --ice turn:user:password@host:3478, or leave out --relay-only",
    });
  return { direct, bridged };
}

type Routing = {
  readonly bridged: Routes["bridged"];
  readonly wish: NetworkWish;
  readonly log: (level: LogLevel, text: string) => void;
};

/** A native transport that starts when its bridges are there. */
class RoutedTransport implements Transport {
  readonly #native: TransportFactory;
  readonly #options: TransportOptions;
  readonly #handlers: TransportHandlers;
  readonly #routing: Routing;
  readonly #relayOnly: boolean;
  readonly #bridges: TurnBridge[] = [];
  #inner: Transport | undefined;
  #starting: Promise<Transport> | undefined;
  #closed = false;

  constructor(
    native: TransportFactory,
    options: TransportOptions,
    handlers: TransportHandlers,
    routing: Routing,
  ) {
    this.#native = native;
    this.#options = options;
    this.#routing = routing;
    this.#relayOnly = routing.wish.relayOnly === true;
    // What servers behind a bridge see is the bridge's address: nobody could reach us there.
    const mirrors = options.iceServers.length === 0;
    this.#handlers = {
      ...handlers,
      onCandidate: (line) => {
        if (this.#tells(line, mirrors)) handlers.onCandidate(line);
      },
    };
  }

  async offer(o: DataOptions): Promise<TransportParams> {
    return this.#own(await (await this.#start()).offer(o));
  }

  complete(remote: TransportParams, o: DataOptions): void {
    this.#running().complete(this.#theirs(remote), o);
  }

  async accept(remote: TransportParams, o: DataOptions): Promise<TransportParams> {
    return this.#own(await (await this.#start()).accept(this.#theirs(remote), o));
  }

  addCandidate(line: string): boolean {
    // Known, and left out on purpose.
    if (this.#relayOnly && isNear(line)) return true;
    return this.#inner?.addCandidate(line) ?? false;
  }

  send(packet: Uint8Array): boolean {
    return this.#inner?.send(packet) ?? false;
  }

  selectedPair(): { local: string; remote: string } | undefined {
    const pair = this.#inner?.selectedPair();
    if (!pair?.local.startsWith("relay")) return pair;
    const [busiest] = this.#bridges.toSorted((a, b) => b.statistics.sent - a.statistics.sent);
    const by = busiest && busiest.statistics.received > 0 ? busiest.server.transport : "udp";
    return { ...pair, local: `${pair.local} by TURN over ${by.toUpperCase()}` };
  }

  async close(): Promise<void> {
    this.#closed = true;
    try {
      await this.#inner?.close();
    } finally {
      for (const bridge of this.#bridges) bridge.close();
    }
    if (!this.#inner) this.#handlers.onState("closed");
  }

  #start(): Promise<Transport> {
    this.#starting ??= this.#open();
    return this.#starting;
  }

  async #open(): Promise<Transport> {
    const { bridged, wish, log } = this.#routing;
    const servers: IceServer[] = [...this.#options.iceServers];
    for (const { url, server } of bridged) {
      const proxy = url.transport === "udp" ? undefined : proxyFor(url.host);
      const bridge = await TurnBridge.open({
        server: url,
        ...(wish.insecure === undefined ? {} : { insecure: wish.insecure }),
        ...(proxy === undefined ? {} : { proxy }),
        onProblem: (text) => log("warn", text),
      });
      this.#bridges.push(bridge);
      servers.push({ ...server, urls: [`turn:127.0.0.1:${bridge.port}?transport=udp`] });
    }
    if (this.#closed) {
      for (const bridge of this.#bridges) bridge.close();
      throw new RoomtapError("negotiation", "the connection was closed before it began");
    }
    const bound = this.#relayOnly ? { bindAddress: "127.0.0.1" } : {};
    this.#inner = this.#native({ ...this.#options, ...bound, iceServers: servers }, this.#handlers);
    return this.#inner;
  }

  #running(): Transport {
    if (!this.#inner) throw new RoomtapError("negotiation", "there is no offer that could be answered");
    return this.#inner;
  }

  #tells(line: string, mirrors: boolean): boolean {
    if (this.#relayOnly) return isRelay(line);
    return !mirrors || !/ typ srflx\b/.test(line);
  }

  #own(p: TransportParams): TransportParams {
    const mirrors = this.#options.iceServers.length === 0;
    return { ...p, candidates: p.candidates.filter((line) => this.#tells(line, mirrors)) };
  }

  #theirs(p: TransportParams): TransportParams {
    return this.#relayOnly ? { ...p, candidates: p.candidates.filter((line) => !isNear(line)) } : p;
  }
}

/**
 * A candidate that an agent on the loopback could reach without a relay: of this machine, or behind a name. All others the
 * kernel keeps it from, and the TURN server passes on to.
 */
function isNear(line: string): boolean {
  if (isRelay(line)) return false;
  const address = line.split(" ")[4]?.toLowerCase() ?? "";
  if (/^127\.|^0\.|^::1?$|[^0-9a-f:.]/.test(address)) return true;
  return Object.values(networkInterfaces()).some((list) => list?.some((a) => a.address === address));
}

function isRelay(line: string): boolean {
  return / typ relay\b/.test(line);
}
