import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { RoomtapError } from "../core/fault.ts";
import { type IceUrl, iceUrlInWords } from "../core/ice-url.ts";
import {
  readStun,
  StunAttribute,
  type StunMessage,
  StunMethod,
  type StunRefusal,
  stunRefusal,
} from "../core/stun.ts";
import { frameForStream, TurnDeframer, turnKind } from "../core/turn-frames.ts";
import { type HttpProxy, throughProxy } from "./proxy.ts";

/** Octets that wait to be sent to the server; beyond, media is dropped: it is old by the time it leaves. */
const MAX_WAITING = 256 * 1024;
/** Agents behind one bridge: every one has a connection of its own. */
const MAX_AGENTS = 256;
const CONNECT_MS = 10_000;
/** Refusals that are part of the protocol, and followed by a better attempt: stale nonce. */
const STALE_NONCE = 438;
const UNAUTHORIZED = 401;

/** How a bridge goes to its server. */
export type TurnBridgeOptions = {
  readonly server: IceUrl;
  /** Accept any certificate. */
  readonly insecure?: boolean;
  readonly proxy?: HttpProxy;
  /** Says once, for people, why the server is of no use. Never gets secrets. */
  readonly onProblem: (text: string) => void;
};

/** Octets that went through a bridge, of media and of everything else. */
export type TurnBridgeStatistics = { sent: number; received: number; dropped: number };

/**
 * Brings an ICE agent that speaks TURN over UDP alone to a server by other ways: TCP or TLS (RFC 8656 section 2.1), through
 * an HTTP proxy, or UDP from a socket of its own. The agent talks to a UDP port on the loopback; each of its ports gets its
 * own connection to the server, as TURN tells clients apart by that.
 */
export class TurnBridge {
  readonly statistics: TurnBridgeStatistics = { sent: 0, received: 0, dropped: 0 };
  readonly #o: TurnBridgeOptions;
  readonly #near: DatagramSocket;
  readonly #lines = new Map<string, Line>();
  readonly #said = new Set<string>();
  #closed = false;

  private constructor(o: TurnBridgeOptions, near: DatagramSocket) {
    this.#o = o;
    this.#near = near;
    near.on("message", (datagram, { address, port }) => this.#fromAgent(datagram, address, port));
    near.on("error", (error) => this.#problem(`the bridge to it failed: ${error.message}`));
  }

  /** Rejects with a RoomtapError `ice-failed` where there is no port. The caller closes it. */
  static async open(o: TurnBridgeOptions): Promise<TurnBridge> {
    const near = createSocket("udp4");
    try {
      near.bind(0, "127.0.0.1");
      await once(near, "listening");
    } catch (cause) {
      near.close();
      throw new RoomtapError("ice-failed", "no UDP port on the loopback for the way to a TURN server", {
        cause,
      });
    }
    return new TurnBridge(o, near);
  }

  /** What the bridge leads to. */
  get server(): IceUrl {
    return this.#o.server;
  }

  /** UDP port on 127.0.0.1 that the agent takes for the server. */
  get port(): number {
    return this.#near.address().port;
  }

  /** Ends all connections. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const line of this.#lines.values()) line.close();
    this.#lines.clear();
    this.#near.close();
  }

  #fromAgent(datagram: Uint8Array, address: string, port: number): void {
    if (this.#closed || turnKind(datagram) === undefined) return;
    const key = `${address}:${port}`;
    let line = this.#lines.get(key);
    if (!line) {
      if (this.#lines.size >= MAX_AGENTS) {
        this.statistics.dropped++;
        return;
      }
      line = this.#connect(key, address, port);
    }
    const m = readStun(datagram);
    const allocates = m?.kind === "request" && m.method === StunMethod.allocate;
    if (allocates && m.attributes.has(StunAttribute.username)) line.asked(nameOf(m));
    if (line.send(datagram)) this.statistics.sent += datagram.length;
    else this.statistics.dropped++;
  }

  #connect(key: string, address: string, port: number): Line {
    const gone = (why: string | undefined) => {
      // The last event of an old line may come when the agent has a new one.
      if (this.#lines.get(key) !== line) return;
      if (why !== undefined) this.#problem(why);
      line.close();
      this.#lines.delete(key);
    };
    const toAgent = (datagram: Uint8Array) => {
      if (this.#closed) return;
      this.statistics.received += datagram.length;
      const m = readStun(datagram);
      const refused = m?.kind === "error" && m.method === StunMethod.allocate ? stunRefusal(m) : undefined;
      if (m && refused && refused.code !== STALE_NONCE) {
        const ours = this.#lines.get(key)?.wasAsked(nameOf(m)) === true;
        if (refused.code !== UNAUTHORIZED || ours) this.#problem(refusalInWords(refused));
      }
      this.#near.send(datagram, port, address);
    };
    const line: Line =
      this.#o.server.transport === "udp"
        ? new UdpLine(this.#o, toAgent, gone)
        : new StreamLine(this.#o, toAgent, gone);
    this.#lines.set(key, line);
    return line;
  }

  #problem(text: string): void {
    if (this.#closed || this.#said.has(text)) return;
    this.#said.add(text);
    this.#o.onProblem(`${iceUrlInWords(this.#o.server)}: ${text}`);
  }
}

function nameOf(m: StunMessage): string {
  return Buffer.from(m.transaction).toString("hex");
}

/** For people: what a TURN server's refusal means. */
export function refusalInWords({ code, reason }: StunRefusal): string {
  const hint =
    code === UNAUTHORIZED
      ? ": wrong or expired credentials, or clocks that differ"
      : code === 486
        ? ": too many allocations of this user"
        : "";
  return `it answered ${code}${reason ? ` ${reason}` : ""}${hint}`;
}

/** One agent's connection to the server. */
abstract class Line {
  readonly #asked = new Set<string>();

  /** An allocation with credentials was asked for. */
  asked(transaction: string): void {
    if (this.#asked.size < 16) this.#asked.add(transaction);
  }

  wasAsked(transaction: string): boolean {
    return this.#asked.has(transaction);
  }

  /** False: it was dropped. */
  abstract send(datagram: Uint8Array): boolean;
  abstract close(): void;
}

class UdpLine extends Line {
  readonly #socket: DatagramSocket;
  readonly #early: Uint8Array[] = [];
  #up = false;
  #closed = false;

  constructor(
    o: TurnBridgeOptions,
    toAgent: (datagram: Uint8Array) => void,
    gone: (why: string | undefined) => void,
  ) {
    super();
    this.#socket = createSocket(o.server.host.includes(":") ? "udp6" : "udp4");
    this.#socket.on("message", toAgent);
    this.#socket.on("error", (error) => gone(reasonOf(error)));
    this.#socket.connect(o.server.port, o.server.host);
    this.#socket.on("connect", () => {
      for (const datagram of this.#early.splice(0)) this.#socket.send(datagram);
      this.#up = true;
    });
  }

  send(datagram: Uint8Array): boolean {
    if (this.#closed) return false;
    if (this.#up) this.#socket.send(datagram);
    else if (this.#early.length < 32) this.#early.push(datagram);
    else return false;
    return true;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }
}

class StreamLine extends Line {
  readonly #deframer = new TurnDeframer();
  readonly #gone: (why: string | undefined) => void;
  readonly #early: Uint8Array[] = [];
  readonly #timer: NodeJS.Timeout;
  readonly #opening = new AbortController();
  #stream: Duplex | undefined;
  #closed = false;

  constructor(
    o: TurnBridgeOptions,
    toAgent: (datagram: Uint8Array) => void,
    gone: (why: string | undefined) => void,
  ) {
    super();
    this.#gone = gone;
    this.#timer = setTimeout(() => gone("no connection within 10 s"), CONNECT_MS);
    open(o, this.#opening.signal).then(
      (stream) => this.#opened(stream, toAgent),
      (error: unknown) => this.#fail(error),
    );
  }

  send(datagram: Uint8Array): boolean {
    const frame = frameForStream(datagram);
    if (this.#closed || !frame) return false;
    const stream = this.#stream;
    if (!stream) {
      if (this.#early.length >= 32) return false;
      this.#early.push(frame);
      return true;
    }
    // Requests and their retransmissions keep the connection alive: they are never dropped.
    if (turnKind(frame) === "channel" && stream.writableLength > MAX_WAITING) return false;
    stream.write(frame);
    return true;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#opening.abort();
    this.#stream?.destroy();
  }

  #opened(stream: Duplex, toAgent: (datagram: Uint8Array) => void): void {
    clearTimeout(this.#timer);
    if (this.#closed) {
      stream.destroy();
      return;
    }
    this.#stream = stream;
    stream.on("data", (bytes: Uint8Array) => {
      for (const datagram of this.#deframer.push(bytes)) toAgent(datagram);
      if (this.#deframer.broken) this.#gone("it sent something that is not TURN");
    });
    stream.on("error", (error) => this.#fail(error));
    stream.on("close", () => this.#gone(undefined));
    for (const frame of this.#early.splice(0)) stream.write(frame);
  }

  #fail(error: unknown): void {
    if (!this.#closed) this.#gone(error instanceof Error ? reasonOf(error) : String(error));
  }
}

/** A connection that carries frames; its owner destroys it. Rejects with what failed, or when `signal` is aborted. */
async function open({ server, insecure, proxy }: TurnBridgeOptions, signal: AbortSignal): Promise<Duplex> {
  const { host, port, transport } = server;
  const way = proxy
    ? await throughProxy(proxy, host, port)
    : await connected(connect({ host, port, noDelay: true }), signal);
  if (transport !== "tls") return way;
  // A name goes into SNI (RFC 6066); an address must not.
  const name = /[:]|^[\d.]+$/.test(host) ? {} : { servername: host };
  const tls = connectTls({ socket: way, host, ...name, rejectUnauthorized: insecure !== true });
  try {
    await once(tls, "secureConnect", { signal });
  } catch (error) {
    tls.destroy();
    way.destroy();
    throw error;
  }
  return tls;
}

async function connected(socket: Socket, signal: AbortSignal): Promise<Socket> {
  try {
    await once(socket, "connect", { signal });
  } catch (error) {
    socket.destroy();
    throw error;
  }
  return socket;
}

function reasonOf(error: Error): string {
  const code = "code" in error ? String(error.code) : "";
  if (error instanceof RoomtapError) return error.message;
  if (/CERT|ISSUER|ALTNAME|SELF_SIGNED/.test(code)) return `its certificate is not trusted (${code})`;
  if (code === "ECONNREFUSED") return "nothing listens there";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "its name is not known";
  return `the connection failed (${code || error.message})`;
}
