import { RoomtapError } from "../../core/fault.ts";
import type { Description, LayerWish, Link, LinkPlan, RemoteTrack, RtcHost } from "../../core/room.ts";
import type { JanusClient } from "./client.ts";
import { throwRefusal } from "./errors.ts";
import type { JanusMessage, RoomData, SubscribedStream } from "./messages.ts";
import type { JanusId } from "./target.ts";
import { trickleOut } from "./trickle-out.ts";

/** A stream to receive. */
export type WantedStream = {
  readonly feed: JanusId;
  readonly mid: string;
  readonly source: RemoteTrack["source"];
};

/** Position of a simulcast layer in Janus' terms. */
const SUBSTREAM: Readonly<Record<LayerWish, number>> = { low: 0, medium: 1, high: 2, auto: 2 };

const PLAN: LinkPlan = { send: [], receive: { audio: 1, video: 1 }, data: false };

/** What a subscription needs. */
export type SubscriptionOptions = {
  readonly client: JanusClient;
  readonly host: RtcHost;
  readonly room: JanusId;
  readonly pin: string | undefined;
  readonly token: string | undefined;
  /** Ties it to our seat in the room. */
  readonly privateId: number | undefined;
  readonly shown: string;
  /** Which layer is wanted of a track that may have several; undefined: what the server gives. */
  readonly layerOf: (trackId: string) => LayerWish | undefined;
  readonly onTrack: (op: "add" | "remove", track: RemoteTrack) => void;
  readonly onUp: () => void;
  /** It is of no use any more: the connection broke, or the server would not go on. */
  readonly onBroken: (error: RoomtapError) => void;
};

/** Identity of a stream in the room. */
export function streamKey(feed: JanusId, mid: string): string {
  return `${feed}/${mid}`;
}

/**
 * One handle that receives any number of streams over one connection. The server offers, always; m-lines that lost their
 * stream are used again for another. One exchange at a time: what is wanted meanwhile is asked for in the next.
 */
export class Subscription {
  readonly #o: SubscriptionOptions;
  readonly #link: Link;
  #handle: number | undefined;
  #wanted = new Map<string, WantedStream>();
  /** What was asked for, and not given up since. */
  #asked = new Map<string, WantedStream>();
  /** Tracks by m-line. */
  readonly #tracks = new Map<string, RemoteTrack>();
  #queue: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(o: SubscriptionOptions) {
    this.#o = o;
    this.#link = o.host.link({ peerId: "janus", iceServers: [] });
    this.#link.onState((state) => {
      if (state === "connected") o.onUp();
      if (state === "failed" || state === "closed")
        this.#broken(new RoomtapError("ice-failed", `no media path to ${o.shown}`));
    });
  }

  /** From now on exactly these streams are wanted. */
  want(streams: readonly WantedStream[]): void {
    this.#wanted = new Map(streams.map((s) => [streamKey(s.feed, s.mid), s]));
    this.#serial(() => this.#reconcile());
  }

  /** Other layers are wanted than before. */
  layersChanged(): void {
    this.#serial(() => this.#configure());
  }

  /** What the server says of this handle by itself. False: it is not about this one. */
  message(m: JanusMessage): boolean {
    if (m.sender === undefined || m.sender !== this.#handle) return false;
    if (m.candidate) this.#link.addCandidate(m.candidate);
    else if (m.type === "hangup")
      this.#broken(
        new RoomtapError("peer-lost", `${this.#o.shown} hung up${m.reason ? `: ${m.reason}` : ""}`),
      );
    else if (m.type === "detached")
      this.#broken(new RoomtapError("peer-lost", `${this.#o.shown} took our subscription away`));
    else if (m.data) {
      const { data, jsep } = m;
      this.#serial(() => this.#take(data, jsep));
    }
    return true;
  }

  /** The signalling was away, and is back: what was not answered may have been lost. */
  signallingBack(): void {
    this.#serial(() => this.#reconcile());
  }

  /** Lets go of everything; tracks are removed. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const track of this.#tracks.values()) this.#o.onTrack("remove", track);
    this.#tracks.clear();
    this.#link.close();
    if (this.#handle !== undefined) await this.#o.client.detach(this.#handle);
  }

  async #reconcile(): Promise<void> {
    const { client, room, pin, token, privateId } = this.#o;
    const added = [...this.#wanted].filter(([key]) => !this.#asked.has(key)).map(([, s]) => s);
    const removed = [...this.#asked].filter(([key]) => !this.#wanted.has(key)).map(([, s]) => s);
    if (added.length === 0 && removed.length === 0) return;
    const list = (streams: readonly WantedStream[]) => streams.map(({ feed, mid }) => ({ feed, mid }));
    if (this.#handle === undefined) {
      if (added.length === 0) return;
      this.#handle = await client.attach();
      const body = {
        ...{ request: "join", ptype: "subscriber", room, streams: list(added) },
        ...(pin === undefined ? {} : { pin }),
        ...(token === undefined ? {} : { token }),
        ...(privateId === undefined ? {} : { private_id: privateId }),
      };
      await this.#ask(body, added, []);
      return;
    }
    // An empty list is an error to Janus.
    await this.#ask(
      {
        request: "update",
        ...(added.length === 0 ? {} : { subscribe: list(added) }),
        ...(removed.length === 0 ? {} : { unsubscribe: list(removed) }),
      },
      added,
      removed,
    );
  }

  async #ask(body: object, added: readonly WantedStream[], removed: readonly WantedStream[]): Promise<void> {
    const { client, shown } = this.#o;
    if (this.#handle === undefined) return;
    for (const s of added) this.#asked.set(streamKey(s.feed, s.mid), s);
    for (const s of removed) this.#asked.delete(streamKey(s.feed, s.mid));
    const { data, jsep } = await client.message(this.#handle, body);
    // Somebody left between their notice and ours: the room tells of it, too.
    if (data.error && added.length > 0 && this.#tracks.size > 0) {
      for (const s of added) this.#asked.delete(streamKey(s.feed, s.mid));
      this.#o.host.log("debug", `${shown}: ${data.error.text}`);
      return;
    }
    throwRefusal(data, shown);
    await this.#take(data, jsep);
  }

  /** What the m-lines carry now; with an offer, it is answered first. */
  async #take(data: RoomData, jsep: Description | undefined): Promise<void> {
    const { client, shown } = this.#o;
    if (this.#closed || this.#handle === undefined) return;
    // What is gone goes before its m-line may be another's.
    if (data.streams) this.#drop(data.streams);
    if (jsep?.type === "offer") {
      const first = this.#link.state === "new";
      const { answer } = await this.#link.accept(jsep, PLAN);
      const { data: started } = await client.message(this.#handle, { request: "start" }, answer);
      throwRefusal(started, shown);
      if (first) trickleOut(this.#link, client, this.#handle);
    }
    if (data.streams) this.#add(data.streams);
    await this.#configure();
  }

  #drop(streams: readonly SubscribedStream[]): void {
    for (const [mid, track] of this.#tracks) {
      const now = streams.find((s) => s.mid === mid);
      if (now?.active && now.feed !== undefined && streamKey(now.feed, now.feedMid ?? "") === track.id)
        continue;
      this.#tracks.delete(mid);
      this.#asked.delete(track.id);
      this.#o.onTrack("remove", track);
    }
  }

  #add(streams: readonly SubscribedStream[]): void {
    for (const s of streams) {
      if (!s.active || s.feed === undefined || this.#tracks.has(s.mid)) continue;
      const id = streamKey(s.feed, s.feedMid ?? "");
      const source = this.#asked.get(id)?.source;
      if (source === undefined) continue;
      const track: RemoteTrack = {
        ...{ id, peerId: String(s.feed), kind: s.kind, source },
        ...{ linkId: this.#link.id, mid: s.mid },
      };
      this.#tracks.set(s.mid, track);
      this.#o.onTrack("add", track);
    }
  }

  async #configure(): Promise<void> {
    const streams = [...this.#tracks].flatMap(([mid, t]) => {
      const layer = t.kind === "video" ? this.#o.layerOf(t.id) : undefined;
      return layer === undefined ? [] : [{ mid, substream: SUBSTREAM[layer] }];
    });
    if (this.#handle === undefined || streams.length === 0) return;
    const { data } = await this.#o.client.message(this.#handle, { request: "configure", streams });
    throwRefusal(data, this.#o.shown);
  }

  #serial(task: () => Promise<void>): void {
    this.#queue = this.#queue.then(async () => {
      if (this.#closed) return;
      try {
        await task();
      } catch (error) {
        if (error instanceof RoomtapError) this.#broken(error);
        else throw error;
      }
    });
  }

  #broken(error: RoomtapError): void {
    if (!this.#closed) this.#o.onBroken(error);
  }
}
