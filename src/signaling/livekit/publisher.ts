import { RoomtapError } from "../../core/fault.ts";
import type { LocalTrack, RoomEvent, RtcHost } from "../../core/room.ts";
import type { ServerMessage } from "./messages.ts";
import type { Offerer } from "./offerer.ts";
import { addTrack, layerQualities } from "./requests.ts";

/** What the server gets to agree to our tracks, and to answer our offer. */
const ANSWER_MS = 10_000;
/** The server's word for something that a token does not allow. */
const NOT_ALLOWED = 2;

type Published = {
  readonly track: LocalTrack;
  /** Empty: the server has not agreed yet. */
  sid: string;
  muted: boolean;
  layers: readonly string[] | "all";
};

/** What we send over a connection: each track is announced, and once the server knows all of them, we offer. */
export class Publisher {
  readonly #o: PublisherOptions;
  readonly #offerer: Offerer;
  readonly #tracks: readonly Published[];
  readonly #ready: Promise<void>;
  #resolve: (() => void) | undefined;
  #reject: ((error: RoomtapError) => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #begun = false;

  constructor(o: PublisherOptions) {
    this.#o = o;
    this.#offerer = o.offerer;
    this.#tracks = o.tracks.map((track) => ({ track, sid: "", muted: false, layers: "all" }));
    this.#ready = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#ready.catch(() => undefined);
  }

  /**
   * Announces the tracks; resolves when the server has answered our offer of them. Rejects with a RoomtapError: `auth`,
   * `negotiation`, `signal-refused`.
   */
  async publish(): Promise<void> {
    const { shown } = this.#o;
    this.#timer = setTimeout(
      () =>
        this.giveUp(
          new RoomtapError("signal-refused", `${shown} does not agree to what we publish`, {
            hint: "does the token allow publishing, of these sources?",
          }),
        ),
      ANSWER_MS,
    );
    for (const { track } of this.#tracks) this.#o.send(addTrack(track));
    if (this.#tracks.length === 0) void this.#begin();
    await this.#ready;
  }

  /** Hears what concerns our tracks. */
  onMessage(m: ServerMessage): void {
    switch (m.t) {
      case "track-published":
        this.#onPublished(m.cid, m.track.sid);
        break;
      case "refused":
        this.#onRefused(m.reason, m.words);
        break;
      case "mute": {
        const published = this.#bySid(m.sid);
        if (!published) break;
        published.muted = m.muted;
        this.#tell(published);
        break;
      }
      case "wanted": {
        const published = this.#bySid(m.sid);
        const codec = m.codecs.find((c) => c.codec === "" || c.codec === published?.track.codec);
        if (!published || !codec) break;
        published.layers = layersOf(published.track, codec.qualities);
        this.#tell(published);
        break;
      }
      case "track-unpublished": {
        const published = this.#bySid(m.sid);
        if (!published) break;
        published.layers = [];
        this.#tell(published);
        break;
      }
      default:
    }
  }

  /** No answer comes any more, or none that fits; what flows goes on. */
  giveUp(error: RoomtapError): void {
    clearTimeout(this.#timer);
    this.#reject?.(error);
  }

  #bySid(sid: string): Published | undefined {
    return sid === "" ? undefined : this.#tracks.find((p) => p.sid === sid);
  }

  #tell(p: Published): void {
    this.#o.emit({ t: "wanted", trackId: p.track.id, layers: p.muted ? [] : p.layers });
  }

  #onPublished(cid: string, sid: string): void {
    const published = this.#tracks.find((p) => p.track.id === cid && p.sid === "");
    if (!published) return;
    published.sid = sid;
    if (!this.#tracks.some((p) => p.sid === "")) void this.#begin();
  }

  async #begin(): Promise<void> {
    if (this.#begun) return;
    this.#begun = true;
    const media = await this.#offerer.offer();
    const refusal = this.#refusal(new Set(media.filter((x) => x.taking).map((x) => x.kind)));
    clearTimeout(this.#timer);
    if (refusal) this.#reject?.(refusal);
    else this.#resolve?.();
  }

  #refusal(kinds: ReadonlySet<string>): RoomtapError | undefined {
    const { host, shown, tracks } = this.#o;
    const refused = tracks.filter((t) => !kinds.has(t.kind));
    const names = refused.map((t) => `${t.kind} (${t.codec})`).join(" and ");
    if (refused.length === 0) return undefined;
    if (refused.length === tracks.length)
      return new RoomtapError("negotiation", `${shown} takes no ${names}`, {
        hint: "the room may allow other codecs: try --video h264 or --video vp8",
      });
    host.log("warn", `${shown} takes no ${names}: the rest is sent`);
    return undefined;
  }

  #onRefused(reason: number, words: string): void {
    const { shown } = this.#o;
    const code = reason === NOT_ALLOWED ? "auth" : "signal-refused";
    const said = words === "" ? "" : `: ${words}`;
    this.giveUp(
      new RoomtapError(code, `${shown} does not let us publish${said}`, {
        hint: "does the token allow publishing, of these sources?",
      }),
    );
  }
}

/** What a publisher needs. */
export type PublisherOptions = {
  readonly host: RtcHost;
  readonly tracks: readonly LocalTrack[];
  readonly shown: string;
  /** Of these tracks. */
  readonly offerer: Offerer;
  readonly send: (octets: Uint8Array) => void;
  readonly emit: (e: RoomEvent) => void;
};

/** RIDs of a track that enabled qualities stand for. */
function layersOf(track: LocalTrack, qualities: readonly number[]): readonly string[] | "all" {
  const layers = track.layers ?? [];
  if (layers.length === 0) return qualities.length > 0 ? "all" : [];
  const own = layerQualities(track);
  return layers.filter((_, i) => qualities.includes(own[i] ?? -1));
}
