import { expect, test } from "vitest";
import { joinAnnexB } from "../../../src/core/codecs/annex-b.ts";
import { CopiedVideo } from "../../../src/sinks/program/copy.ts";
import type { ProgramFormat, ProgramSample, ProgramSink } from "../../../src/sinks/program/program.ts";
import { sets } from "../../core/codecs/h264.cases.ts";

const { sps640x480, sps494x370, pps } = sets;
const slice = (n: number) => Uint8Array.of(0x41, 0x9a, n + 1);
const idr = (n: number) => Uint8Array.of(0x65, 0x88, n + 1);

/** A call of a camera at 25 pictures a second beside an encoder with 40 ms pictures, on a clock of its own. */
function program() {
  const said: string[] = [];
  const formats: string[] = [];
  const video: { time: number; keyframe: boolean; copied: boolean }[] = [];
  let audio = 0;
  let requests = 0;
  let now = 0;
  const sink: ProgramSink = {
    name: "collector",
    format: (f) => formats.push(`${f.video.width}x${f.video.height}`),
    sample: (s: ProgramSample) => {
      if (s.kind === "audio") audio++;
      else video.push({ time: s.time, keyframe: s.keyframe, copied: s.data[4] !== 0xee });
    },
    interruption: () => formats.push("interruption"),
    close: async () => undefined,
    status: () => ({ state: "running", bytes: 0, dropped: 0, attempts: 1 }),
  };
  const copy = new CopiedVideo({
    sinks: [sink],
    keyframeMs: 1000,
    now: () => now,
    requestKeyframe: () => requests++,
    onChange: (on, why) => said.push(`${on ? "copied" : "encoded"}: ${why}`),
  });
  const encoded: ProgramFormat = {
    rendition: 0,
    video: { codec: "h264", config: Uint8Array.of(1), width: 1280, height: 720 },
    audio: { codec: "aac", config: Uint8Array.of(0x11, 0x90), sampleRate: 48_000, channels: 2 },
  };
  copy.format(encoded);
  let encoderIdle = false;
  /** Lets time pass; `camera` says what comes: a keyframe, a picture, or nothing. */
  const pass = (ms: number, camera: (n: number) => "key" | "delta" | undefined, sps = sps640x480) => {
    for (const end = now + ms; now < end; now += 40) {
      const n = now / 40;
      const what = camera(n);
      if (what) {
        const nals = what === "key" ? [sps, pps, idr(n % 100)] : [slice(n % 100)];
        copy.frame({ codec: "h264", data: joinAnnexB(nals), keyframe: what === "key" }, now + 120);
      }
      copy.sample({ kind: "audio", data: Uint8Array.of(1), time: now * 48, duration: 1920, keyframe: true });
      const keyframe = now % 1000 === 0 || (encoderIdle && !copy.copying);
      if (!copy.copying) {
        const data = Uint8Array.of(0, 0, 0, 1, 0xee);
        copy.sample({ kind: "video", rendition: 0, data, time: now * 90, duration: 3600, keyframe });
      }
      encoderIdle = copy.copying;
    }
  };
  return { copy, said, formats, video, pass, counts: () => ({ audio, requests }), encoded };
}

const everySecond = (n: number) => (n % 25 === 0 ? "key" : "delta");

function expectOrdered(video: readonly { readonly time: number }[]): void {
  for (let i = 1; i < video.length; i++)
    expect(video[i]?.time).toBeGreaterThan(video[i - 1]?.time ?? Number.NaN);
}

test("pictures that are H.264 are copied from a keyframe on, with their own configuration", () => {
  const p = program();
  p.pass(1000, (n) => (n < 10 ? undefined : n === 10 ? "key" : "delta"));
  p.pass(4000, everySecond);
  expect(p.said).toEqual(["copied: the pictures are H.264 already"]);
  expect(p.formats).toEqual(["1280x720", "640x480"]);
  const first = p.video.findIndex((v) => v.copied);
  expect(p.video[first]).toMatchObject({ keyframe: true, time: (400 + 120) * 90 });
  expect(p.video.slice(first).every((v) => v.copied)).toBe(true);
  expectOrdered(p.video);
  expect(p.counts().audio).toBe(125);
});

test("when no pictures come any more the encoder's come again, from a keyframe on", () => {
  const p = program();
  p.pass(3000, everySecond);
  p.pass(4000, () => undefined);
  expect(p.said.at(-1)).toBe("encoded: no pictures come");
  expect(p.formats).toEqual(["1280x720", "640x480", "1280x720"]);
  const last = p.video.findLastIndex((v) => v.copied);
  expect(p.video[last + 1]).toMatchObject({ copied: false, keyframe: true });
  expectOrdered(p.video);
  p.pass(2000, everySecond);
  expect(p.video.at(-1)?.copied).toBe(true);
});

test("a sender whose keyframes are too rare is encoded, and asked again a minute later", () => {
  const p = program();
  p.pass(6000, (n) => (n === 0 ? "key" : "delta"));
  expect(p.said).toEqual(["copied: the pictures are H.264 already", "encoded: keyframes come too rarely"]);
  expect(p.counts().requests).toBeGreaterThan(1);
  p.pass(10_000, everySecond);
  expect(p.video.at(-1)?.copied).toBe(false);
  p.pass(52_000, everySecond);
  expect(p.video.at(-1)?.copied).toBe(true);
});

test("another size is another configuration", () => {
  const p = program();
  p.pass(2000, everySecond);
  p.pass(2000, everySecond, sps494x370);
  expect(p.formats).toEqual(["1280x720", "640x480", "494x370"]);
});

test("another codec, and an encoder that was replaced, end copying", () => {
  const p = program();
  p.pass(2000, everySecond);
  p.copy.frame({ codec: "vp8", data: Uint8Array.of(0), keyframe: true }, 2000);
  expect(p.said.at(-1)).toBe("encoded: the pictures come as vp8");
  p.pass(2000, everySecond);
  expect(p.video.at(-1)?.copied).toBe(true);
  p.copy.interruption();
  p.copy.format(p.encoded);
  expect(p.copy.copying).toBe(false);
  expect(p.formats.slice(-2)).toEqual(["interruption", "1280x720"]);
});

test("keyframes without parameter sets begin nothing", () => {
  const p = program();
  p.copy.frame({ codec: "h264", data: joinAnnexB([idr(1)]), keyframe: true }, 100);
  expect(p.copy.copying).toBe(false);
});
