import { expect, test } from "vitest";
import type { CodecName, Frame } from "../../../src/core/frame.ts";
import { type Micros, micros } from "../../../src/core/time.ts";
import { type GroupOptions, RecordingGroup } from "../../../src/sinks/recorder/group.ts";
import type { MediaFile } from "../../../src/sinks/recorder/media-file.ts";
import { av1Sequences } from "../../core/codecs/av1.cases.ts";

const ms = (n: number) => micros(n * 1000);

type Written = { track: number; ms: number; silence: boolean; keyframe: boolean };

/** What a group writes, without a disk. */
class Paper {
  readonly written: Written[] = [];
  readonly tracks = new Map<number, CodecName>();
  startUs = 0;
  endUs = micros(0);
  silences: [from: number, to: number][] = [];
  holes: [from: number, to: number, cause: string][] = [];
  sizes: [number, number][] = [];

  readonly options: GroupOptions = {
    silence: true,
    open: (startUs) => {
      this.startUs = startUs;
      return this as unknown as MediaFile;
    },
    onSize: (_file, _at, width, height) => this.sizes.push([width, height]),
    onGap: (_file, kind, { from, to, cause }) => {
      if (kind === "video") this.holes.push([from / 1000, to / 1000, cause]);
      else this.silences.push([from / 1000, to / 1000]);
    },
    onDropped: () => undefined,
  };

  accepts(codec: CodecName): boolean {
    return codec !== "h264";
  }
  addTrack(number: number, codec: CodecName): void {
    this.tracks.set(number, codec);
  }
  pictureSize(): void {}
  block(track: number, time: Micros, frame: Frame): boolean {
    this.#note(
      { track, ms: time / 1000, silence: false, keyframe: frame.keyframe },
      frame.duration ?? 33_000,
    );
    return true;
  }
  silence(track: number, time: Micros): void {
    this.#note({ track, ms: time / 1000, silence: true, keyframe: true }, 20_000);
  }
  #note(w: Written, durationUs: number): void {
    this.written.push(w);
    this.endUs = micros(Math.max(this.endUs, w.ms * 1000 + durationUs));
  }
  of(codec: CodecName): Written[] {
    return this.written.filter((w) => this.tracks.get(w.track) === codec);
  }
}

const sound = (at: number): Frame => ({
  codec: "opus",
  data: new Uint8Array(3),
  keyframe: true,
  time: ms(at),
  rtpTime: at * 48,
  lostBefore: 0,
  duration: 20_000,
});
const picture = (at: number, o: { key?: boolean; width?: number; codec?: CodecName } = {}): Frame => ({
  codec: o.codec ?? "vp8",
  data: new Uint8Array(3),
  keyframe: o.key ?? false,
  time: ms(at),
  rtpTime: at * 90,
  lostBefore: 0,
  ...(o.key ? { width: o.width ?? 640, height: 360 } : {}),
});

function both() {
  const paper = new Paper();
  const group = new RecordingGroup(paper.options);
  group.addTrack({ id: "mic", kind: "audio", source: "microphone" });
  group.addTrack({ id: "cam", kind: "video", source: "camera" });
  return { paper, group };
}

test("twenty seconds asked for are a thousand packets of sound, whatever comes after", () => {
  const { paper, group } = both();
  group.limit(ms(20_000));
  for (let t = 0; t < 21_000; t += 20) {
    group.frame("mic", sound(t));
    if (t % 40 === 0) group.frame("cam", picture(t, { key: t % 1000 === 0 }));
  }
  group.end(ms(20_000));
  expect(paper.of("opus")).toHaveLength(1000);
  expect(paper.of("vp8")).toHaveLength(500);
});

test("both tracks are written in order of time, although one comes late", () => {
  const { paper, group } = both();
  for (let t = 0; t < 3000; t += 20) {
    group.frame("mic", sound(t));
    if (t >= 100 && t % 40 === 20) group.frame("cam", picture(t - 100, { key: t === 100 }));
  }
  group.end();
  const times = paper.written.map((w) => w.ms);
  expect(times).toEqual(times.toSorted((a, b) => a - b));
});

test("the file does not wait for a camera that is announced: a killed process would lose what waits", () => {
  const { paper, group } = both();
  for (let t = 0; t < 280; t += 20) group.frame("mic", sound(t));
  expect(paper.written).toHaveLength(0);
  for (let t = 280; t < 4000; t += 20) group.frame("mic", sound(t));
  expect(paper.written.length).toBeGreaterThan(180);
  group.frame("cam", picture(4000, { key: true }));
  group.frame("mic", sound(4000));
  group.end();
  // The camera keeps the first place all the same.
  expect(paper.of("vp8")).toEqual([{ track: 1, ms: 4000, silence: false, keyframe: true }]);
});

test("sound that begins a second after the picture is silence from the first picture on", () => {
  const { paper, group } = both();
  for (let t = 0; t < 3000; t += 20) {
    if (t % 40 === 0) group.frame("cam", picture(t, { key: t % 1000 === 0 }));
    if (t >= 1000) group.frame("mic", sound(t));
    group.tick(ms(t));
  }
  group.end();
  expect(paper.of("opus").map((w) => w.ms)).toEqual(Array.from({ length: 150 }, (_, i) => 20 * i));
  expect(paper.of("opus").filter((w) => w.silence)).toHaveLength(50);
});

test("with holes kept, sound stays where it was and nothing is added", () => {
  const paper = new Paper();
  const group = new RecordingGroup({ ...paper.options, silence: false });
  group.addTrack({ id: "mic", kind: "audio", source: "microphone" });
  for (let t = 0; t < 10_000; t += 20) {
    if (t < 2000 || t >= 7000) group.frame("mic", sound(t));
    group.tick(ms(t));
  }
  group.end(ms(12_000));
  expect(paper.written.some((w) => w.silence)).toBe(false);
  expect(paper.written).toHaveLength(250);
  expect(paper.silences).toEqual([
    [2000, 7000],
    [10_000, 12_000],
  ]);
});

test("missing pictures are noted with their cause; rare ones are not missing", () => {
  const { paper, group } = both();
  const show = (from: number, to: number, step: number) => {
    for (let t = from; t < to; t += step) group.frame("cam", picture(t, { key: t === 0 }));
  };
  show(0, 2000, 40);
  group.frame("cam", { ...picture(3000, { key: true }), lostBefore: 7 });
  show(3040, 5000, 40);
  show(8000, 9000, 40);
  for (let t = 9000; t < 10_000; t += 200) group.frame("cam", picture(t));
  for (let t = 10_000; t < 20_000; t += 500) group.frame("cam", picture(t));
  group.end();
  expect(paper.holes).toEqual([
    [1960, 3000, "loss"],
    [4960, 8000, "silence"],
  ]);
});

test("a microphone that never speaks is silence from the first to the last picture", () => {
  const { paper, group } = both();
  for (let t = 0; t < 10_000; t += 40) {
    group.frame("cam", picture(t, { key: t % 2000 === 0 }));
    if (t % 200 === 0) group.tick(ms(t));
  }
  group.end();
  const audio = paper.of("opus");
  expect(audio.every((w) => w.silence)).toBe(true);
  expect(audio).toHaveLength(499);
  expect(paper.silences).toEqual([[0, 9993]]);
});

test("a hole in the sound is filled and noted, and what comes too late for it is left out", () => {
  const { paper, group } = both();
  for (let t = 0; t < 1000; t += 20) group.frame("mic", sound(t));
  for (let t = 0; t < 9000; t += 40) {
    group.frame("cam", picture(t, { key: t === 0 }));
    group.tick(ms(t));
  }
  group.frame("mic", sound(2000));
  for (let t = 9000; t < 10_000; t += 20) group.frame("mic", sound(t));
  group.end();
  const audio = paper.of("opus");
  for (let i = 1; i < audio.length; i++) expect((audio[i]?.ms ?? 0) - (audio[i - 1]?.ms ?? 0)).toBe(20);
  expect(audio.filter((w) => w.silence)).toHaveLength(400);
  expect(paper.silences).toEqual([[1000, 9000]]);
});

test("a change of the picture's size is noted and does not end the file", () => {
  const { paper, group } = both();
  group.frame("mic", sound(0));
  for (const [t, width] of [
    [0, 320],
    [1000, 640],
    [2000, 640],
    [3000, 160],
  ] as const)
    group.frame("cam", picture(t, { key: true, width }));
  group.end();
  expect(paper.sizes).toEqual([
    [640, 360],
    [160, 360],
  ]);
  expect(group.resized).toBe(true);
  expect(group.summary().find((t) => t.kind === "video")).toMatchObject({ width: 640, frames: 4 });
});

test("a keyframe with another configuration than the header's needs another file", () => {
  const { group } = both();
  const keyframe = (at: number, sequence: Uint8Array): Frame => ({
    ...picture(at, { key: true, codec: "av1" }),
    data: sequence,
  });
  const { main64x48, tenBit } = av1Sequences;
  expect(group.mustSplit("cam", keyframe(0, main64x48.obu))).toBe(false);
  group.frame("cam", keyframe(0, main64x48.obu));
  expect(group.mustSplit("cam", picture(40, { codec: "av1" }))).toBe(false);
  expect(group.mustSplit("cam", keyframe(80, main64x48.obu))).toBe(false);
  expect(group.mustSplit("cam", keyframe(80, tenBit.obu))).toBe(true);
});

test("another codec, or one that the container lacks, needs another file", () => {
  const { group } = both();
  group.frame("mic", sound(0));
  expect(group.mustSplit("cam", picture(0, { key: true }))).toBe(false);
  group.frame("cam", picture(0, { key: true }));
  expect(group.mustSplit("cam", picture(40, { key: true, codec: "h264" }))).toBe(true);
  const audioOnly = both();
  for (let t = 0; t < 3000; t += 20) audioOnly.group.frame("mic", sound(t));
  expect(audioOnly.group.mustSplit("cam", picture(3000, { key: true, codec: "h264" }))).toBe(true);
  expect(audioOnly.group.mustSplit("cam", picture(3000, { key: true }))).toBe(false);
});
