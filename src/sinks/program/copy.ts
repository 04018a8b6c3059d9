import { equalBytes } from "../../core/bytes.ts";
import { splitAnnexB } from "../../core/codecs/annex-b.ts";
import { avcDecoderConfig, parameterSetsOf } from "../../core/codecs/h264-avcc.ts";
import { NalType, nalType } from "../../core/codecs/h264-nal.ts";
import { parseSps } from "../../core/codecs/h264-sps.ts";
import { joinLengths } from "../../core/codecs/nal-lengths.ts";
import type { Frame } from "../../core/frame.ts";
import {
  type ProgramFormat,
  type ProgramSample,
  type ProgramSink,
  type ProgramVideo,
  VIDEO_CLOCK,
} from "./program.ts";

/** Without a picture for so long there is nothing to copy: the camera is off, or somebody left. */
const SILENT_MS = 1500;
/** A sender whose keyframes come this much too late is not copied for a while. */
const PATIENCE = 2.5;
const RETRY_MS = 60_000;
/** Pictures that wait for their time. */
const MAX_WAITING = 300;

/** What copying needs. */
export type CopyOptions = {
  /** The program as it is encoded goes through here, and on to these. */
  readonly sinks: readonly ProgramSink[];
  /** How far keyframes may be apart, milliseconds. */
  readonly keyframeMs: number;
  /** The program's time now, milliseconds. */
  readonly now: () => number;
  readonly requestKeyframe: () => void;
  /** It begins, or ends: why, for people. */
  readonly onChange: (copying: boolean, why: string) => void;
};

type Waiting = {
  readonly timeMs: number;
  readonly data: Uint8Array;
  readonly keyframe: boolean;
  readonly video: ProgramVideo | undefined;
};

/**
 * Puts a participant's H.264 in the place of the encoded pictures, as it comes, while it is there and has keyframes
 * often enough for segments; the sound, and the pictures otherwise, are those of the encoder. For programs of one
 * rendition.
 */
export class CopiedVideo implements ProgramSink {
  readonly name = "copy";
  readonly #o: CopyOptions;
  readonly #waiting: Waiting[] = [];
  #encoded: ProgramFormat | undefined;
  /** What the sinks were told last. */
  #config: Uint8Array | undefined;
  #copying = false;
  /** The next picture of the encoder has to be a keyframe. */
  #returning = false;
  #lastTime = Number.NEGATIVE_INFINITY;
  #lastFrameMs = Number.NEGATIVE_INFINITY;
  #lastKeyMs = Number.NEGATIVE_INFINITY;
  #askedMs = Number.NEGATIVE_INFINITY;
  #notBeforeMs = 0;

  constructor(o: CopyOptions) {
    this.#o = o;
  }

  /** Pictures are copied now: the encoder's are left out. */
  get copying(): boolean {
    return this.#copying;
  }

  /** A picture of the participant; `timeMs`: its place in the program. */
  frame(frame: Pick<Frame, "codec" | "data" | "keyframe">, timeMs: number): void {
    const now = this.#o.now();
    this.#poll(now);
    if (frame.codec !== "h264") {
      if (this.#copying) this.#end(`the pictures come as ${frame.codec}`);
      return;
    }
    this.#lastFrameMs = now;
    if (frame.keyframe) this.#lastKeyMs = now;
    this.#ask(now);
    if (!this.#copying && !this.#begin(frame, now)) return;
    const video = frame.keyframe ? videoOf(frame.data) : undefined;
    if (this.#waiting.length >= MAX_WAITING) this.#waiting.shift();
    this.#waiting.push({ timeMs, data: pictureOf(frame.data), keyframe: frame.keyframe, video });
    this.#release(now);
  }

  format(f: ProgramFormat): void {
    this.#encoded = f;
    if (this.#copying) return;
    this.#returning = false;
    this.#config = f.video.config;
    for (const sink of this.#o.sinks) sink.format(f);
  }

  sample(s: ProgramSample): void {
    const now = this.#o.now();
    this.#poll(now);
    this.#release(now);
    if (s.kind === "video") {
      if (this.#copying || s.time <= this.#lastTime) return;
      if (this.#returning && !this.#goBack(s)) return;
      this.#lastTime = s.time;
    }
    for (const sink of this.#o.sinks) sink.sample(s);
  }

  interruption(): void {
    this.#encoded = undefined;
    this.#waiting.length = 0;
    this.#copying = false;
    for (const sink of this.#o.sinks) sink.interruption();
  }

  async close(): Promise<void> {
    await Promise.all(this.#o.sinks.map((s) => s.close()));
  }

  status() {
    return { state: this.#copying ? "running" : "waiting", bytes: 0, dropped: 0, attempts: 1 } as const;
  }

  #begin(frame: Pick<Frame, "data" | "keyframe">, now: number): boolean {
    if (!frame.keyframe || !this.#encoded || now < this.#notBeforeMs || !videoOf(frame.data)) return false;
    this.#copying = true;
    this.#o.onChange(true, "the pictures are H.264 already");
    return true;
  }

  /** Ends copying where what comes is not good enough. */
  #poll(now: number): void {
    if (!this.#copying) return;
    if (now - this.#lastFrameMs > SILENT_MS) this.#end("no pictures come");
    else if (now - this.#lastKeyMs > PATIENCE * this.#o.keyframeMs) {
      this.#notBeforeMs = now + RETRY_MS;
      this.#end("keyframes come too rarely");
    }
  }

  #end(why: string): void {
    this.#copying = false;
    this.#returning = true;
    this.#waiting.length = 0;
    this.#o.onChange(false, why);
  }

  /** Keyframes are asked for a little before a segment needs one. */
  #ask(now: number): void {
    const due = this.#o.keyframeMs - 100;
    if (now < this.#notBeforeMs || now - this.#lastKeyMs < due || now - this.#askedMs < due / 2) return;
    this.#askedMs = now;
    this.#o.requestKeyframe();
  }

  /** Hands on the pictures whose time has come. */
  #release(now: number): void {
    for (let next = this.#waiting[0]; next && next.timeMs <= now; next = this.#waiting[0]) {
      this.#waiting.shift();
      const { video, keyframe, data } = next;
      const time = Math.max(this.#lastTime + 1, Math.round((next.timeMs * VIDEO_CLOCK) / 1000));
      if (video && this.#encoded && !(this.#config && equalBytes(this.#config, video.config))) {
        this.#config = video.config;
        for (const sink of this.#o.sinks) sink.format({ rendition: 0, video, audio: this.#encoded.audio });
      }
      this.#lastTime = time;
      for (const sink of this.#o.sinks)
        sink.sample({ kind: "video", rendition: 0, data, time, duration: VIDEO_CLOCK / 30, keyframe });
    }
  }

  /** The encoder's pictures come again. */
  #goBack(s: ProgramSample): boolean {
    if (!s.keyframe || !this.#encoded) return false;
    this.#returning = false;
    this.#config = this.#encoded.video.config;
    for (const sink of this.#o.sinks) sink.format(this.#encoded);
    return true;
  }
}

/** What decoders of a keyframe need; undefined: it does not say. */
function videoOf(annexB: Uint8Array): ProgramVideo | undefined {
  const sets = parameterSetsOf(annexB);
  const config = sets && avcDecoderConfig(sets.sps, sets.pps);
  const size = sets?.sps[0] && parseSps(sets.sps[0]);
  return config && size ? { codec: "h264", config, width: size.width, height: size.height } : undefined;
}

/** A picture without what stands in the configuration. */
function pictureOf(annexB: Uint8Array): Uint8Array {
  const left: ReadonlySet<number> = new Set([NalType.sps, NalType.pps, NalType.delimiter]);
  return joinLengths(splitAnnexB(annexB).filter((n) => !left.has(nalType(n))));
}
