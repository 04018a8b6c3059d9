import { RoomtapError } from "../../core/fault.ts";
import type { IceCandidate, Link, LocalTrack, RoomEvent } from "../../core/room.ts";
import { type SdpMessage, type ServerMessage, Target } from "./messages.ts";
import { SERVER } from "./names.ts";
import type { ConnectionOptions } from "./receiver.ts";
import { addTrack, describe, layerQualities, trickle } from "./requests.ts";

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

/** The connection on which we send: each track is announced, and once the server knows all of them, we offer. */
export class Publisher {
  readonly #o: PublisherOptions;
  readonly #link: Link;
  readonly #tracks: readonly Published[];
  readonly #ready: Promise<void>;
  #step: (() => void) | undefined;
  #fail: ((error: RoomtapError) => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #answered = false;

  /** Throws what `RtcHost.link` throws. */
  constructor(o: PublisherOptions) {
    this.#o = o;
    this.#tracks = o.tracks.map((track) => ({ track, sid: "", muted: false, layers: "all" }));
    this.#link = o.host.link({ peerId: SERVER, iceServers: o.iceServers });
    this.#link.onState(o.onState);
    this.#link.onCandidate((c) => o.send(trickle(c, Target.publisher)));
    this.#ready = new Promise((resolve, reject) => {
      this.#step = resolve;
      this.#fail = reject;
    });
    this.#ready.catch(() => undefined);
  }

  get state(): Link["state"] {
    return this.#link.state;
  }

  /**
   * Announces the tracks; resolves when the server has answered our offer of them. Rejects with a RoomtapError: `auth`,
   * `negotiation`, `signal-refused`.
   */
  async publish(): Promise<void> {
    const { shown } = this.#o;
    this.#timer = setTimeout(
      () =>
        this.#fail?.(
          new RoomtapError("signal-refused", `${shown} does not agree to what we publish`, {
            hint: "does the token allow publishing, of these sources?",
          }),
        ),
      ANSWER_MS,
    );
    for (const { track } of this.#tracks) this.#o.send(addTrack(track));
    await this.#ready;
  }

  /** Hears what concerns our tracks. */
  onMessage(m: ServerMessage): void {
    switch (m.t) {
      case "track-published":
        void this.#onPublished(m.cid, m.track.sid);
        break;
      case "answer":
        void this.#onAnswer(m);
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

  addCandidate(c: IceCandidate): void {
    this.#link.addCandidate(c);
  }

  /** No answer comes any more; what flows goes on. */
  giveUp(error: RoomtapError): void {
    clearTimeout(this.#timer);
    this.#fail?.(error);
  }

  close(): void {
    this.giveUp(new RoomtapError("signal-closed", "the session ended"));
    this.#link.close();
  }

  #bySid(sid: string): Published | undefined {
    return sid === "" ? undefined : this.#tracks.find((p) => p.sid === sid);
  }

  #tell(p: Published): void {
    this.#o.emit({ t: "wanted", trackId: p.track.id, layers: p.muted ? [] : p.layers });
  }

  async #onPublished(cid: string, sid: string): Promise<void> {
    const published = this.#tracks.find((p) => p.track.id === cid && p.sid === "");
    if (!published) return;
    published.sid = sid;
    if (this.#tracks.some((p) => p.sid === "")) return;
    try {
      const offer = await this.#link.offer({
        send: this.#tracks.map((p) => p.track),
        receive: { audio: 0, video: 0 },
        data: false,
      });
      this.#o.send(describe(offer, 1));
    } catch (error) {
      this.#fail?.(asError(error));
    }
  }

  async #onAnswer(m: SdpMessage): Promise<void> {
    if (this.#answered) return;
    this.#answered = true;
    try {
      const media = await this.#link.answer({ type: "answer", sdp: m.sdp });
      const taken = new Set(media.filter((x) => x.taking).map((x) => x.kind));
      this.#checkTaken(taken);
      clearTimeout(this.#timer);
      this.#step?.();
    } catch (error) {
      this.#fail?.(asError(error));
    }
  }

  #checkTaken(kinds: ReadonlySet<string>): void {
    const { host, shown, tracks } = this.#o;
    const refused = tracks.filter((t) => !kinds.has(t.kind));
    const names = refused.map((t) => `${t.kind} (${t.codec})`).join(" and ");
    if (refused.length === tracks.length)
      throw new RoomtapError("negotiation", `${shown} takes no ${names}`, {
        hint: "the room may allow other codecs: try --video h264 or --video vp8",
      });
    if (refused.length > 0) host.log("warn", `${shown} takes no ${names}: the rest is sent`);
  }

  #onRefused(reason: number, words: string): void {
    const { shown } = this.#o;
    const code = reason === NOT_ALLOWED ? "auth" : "signal-refused";
    const said = words === "" ? "" : `: ${words}`;
    this.#fail?.(
      new RoomtapError(code, `${shown} does not let us publish${said}`, {
        hint: "does the token allow publishing, of these sources?",
      }),
    );
  }
}

/** What a publisher needs. */
export type PublisherOptions = ConnectionOptions & {
  readonly tracks: readonly LocalTrack[];
  readonly shown: string;
  readonly emit: (e: RoomEvent) => void;
};

/** RIDs of a track that enabled qualities stand for. */
function layersOf(track: LocalTrack, qualities: readonly number[]): readonly string[] | "all" {
  const layers = track.layers ?? [];
  if (layers.length === 0) return qualities.length > 0 ? "all" : [];
  const own = layerQualities(track);
  return layers.filter((_, i) => qualities.includes(own[i] ?? -1));
}

function asError(error: unknown): RoomtapError {
  if (error instanceof RoomtapError) return error;
  const words = error instanceof Error ? error.message : "negotiation failed";
  return new RoomtapError("negotiation", words, { cause: error });
}
