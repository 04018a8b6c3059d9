import { copyFile, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import installer from "@ffmpeg-installer/ffmpeg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { splitAnnexB } from "../../src/core/codecs/annex-b.ts";
import { NalType, nalType } from "../../src/core/codecs/h264-nal.ts";
import { runFfmpeg } from "../../src/ffmpeg/run.ts";
import { groundTruthClip } from "../../src/sources/ground-truth/generate.ts";
import { LOOP_FRAMES } from "../../src/sources/ground-truth/spec.ts";
import { verifyRecording } from "../../src/sources/ground-truth/verify.ts";
import { prepareMedia } from "../../src/sources/prepare.ts";
import { SampleStore } from "../../src/sources/sample-store.ts";
import { describeWith, findProgram } from "../support/requires.ts";

const builds = [
  { name: "the system's ffmpeg", path: findProgram("ffmpeg"), install: "apt-get install ffmpeg" },
  { name: "the bundled ffmpeg", path: findProgram(installer.path), install: "npm ci" },
];
const everyNumber = Array.from({ length: LOOP_FRAMES }, (_, n) => n);
const whole = { missing: 0, duplicated: 0, outOfOrder: 0, skipped: 0, unreadable: 0, decodeErrors: 0 };

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "roomtap-clip-"));
});
afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

for (const build of builds)
  describeWith(`with ${build.name}`, [build], () => {
    const ffmpeg = build.path ?? "";
    /** A file made by ffmpeg from `inputs`, in the test's directory. */
    const make = async (
      name: string,
      inputs: readonly (readonly [source: string, ...options: string[]])[],
      ...options: string[]
    ) => {
      const output = join(dir, `${ffmpeg === installer.path ? "old" : "new"}-${name}`);
      await runFfmpeg({
        ffmpeg,
        command: { inputs: inputs.map(([source, ...o]) => ({ source, options: o })), options, output },
      });
      return output;
    };
    const clip = (codec: "vp8" | "h264") => groundTruthClip({ codec, ffmpeg, cacheDir: dir });
    const smallClip = () =>
      groundTruthClip({ codec: "vp8", size: { width: 640, height: 360 }, ffmpeg, cacheDir: dir });
    const prepare = (
      media: string,
      o: { video?: "vp8" | "h264" | "none"; audio?: "opus" | "none"; durationMs?: number } = {},
    ) => prepareMedia({ media, video: "vp8", audio: "opus", ...o, ffmpeg, cacheDir: dir });

    test.each(["vp8", "h264"] as const)(
      "the %s clip holds every frame once, and sound with the picture",
      async (codec) => {
        const v = await verifyRecording(await clip(codec), { ffmpeg });
        expect(v).toMatchObject({ ...whole, frames: LOOP_FRAMES, audioHolesMs: 0 });
        expect(v.numbers).toEqual(everyNumber);
        // The first flash stands where the decoder of the sound still settles.
        expect(v.offset.count).toBe(9);
        expect(v.offset.max).toBeLessThan(1);
        expect(Math.abs(v.videoDurationMs - 10_000)).toBeLessThan(2);
      },
    );

    test.each(["vp8", "h264"] as const)(
      "the %s clip loops without a seam, with a keyframe every second",
      async (codec) => {
        const store = SampleStore.open(await clip(codec));
        const { video = [], audio = [], durationUs } = store.index;
        expect(store.video).toEqual({ codec, width: 1280, height: 720 });
        expect(store.audio).toEqual({ channels: 2 });
        expect(durationUs).toBe(10_000_000);
        expect(video.map((s) => s.time)).toEqual(everyNumber.map((n) => Math.round((n * 1e6) / 30)));
        expect(video.flatMap((s, n) => (s.keyframe ? [n] : []))).toEqual(
          everyNumber.filter((n) => n % 30 === 0),
        );
        expect(audio.map((s) => s.time)).toEqual(Array.from({ length: 500 }, (_, i) => 13_500 + i * 20_000));
        const bits = 8 * video.reduce((n, s) => n + s.size, 0);
        expect(bits / 10).toBeGreaterThan(1e6);
        expect(bits / 10).toBeLessThan(2.6e6);
        store.close();
      },
    );

    test("H.264 frames come as Annex B with parameter sets at keyframes only", async () => {
      const store = SampleStore.open(await clip("h264"));
      for (const [n, sample] of (store.index.video ?? []).entries()) {
        const types = splitAnnexB(store.read("video", n)).map((nal) => nalType(nal));
        expect(types.includes(NalType.sps), `frame ${n}`).toBe(sample.keyframe);
        expect(types.includes(NalType.pps), `frame ${n}`).toBe(sample.keyframe);
        expect(types.includes(sample.keyframe ? NalType.idr : NalType.slice), `frame ${n}`).toBe(true);
      }
      store.close();
    });

    test("frames are the same from memory and from disk", async () => {
      const path = await clip("h264");
      const kept = SampleStore.open(path);
      const read = SampleStore.open(path, { maxInMemory: 0 });
      expect(read.index).toEqual(kept.index);
      for (const kind of ["video", "audio"] as const)
        for (const n of (kept.index[kind] ?? []).keys())
          expect(Buffer.compare(kept.read(kind, n), read.read(kind, n)), `${kind} ${n}`).toBe(0);
      expect(() => read.read("video", LOOP_FRAMES)).toThrow(RangeError);
      read.close();
      read.close();
      kept.close();
    });

    test("numbers and flashes survive 300 kbit/s and a scaled picture, sound survives AAC in MP4", async () => {
      const path = await make(
        "rough.mp4",
        [[await clip("vp8")]],
        ...[
          "-vf",
          "scale=640:360",
          "-c:v",
          "libx264",
          "-preset",
          "veryfast",
          "-b:v",
          "300k",
          "-maxrate",
          "300k",
        ],
        ...["-bufsize", "300k", "-c:a", "aac", "-b:a", "64k"],
      );
      const v = await verifyRecording(path, { ffmpeg });
      expect(v).toMatchObject({ ...whole, frames: LOOP_FRAMES });
      expect(v.offset.count).toBeGreaterThanOrEqual(9);
      expect(v.offset.p95).toBeLessThan(10);
    });

    test("VP8 at 300 kbit/s keeps every number", async () => {
      const path = await make(
        "rough.webm",
        [[await clip("h264")]],
        ...[
          "-c:v",
          "libvpx",
          "-deadline",
          "realtime",
          "-cpu-used",
          "8",
          "-threads",
          "2",
          "-b:v",
          "300k",
          "-minrate",
          "300k",
        ],
        ...["-maxrate", "300k", "-c:a", "copy"],
      );
      const v = await verifyRecording(path, { ffmpeg });
      expect(v.numbers).toEqual(everyNumber);
      expect(v.offset.p95).toBeLessThan(10);
    });

    test("lost frames, late sound and holes in it are measured", async () => {
      const source = await smallClip();
      const path = await make(
        "damaged.mkv",
        [[source], [source, "-itsoffset", "0.06"]],
        ...[
          "-map",
          "0:v",
          "-map",
          "1:a",
          "-vf",
          "select=not(between(n\\,100\\,109))",
          "-vsync",
          "passthrough",
        ],
        ...["-enc_time_base", "1:1000", "-af", "aselect=not(between(t\\,4.3\\,4.7))", "-c:v", "libx264"],
        ...["-preset", "ultrafast", "-c:a", "pcm_s16le"],
      );
      const v = await verifyRecording(path, { ffmpeg });
      expect(v).toMatchObject({ missing: 10, duplicated: 0, skipped: 0, frames: LOOP_FRAMES - 10 });
      expect(v.offset.count).toBe(9);
      expect(Math.abs(v.offset.p50 + 60)).toBeLessThan(2);
      expect(v.audioHolesMs).toBeGreaterThan(350);
      expect(v.audioHolesMs).toBeLessThan(450);
    });

    test("any file with pictures or sound becomes a clip, at most 1280x720 with even sides", async () => {
      const video = ["testsrc=s=1500x1001:r=24:d=1.5", "-f", "lavfi"] as const;
      const both = await make(
        "both.mkv",
        [video, ["sine=440:d=1.5", "-f", "lavfi"]],
        ...["-c:v", "mpeg4", "-c:a", "flac"],
      );
      const store = SampleStore.open(await prepare(both, { video: "h264" }));
      expect(store.video).toEqual({ codec: "h264", width: 1078, height: 720 });
      expect(store.index.video?.length).toBe(45);
      expect(store.index.audio?.length).toBe(75);
      store.close();
      const limited = SampleStore.open(await prepare(both, { durationMs: 500, audio: "none" }));
      expect(limited.index.video?.length).toBe(15);
      expect(limited.audio).toBeUndefined();
      limited.close();
      const sound = await make("sound.mp3", [["sine=440:d=1", "-f", "lavfi"]]);
      const heard = SampleStore.open(await prepare(sound));
      expect(heard.video).toBeUndefined();
      expect(heard.index.audio?.length).toBeGreaterThan(48);
      heard.close();
      await expect(prepare(sound, { audio: "none" })).rejects.toMatchObject({
        code: "media-invalid",
        message: expect.stringContaining("has no pictures"),
      });
    });

    test.each(["vp8", "h264"] as const)("BT.709 colours become those that %s shows", async (video) => {
      const red = await make(
        "red.mkv",
        [["color=red:s=320x180:r=30:d=0.2", "-f", "lavfi"]],
        ...["-vf", "scale=out_color_matrix=bt709,format=yuv420p", "-colorspace", "bt709", "-c:v", "libx264"],
      );
      const luma: number[] = [];
      await runFfmpeg({
        ffmpeg,
        command: {
          inputs: [{ source: await prepare(red, { video, audio: "none" }) }],
          options: ["-frames:v", "1", "-pix_fmt", "yuv420p", "-f", "rawvideo"],
          output: "stdout",
        },
        onOutput: (bytes) => void luma.push(...bytes.subarray(0, 1)),
      });
      // Red is 63 in BT.709 and 82 in BT.601.
      expect(Math.abs((luma[0] ?? 0) - 82)).toBeLessThan(4);
    });

    test("sound and picture of a file stay together", async () => {
      const copy = join(dir, "copy.mkv");
      await copyFile(await smallClip(), copy);
      const v = await verifyRecording(await prepare(copy), { ffmpeg });
      expect(v).toMatchObject({ missing: 0, unreadable: 0 });
      expect(v.offset.p95).toBeLessThan(10);
    });

    test("what is no media, is missing or is damaged is said so", async () => {
      const refusal = (what: string) => ({ code: "media-invalid", message: expect.stringContaining(what) });
      const text = join(dir, "notes.txt");
      await writeFile(text, "not a film\n".repeat(1000));
      await expect(prepare(text)).rejects.toMatchObject(refusal("is not media"));
      const noise = join(dir, "noise.mp4");
      await writeFile(
        noise,
        new Uint8Array(100_000).map((_, i) => (i * i * 31 + (i >> 3)) & 255),
      );
      await expect(prepare(noise)).rejects.toMatchObject(refusal("noise.mp4"));
      await expect(prepare(join(dir, "absent.mp4"))).rejects.toMatchObject(refusal("there is no media file"));
      await expect(prepare(dir)).rejects.toMatchObject(refusal("is not a file"));
      expect(() => SampleStore.open(text)).toThrow(expect.objectContaining({ code: "media-invalid" }));
      await expect(verifyRecording(text.replace("notes", "none"), { ffmpeg })).rejects.toMatchObject({
        code: "incomplete",
      });
    });
  });

describeWith(
  "the cache",
  [builds[1]].flatMap((b) => b ?? []),
  () => {
    const ffmpeg = builds[1]?.path ?? "";
    const size = { width: 320, height: 180 };

    test("two at once make one clip, and the next one takes it from there", async () => {
      const cacheDir = join(dir, "cache", "new");
      const shares: number[] = [];
      const one = () =>
        groundTruthClip({ codec: "vp8", size, ffmpeg, cacheDir, onProgress: (s) => shares.push(s) });
      const [a, b] = await Promise.all([one(), one()]);
      expect(a).toBe(b);
      expect(await readdir(cacheDir)).toHaveLength(1);
      expect(shares.at(-1)).toBe(1);
      shares.length = 0;
      expect(await one()).toBe(a);
      expect(shares).toEqual([]);
      expect((await verifyRecording(a, { ffmpeg })).numbers).toEqual(everyNumber);
    });

    test("an aborted preparation leaves nothing behind", async () => {
      const cacheDir = join(dir, "cache", "aborted");
      const stop = new AbortController();
      const onProgress = (share: number) => {
        if (share > 0.1) stop.abort();
      };
      await expect(
        groundTruthClip({ codec: "vp8", size, ffmpeg, cacheDir, onProgress, signal: stop.signal }),
      ).rejects.toMatchObject({ code: "ffmpeg-failed" });
      expect(await readdir(cacheDir)).toEqual([]);
    });

    test("a cache that cannot be written is named", async () => {
      const file = join(dir, "occupied");
      await writeFile(file, "");
      await expect(
        groundTruthClip({ codec: "vp8", size, ffmpeg, cacheDir: join(file, "below") }),
      ).rejects.toMatchObject({ code: "output-unwritable", hint: expect.stringContaining("ROOMTAP_CACHE") });
    });
  },
);
