import { RoomtapError } from "../core/fault.ts";
import type {
  Description,
  IceCandidate,
  Link,
  LinkPlan,
  LinkState,
  RemoteMedia,
  SignalingState,
} from "../core/room.ts";
import { parseCandidate } from "../core/sdp/candidate.ts";
import type { SessionDescription, Setup, TransportParams } from "../core/sdp/description.ts";
import type { NegotiatedMedia } from "../core/sdp/negotiated.ts";
import type { DescriptionBody, Negotiator } from "../core/sdp/negotiator.ts";
import { parseSdp } from "../core/sdp/parse.ts";
import { withTransport } from "../core/sdp/raw-transport.ts";
import { writeSdp } from "../core/sdp/write.ts";
import type { DataOptions, Transport, TransportHandlers } from "./transport.ts";

/** Remote candidates kept before the remote description came; more than this is an attack. */
const MAX_QUEUED_CANDIDATES = 256;

/** What a link needs from its host. */
export type LinkOptions = {
  readonly id: string;
  /** See `PeerHostOptions`. */
  readonly gatherMs?: number;
  readonly negotiator: Negotiator;
  readonly sessionId: string;
  readonly open: (handlers: TransportHandlers) => Transport;
  /** Called with everything agreed, after each completed exchange. */
  readonly onMedia: (media: readonly NegotiatedMedia[]) => void;
  readonly onPacket: (packet: Uint8Array) => void;
  readonly onState: (state: LinkState) => void;
  readonly onFault: (fault: "candidate-rejected") => void;
  /** Before the transport goes: the last chance to send. */
  readonly onClosing: () => void;
};

/**
 * One peer connection: offer/answer in TypeScript over a transport that negotiates once. Negotiation calls
 * run one after the other.
 */
export class PeerLink implements Link {
  readonly id: string;
  readonly #o: LinkOptions;
  readonly #transport: Transport;
  readonly #candidates: string[] = [];
  readonly #queued: string[] = [];
  readonly #onCandidate: ((c: IceCandidate) => void)[] = [];
  readonly #onState: ((state: LinkState, cause?: string) => void)[] = [];
  #state: LinkState = "new";
  #queue: Promise<unknown> = Promise.resolve();
  #local: TransportParams | undefined;
  #remote: TransportParams | undefined;
  /** Our DTLS role once known; until then an offer says actpass. */
  #role: Setup | undefined;
  #version = 1;
  #lastBody: { type: "offer" | "answer"; body: DescriptionBody } | undefined;
  #gathered = false;
  #closing: Promise<void> | undefined;
  readonly #onGathered: (() => void)[] = [];
  /**
   * Our first offer has no answer yet. Somebody who knows our candidates and answers may be through with ICE and
   * in the middle of DTLS before the agent has taken the answer with the fingerprint in, and then it refuses the
   * certificate: so nobody learns them before.
   */
  #withholding = false;

  constructor(o: LinkOptions) {
    this.id = o.id;
    this.#o = o;
    this.#transport = o.open({
      onPacket: o.onPacket,
      onCandidate: (line) => this.#localCandidate(line),
      onGathered: () => this.#gatheringDone(),
      onState: (state) => this.#setState(state),
    });
  }

  get state(): LinkState {
    return this.#state;
  }

  get signalingState(): SignalingState {
    return this.#o.negotiator.pending ? "have-local-offer" : "stable";
  }

  /** Streams of the plan that nothing carries yet: a re-offer is due. */
  unsent(plan: LinkPlan): boolean {
    return this.#o.negotiator.unsent(plan).length > 0;
  }

  offer(plan: LinkPlan): Promise<Description> {
    return this.#serial(async () => {
      const body = this.#o.negotiator.createOffer(plan);
      this.#withholding = this.#remote === undefined;
      this.#local ??= await this.#transport.offer({ data: this.#o.negotiator.hasData });
      this.#mustBeOpen();
      return this.#describe("offer", body);
    });
  }

  answer(remote: Description): Promise<readonly RemoteMedia[]> {
    return this.#serial(async () => {
      const parsed = parse(remote);
      if (!this.#o.negotiator.applyAnswer(parsed)) {
        throw new RoomtapError("negotiation", "the answer does not fit our offer", {
          hint: "the other side answered something else than was asked: is it a WebRTC server at all?",
        });
      }
      this.#sameTransport(parsed.transport);
      if (!this.#remote) {
        this.#transport.complete(parsed.transport, dataOptions(parsed, this.#o.negotiator.hasData));
        this.#remote = parsed.transport;
        this.#role = parsed.transport.setup === "active" ? "passive" : "active";
        this.#flushCandidates();
        this.#releaseCandidates();
      }
      return this.#agreed();
    });
  }

  accept(
    remote: Description,
    plan: LinkPlan,
  ): Promise<{ answer: Description; media: readonly RemoteMedia[] }> {
    return this.#serial(async () => {
      const parsed = parse(remote);
      this.#sameTransport(parsed.transport);
      const body = this.#o.negotiator.acceptOffer(parsed, plan);
      if (!this.#remote) {
        this.#local = await this.#transport.accept(
          parsed.transport,
          dataOptions(parsed, this.#o.negotiator.hasData),
        );
        this.#mustBeOpen();
        this.#remote = parsed.transport;
        this.#role = parsed.transport.setup === "passive" ? "active" : "passive";
        this.#flushCandidates();
        this.#releaseCandidates();
      }
      const answer = this.#describe("answer", body);
      return { answer, media: this.#agreed() };
    });
  }

  addCandidate(c: IceCandidate): void {
    // An empty candidate is the end of candidates (RFC 8838 section 14): nothing to do for this agent.
    if (c.candidate === "") return;
    if (!parseCandidate(c.candidate)) {
      this.#o.onFault("candidate-rejected");
      return;
    }
    if (this.#remote) this.#addRemote(c.candidate);
    else if (this.#queued.length < MAX_QUEUED_CANDIDATES) this.#queued.push(c.candidate);
    else this.#o.onFault("candidate-rejected");
  }

  onCandidate(cb: (c: IceCandidate) => void): void {
    this.#onCandidate.push(cb);
    if (!this.#withholding) for (const line of this.#candidates) cb(this.#toCandidate(line));
  }

  onState(cb: (state: LinkState, cause?: string) => void): void {
    this.#onState.push(cb);
  }

  async localReady(capMs: number): Promise<Description> {
    this.#mustBeOpen();
    if (!this.#gathered) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(capMs, this.#o.gatherMs ?? capMs));
        this.#onGathered.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    this.#mustBeOpen();
    const last = this.#lastBody;
    if (!last) throw new RoomtapError("negotiation", "no local description yet");
    return this.#describe(last.type, last.body, true);
  }

  /** Sends one RTP or RTCP packet. False when it could not be sent. */
  send(packet: Uint8Array): boolean {
    return this.#transport.send(packet);
  }

  /** The candidate pair in use. */
  selectedPair(): { local: string; remote: string } | undefined {
    return this.#transport.selectedPair();
  }

  close(): void {
    void this.closed();
  }

  /** Closes and resolves when the native side has let go. Idempotent. */
  closed(): Promise<void> {
    this.#closing ??= (async () => {
      this.#o.onClosing();
      this.#stopWaiting();
      await this.#transport.close();
      this.#setState("closed");
    })();
    return this.#closing;
  }

  #describe(type: "offer" | "answer", body: DescriptionBody, complete = false): Description {
    const local = this.#local;
    if (!local) throw new RoomtapError("negotiation", "the transport has not started");
    this.#lastBody = { type, body };
    const setup: Setup = type === "offer" ? "actpass" : (this.#role ?? "passive");
    const candidates = this.#withholding && !complete ? [] : this.#candidates;
    const transport = { ...local, candidates, endOfCandidates: complete && this.#gathered };
    const d = withTransport(body, transport, {
      sessionId: this.#o.sessionId,
      version: this.#version++,
      setup,
    });
    return { type, sdp: writeSdp(d) };
  }

  #agreed(): RemoteMedia[] {
    const media = this.#o.negotiator.media;
    this.#o.onMedia(media);
    return media.map((m) => ({
      mid: m.mid,
      kind: m.kind,
      sending: m.receiving,
      taking: m.send !== undefined,
      ...(m.remoteMsid ? { msid: m.remoteMsid } : {}),
    }));
  }

  /** The agent cannot restart ICE: other credentials on the same link mean a new connection. */
  #sameTransport(t: TransportParams): void {
    if (this.#remote && (this.#remote.ufrag !== t.ufrag || this.#remote.fingerprint !== t.fingerprint)) {
      throw new RoomtapError("ice-restart", "the other side asks for a new connection");
    }
  }

  #flushCandidates(): void {
    for (const line of this.#queued.splice(0)) this.#addRemote(line);
  }

  #addRemote(line: string): void {
    if (!this.#transport.addCandidate(line)) this.#o.onFault("candidate-rejected");
  }

  #localCandidate(line: string): void {
    this.#candidates.push(line);
    if (this.#withholding) return;
    for (const cb of this.#onCandidate) cb(this.#toCandidate(line));
  }

  /** The other side may know where we are. */
  #releaseCandidates(): void {
    if (!this.#withholding) return;
    this.#withholding = false;
    for (const line of this.#candidates) for (const cb of this.#onCandidate) cb(this.#toCandidate(line));
  }

  #toCandidate(line: string): IceCandidate {
    // All candidates belong to the bundle's first m-line.
    const mid = this.#lastBody?.body.bundle[0];
    return { candidate: line, index: 0, ...(mid === undefined ? {} : { mid }) };
  }

  #gatheringDone(): void {
    this.#gathered = true;
    this.#stopWaiting();
  }

  #stopWaiting(): void {
    for (const cb of this.#onGathered.splice(0)) cb();
  }

  #mustBeOpen(): void {
    if (this.#closing !== undefined) throw new RoomtapError("negotiation", "the link is closed");
  }

  #setState(state: LinkState): void {
    if (this.#state === state || this.#state === "closed") return;
    this.#state = state;
    this.#o.onState(state);
    for (const cb of this.#onState) cb(state);
  }

  #serial<T>(fn: () => Promise<T>): Promise<T> {
    const run = this.#queue.then(() => {
      this.#mustBeOpen();
      return fn();
    });
    this.#queue = run.catch(() => undefined);
    return run;
  }
}

function parse(d: Description): SessionDescription {
  const parsed = parseSdp(d.sdp);
  if (!parsed) throw new RoomtapError("negotiation", "the remote description cannot be read");
  return parsed;
}

function dataOptions(remote: SessionDescription, data: boolean): DataOptions {
  const m = remote.media.find((s) => s.kind === "application" && s.port !== 0);
  return {
    data: data && m !== undefined,
    ...(m?.sctpPort === undefined ? {} : { sctpPort: m.sctpPort }),
    ...(m?.maxMessageSize === undefined ? {} : { maxMessageSize: m.maxMessageSize }),
  };
}
