import { joinAnnexB } from "../core/codecs/annex-b.ts";
import { parseAvcDecoderConfig } from "../core/codecs/h264-avcc.ts";
import { splitLengths } from "../core/codecs/nal-lengths.ts";
import type { ErrorCode } from "../core/fault.ts";
import type { LiveSample } from "../core/media/live-samples.ts";
import type { RoomAccess } from "../core/room.ts";
import type { ProgramFormat, Rendition } from "../sinks/program/program.ts";
import type { OpenLink, PushLink, PushLinkEvents, PushSample } from "../sinks/push/link.ts";
import type { DoneMessage, StatusMessage } from "./job.ts";
import { type Supervised, type SuperviseOptions, supervise } from "./supervisor.ts";
import { WhipSound } from "./whip-sound.ts";

/** Octets on their way to the media process; more wait where they can be dropped. */
const MAX_UNSENT = 1 << 20;
/** A process that is to end has this long for its good-bye. */
const LEAVE_MS = 4000;
/** To try these again cannot help. */
const FINAL: ReadonlySet<string> = new Set<ErrorCode>(["auth", "usage", "negotiation"]);

/** What links to a WHIP endpoint need. */
export type WhipLinkOptions = {
  /** Address as the room adapters take it: `whip+https://...`. */
  readonly room: string;
  readonly access: RoomAccess;
  readonly ffmpeg: string;
  readonly rendition: Rendition;
  /** Takes secrets out of a text. */
  readonly redact: (text: string) => string;
  readonly onWarning: (text: string) => void;
  /** What the media process reports, every second. */
  readonly onStatus?: ((status: StatusMessage) => void) | undefined;
  /** See `SuperviseOptions`. */
  readonly script?: SuperviseOptions["script"];
};

/** Links that are a media process each, fed over IPC: the native library never runs where the encoder lives. */
export function whipLinks(o: WhipLinkOptions): OpenLink {
  return (format, events) => new WhipLink(o, format, events);
}

class WhipLink implements PushLink {
  readonly #o: WhipLinkOptions;
  readonly #events: PushLinkEvents;
  readonly #child: Supervised;
  readonly #sound: WhipSound;
  /** `open`: connected, but what comes now is old; `live`: from a keyframe on that is not. */
  #state: "opening" | "open" | "live" | "closed" = "opening";
  /** Samples come that waited for the connection. */
  #old = false;
  #bytes = 0;
  #unsent = 0;
  #full = false;
  #frames = 0;
  #ending = false;
  #verdict: string | undefined;
  #kill: NodeJS.Timeout | undefined;

  constructor(o: WhipLinkOptions, format: ProgramFormat, events: PushLinkEvents) {
    this.#o = o;
    this.#events = events;
    this.#sound = new WhipSound({
      ffmpeg: o.ffmpeg,
      onPacket: (data, timeMs) => this.#hand({ track: "audio", data, timeMs, keyframe: true }),
      onFailure: (error) => o.onWarning(`no sound for a while: ${error.message}`),
    });
    const { room, access, rendition } = o;
    this.#child = supervise({
      job: () => ({
        job: "push",
        ...{ room, name: "Roomtap stream", access },
        profile: profileOf(format),
        bitrate: rendition.bitrate,
      }),
      onStatus: (status) => this.#onStatus(status),
      onNotice: ({ level, text }) => {
        if (level !== "info") o.onWarning(o.redact(text));
      },
      // Later, when there is a new attempt that can be stopped.
      onReplaced: () => setImmediate(() => this.#fail("its media process ended")),
      ...(o.script === undefined ? {} : { script: o.script }),
    });
    void this.#child.done.then((done) => this.#onDone(done));
  }

  get bytes(): number {
    return this.#bytes;
  }

  get idle(): boolean {
    return this.#unsent === 0;
  }

  send(s: PushSample): boolean {
    if (this.#state === "open" && !this.#old && s.kind === "video" && s.keyframe) this.#state = "live";
    if (this.#state !== "live") return true;
    const { format, timeMs, keyframe } = s;
    if (s.kind === "audio") {
      const durationMs = (1000 * 1024) / format.audio.sampleRate;
      this.#sound.push(s.data, timeMs, durationMs, format.audio.config);
    } else this.#hand({ track: "video", data: annexB(s), timeMs, keyframe });
    this.#full ||= this.#unsent > MAX_UNSENT;
    return !this.#full;
  }

  /** Parameter sets go before every keyframe, and sound of another kind gets another process. */
  takes(): boolean {
    return true;
  }

  end(): void {
    this.#ending = true;
    this.#leave();
  }

  abort(): void {
    this.#leave();
  }

  #leave(): void {
    this.#child.stop();
    this.#kill ??= setTimeout(() => {
      if (this.#child.pid !== undefined) process.kill(this.#child.pid, "SIGKILL");
    }, LEAVE_MS);
  }

  #fail(why: string): void {
    this.#verdict ??= why;
    this.#leave();
  }

  #hand(sample: LiveSample): void {
    const size = sample.data.length;
    this.#unsent += size;
    this.#child.send({ t: "sample", sample }, () => {
      this.#unsent -= size;
      this.#bytes += size;
      if (!this.#full || this.#unsent > MAX_UNSENT / 2 || this.#state === "closed") return;
      this.#full = false;
      this.#events.onRoom();
    });
  }

  #onStatus(status: StatusMessage): void {
    this.#o.onStatus?.(status);
    const server = status.participants.find((p) => p.connected);
    if (!server || this.#state === "closed") return;
    if (this.#state === "opening") {
      this.#state = "open";
      // Whoever joins sees what happens now, not what waited.
      this.#old = true;
      this.#events.onOpen();
      this.#old = false;
    }
    const frames = server.tracks.reduce((n, t) => n + t.frames, 0);
    if (frames > this.#frames || this.#state === "open") this.#events.onMoved();
    this.#frames = frames;
  }

  #onDone(done: DoneMessage): void {
    clearTimeout(this.#kill);
    this.#state = "closed";
    void this.#sound.close();
    const { error } = done;
    const text = error ? this.#o.redact(error.message) : this.#verdict;
    if (text === undefined) this.#events.onClosed(this.#ending ? undefined : { text: "it ended" });
    else this.#events.onClosed({ text, final: error !== undefined && FINAL.has(error.code) });
  }
}

/** A picture as packetizers take it, with its parameter sets where it can be decoded from. */
function annexB({ data, keyframe, format }: PushSample): Uint8Array {
  const sets = keyframe ? parseAvcDecoderConfig(format.video.config) : undefined;
  return joinAnnexB([...(sets ? [...sets.sps, ...sets.pps] : []), ...splitLengths(data, 4)]);
}

/** `profile-level-id` of a stream (RFC 6184 section 8.1): bytes 1 to 3 of its configuration. */
function profileOf({ video }: ProgramFormat): string {
  return Buffer.from(video.config.subarray(1, 4)).toString("hex");
}
