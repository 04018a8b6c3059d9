import type { Mp4Sample } from "../../src/core/containers/mp4/cmaf.ts";
import type {
  ProgramFormat,
  ProgramPlan,
  ProgramSample,
  ProgramSink,
} from "../../src/sinks/program/program.ts";
import { clockOf, type EncodedStream, STREAM } from "./encoded-stream.ts";

/** What is encoded, as a program: one rendition. */
export const feedPlan: ProgramPlan = {
  renditions: [{ name: "180p", bitrate: 400_000, framesPerSecond: STREAM.framesPerSecond }],
  zeroAt: 1_700_000_000_000,
};

/** The format of an encoded stream. */
export function feedFormat(e: EncodedStream): ProgramFormat {
  const { width, height } = e;
  const { sampleRate, channels } = STREAM;
  return {
    rendition: 0,
    video: { codec: "h264", config: e.avcC, width, height },
    audio: { codec: "aac", config: e.asc, sampleRate, channels },
  };
}

/** Samples of an encoded stream from second `from` of the program to second `to`, again and again, in order of time. */
export function* feedSamples(e: EncodedStream, from: number, to: number): Generator<ProgramSample> {
  const secondsOf = (kind: "video" | "audio", s: Mp4Sample) => s.time / clockOf(kind);
  const inOrder = (["video", "audio"] as const)
    .flatMap((kind) => e[kind].map((s) => ({ kind, s })))
    // Sound that reaches into the next round would stand before what is there.
    .filter(({ kind, s }) => secondsOf(kind, s) + s.duration / clockOf(kind) <= STREAM.seconds)
    .sort((a, b) => secondsOf(a.kind, a.s) - secondsOf(b.kind, b.s));
  for (let round = Math.floor(from / STREAM.seconds); round * STREAM.seconds < to; round++) {
    for (const { kind, s } of inOrder) {
      const moved = { ...s, time: s.time + round * STREAM.seconds * clockOf(kind) };
      const at = secondsOf(kind, moved);
      if (at < from || at >= to) continue;
      yield kind === "video" ? { kind, rendition: 0, ...moved } : { kind, ...moved };
    }
  }
}

/** Feeds sinks in real time with an encoded stream, from second 0 of the program. */
export class ProgramFeed {
  readonly #stream: EncodedStream;
  readonly #sinks: readonly ProgramSink[];
  readonly #startedAt = performance.now();
  readonly #timer: NodeJS.Timeout;
  #seconds = 0;

  constructor(stream: EncodedStream, sinks: readonly ProgramSink[]) {
    this.#stream = stream;
    this.#sinks = sinks;
    for (const sink of sinks) sink.format(feedFormat(stream));
    this.#timer = setInterval(() => this.#feed(), 20);
  }

  /** Seconds of the program so far. */
  get seconds(): number {
    return this.#seconds;
  }

  /** Feeds no more, and closes the sinks. */
  async end(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#sinks.map((s) => s.close()));
  }

  #feed(): void {
    const now = (performance.now() - this.#startedAt) / 1000;
    for (const s of feedSamples(this.#stream, this.#seconds, now))
      for (const sink of this.#sinks) sink.sample(s);
    this.#seconds = now;
  }
}
