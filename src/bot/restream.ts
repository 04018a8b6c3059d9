import { ExitCode, type ExitCodeValue, errorExit, RoomtapError } from "../core/fault.ts";
import type { RemoteTrack } from "../core/room.ts";
import type { Millis } from "../core/time.ts";
import { ffmpegCapabilities } from "../ffmpeg/capabilities.ts";
import { locateFfmpeg } from "../ffmpeg/locate.ts";
import { HlsSink } from "../sinks/hls/hls.ts";
import type { HlsSource } from "../sinks/hls/source.ts";
import { CopiedVideo } from "../sinks/program/copy.ts";
import { type EncoderStatus, ProgramEncoder } from "../sinks/program/encoder.ts";
import type { ProgramPlan, ProgramSink, SinkStatus } from "../sinks/program/program.ts";
import { checkPushTargets, createPushes, type PushTarget } from "../sinks/push/targets.ts";
import { type Show, Stage, type StageStatus } from "../sinks/stage/stage.ts";
import type { DoneMessage, NoticeMessage, RelayedFrame, StatusMessage } from "./job.ts";
import { checkRoom, type RoomOptions, roomCall } from "./join.ts";
import { machineNow } from "./machine-clock.ts";
import { AUDIO_BITRATE, type PlannedRendition, planRenditions, type Size } from "./restream-plan.ts";
import { RoomMirror } from "./room-mirror.ts";
import { type Supervised, supervise } from "./supervisor.ts";
import { checkWhipTargets, createWhipPushes, type WhipPushTarget } from "./whip-push.ts";

/** How the stream is cut for players. Times in milliseconds. */
export type HlsOptions = {
  /** Where it is written; absent: it is only served. */
  readonly directory?: string;
  /** Length of segments; default 2000. */
  readonly segmentMs?: number;
  /** Segments in the playlist; default 6. */
  readonly window?: number;
  /** The playlist keeps everything from the beginning on. */
  readonly event?: boolean;
  /** Length of Low-Latency HLS parts; absent: none. */
  readonly partMs?: number;
  readonly container?: "fmp4" | "ts";
};

/** What to stream, and to where. */
export type RestreamOptions = RoomOptions & {
  /** Ceiling for each incoming video, bit/s; default 4,000,000. */
  readonly maxBitrate?: number;
  /** Default: everyone, in a grid. */
  readonly show?: Show;
  /**
   * Copy the pictures of the participant that is shown where they are H.264 and have keyframes often enough; for one
   * rendition.
   */
  readonly copy?: boolean;
  /** A line above everything. */
  readonly title?: string;
  /** Pixels; default 1280x720. */
  readonly size?: Size;
  /** Default 30. */
  readonly framesPerSecond?: number;
  /** Heights; default: that of `size` alone. */
  readonly renditions?: readonly number[];
  /** Of the best rendition's pictures, bit/s; default by size. */
  readonly videoBitrate?: number;
  readonly hls?: HlsOptions;
  readonly targets?: readonly PushTarget[];
  /** WHIP endpoints. */
  readonly whip?: readonly WhipPushTarget[];
  /** Other sinks; they are closed at the end. */
  readonly sinks?: (plan: ProgramPlan, ffmpeg: string) => readonly ProgramSink[];
  /** Stop after this long, milliseconds. */
  readonly durationMs?: number;
  /** ffmpeg to use; default: FFMPEG_PATH, the system's, the bundled one. */
  readonly ffmpeg?: string;
  /** Aborting ends the stream properly and leaves. */
  readonly stop?: AbortSignal;
  readonly onStatus?: (status: RestreamStatus) => void;
  readonly onNotice?: (notice: Pick<NoticeMessage, "level" | "text">) => void;
};

/** One way the stream goes out. */
export type OutputStatus = SinkStatus & { readonly name: string };

/** How a stream is doing, about once a second. */
export type RestreamStatus = StatusMessage & {
  readonly encoder: EncoderStatus;
  readonly stage?: StageStatus;
  readonly outputs: readonly OutputStatus[];
};

/** How a stream ended. */
export type RestreamResult = {
  /** Length of the stream, milliseconds. */
  readonly durationMs: number;
  readonly renditions: readonly { readonly name: string; readonly width: number; readonly height: number }[];
  readonly outputs: readonly OutputStatus[];
  /** Exit code the command line ends with. */
  readonly exit: ExitCodeValue;
};

const DEFAULT_SIZE: Size = { width: 1280, height: 720 };
const DEFAULT_FPS = 30;
const DEFAULT_SEGMENT_MS = 2000;
const DEFAULT_WINDOW = 6;
const DEFAULT_MAX_BITRATE = 4_000_000;
/** The stage shows everything so much later than it happened: frames need repair, decoding, each other. */
const STAGE_DELAY_MS = 300;
/** After a media process was replaced: whoever is not seen by then has left. */
const SETTLE_MS = 5000;
/** The media process leaves the room in this time, or is not waited for. */
const LEAVE_MS = 4000;

/**
 * A room as a live stream. The room is joined by a media process, which is replaced when it dies; the stage that
 * composes the picture, the encoder and all outputs live here and go on meanwhile.
 */
export class Restream {
  readonly #o: RestreamOptions;
  readonly #renditions: readonly PlannedRendition[];
  readonly #hls: HlsSink | undefined;
  readonly #sinks: readonly ProgramSink[];
  readonly #encoder: ProgramEncoder;
  readonly #mirror: RoomMirror;
  readonly #copied: CopiedVideo | undefined;
  readonly #makeStage: () => Stage;
  /** Time zero of the program, on the machine's clock. */
  readonly #zero = machineNow();
  /** Composes from when the room was joined. */
  #stage: Stage | undefined;
  #child: Supervised | undefined;
  /** The track whose pictures are copied where they can be. */
  #copiedTrack: string | undefined;
  #last: StatusMessage | undefined;
  readonly #timers = new Set<NodeJS.Timeout>();
  #replaced = false;
  #media = false;

  /** Checks everything that can be checked before joining. Rejects with a RoomtapError. */
  static async open(o: RestreamOptions): Promise<Restream> {
    await checkRoom(o);
    const ffmpeg = await locateFfmpeg(o.ffmpeg);
    const { encoders } = await ffmpegCapabilities(ffmpeg);
    const missing = ["libx264", "aac"].find((e) => !encoders.has(e));
    if (missing !== undefined)
      throw new RoomtapError("ffmpeg-missing", `${ffmpeg} has no ${missing}, which streams need`, {
        hint: "name another ffmpeg with --ffmpeg",
      });
    if (o.copy && (o.show?.kind !== "participant" || (o.renditions ?? []).length > 1))
      throw new RoomtapError("usage", "pictures are copied of one participant, in one rendition", {
        hint: "name who it is with --participant, and leave out --renditions",
      });
    await checkPushTargets(o.targets ?? [], ffmpeg);
    await checkWhipTargets(o.whip ?? [], ffmpeg);
    return new Restream(o, ffmpeg);
  }

  private constructor(o: RestreamOptions, ffmpeg: string) {
    this.#o = o;
    const size = o.size ?? DEFAULT_SIZE;
    const framesPerSecond = o.framesPerSecond ?? DEFAULT_FPS;
    const { renditions: heights, videoBitrate } = o;
    this.#renditions = planRenditions({ size, heights, framesPerSecond, videoBitrate });
    const [best] = this.#renditions;
    const { width, height } = best ?? size;
    const plan: ProgramPlan = { renditions: this.#renditions, zeroAt: Date.now() - STAGE_DELAY_MS };
    const onFailure = (error: RoomtapError) => this.#notice("error", error.message);
    const segmentMs = o.hls?.segmentMs ?? DEFAULT_SEGMENT_MS;
    this.#hls =
      o.hls &&
      new HlsSink(plan, {
        ...o.hls,
        segmentMs,
        window: o.hls.window ?? DEFAULT_WINDOW,
        event: o.hls.event ?? false,
        container: o.hls.container ?? "fmp4",
        onFailure,
        onRecovered: () => this.#notice("info", "the stream's directory can be written again"),
      });
    const onNotice = (level: NoticeMessage["level"], text: string) => this.#notice(level, text);
    this.#sinks = [
      ...(this.#hls ? [this.#hls] : []),
      ...createPushes(o.targets ?? [], plan, { ffmpeg, onNotice }),
      ...createWhipPushes(o.whip ?? [], plan, { ffmpeg, onNotice }),
      ...(o.sinks?.(plan, ffmpeg) ?? []),
    ];
    this.#copied = o.copy ? this.#copying(segmentMs) : undefined;
    const encoder = new ProgramEncoder({
      ...{ ffmpeg, width, height, framesPerSecond, renditions: this.#renditions },
      ...{ audioBitrate: AUDIO_BITRATE, keyframeMs: segmentMs },
      sinks: this.#copied ? [this.#copied] : this.#sinks,
      onFailure: (error) =>
        this.#notice("error", `the encoder ended, and is started again: ${error.message}`),
    });
    this.#encoder = encoder;
    this.#makeStage = () =>
      new Stage({
        ...{ ffmpeg, width, height, fps: framesPerSecond, show: o.show ?? { kind: "grid" } },
        ...(o.title === undefined ? {} : { title: o.title }),
        ...{ now: machineNow, zero: this.#zero, delayMs: STAGE_DELAY_MS },
        onPicture: (pixels, index) => encoder.picture(pixels, index),
        onSound: (samples, first) => encoder.sound(samples, first),
        requestKeyframe: (trackId) => this.#child?.send({ t: "keyframe", trackId }),
      });
    this.#mirror = new RoomMirror({
      peer: (op, peer) => this.#stage?.peer(op, peer),
      track: (op, track) => this.#track(op, track),
      frame: (track, frame, atMs) => this.#frame(track, frame, atMs),
    });
  }

  /** The stream for an HTTP server; undefined: HLS was not asked for. */
  get hls(): HlsSource | undefined {
    return this.#hls;
  }

  /** What is being encoded, the best first. */
  get renditions(): readonly PlannedRendition[] {
    return this.#renditions;
  }

  /** Segments of the best rendition so far. */
  get segments(): number {
    return this.#hls?.segments ?? 0;
  }

  /** How it is doing now. */
  status(): RestreamStatus {
    const idle = {
      t: "status",
      phase: "joining",
      participants: [],
      faults: {},
      packets: 0,
      cpuMs: 0,
    } as const;
    return {
      ...(this.#last ?? idle),
      elapsedMs: Math.round(machineNow() - this.#zero),
      encoder: this.#encoder.status,
      ...(this.#stage ? { stage: this.#stage.status() } : {}),
      outputs: this.#outputs(),
    };
  }

  /**
   * Joins the room and streams until `stop`, `durationMs` or the room's end; then completes all outputs. Rejects with a
   * RoomtapError when the room could not be joined or was lost for good.
   */
  async run(): Promise<RestreamResult> {
    const { durationMs, stop } = this.#o;
    const child = this.#join();
    const done = await new Promise<DoneMessage>((resolve) => {
      void child.done.then(resolve);
      const end = () => {
        child.stop();
        // The stream does not wait for a process that does not come to its end.
        this.#timers.add(setTimeout(() => resolve({ t: "done", exit: ExitCode.ok, elapsedMs: 0 }), LEAVE_MS));
      };
      if (durationMs !== undefined) this.#timers.add(setTimeout(end, durationMs));
      if (stop?.aborted) end();
      else stop?.addEventListener("abort", end, { once: true });
    });
    for (const t of this.#timers) clearTimeout(t);
    await this.#stage?.close();
    await this.#encoder.close();
    if (done.error)
      throw new RoomtapError(
        done.error.code in errorExit ? (done.error.code as keyof typeof errorExit) : "internal",
        done.error.message,
        done.error.hint === undefined ? {} : { hint: done.error.hint },
      );
    return {
      durationMs: Math.round(machineNow() - this.#zero),
      renditions: this.#renditions.map(({ name, width, height }) => ({ name, width, height })),
      outputs: this.#outputs(),
      exit: this.#exit(),
    };
  }

  /** Media that came and never left again is ffmpeg's failure. */
  #exit(): ExitCodeValue {
    if (!this.#media) return ExitCode.noMedia;
    return this.#outputs().every((o) => o.bytes === 0) ? ExitCode.output : ExitCode.ok;
  }

  #join(): Supervised {
    const { maxBitrate } = this.#o;
    this.#child = supervise({
      job: () => ({
        job: "relay",
        ...roomCall(this.#o, "Roomtap stream"),
        maxBitrate: maxBitrate ?? DEFAULT_MAX_BITRATE,
      }),
      onStatus: (status) => this.#onStatus(status),
      onNotice: (n) => this.#notice(n.level, n.text),
      onRelay: (m) => this.#mirror.push(m),
      onReplaced: () => {
        this.#replaced = true;
        this.#mirror.replaced();
      },
      courier: this.#o.courier,
    });
    return this.#child;
  }

  #copying(keyframeMs: number): CopiedVideo {
    return new CopiedVideo({
      ...{ sinks: this.#sinks, keyframeMs, now: () => machineNow() - this.#zero },
      requestKeyframe: () => {
        if (this.#copiedTrack !== undefined) this.#child?.send({ t: "keyframe", trackId: this.#copiedTrack });
      },
      onChange: (copying, why) =>
        this.#notice("info", `pictures are ${copying ? "copied" : "encoded"}: ${why}`),
    });
  }

  #track(op: "add" | "remove", track: RemoteTrack): void {
    const { show } = this.#o;
    const name = show?.kind === "participant" ? show.name : undefined;
    if (op === "remove" && this.#copiedTrack === track.id) this.#copiedTrack = undefined;
    if (op === "add" && track.kind === "video" && this.#mirror.nameOf(track.peerId) === name)
      this.#copiedTrack ??= track.id;
    this.#stage?.track(op, track);
  }

  #frame(track: RemoteTrack, { audioLevel, ...frame }: RelayedFrame, atMs: Millis): void {
    this.#media = true;
    const copied = this.#copiedTrack === track.id ? this.#copied : undefined;
    copied?.frame(frame, atMs - this.#zero + STAGE_DELAY_MS);
    // What is copied is not decoded, but for when it has to be shown in another way.
    if (!copied?.copying) this.#stage?.frame(track.id, frame, atMs, audioLevel);
  }

  #onStatus(status: StatusMessage): void {
    this.#last = status;
    if (status.phase !== "joining") this.#stage ??= this.#makeStage();
    if (this.#replaced && status.phase !== "joining") {
      this.#replaced = false;
      this.#timers.add(setTimeout(() => this.#mirror.settled(), SETTLE_MS));
    }
    this.#o.onStatus?.(this.status());
  }

  #outputs(): OutputStatus[] {
    return this.#sinks.map((s) => ({ name: s.name, ...s.status() }));
  }

  #notice(level: NoticeMessage["level"], text: string): void {
    this.#o.onNotice?.({ level, text });
  }
}
