import type { Backoff } from "../../core/backoff.ts";
import type {
  IceCandidate,
  IceServer,
  JoinWish,
  LayerWish,
  Link,
  LinkPlan,
  RemoteMedia,
  RemoteTrack,
  RoomEvent,
  RtcHost,
} from "../../core/room.ts";
import { type ClientMessage, candidateInit, requested, type ServerMessage, sourceOf } from "./messages.ts";

/** Of one kind, in one stream. */
const MAX_TRACKS = 4;
/** Streams at a time: a server that offers more is up to something. */
const MAX_STREAMS = 500;

type Offer = Extract<ServerMessage, { t: "offer" }>;

/** What receiving needs. */
export type ReceiverOptions = {
  readonly host: RtcHost;
  readonly wish: JoinWish;
  readonly iceServers: () => readonly IceServer[];
  readonly send: (m: ClientMessage) => void;
  readonly emit: (e: RoomEvent) => void;
  /** Says that a stream's owner is there, where nobody did. */
  readonly introduce: (id: string, username: string) => void;
  /** A connection came up, or one that had its answer did not. */
  readonly onPath: (up: boolean) => void;
  readonly backoff: Backoff;
  /** A connection that is not up this long after the answer is made anew. */
  readonly setupMs: number;
};

/** One stream of somebody: a connection of its own. */
type Down = {
  readonly id: string;
  readonly offer: Offer;
  readonly link: Link;
  readonly plan: LinkPlan;
  /** By m-line. */
  readonly tracks: Map<string, RemoteTrack>;
  setup?: NodeJS.Timeout;
  answered: boolean;
  up: boolean;
};

/** The streams that the server offers to us. */
export class Receiver {
  readonly #o: ReceiverOptions;
  readonly #streams = new Map<string, Down>();
  #layer: LayerWish | undefined;
  #again: NodeJS.Timeout | undefined;

  constructor(o: ReceiverOptions) {
    this.#o = o;
    this.#layer = o.wish.layer;
  }

  /** Asks for everything; streams that are there already go on. */
  request(): void {
    this.#o.send({ type: "request", request: { "": requested(this.#layer) } });
  }

  /** Asks for another layer: of the stream that a track is of, or of all. */
  prefer(layer: LayerWish, trackId?: string): void {
    if (trackId === undefined) {
      this.#layer = layer;
      this.request();
      return;
    }
    for (const { id, tracks } of this.#streams.values())
      if ([...tracks.values()].some((t) => t.id === trackId))
        this.#o.send({ type: "requestStream", id, request: requested(layer) });
  }

  onOffer(m: Offer): void {
    if (m.replace !== undefined) this.onClose(m.replace);
    const down = this.#streams.get(m.id) ?? this.#open(m);
    if (down) void this.#accept(down, m.sdp);
    else this.#o.send({ type: "abort", id: m.id });
  }

  /** False: there is no such stream. */
  onCandidate(id: string, c: IceCandidate): boolean {
    const down = this.#streams.get(id);
    down?.link.addCandidate(c);
    return down !== undefined;
  }

  onClose(id: string): void {
    const down = this.#streams.get(id);
    if (!down) return;
    this.#streams.delete(id);
    clearTimeout(down.setup);
    for (const track of down.tracks.values()) this.#o.emit({ t: "track", op: "remove", track });
    down.link.close();
  }

  /** Lets go of the streams of somebody who left. */
  onGone(peerId: string): void {
    for (const { id, offer } of [...this.#streams.values()]) if (offer.source === peerId) this.onClose(id);
  }

  close(): void {
    clearTimeout(this.#again);
    this.#again = undefined;
    for (const id of [...this.#streams.keys()]) this.onClose(id);
  }

  /** A stream of which we want something; undefined: nothing of it. */
  #open(m: Offer): Down | undefined {
    const { host, wish, iceServers, introduce, onPath, emit } = this.#o;
    const count = (kind: "audio" | "video") => {
      const wanted = wish.wants?.({ name: m.username, kind, source: sourceOf(m.label, kind) }) ?? true;
      return wanted ? MAX_TRACKS : 0;
    };
    const receive = { audio: count("audio"), video: count("video") };
    if (receive.audio + receive.video === 0 || this.#streams.size >= MAX_STREAMS) return undefined;
    introduce(m.source, m.username);
    const link = host.link({ peerId: m.source, iceServers: iceServers() });
    const plan = { send: [], receive, data: false };
    const down: Down = { id: m.id, offer: m, link, plan, tracks: new Map(), answered: false, up: false };
    this.#streams.set(m.id, down);
    link.onState((state) => {
      if (this.#streams.get(m.id) !== down) return;
      if (state === "connected") {
        clearTimeout(down.setup);
        down.up = true;
        this.#o.backoff.reset();
        onPath(true);
        emit({ t: "link", op: "up", peerId: m.source });
      } else if (state === "failed" || state === "closed")
        this.#lost(down, down.up ? "it was lost" : "it did not come up", !down.up);
    });
    return down;
  }

  async #accept(down: Down, sdp: string): Promise<void> {
    const { host, send } = this.#o;
    try {
      const { answer, media } = await down.link.accept({ type: "offer", sdp }, down.plan);
      if (this.#streams.get(down.id) !== down) return;
      send({ type: "answer", id: down.id, sdp: answer.sdp });
      this.#reconcile(down, media);
      if (down.answered) return;
      down.answered = true;
      down.link.onCandidate((c) => send({ type: "ice", id: down.id, candidate: candidateInit(c) }));
      if (!down.up)
        down.setup = setTimeout(() => this.#lost(down, "it did not come up", true), this.#o.setupMs);
    } catch (error) {
      if (this.#streams.get(down.id) !== down) return;
      host.log("debug", `stream ${down.id}: ${error instanceof Error ? error.message : "it failed"}`);
      // The agent cannot restart ICE: the stream is asked for anew.
      this.#lost(down, "it is made anew");
    }
  }

  #reconcile(down: Down, media: readonly RemoteMedia[]): void {
    const { tracks, offer, link } = down;
    const sending = new Map(media.filter((m) => m.sending).map((m) => [m.mid, m]));
    for (const [mid, track] of [...tracks]) {
      if (sending.has(mid)) continue;
      tracks.delete(mid);
      this.#o.emit({ t: "track", op: "remove", track });
    }
    for (const { mid, kind } of sending.values()) {
      if (tracks.has(mid)) continue;
      const source = sourceOf(offer.label, kind);
      const track = { id: `${down.id}/${mid}`, peerId: offer.source, kind, source, linkId: link.id, mid };
      tracks.set(mid, track);
      this.#o.emit({ t: "track", op: "add", track });
    }
  }

  #lost(down: Down, detail: string, noPath = false): void {
    this.onClose(down.id);
    this.#o.send({ type: "abort", id: down.id });
    this.#o.emit({ t: "link", op: "down", peerId: down.offer.source, detail });
    this.#again ??= setTimeout(() => {
      this.#again = undefined;
      this.request();
    }, this.#o.backoff.next());
    // May end everything.
    if (noPath) this.#o.onPath(false);
  }
}
