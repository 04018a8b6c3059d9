import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { manifestOf } from "../../../src/sinks/recorder/manifest.ts";
import { defaultPolicy, type RecordingPolicy } from "../../../src/sinks/recorder/policy.ts";
import { ms, pictureAt, soundAt, TestSession } from "./session.ts";

let open: TestSession[] = [];
const session = (o?: ConstructorParameters<typeof TestSession>[0]) => {
  const s = new TestSession(o);
  open.push(s);
  return s;
};
afterEach(() => {
  for (const s of open) s.close();
  open = [];
});

const media = (s: TestSession) =>
  readdirSync(s.directory)
    .filter((name) => name !== "journal.jsonl")
    .sort();
const times = (s: TestSession, name: string, track: number) =>
  s.blocks(name).flatMap(([n, t]) => (n === track ? [t] : []));

test("camera and microphone become one WebM with the picture first", async () => {
  const s = session();
  const [mic, cam] = [s.add("mic"), s.add("cam")];
  s.feed(mic, cam, 0, 3000);
  await s.finish();
  expect(media(s)).toEqual(["Alice.webm"]);
  const tracks = s.events("Alice.webm").find((e) => e.t === "tracks")?.tracks;
  expect(tracks).toMatchObject([
    { kind: "video", codecId: "V_VP8", width: 640, height: 360 },
    { kind: "audio", codecId: "A_OPUS", channels: 2 },
  ]);
  expect(times(s, "Alice.webm", 1)).toEqual(Array.from({ length: 75 }, (_, i) => i * 40));
  expect(times(s, "Alice.webm", 2)).toEqual(Array.from({ length: 150 }, (_, i) => i * 20));
  expect(s.entriesOf("file-close")).toMatchObject([
    {
      path: "Alice.webm",
      format: "webm",
      durationMs: 3000,
      tracks: [
        { kind: "audio", codec: "opus", frames: 150 },
        { kind: "video", codec: "vp8", frames: 75, width: 640, height: 360 },
      ],
    },
  ]);
  expect(s.failures).toEqual([]);
});

test("two people of the same name get a file each, and both start where they came", async () => {
  const s = session();
  const a = s.add("mic", { who: "a", name: "Sam" });
  s.feed(a, undefined, 0, 3000);
  const b = s.add("mic", { who: "b", name: "sam" });
  s.feed(b, undefined, 3000, 6000);
  await s.finish();
  expect(media(s)).toEqual(["Sam.webm", "sam-2.webm"]);
  expect(s.entriesOf("file-open").map((e) => [e.participantId, e.startMs])).toEqual([
    ["a", 0],
    ["b", 3000],
  ]);
  expect(times(s, "sam-2.webm", 1)[0]).toBe(0);
});

test("a screen and a second camera get files of their own", async () => {
  const s = session();
  const [mic, cam] = [s.add("mic"), s.add("cam")];
  const screen = s.add("screen", { source: "screen" });
  const sound = s.add("screen-audio", { source: "screen-audio", kind: "audio" });
  const second = s.add("cam-2");
  for (let t = 0; t < 2500; t += 20) {
    s.recorder.frame(mic, soundAt(t));
    s.recorder.frame(sound, soundAt(t));
    for (const id of [cam, screen, second])
      s.recorder.frame(id, pictureAt(t, t === 0 ? [320, 180] : undefined));
  }
  await s.finish();
  expect(media(s)).toEqual(["Alice-screen.webm", "Alice-video-2.webm", "Alice.webm"]);
  expect(
    s
      .entriesOf("file-open")
      .map((e) => [e.stem, e.source])
      .sort(),
  ).toEqual([
    ["Alice", "camera"],
    ["Alice-screen", "screen"],
    ["Alice-video-2", "camera"],
  ]);
  expect(s.blocks("Alice-screen.webm")).toHaveLength(250);
});

test("who leaves has a complete file at once; who comes back gets another", async () => {
  const s = session();
  s.feed(s.add("mic"), s.add("cam"), 0, 2500);
  s.recorder.removeParticipant("p1");
  await s.recorder.finish();
  expect(media(s)).toEqual(["Alice.webm"]);
  s.recorder.frame("p1:mic", soundAt(2600));
  s.feed(s.add("mic"), undefined, 5000, 7500);
  await s.finish();
  expect(media(s)).toEqual(["Alice-2.webm", "Alice.webm"]);
  expect(s.entriesOf("file-open").at(-1)?.startMs).toBe(5000);
});

test("bytes of a participant are those of all files", async () => {
  const s = session();
  s.feed(s.add("mic"), s.add("cam"), 0, 2500);
  const before = s.recorder.bytesOf("p1");
  expect(before).toBeGreaterThan(4096);
  s.recorder.removeParticipant("p1");
  await s.finish();
  expect(s.recorder.bytesOf("p1")).toBe(s.entriesOf("file-close")[0]?.bytes);
});

test("a reconnect continues the file, with silence for the time between", async () => {
  const s = session();
  const [mic, cam] = [s.add("mic"), s.add("cam")];
  s.feed(mic, cam, 0, 2000);
  s.recorder.removeTrack(mic);
  s.recorder.removeTrack(cam);
  for (let t = 2000; t < 6000; t += 100) s.recorder.tick(ms(t));
  s.add("mic");
  s.add("cam");
  s.feed(mic, cam, 6000, 8000);
  await s.finish();
  expect(media(s)).toEqual(["Alice.webm"]);
  expect(times(s, "Alice.webm", 2)).toEqual(Array.from({ length: 400 }, (_, i) => i * 20));
  expect(s.entriesOf("gap")).toMatchObject([
    { kind: "audio", cause: "silence", fromMs: 2000, toMs: 6000 },
    { kind: "video", cause: "silence", fromMs: 1960, toMs: 6000 },
  ]);
});

test("another codec starts another file in which nothing is lost", async () => {
  const s = session();
  const [mic, cam] = [s.add("mic"), s.add("cam")];
  for (let t = 0; t < 6000; t += 20) {
    s.recorder.frame(mic, soundAt(t));
    const codec = t < 3000 ? "vp8" : "h264";
    if (t % 40 === 0) s.recorder.frame(cam, pictureAt(t, t % 1000 === 0 ? [640, 360] : undefined, codec));
  }
  await s.finish();
  expect(media(s)).toEqual(["Alice-2.mkv", "Alice.webm"]);
  expect(times(s, "Alice.webm", 1).length + times(s, "Alice-2.mkv", 1).length).toBe(150);
  expect(s.events("Alice-2.mkv").find((e) => e.t === "tracks")?.tracks[0]).toMatchObject({
    codecId: "V_MPEG4/ISO/AVC",
  });
  const [first, second] = s.entriesOf("file-close");
  const frames = (f: typeof first) => f?.tracks.find((t) => t.kind === "audio")?.frames ?? 0;
  expect(frames(first) + frames(second)).toBeGreaterThanOrEqual(300);
  expect(s.failures).toEqual([]);
});

test("H.264 that follows sound for which WebM was chosen makes the file Matroska", async () => {
  const s = session();
  const [mic, cam] = [s.add("mic"), s.add("cam")];
  s.feed(mic, undefined, 0, 3000);
  for (let t = 3000; t < 6000; t += 40) {
    s.recorder.frame(mic, soundAt(t));
    s.recorder.frame(mic, soundAt(t + 20));
    s.recorder.frame(cam, pictureAt(t, t % 1000 === 0 ? [640, 360] : undefined, "h264"));
  }
  await s.finish();
  expect(media(s)).toEqual(["Alice.mkv"]);
  expect(s.events("Alice.mkv")[0]).toEqual({ t: "header", docType: "matroska" });
  const tracks = s.events("Alice.mkv").findLast((e) => e.t === "tracks")?.tracks;
  expect(tracks).toMatchObject([{ codecId: "V_MPEG4/ISO/AVC" }, { codecId: "A_OPUS" }]);
  expect(s.entriesOf("file-close")).toMatchObject([{ path: "Alice.mkv", format: "mkv" }]);
});

describe("files of a limited length", () => {
  const every3s: RecordingPolicy = { ...defaultPolicy, segmentMs: 3000 };

  test("begin with a keyframe where the one before ends, without a lost or doubled frame", async () => {
    const s = session({ policy: every3s });
    const [mic, cam] = [s.add("mic"), s.add("cam")];
    s.feed(mic, cam, 0, 10_000);
    await s.finish();
    const files = ["Alice.webm", "Alice-2.webm", "Alice-3.webm", "Alice-4.webm"];
    expect(media(s)).toEqual(files.toSorted());
    expect(s.entriesOf("file-open").map((e) => e.startMs)).toEqual([0, 3000, 6000, 9000]);
    const all = (track: number, length: number) =>
      files.flatMap((f, i) => times(s, f, track).map((t) => t + i * length));
    expect(all(1, 3000)).toEqual(Array.from({ length: 250 }, (_, i) => 40 * i));
    expect(all(2, 3000)).toEqual(Array.from({ length: 500 }, (_, i) => 20 * i));
    const lengths = s.entriesOf("file-close").toSorted((a, b) => (a.id < b.id ? -1 : 1));
    expect(lengths.map((e) => e.durationMs)).toEqual([3000, 3000, 3000, 1000]);
    expect(s.entriesOf("gap")).toEqual([]);
  });

  test("ask for the keyframe that they begin with, and wait for it", async () => {
    const s = session({ policy: every3s });
    const [mic, cam] = [s.add("mic"), s.add("cam")];
    for (let t = 0; t < 6000; t += 20) {
      s.recorder.frame(mic, soundAt(t));
      if (t % 40 === 0) s.recorder.frame(cam, pictureAt(t, t === 0 || t === 3600 ? [640, 360] : undefined));
      if (t % 100 === 0) s.recorder.tick(ms(t));
    }
    await s.finish();
    expect(s.wanted).toEqual([cam]);
    expect(s.entriesOf("file-open").map((e) => e.startMs)).toEqual([0, 3600]);
    expect(times(s, "Alice.webm", 2)).toHaveLength(180);
    expect(times(s, "Alice-2.webm", 2)).toEqual(Array.from({ length: 120 }, (_, i) => 20 * i));
  });

  test("of sound alone are exactly as long as asked for, also when packets come late", async () => {
    const s = session({ policy: every3s });
    const mic = s.add("mic");
    for (let t = 0; t < 7000; t += 20) {
      // Every fifth is overtaken by the next three.
      if (t % 100 !== 0) s.recorder.frame(mic, soundAt(t));
      if (t % 100 === 60) s.recorder.frame(mic, soundAt(t - 60));
      if (t % 100 === 0) s.recorder.tick(ms(t));
    }
    await s.finish();
    expect(media(s)).toEqual(["Alice-2.webm", "Alice-3.webm", "Alice.webm"]);
    for (const f of ["Alice.webm", "Alice-2.webm"])
      expect(times(s, f, 1)).toEqual(Array.from({ length: 150 }, (_, i) => 20 * i));
  });
});

describe("a picture that changes its size", () => {
  const sizes = [
    [320, 180],
    [640, 360],
    [1280, 720],
    [360, 640],
  ] as const;
  const grow = (s: TestSession) => {
    const [mic, cam] = [s.add("mic"), s.add("cam")];
    sizes.forEach((size, i) => {
      s.feed(mic, cam, 2000 * i, 2000 * (i + 1), size);
    });
  };

  test("stays in one file that is described by the largest", async () => {
    const s = session({ policy: defaultPolicy });
    grow(s);
    await s.finish();
    expect(media(s)).toEqual(["Alice.webm"]);
    expect(s.events("Alice.webm").findLast((e) => e.t === "tracks")?.tracks[0]).toMatchObject({
      width: 1280,
      height: 720,
    });
    expect(s.entriesOf("size").map((e) => [e.atMs, e.width])).toEqual([
      [2000, 640],
      [4000, 1280],
      [6000, 360],
    ]);
  });

  test("begins a new file each time where that is wanted, and no frame is missing", async () => {
    const s = session({ policy: { ...defaultPolicy, onResize: "split" } });
    grow(s);
    await s.finish();
    const files = ["Alice.webm", "Alice-2.webm", "Alice-3.webm", "Alice-4.webm"];
    files.forEach((f, i) => {
      const [width, height] = sizes[i] ?? [0, 0];
      expect(s.events(f).findLast((e) => e.t === "tracks")?.tracks[0]).toMatchObject({ width, height });
      expect(times(s, f, 1)).toEqual(Array.from({ length: 50 }, (_, n) => 40 * n));
      expect(times(s, f, 2)).toEqual(Array.from({ length: 100 }, (_, n) => 20 * n));
    });
    expect(s.entriesOf("gap")).toEqual([]);
  });
});

test("a picture that is turned begins a new file at its next keyframe, and asks for it", async () => {
  const s = session();
  const cam = s.add("cam");
  for (let t = 0; t < 4000; t += 40) {
    const turned = t >= 2000 ? { rotation: 90 as const } : {};
    const key = t === 0 || t === 2400;
    s.recorder.frame(cam, { ...pictureAt(t, key ? [640, 360] : undefined), ...turned });
  }
  await s.finish();
  expect(s.wanted).toEqual([cam]);
  expect(s.entriesOf("file-open").map((e) => e.startMs)).toEqual([0, 2400]);
  const rotation = (f: string) => s.events(f).findLast((e) => e.t === "tracks")?.tracks[0];
  expect(rotation("Alice.webm")).not.toHaveProperty("rotation");
  expect(rotation("Alice-2.webm")).toMatchObject({ rotation: 90 });
});

test("sound that changes its codec takes the picture along at the next keyframe", async () => {
  const s = session({ format: "mkv" });
  const [mic, cam] = [s.add("mic"), s.add("cam")];
  for (let t = 0; t < 6000; t += 20) {
    const sound = soundAt(t);
    s.recorder.frame(mic, t < 2500 ? sound : { ...sound, codec: "pcmu", data: new Uint8Array(160) });
    if (t % 40 === 0) s.recorder.frame(cam, pictureAt(t, t % 1000 === 0 ? [640, 360] : undefined));
    if (t % 100 === 0) s.recorder.tick(ms(t));
  }
  await s.finish();
  expect(s.wanted).toEqual([cam]);
  expect(times(s, "Alice.mkv", 1)).toEqual(Array.from({ length: 75 }, (_, i) => 40 * i));
  expect(times(s, "Alice.mkv", 2)).toHaveLength(125);
  expect(times(s, "Alice-2.mkv", 2)).toHaveLength(175);
  expect(times(s, "Alice-2.mkv", 1)).toEqual(Array.from({ length: 75 }, (_, i) => 500 + 40 * i));
});

test("a picture without keyframes is asked for one every minute, so that players can find their way", async () => {
  const s = session();
  const cam = s.add("cam");
  for (let t = 0; t < 190_000; t += 40) s.recorder.frame(cam, pictureAt(t, t === 0 ? [640, 360] : undefined));
  await s.finish();
  expect(s.wanted).toEqual([cam, cam, cam]);
});

test("with a file for each track, nobody shares one", async () => {
  const s = session({ policy: { ...defaultPolicy, layout: "tracks" } });
  s.feed(s.add("mic"), s.add("cam"), 0, 2000);
  s.feed(undefined, s.add("screen", { source: "screen" }), 0, 2000);
  await s.finish();
  expect(media(s)).toEqual(["Alice-camera.webm", "Alice-microphone.webm", "Alice-screen.webm"]);
  expect(times(s, "Alice-microphone.webm", 1)).toHaveLength(100);
});

test("everyone is recorded up to the limit and not beyond, those who fell silent too", async () => {
  const s = session();
  s.recorder.limit(ms(5000));
  const a = s.add("mic", { who: "a", name: "A" });
  const b = s.add("mic", { who: "b", name: "B" });
  for (let t = 0; t < 5400; t += 20) {
    s.recorder.frame(a, soundAt(t));
    if (t < 2000) s.recorder.frame(b, soundAt(t));
    if (t % 100 === 0) s.recorder.tick(ms(t));
  }
  await s.finish();
  for (const name of ["A.webm", "B.webm"]) {
    expect(times(s, name, 1)).toEqual(Array.from({ length: 250 }, (_, i) => i * 20));
  }
});

test("a recording that is stopped before its limit is not filled up to it", async () => {
  const s = session();
  s.recorder.limit(ms(60_000));
  s.feed(s.add("mic"), s.add("cam"), 0, 3000);
  await s.finish();
  expect(s.entriesOf("file-close")[0]?.durationMs).toBe(3000);
});

test("a picture that shrinks and stays small is noted once", async () => {
  const s = session();
  const cam = s.add("cam");
  for (let t = 0; t < 10_000; t += 40) {
    const size = t < 4000 ? ([640, 360] as const) : ([320, 180] as const);
    s.recorder.frame(cam, pictureAt(t, t % 1000 === 0 ? size : undefined));
  }
  await s.finish();
  expect(s.entriesOf("size")).toMatchObject([{ atMs: 4000, width: 320, height: 180 }]);
  expect(s.entriesOf("file-close")[0]?.tracks[0]).toMatchObject({ width: 640, height: 360 });
});

test("a picture that grows is described by its largest size", async () => {
  const s = session();
  const cam = s.add("cam");
  for (let t = 0; t < 3000; t += 40) {
    const size = t < 1000 ? ([320, 180] as const) : ([1280, 720] as const);
    s.recorder.frame(cam, pictureAt(t, t % 1000 === 0 ? size : undefined));
  }
  await s.finish();
  const tracks = s.events("Alice.webm").find((e) => e.t === "tracks")?.tracks;
  expect(tracks).toMatchObject([{ width: 1280, height: 720 }]);
  expect(s.blocks("Alice.webm")).toHaveLength(75);
});

test("names on disk from before are not used again", async () => {
  const s = session();
  writeFileSync(join(s.directory, "alice.mp4"), "");
  writeFileSync(join(s.directory, "Alice-2.webm.part"), "");
  const again = session({ directory: s.directory, attempt: 1 });
  again.feed(again.add("mic"), undefined, 0, 2500);
  await again.finish();
  expect(media(s)).toEqual(["Alice-2.webm.part", "Alice-3.webm", "alice.mp4"]);
  expect(again.entriesOf("file-open")[0]?.id).toBe("1-1");
});

test("a directory that vanished is one failure, and the rest is kept quiet", async () => {
  const s = session();
  const [mic, cam] = [s.add("mic"), s.add("cam")];
  rmSync(s.directory, { recursive: true });
  s.feed(mic, cam, 0, 3000);
  s.feed(s.add("mic", { who: "b" }), undefined, 3000, 6000);
  await s.finish();
  expect(s.failures.map((e) => e.code)).toEqual(["output-unwritable"]);
});

test("without ffmpeg an MP4 that was asked for stays Matroska, and says why", async () => {
  const s = session({ format: "mp4" });
  s.feed(s.add("mic"), s.add("cam"), 0, 2500);
  await s.finish();
  expect(media(s)).toEqual(["Alice.mkv"]);
  expect(s.failures.map((e) => e.code)).toEqual(["ffmpeg-missing"]);
  expect(manifestOf(s.entries)).toMatchObject({
    complete: true,
    files: [{ path: "Alice.mkv", format: "mkv" }],
  });
});

test("a name that is a path writes nowhere else", async () => {
  const s = session();
  s.feed(s.add("mic", { name: "../../escape" }), undefined, 0, 2500);
  await s.finish();
  expect(media(s)).toEqual(["escape.webm"]);
  expect(existsSync(join(s.directory, "../../escape.webm"))).toBe(false);
});

test("who never sent anything has no file", async () => {
  const s = session();
  s.add("mic");
  s.add("cam");
  for (let t = 0; t < 5000; t += 100) s.recorder.tick(ms(t));
  await s.finish();
  expect(media(s)).toEqual([]);
  expect(s.entriesOf("file-open")).toEqual([]);
});
