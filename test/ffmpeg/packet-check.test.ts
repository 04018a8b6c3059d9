import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import installer from "@ffmpeg-installer/ffmpeg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MatroskaWriter } from "../../src/core/containers/matroska/writer.ts";
import { packetCheck } from "../../src/ffmpeg/packet-check.ts";
import { matroskaTrack } from "../../src/sinks/recorder/matroska-codecs.ts";
import { describeWith, findProgram } from "../support/requires.ts";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "roomtap-packets-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const builds = [
  { name: "the system's ffmpeg", path: findProgram("ffmpeg"), install: "apt-get install ffmpeg" },
  { name: "the bundled ffmpeg", path: findProgram(installer.path), install: "npm ci" },
];
const keyframe = Uint8Array.of(0x10, 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0);

/** A file with a VP8 track (1) and an Opus track (2): [track, milliseconds] of its blocks. */
function file(name: string, blocks: readonly (readonly [track: 1 | 2, atMs: number])[]): string {
  const first = { codec: "vp8", keyframe: true, width: 64, height: 48, data: keyframe } as const;
  const frame = { ...first, time: 0 as never, rtpTime: 0, lostBefore: 0 };
  const writer = new MatroskaWriter("webm", [
    matroskaTrack(1, "vp8", frame),
    matroskaTrack(2, "opus", undefined),
  ]);
  const patches = [
    writer.header(),
    ...blocks.flatMap(([t, ms]) =>
      writer.block(t, ms, t === 1 ? 33 : 20, true, t === 1 ? keyframe : Uint8Array.of(0xfc, 1, 2, 3)),
    ),
    ...writer.finish(),
  ];
  const bytes = new Uint8Array(writer.length);
  for (const p of patches) bytes.set(p.bytes, p.at);
  const path = join(dir, name);
  writeFileSync(path, bytes);
  return path;
}

const span = (track: 1 | 2, step: number, from: number, to: number) =>
  Array.from({ length: Math.ceil((to - from) / step) }, (_, i) => [track, from + i * step] as const);
const sorted = (...lists: (readonly (readonly [1 | 2, number])[])[]) =>
  lists.flat().toSorted((a, b) => a[1] - b[1]);

for (const build of builds)
  describeWith(`with ${build.name}`, [build], () => {
    const ffmpeg = build.path ?? "";

    test("a whole file has no holes, and ends where its last packet ends", async () => {
      const path = file("whole.webm", sorted(span(1, 40, 0, 2000), span(2, 20, 0, 2000)));
      expect(await packetCheck(path, { ffmpeg })).toMatchObject({
        backwards: 0,
        tracks: [
          { kind: "video", codec: "vp8", width: 64, height: 48, packets: 50, startMs: 0, typicalMs: 40 },
          { kind: "audio", codec: "opus", packets: 100, startMs: 0, endMs: 2000, typicalMs: 20 },
        ].map((t) => ({ ...t, holes: [], holeCount: 0, repeated: 0, overlaps: 0 })),
      });
    });

    test("holes are found between pictures and behind packets of sound", async () => {
      const path = file(
        "holes.webm",
        sorted(
          span(1, 40, 0, 1000),
          span(1, 40, 1500, 2000),
          span(2, 20, 0, 500),
          span(2, 20, 620, 1000),
          span(2, 20, 1090, 2000),
        ),
      );
      const { tracks } = await packetCheck(path, { ffmpeg });
      expect(tracks.map((t) => t.holes)).toEqual([
        [{ fromMs: 960, toMs: 1500 }],
        [{ fromMs: 500, toMs: 620 }],
      ]);
    });

    test("times that go back are counted", async () => {
      const path = file("back.webm", [
        ...sorted(span(1, 40, 0, 400), span(2, 20, 0, 400)),
        [2, 340],
        [2, 360],
        ...sorted(span(1, 40, 400, 800), span(2, 20, 400, 800)),
      ]);
      const check = await packetCheck(path, { ffmpeg });
      expect(check.backwards).toBeGreaterThan(0);
    });

    test("packets that lie over one another, or at one time, are counted", async () => {
      const sound = span(2, 20, 0, 800);
      const path = file(
        "over.webm",
        sorted(span(1, 40, 0, 800), [[1, 400] as const], sound, [[2, 403] as const, [2, 406] as const]),
      );
      const [video, audio] = (await packetCheck(path, { ffmpeg })).tracks;
      expect(video?.repeated).toBe(1);
      expect(audio?.overlaps).toBeGreaterThan(0);
    });
  });

test("an ffmpeg that hangs is ended, and said so", async () => {
  const hanging = join(dir, "hanging");
  writeFileSync(hanging, "#!/bin/sh\nexec sleep 600\n");
  chmodSync(hanging, 0o755);
  const signal = new AbortController().signal;
  await expect(packetCheck("any", { ffmpeg: hanging, stallMs: 100, signal })).rejects.toMatchObject({
    code: "incomplete",
    cause: new Error("it stood still for 0.1 s and was ended"),
  });
});
