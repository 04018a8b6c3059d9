import { RoomtapError } from "../../core/fault.ts";
import type { IceCandidate, Link, LocalTrack, RemoteMedia } from "../../core/room.ts";
import { type SdpMessage, Target } from "./messages.ts";
import { SERVER } from "./names.ts";
import { type ConnectionOptions, type Place, placesOf } from "./receiver.ts";
import { describe, trickle } from "./requests.ts";

/** More m-lines of a kind are no server's wish. */
const MANY = 1000;

/** What is offered. */
export type OffererOptions = ConnectionOptions & {
  readonly tracks: readonly LocalTrack[];
  /** Media come over it as well, in the dialect with a single connection. */
  readonly receive: boolean;
  /** Tracks arrive elsewhere than before, or no more. */
  readonly onPlaces: () => void;
  /** An answer does not fit, or our offer cannot be made. */
  readonly onFailed: (error: RoomtapError) => void;
};

/**
 * A connection on which we offer, one offer after the other: what we send, and where the server sends on it as well, as
 * many m-lines as it asks for.
 */
export class Offerer {
  readonly #o: OffererOptions;
  readonly #link: Link;
  readonly #receive: { audio: number; video: number };
  readonly #answered: Promise<readonly RemoteMedia[]>;
  #resolve: ((media: readonly RemoteMedia[]) => void) | undefined;
  #places: ReadonlyMap<string, Place> = new Map();
  #id = 0;
  /** An offer waits for its answer; `again`: another one is due then. */
  #pending: "no" | "yes" | "again" = "no";
  #closed = false;

  /** Throws what `RtcHost.link` throws. */
  constructor(o: OffererOptions) {
    this.#o = o;
    // A description needs an m-line. The first tracks that we take arrive there.
    const first = o.receive ? 1 : 0;
    this.#receive = { audio: first, video: first };
    this.#answered = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#link = o.host.link({ peerId: SERVER, iceServers: o.iceServers });
    this.#link.onState(o.onState);
    this.#link.onCandidate((c) => o.send(trickle(c, Target.publisher)));
  }

  get state(): Link["state"] {
    return this.#link.state;
  }

  /** By track SID. */
  get places(): ReadonlyMap<string, Place> {
    return this.#places;
  }

  /** Offers; resolves with what the first answer agreed to. */
  async offer(): Promise<readonly RemoteMedia[]> {
    void this.#negotiate();
    return this.#answered;
  }

  /** The server needs more m-lines to send on, or a new offer only. */
  require(more: { readonly audio: number; readonly video: number }): void {
    this.#receive.audio = Math.min(MANY, this.#receive.audio + more.audio);
    this.#receive.video = Math.min(MANY, this.#receive.video + more.video);
    void this.#negotiate();
  }

  /** The answer to our offer. */
  async onAnswer(m: SdpMessage): Promise<void> {
    // Older servers do not number their answers.
    if (this.#pending === "no" || (m.id !== 0 && m.id !== this.#id)) return;
    try {
      const media = await this.#link.answer({ type: "answer", sdp: m.sdp });
      const again = this.#pending === "again";
      this.#pending = "no";
      if (this.#o.receive) this.#places = placesOf(this.#link.id, media, m.tracks);
      this.#resolve?.(media);
      this.#o.onPlaces();
      if (again) void this.#negotiate();
    } catch (error) {
      this.#failed(error);
    }
  }

  addCandidate(c: IceCandidate): void {
    this.#link.addCandidate(c);
  }

  close(): void {
    this.#closed = true;
    this.#places = new Map();
    this.#link.close();
  }

  async #negotiate(): Promise<void> {
    if (this.#pending !== "no") {
      this.#pending = "again";
      return;
    }
    this.#pending = "yes";
    try {
      const offer = await this.#link.offer({
        send: this.#o.tracks,
        receive: { ...this.#receive },
        data: false,
      });
      this.#o.send(describe(offer, ++this.#id));
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    if (this.#closed) return;
    if (error instanceof RoomtapError) this.#o.onFailed(error);
    else {
      const words = error instanceof Error ? error.message : "negotiation failed";
      this.#o.onFailed(new RoomtapError("negotiation", words, { cause: error }));
    }
  }
}
