import { type ProgramFormat, type ProgramSample, VIDEO_CLOCK } from "../../src/sinks/program/program.ts";

/** Sampling rate of the sound below. */
const RATE = 48_000;
const AAC_FRAME = 1024;

/** A format of nothing that could be decoded; `mark` makes it another one. */
export function someFormat(mark = 0, rendition = 0): ProgramFormat {
  return {
    rendition,
    video: { codec: "h264", config: Uint8Array.of(1, 77, 0, 30, mark), width: 320, height: 180 },
    audio: { codec: "aac", config: Uint8Array.of(0x11, 0x90), sampleRate: RATE, channels: 2 },
  };
}

/** Picture `i` of ten a second, a keyframe every second, of so many octets. */
export function somePicture(i: number, octets = 100, rendition = 0): ProgramSample {
  const duration = VIDEO_CLOCK / 10;
  const data = new Uint8Array(octets).fill(i);
  return { kind: "video", rendition, data, time: i * duration, duration, keyframe: i % 10 === 0 };
}

/** Frame `i` of sound. */
export function someSound(i: number): ProgramSample {
  return {
    kind: "audio",
    data: Uint8Array.of(0x21, i & 0xff),
    time: i * AAC_FRAME,
    duration: AAC_FRAME,
    keyframe: true,
  };
}
