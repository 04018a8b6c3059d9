import { Backoff } from "../../core/backoff.ts";
import type { RoomtapError } from "../../core/fault.ts";
import { SOUND } from "../../ffmpeg/decode-sound.ts";
import { type EncodedSample, LiveEncoder, type LiveEncoding } from "../../ffmpeg/encode-live.ts";
import { RawStream } from "../compositor/raw-stream.ts";
import { type ProgramAudio, type ProgramSink, type ProgramVideo, VIDEO_CLOCK } from "./program.ts";

/** Samples of a frame of AAC, and of silence that its encoder puts in front. */
const AAC_FRAME = 1024;
const OCTETS = 2 * SOUND.channels;
/** An encoder that says nothing for so long, while it is fed, stands still. */
const STALL_MS = 5000;

/** How an encoder is doing. */
export type EncoderStatus = {
  /** Of its process; undefined while there is none. */
  readonly pid: number | undefined;
  /** Pictures encoded, and left out because it was too slow. */
  readonly frames: number;
  readonly dropped: number;
  /** How often it was started. */
  readonly starts: number;
  /** Milliseconds from the newest picture that went in to the newest that came out. */
  readonly delayMs: number;
};

/** What a program's encoder needs. */
export type ProgramEncoderOptions = LiveEncoding & {
  readonly ffmpeg: string;
  readonly sinks: readonly ProgramSink[];
  /** It failed, and is started again. */
  readonly onFailure: (error: RoomtapError) => void;
};

/** An encoder's life, from one start to the next. */
type Run = {
  readonly encoder: LiveEncoder;
  readonly raw: RawStream;
  /** The picture, and the sample, that its time begins with. */
  readonly firstPicture: number;
  readonly firstSample: number;
  /** Time of its first coded picture, by rendition: the muxer moves all times so that none is negative. */
  readonly zeroMs: (number | undefined)[];
  /** Of the pictures of every rendition, and of the sound, as they come. */
  readonly videoConfigs: (Uint8Array | undefined)[];
  audioConfig?: Uint8Array;
  /** What came before all of them; undefined: the sinks know the formats. */
  early: { readonly rendition: number; readonly sample: EncodedSample }[] | undefined;
  aacFrames: number;
  lastOutputAt: number;
};

/**
 * Turns a stage's pictures and sound into a program and hands it to all sinks. Picture n is at n / framesPerSecond,
 * sample n at n / 48,000 of the program's time, whatever becomes of the process that encodes: one that dies or stands
 * still is started again, and the sinks are told of the interruption.
 */
export class ProgramEncoder {
  readonly #o: ProgramEncoderOptions;
  readonly #backoff = new Backoff({ baseMs: 200, capMs: 5000, random: Math.random });
  #run: Run | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;
  #frames = 0;
  #dropped = 0;
  #starts = 0;
  #newestIn = 0;
  #newestOut = 0;

  /** Starts nothing yet: the first picture does. */
  constructor(o: ProgramEncoderOptions) {
    this.#o = o;
  }

  get status(): EncoderStatus {
    return {
      pid: this.#run?.encoder.pid,
      frames: this.#frames,
      dropped: this.#dropped,
      starts: this.#starts,
      delayMs: Math.max(0, ((this.#newestIn - this.#newestOut) * 1000) / this.#o.framesPerSecond),
    };
  }

  /** Picture `index`, YUV 4:2:0; copied. Indices only grow; what is left out stands still. */
  picture(pixels: Uint8Array, index: number): void {
    if (this.#closed || this.#retry) return;
    const run = this.#run ?? this.#start(index);
    this.#newestIn = index;
    if (performance.now() - run.lastOutputAt > STALL_MS) {
      run.lastOutputAt = Number.POSITIVE_INFINITY;
      run.encoder.abandon();
      return;
    }
    if (run.encoder.full) {
      this.#dropped++;
      return;
    }
    const timeMs = ((index - run.firstPicture) * 1000) / this.#o.framesPerSecond;
    run.encoder.push(run.raw.picture(timeMs, pixels), true);
  }

  /** Sound from sample `first` on, 16 bits, little-endian, stereo; copied. Without holes. */
  sound(samples: Uint8Array, first: number): void {
    const run = this.#run;
    if (!run) return;
    const early = Math.max(0, run.firstSample - first);
    const wanted = samples.subarray(early * OCTETS);
    if (wanted.length === 0) return;
    const timeMs = ((first + early - run.firstSample) * 1000) / SOUND.rate;
    run.encoder.push([run.raw.sound(timeMs, wanted)], false);
  }

  /** Encodes what there is, and closes all sinks. Idempotent. */
  async close(patienceMs = 3000): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#retry);
    await this.#run?.encoder.end(patienceMs);
    await Promise.all(this.#o.sinks.map((s) => s.close()));
  }

  #start(index: number): Run {
    const { width, height, framesPerSecond, renditions } = this.#o;
    this.#starts++;
    const run: Run = {
      encoder: new LiveEncoder({
        ...this.#o,
        onConfig: (rendition, kind, config) => this.#config(run, rendition, kind, config),
        onSample: (rendition, s) => this.#sample(run, rendition, s),
        onFailure: (error) => this.#failed(run, error),
      }),
      raw: new RawStream(width, height, framesPerSecond),
      firstPicture: index,
      firstSample: Math.round((index * SOUND.rate) / framesPerSecond),
      zeroMs: renditions.map(() => undefined),
      videoConfigs: renditions.map(() => undefined),
      early: [],
      aacFrames: 0,
      lastOutputAt: performance.now(),
    };
    this.#run = run;
    run.encoder.push([run.raw.head()], false);
    return run;
  }

  #failed(run: Run, error: RoomtapError): void {
    if (this.#run !== run || this.#closed) return;
    this.#run = undefined;
    this.#o.onFailure(error);
    for (const sink of this.#o.sinks) sink.interruption();
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
    }, this.#backoff.next());
  }

  #config(run: Run, rendition: number, kind: "video" | "audio", config: Uint8Array): void {
    if (kind === "audio") run.audioConfig = config;
    else run.videoConfigs[rendition] = config;
    const { early, audioConfig, videoConfigs } = run;
    if (this.#run !== run || !early || !audioConfig || videoConfigs.some((c) => !c)) return;
    run.early = undefined;
    for (const [i, video] of videoConfigs.entries()) if (video) this.#format(i, video, audioConfig);
    for (const { rendition, sample } of early) this.#sample(run, rendition, sample);
  }

  #format(rendition: number, videoConfig: Uint8Array, audioConfig: Uint8Array): void {
    const size = this.#o.renditions[rendition];
    if (!size) return;
    const { width, height } = size;
    const video: ProgramVideo = { codec: "h264", config: videoConfig, width, height };
    const audio: ProgramAudio = {
      codec: "aac",
      config: audioConfig,
      sampleRate: SOUND.rate,
      channels: SOUND.channels,
    };
    for (const sink of this.#o.sinks) sink.format({ rendition, video, audio });
  }

  #sample(run: Run, rendition: number, sample: EncodedSample): void {
    if (this.#run !== run) return;
    run.lastOutputAt = performance.now();
    if (run.early) run.early.push({ rendition, sample });
    else if (sample.kind === "audio") this.#aac(run, sample);
    else this.#avc(run, rendition, sample);
  }

  #aac(run: Run, s: EncodedSample): void {
    const n = run.aacFrames++;
    // The first one only warms the decoder up.
    if (n === 0) return;
    const time = run.firstSample + (n - 1) * AAC_FRAME;
    for (const sink of this.#o.sinks)
      sink.sample({ kind: "audio", data: s.data, time, duration: AAC_FRAME, keyframe: true });
  }

  #avc(run: Run, rendition: number, s: EncodedSample): void {
    const { framesPerSecond } = this.#o;
    run.zeroMs[rendition] ??= s.timeMs;
    const zeroMs = run.zeroMs[rendition] ?? s.timeMs;
    const index = run.firstPicture + Math.round(((s.timeMs - zeroMs) * framesPerSecond) / 1000);
    if (rendition === 0) {
      this.#frames++;
      this.#newestOut = index;
      if (this.#frames % framesPerSecond === 0) this.#backoff.reset();
    }
    const ticks = (n: number) => Math.round((n * VIDEO_CLOCK) / framesPerSecond);
    const time = ticks(index);
    const { data, keyframe } = s;
    for (const sink of this.#o.sinks)
      sink.sample({ kind: "video", rendition, data, time, duration: ticks(index + 1) - time, keyframe });
  }
}
