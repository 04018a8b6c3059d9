import { Backoff } from "../../core/backoff.ts";
import { RoomtapError } from "../../core/fault.ts";
import type {
  Description,
  IceServer,
  Link,
  LinkPlan,
  Peer,
  RemoteMedia,
  RemoteTrack,
  RoomEvent,
  RtcHost,
} from "../../core/room.ts";
import {
  type ByeSignal,
  type CandidateSignal,
  isPolite,
  type MediaSource,
  type SdpSignal,
  type SignalData,
} from "./messages.ts";

/** A connection that is not up after this time is given up and made anew. */
const SETUP_MS = 15_000;
/**
 * Where one was up before, in less than a quarter of it, this is enough: checks on a path that is cut come more and
 * more rarely, and a new attempt finds out sooner that it is whole again.
 */
const SETUP_AGAIN_MS = 4000;
/** After so many attempts in a row the path may have become another, slower one. */
const QUICK_ATTEMPTS = 10;
/** The side that did not offer waits this much longer before it takes the retry into its own hands. */
const ANSWERER_PATIENCE_MS = 5000;

/** A peer whose connection ended may be leaving; the room says so within this time. */
const LEAVE_MS = 300;

/** What a mesh peer needs around it. */
export type MeshPeerOptions = {
  readonly host: RtcHost;
  readonly self: string;
  readonly peer: Peer;
  readonly plan: LinkPlan;
  readonly iceServers: () => readonly IceServer[];
  readonly random: () => number;
  readonly send: (data: SignalData) => void;
  /** What is sent now reaches the server. */
  readonly signalling: () => boolean;
  readonly emit: (event: RoomEvent) => void;
};

/**
 * The connection to one other participant: perfect negotiation (W3C WebRTC section 10.7) over link names, a
 * new connection after a failure.
 */
export class MeshPeer {
  readonly #o: MeshPeerOptions;
  readonly #polite: boolean;
  readonly #backoff: Backoff;
  readonly #tracks = new Map<string, RemoteTrack>();
  #link: Link | undefined;
  #name: string | undefined;
  #offered = false;
  #described = false;
  #makingOffer = false;
  /** Our offer has its answer, though it is not applied yet: an offer that follows on it collides with nothing. */
  #settingAnswer = false;
  #closed = false;
  /** The peer said good-bye to the connection: it makes the next one, if any. */
  #parted = false;
  #openedAt = 0;
  /** How long the last connection took. */
  #tookMs: number | undefined;
  #retry: NodeJS.Timeout | undefined;
  #setup: NodeJS.Timeout | undefined;

  constructor(o: MeshPeerOptions) {
    this.#o = o;
    this.#polite = isPolite(o.self, o.peer.id);
    this.#backoff = new Backoff({ baseMs: 300, capMs: 2000, random: o.random });
  }

  get peer(): Peer {
    return this.#o.peer;
  }

  /** Media can flow. */
  get connected(): boolean {
    return this.#link?.state === "connected";
  }

  /** The signalling is back: a connection that waits to be made is made now. */
  revive(): void {
    if (!this.#link && !this.#closed && !this.#parted) this.connect();
  }

  /** Offers a new connection. */
  connect(): void {
    const name = `${this.#o.self.slice(0, 8)}-${Math.floor(this.#o.random() * 0xffff_ffff).toString(36)}`;
    try {
      this.#open(name, true);
    } catch (error) {
      // The server's ICE servers may be none that we can read: no reason to fail the room.
      this.#down(error instanceof Error ? error.message : "no connection can be made");
      return;
    }
    void this.#offer();
  }

  /** Handles what the peer sent. */
  async onSignal(data: SignalData): Promise<void> {
    if (this.#closed) return;
    try {
      if ("bye" in data) this.#onBye(data);
      else if ("candidate" in data) this.#onCandidate(data);
      else if (data.sdp.type === "offer") await this.#onOffer(data);
      else await this.#onAnswer(data);
    } catch (error) {
      if (this.#closed) return;
      this.#o.host.fault("signal-unexpected");
      this.#o.host.log(
        "warn",
        `negotiation with a peer failed: ${error instanceof Error ? error.message : "unknown"}`,
      );
    }
  }

  /** Says good-bye and closes. Idempotent. */
  close(sayBye: boolean): void {
    if (this.#closed) return;
    this.#closed = true;
    if (sayBye && this.#name !== undefined) this.#o.send({ link: this.#name, bye: true });
    this.#drop();
  }

  #open(name: string, offered: boolean): Link {
    this.#drop();
    this.#offered = offered;
    this.#parted = false;
    this.#openedAt = performance.now();
    const link = this.#o.host.link({ peerId: this.#o.peer.id, iceServers: this.#o.iceServers() });
    this.#link = link;
    this.#name = name;
    this.#described = false;
    this.#makingOffer = false;
    this.#settingAnswer = false;
    link.onCandidate((c) => {
      if (this.#link !== link) return;
      const candidate = {
        candidate: c.candidate,
        ...(c.mid === undefined ? {} : { sdpMid: c.mid }),
        ...(c.index === undefined ? {} : { sdpMLineIndex: c.index }),
      };
      this.#o.send({ link: name, candidate });
    });
    link.onState((state) => {
      if (this.#link !== link) return;
      if (state === "connected") this.#up();
      else if (state === "failed") this.#down("the connection was lost");
    });
    const patience = this.#patience();
    this.#setup = setTimeout(() => this.#down(`no connection within ${patience / 1000} s`), patience);
    return link;
  }

  async #offer(): Promise<void> {
    const link = this.#link;
    if (!link || this.#closed) return;
    this.#makingOffer = true;
    try {
      const offer = await link.offer(this.#o.plan);
      if (this.#link === link) this.#sendDescription(offer);
    } catch (error) {
      if (this.#link === link && !this.#closed)
        this.#down(error instanceof Error ? error.message : "offer failed");
    } finally {
      if (this.#link === link) this.#makingOffer = false;
    }
  }

  async #onOffer(data: SdpSignal): Promise<void> {
    const current = this.#link;
    const sameLink = current !== undefined && (data.link === undefined || data.link === this.#name);
    let link: Link;
    if (current && sameLink) {
      const stable = current.signalingState === "stable" || this.#settingAnswer;
      const collision = this.#makingOffer || !stable;
      if (collision && !this.#polite) return;
      link = current;
    } else {
      // Two first offers that crossed: the one of the smaller id wins, the other side answers it.
      if (current && !this.#described && this.#offered && !this.#polite) return;
      link = this.#open(data.link ?? `${this.#o.peer.id}-unnamed`, false);
    }
    let result: Awaited<ReturnType<Link["accept"]>>;
    try {
      result = await link.accept(data.sdp, this.#o.plan);
    } catch (error) {
      // Replaced by a newer offer, or closed, while we answered.
      if (this.#link !== link) return;
      if (!(error instanceof RoomtapError) || error.code !== "ice-restart") throw error;
      link = this.#open(data.link ?? `${this.#o.peer.id}-unnamed`, false);
      result = await link.accept(data.sdp, this.#o.plan);
    }
    if (this.#link !== link) return;
    this.#described = true;
    this.#sendDescription(result.answer);
    this.#follow(link, result.media, data.media ?? {});
    if (link.unsent(this.#o.plan)) await this.#offer();
  }

  async #onAnswer(data: SdpSignal): Promise<void> {
    const link = this.#link;
    if (!link || !this.#current(data) || link.signalingState !== "have-local-offer") return;
    let media: readonly RemoteMedia[];
    this.#settingAnswer = true;
    try {
      media = await link.answer(data.sdp);
    } catch (error) {
      if (this.#link !== link) return;
      throw error;
    } finally {
      if (this.#link === link) this.#settingAnswer = false;
    }
    if (this.#link !== link) return;
    this.#described = true;
    this.#follow(link, media, data.media ?? {});
  }

  #onCandidate(data: CandidateSignal): void {
    if (!this.#link || !this.#current(data)) return;
    const c = data.candidate;
    this.#link.addCandidate({
      candidate: c.candidate,
      ...(c.sdpMid === undefined ? {} : { mid: c.sdpMid }),
      ...(c.sdpMLineIndex === undefined ? {} : { index: c.sdpMLineIndex }),
    });
  }

  #onBye(data: ByeSignal): void {
    if (!this.#current(data)) return;
    this.#drop();
    this.#parted = true;
  }

  #patience(): number {
    const quick = this.#tookMs !== undefined && this.#tookMs < SETUP_AGAIN_MS / 4;
    return quick && this.#backoff.attempt <= QUICK_ATTEMPTS ? SETUP_AGAIN_MS : SETUP_MS;
  }

  #current(data: SignalData): boolean {
    return data.link === undefined || data.link === this.#name;
  }

  #sendDescription(d: Description): void {
    const name = this.#name;
    if (name === undefined) return;
    const media = sourcesByMid(d, this.#o.plan);
    this.#o.send({ link: name, sdp: d, ...(media ? { media } : {}) });
  }

  /** Tells which remote tracks came and went with a description. */
  #follow(link: Link, media: readonly RemoteMedia[], sources: Readonly<Record<string, MediaSource>>): void {
    const seen = new Set<string>();
    const used = new Map<string, number>();
    for (const m of media) {
      if (!m.sending) continue;
      seen.add(m.mid);
      const source = sources[m.mid] ?? (m.kind === "audio" ? "microphone" : "camera");
      const n = (used.get(source) ?? 0) + 1;
      used.set(source, n);
      if (this.#tracks.has(m.mid)) continue;
      const id = `${this.#o.peer.id}:${source}${n === 1 ? "" : `-${n}`}`;
      const track: RemoteTrack = {
        id,
        peerId: this.#o.peer.id,
        kind: m.kind,
        source,
        linkId: link.id,
        mid: m.mid,
      };
      this.#tracks.set(m.mid, track);
      this.#o.emit({ t: "track", op: "add", track });
    }
    for (const [mid, track] of this.#tracks) {
      if (!seen.has(mid)) this.#removeTrack(mid, track);
    }
  }

  #removeTrack(mid: string, track: RemoteTrack): void {
    this.#tracks.delete(mid);
    this.#o.emit({ t: "track", op: "remove", track });
  }

  #up(): void {
    clearTimeout(this.#setup);
    this.#backoff.reset();
    this.#tookMs = performance.now() - this.#openedAt;
    this.#o.emit({ t: "link", op: "up", peerId: this.#o.peer.id });
  }

  #down(detail: string): void {
    if (this.#closed) return;
    const offered = this.#offered;
    this.#drop();
    // Someone who leaves closes the connection first: it is only worth a word when they are still there.
    const word = setTimeout(() => {
      if (!this.#closed) this.#o.emit({ t: "link", op: "down", peerId: this.#o.peer.id, detail });
    }, LEAVE_MS);
    word.unref();
    const wait = this.#backoff.next() + (offered ? 0 : ANSWERER_PATIENCE_MS);
    this.#retry = setTimeout(() => {
      // Offers that pile up while nobody hears them are of no use: `revive` makes one that is.
      if (!this.#link && !this.#closed && this.#o.signalling()) this.connect();
    }, wait);
  }

  #drop(): void {
    clearTimeout(this.#setup);
    clearTimeout(this.#retry);
    const link = this.#link;
    this.#link = undefined;
    this.#name = undefined;
    for (const [mid, track] of this.#tracks) this.#removeTrack(mid, track);
    link?.close();
  }
}

/** Names, by mid, what we send: read back from the msid lines that we wrote. */
function sourcesByMid(d: Description, plan: LinkPlan): Record<string, MediaSource> | undefined {
  if (plan.send.length === 0) return undefined;
  const out: Record<string, MediaSource> = {};
  let mid = "";
  for (const line of d.sdp.split("\r\n")) {
    if (line.startsWith("a=mid:")) mid = line.slice(6);
    const track = /^a=msid:\S+ (\S+)/.exec(line)?.[1];
    const source = plan.send.find((t) => t.id === track)?.source;
    if (source !== undefined && source !== "unknown") out[mid] = source;
  }
  return out;
}
