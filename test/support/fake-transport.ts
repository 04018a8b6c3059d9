import { type Random, seededRandom } from "../../src/core/random.ts";
import type { TransportParams } from "../../src/core/sdp/description.ts";
import { type Millis, millis } from "../../src/core/time.ts";
import type {
  DataOptions,
  Transport,
  TransportFactory,
  TransportHandlers,
  TransportOptions,
  TransportState,
} from "../../src/peer/transport.ts";
import { Netem, type NetworkProfile } from "./netem.ts";

/** How a network of fake transports behaves. */
export type FakeNetworkOptions = {
  readonly seed?: number;
  /** What happens to packets; absent: they arrive in order, in a later task. */
  readonly profile?: NetworkProfile;
  /** Local candidates of every transport. */
  readonly candidates?: readonly string[];
  /** Gathering does not end by itself: `gathered()` of the transport ends it. */
  readonly holdGathering?: boolean;
  /** Whether a transport may connect at all, asked once both sides are described. */
  readonly connects?: (name: string) => boolean;
};

/**
 * A network in memory: transports made by its factories find each other by the ICE user names that travel in the
 * descriptions, whatever carries those. What a real agent would refuse or crash on is recorded in `misuse`.
 */
export class FakeNetwork {
  readonly transports: FakeTransport[] = [];
  readonly misuse: string[] = [];
  readonly o: FakeNetworkOptions;
  readonly random: Random;
  readonly #byUfrag = new Map<string, FakeTransport>();
  #serial = 0;

  constructor(o: FakeNetworkOptions = {}) {
    this.o = o;
    this.random = seededRandom(o.seed ?? 1);
  }

  /** Makes transports for one host. */
  readonly factory: TransportFactory = (options, handlers) => {
    const transport = new FakeTransport(this, options, handlers, ++this.#serial);
    this.transports.push(transport);
    this.#byUfrag.set(transport.params.ufrag, transport);
    return transport;
  };

  /** Transports that are not closed. */
  get open(): FakeTransport[] {
    return this.transports.filter((t) => t.state !== "closed");
  }

  find(ufrag: string): FakeTransport | undefined {
    return this.#byUfrag.get(ufrag);
  }

  wrong(what: string): void {
    this.misuse.push(what);
  }
}

/** One end. Connects as soon as each of two ends has been given the other's parameters. */
export class FakeTransport implements Transport {
  readonly name: string;
  readonly params: TransportParams;
  /** Calls in order, for tests that count them. */
  readonly calls: string[] = [];
  /** Local candidates found. */
  found = 0;
  /** Remote candidates taken. */
  readonly remoteCandidates: string[] = [];
  /** Packets handed to `send` that went out. */
  readonly sent: Uint8Array[] = [];
  /** Candidate lines with this word in them are refused by the agent. */
  refuses = "refuse-me";
  state: TransportState = "new";
  readonly #net: FakeNetwork;
  readonly #handlers: TransportHandlers;
  readonly #netem: Netem<Uint8Array> | undefined;
  #role: "offer" | "accept" | undefined;
  #remote: TransportParams | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closing = false;
  #closed: Promise<void> | undefined;

  constructor(net: FakeNetwork, o: TransportOptions, handlers: TransportHandlers, serial: number) {
    this.#net = net;
    this.#handlers = handlers;
    this.name = o.name;
    this.#netem = net.o.profile && new Netem(net.o.profile, net.random);
    const hex = serial.toString(16).toUpperCase().padStart(2, "0");
    this.params = {
      ufrag: `ufrag${serial}`,
      pwd: `password-of-transport-${String(serial).padStart(4, "0")}`,
      fingerprint: `sha-256 ${Array.from({ length: 32 }, () => hex).join(":")}`,
      setup: "actpass",
      iceLite: false,
      candidates: [],
      endOfCandidates: false,
    };
  }

  async offer(o: DataOptions): Promise<TransportParams> {
    this.calls.push(`offer data=${o.data}`);
    if (this.#role) this.#net.wrong("second negotiation: offer");
    this.#open("offer");
    this.#role = "offer";
    await later();
    this.#gather();
    return this.params;
  }

  complete(remote: TransportParams, o: DataOptions): void {
    this.calls.push(`complete data=${o.data}`);
    if (this.#role !== "offer" || this.#remote) this.#net.wrong("second negotiation: complete");
    this.#open("complete");
    this.#meet(remote);
  }

  async accept(remote: TransportParams, o: DataOptions): Promise<TransportParams> {
    this.calls.push(`accept data=${o.data}`);
    if (this.#role === "accept" || this.#remote) this.#net.wrong("second negotiation: accept");
    this.#open("accept");
    const rolledBack = this.#role === "offer";
    this.#role = "accept";
    await later();
    this.#meet(remote);
    if (!rolledBack) this.#gather();
    return { ...this.params, setup: remote.setup === "passive" ? "active" : "passive" };
  }

  addCandidate(line: string): boolean {
    if (!this.#remote) this.#net.wrong("candidate before the remote description");
    if (this.#closing || line.includes(this.refuses)) return false;
    this.remoteCandidates.push(line);
    return true;
  }

  send(packet: Uint8Array): boolean {
    if (this.#closing) this.#net.wrong("send after close");
    const peer = this.#peer();
    if (this.state !== "connected" || !peer) return false;
    // The wire copies: what the sender does with its memory afterwards is its own affair.
    const copy = packet.slice();
    this.sent.push(copy);
    if (this.#netem) {
      this.#netem.push({ item: copy, bytes: copy.length }, now());
      this.#pump();
    } else setImmediate(() => peer.deliver(copy));
    return true;
  }

  /** A packet from the other end; nothing arrives at one that is not connected. */
  deliver(packet: Uint8Array): void {
    if (this.state === "connected") this.#handlers.onPacket(packet);
  }

  selectedPair(): { local: string; remote: string } | undefined {
    const peer = this.#peer();
    return this.state === "connected" && peer ? { local: this.name, remote: peer.name } : undefined;
  }

  close(): Promise<void> {
    this.#closing = true;
    this.#closed ??= (async () => {
      this.calls.push("close");
      clearTimeout(this.#timer);
      const peer = this.#peer();
      await later();
      this.#set("closed");
      // SCTP and DTLS tell the other end, which sees a connection that went away.
      if (peer?.state === "connected") peer.fail();
    })();
    return this.#closed;
  }

  /** The network between the two ends is gone, as this end sees it. */
  fail(): void {
    this.#set("failed");
  }

  /** Ends gathering, when the network holds it. */
  gathered(): void {
    this.#handlers.onGathered();
  }

  /** A candidate that was found later. */
  discover(line: string): void {
    this.found++;
    this.#handlers.onCandidate(line);
  }

  /** Takes the other end's parameters, and connects when that end has ours. */
  #meet(remote: TransportParams): void {
    this.#remote = remote;
    for (const line of remote.candidates) this.addCandidate(line);
    this.#set("connecting");
    const peer = this.#peer();
    if (!peer) return;
    setImmediate(() => {
      if (this.state !== "connecting" || peer.state !== "connecting") return;
      const connects = this.#net.o.connects ?? (() => true);
      for (const end of [this, peer] as const) {
        if (connects(end.name)) end.#set("connected");
        else end.#set("failed");
      }
    });
  }

  #peer(): FakeTransport | undefined {
    const peer = this.#remote && this.#net.find(this.#remote.ufrag);
    return peer && peer.#remote?.ufrag === this.params.ufrag ? peer : undefined;
  }

  #open(what: string): void {
    if (this.#closing) this.#net.wrong(`${what} after close`);
  }

  #gather(): void {
    setImmediate(() => {
      if (this.#closing) return;
      for (const line of this.#net.o.candidates ?? [hostCandidate(Number(this.params.ufrag.slice(5)))])
        this.discover(line);
      if (!this.#net.o.holdGathering) this.#handlers.onGathered();
    });
  }

  #set(state: TransportState): void {
    if (this.state === state || this.state === "closed" || (this.state === "failed" && state !== "closed"))
      return;
    this.state = state;
    this.#handlers.onState(state);
  }

  #pump(): void {
    const netem = this.#netem;
    const peer = this.#peer();
    if (!netem || !peer) return;
    clearTimeout(this.#timer);
    for (let p = netem.poll(now()); p !== undefined; p = netem.poll(now())) peer.deliver(p);
    if (netem.deadline !== undefined)
      this.#timer = setTimeout(() => this.#pump(), Math.max(0, netem.deadline - now()));
  }
}

/** A host candidate line. */
export function hostCandidate(n: number): string {
  return `candidate:${n} 1 UDP 2122260223 192.0.2.${n} ${50_000 + n} typ host`;
}

function later(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function now(): Millis {
  return millis(performance.now());
}
