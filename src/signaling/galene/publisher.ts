import { randomUUID } from "node:crypto";
import type { Backoff } from "../../core/backoff.ts";
import type {
  IceCandidate,
  IceServer,
  Link,
  LocalTrack,
  RemoteMedia,
  RoomEvent,
  RtcHost,
} from "../../core/room.ts";
import { type ClientMessage, candidateInit } from "./messages.ts";

/** The server, as a participant who takes our streams. */
export const SERVER = "galene";

/** What publishing needs. */
export type PublisherOptions = {
  readonly host: RtcHost;
  /** Of one stream. */
  readonly tracks: readonly LocalTrack[];
  /** What the server's users know the stream as: `camera` or `screenshare`. */
  readonly label: string;
  readonly iceServers: () => readonly IceServer[];
  readonly send: (m: ClientMessage) => void;
  readonly emit: (e: RoomEvent) => void;
  /** A connection came up, or one that had its answer did not. */
  readonly onPath: (up: boolean) => void;
  /** The server does not take the stream. */
  readonly onRefused: () => void;
  readonly backoff: Backoff;
  /** A connection that is not up this long after the answer is made anew. */
  readonly setupMs: number;
};

/** One stream of ours: a connection of its own, made anew under another id when it breaks. */
export class Publisher {
  readonly #o: PublisherOptions;
  #id = "";
  #link: Link | undefined;
  #setup: NodeJS.Timeout | undefined;
  #again: NodeJS.Timeout | undefined;
  #up = false;

  constructor(o: PublisherOptions) {
    this.#o = o;
  }

  /** Offers the stream. Never rejects. */
  async start(): Promise<void> {
    const { host, tracks, label, iceServers, send } = this.#o;
    const replace = this.#id;
    const link = host.link({ peerId: SERVER, iceServers: iceServers() });
    const id = randomUUID();
    this.#link = link;
    this.#id = id;
    this.#up = false;
    link.onState((state) => {
      if (link !== this.#link) return;
      if (state === "connected") {
        clearTimeout(this.#setup);
        this.#up = true;
        this.#o.backoff.reset();
        this.#o.onPath(true);
        this.#o.emit({ t: "link", op: "up", peerId: SERVER });
      } else if (state === "failed" || state === "closed")
        this.#lost(this.#up ? "it was lost" : "it did not come up", !this.#up);
    });
    try {
      const plan = { send: tracks, receive: { audio: 0, video: 0 }, data: false };
      const { sdp } = await link.offer(plan);
      if (link !== this.#link) return;
      send({ type: "offer", id, label, sdp, ...(replace === "" ? {} : { replace }) });
      link.onCandidate((c) => send({ type: "ice", id, candidate: candidateInit(c) }));
    } catch {
      // It was closed meanwhile.
    }
  }

  /** False: it is no answer to a stream of ours. */
  onAnswer(id: string, sdp: string): boolean {
    const link = this.#link;
    if (!link || id !== this.#id) return false;
    link.answer({ type: "answer", sdp }).then(
      (media) => {
        if (link === this.#link) this.#answered(media);
      },
      (error: unknown) => {
        if (link === this.#link)
          this.#lost(error instanceof Error ? error.message : "its answer does not fit");
      },
    );
    return true;
  }

  /** False: it is of no stream of ours. */
  onCandidate(id: string, c: IceCandidate): boolean {
    if (id !== this.#id) return false;
    this.#link?.addCandidate(c);
    return true;
  }

  /** The server does not want the stream (any more). */
  onAbort(id: string): boolean {
    if (id !== this.#id) return false;
    this.close();
    this.#o.onRefused();
    return true;
  }

  /** The server asks for a new connection. */
  onRenegotiate(id: string): boolean {
    if (id !== this.#id) return false;
    this.#lost("the server asks for it anew");
    return true;
  }

  /** Takes the stream back. Idempotent. */
  close(): void {
    clearTimeout(this.#again);
    if (this.#id !== "") this.#o.send({ type: "close", id: this.#id });
    this.#id = "";
    this.#drop();
  }

  #answered(media: readonly RemoteMedia[]): void {
    const { tracks, host } = this.#o;
    const taken = new Set(media.filter((m) => m.taking).map((m) => m.kind));
    const left = tracks.filter((t) => !taken.has(t.kind)).map((t) => `${t.kind} (${t.codec})`);
    if (taken.size === 0) {
      this.close();
      this.#o.onRefused();
      return;
    }
    if (left.length > 0) host.log("warn", `the server takes no ${left.join(" and ")}: the rest is sent`);
    if (!this.#up) this.#setup = setTimeout(() => this.#lost("it did not come up", true), this.#o.setupMs);
  }

  #lost(detail: string, noPath = false): void {
    this.#drop();
    clearTimeout(this.#again);
    this.#again = setTimeout(() => void this.start(), this.#o.backoff.next());
    // May end everything.
    if (noPath) this.#o.onPath(false);
    this.#o.emit({ t: "link", op: "down", peerId: SERVER, detail });
  }

  #drop(): void {
    clearTimeout(this.#setup);
    const link = this.#link;
    this.#link = undefined;
    link?.close();
  }
}
