import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import installer from "@ffmpeg-installer/ffmpeg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { MatroskaTrack } from "../../src/core/containers/matroska/track.ts";
import { MatroskaWriter } from "../../src/core/containers/matroska/writer.ts";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { CONTACT_SHEET, makePictures, type PicturesOptions } from "../../src/sinks/recorder/pictures.ts";
import { ivfFrames } from "../support/encoder.ts";
import { MemoryFile } from "../support/matroska.ts";
import { mountUnavailable, tinyDisk } from "../support/tiny-disk.ts";

const unavailable = mountUnavailable();
if (unavailable !== undefined) process.stderr.write(`skipped: pictures on a full disk: ${unavailable}\n`);

type Video = PicturesOptions["files"][number];

const bundled = installer.path;
/** A red upper half and a blue lower one, so that up is up. */
const flag = (size: string) => {
  const [w = 0, h = 0] = size.split("x").map(Number);
  return `color=red:s=${size}:r=10,drawbox=y=${h / 2}:h=${h / 2}:w=${w}:color=blue:t=fill,noise=alls=20`;
};
const vp8 = ["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "16", "-b:v", "400k"];

let ffmpeg: string;
let clips: string;
let session: string;

beforeAll(async () => {
  ffmpeg = await locateFfmpeg();
  clips = mkdtempSync(join(tmpdir(), "roomtap-clips-"));
  const make = (name: string, source: string, ...args: string[]) =>
    execFileSync(ffmpeg, [
      "-nostdin",
      "-v",
      "error",
      "-y",
      "-f",
      "lavfi",
      "-i",
      source,
      ...args,
      join(clips, name),
    ]);
  make("wide.webm", flag("320x180").replace(":r=10", ":r=10:d=6"), ...vp8, "-g", "10");
  make("wide.ivf", flag("320x180").replace(":r=10", ":r=10:d=2"), ...vp8);
  make("tall.ivf", flag("90x160").replace(":r=10", ":r=10:d=2"), ...vp8);
  make("tall.mp4", flag("180x320").replace(":r=10", ":r=10:d=4"), "-c:v", "libx264", "-preset", "ultrafast");
  // Black until 3 s of 6, which is behind the first places that are looked at.
  make(
    "late.webm",
    "testsrc2=s=320x180:r=10:d=6,drawbox=color=black:t=fill:enable=lt(t\\,3)",
    ...vp8,
    "-g",
    "10",
  );
  make("minute.webm", "testsrc2=s=1280x720:r=10:d=2", ...vp8, "-g", "20");
  make("sparse.webm", "testsrc2=s=320x180:r=1:d=600", ...vp8, "-g", "9999", "-auto-alt-ref", "0");
  make("still.webm", "testsrc2=s=320x180:r=1:d=1", ...vp8);
  make("sound.webm", "sine=d=2", "-c:a", "libopus");
}, 120_000);
afterAll(() => rmSync(clips, { recursive: true, force: true }));
beforeEach(() => {
  session = mkdtempSync(join(tmpdir(), "roomtap-%d's: pictures-"));
  return () => rmSync(session, { recursive: true, force: true });
});

/** Puts a clip into the session. */
function put(clip: string, durationMs: number, o: Partial<Video> = {}): Video {
  const path = o.path ?? clip;
  copyFileSync(join(clips, clip), join(session, path));
  const tracks: Video["tracks"] = [
    { kind: clip.startsWith("sound") ? "audio" : "video", codec: "vp8", frames: 1 },
  ];
  return { path, participant: "Ada", source: "camera", startMs: 0, durationMs, tracks, ...o };
}

function pictures(files: readonly Video[], o: Partial<PicturesOptions> = {}) {
  return makePictures({ directory: session, files, ffmpeg, signal: new AbortController().signal, ...o });
}

/** A picture as RGB. */
function pixelsOf(name: string) {
  const file = readFileSync(join(session, name));
  // SOF0: height and width.
  const at = file.indexOf(Buffer.of(0xff, 0xc0));
  const [height, width] = [file.readUInt16BE(at + 5), file.readUInt16BE(at + 7)];
  const rgb = execFileSync(
    ffmpeg,
    ["-nostdin", "-v", "error", "-f", "mjpeg", "-i", "-", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
    { input: file, maxBuffer: 1e8 },
  );
  const at3 = (x: number, y: number) => [...rgb.subarray(3 * (y * width + x), 3 * (y * width + x) + 3)];
  return { width, height, colour: (x: number, y: number) => nameOf(at3(x, y)), rgb };
}

function nameOf([r = 0, g = 0, b = 0]: readonly number[]): string {
  if (r > 150 && g < 90 && b < 90) return "red";
  return b > 150 && r < 90 && g < 90 ? "blue" : `${r},${g},${b}`;
}

/** Bright pixels in the strips below the stills: what is written there. */
function written(sheet: ReturnType<typeof pixelsOf>, row = 0): number {
  const top = 4 + row * 208 + 182;
  const strip = sheet.rgb.subarray(3 * top * sheet.width, 3 * (top + 20) * sheet.width);
  return strip.filter((c) => c > 180).length;
}

describe.each([
  ["the newest ffmpeg", () => ffmpeg],
  ["the one that comes with Roomtap", () => bundled],
])("with %s", (_, which) => {
  test("every video has a poster in its own shape, and all are on the sheet", async () => {
    const files = [
      put("wide.webm", 6000, { participant: "<img src=x onerror=1> %{eif:1}:x='\u001b[2J\n" }),
      put("tall.mp4", 4000, { participant: "Grace", startMs: 3_700_000 }),
      put("sound.webm", 2000),
    ];
    const made = await pictures(files, { ffmpeg: which() });
    expect([...made.posters]).toEqual([
      ["wide.webm", "wide.jpg"],
      ["tall.mp4", "tall.jpg"],
    ]);
    const [wide, tall, sheet] = ["wide.jpg", "tall.jpg", made.contactSheet ?? ""].map(pixelsOf);
    expect(wide).toMatchObject({ width: 320, height: 180 });
    expect(tall).toMatchObject({ width: 180, height: 320 });
    expect([wide?.colour(160, 20), wide?.colour(160, 160)]).toEqual(["red", "blue"]);
    expect([tall?.colour(90, 20), tall?.colour(90, 300)]).toEqual(["red", "blue"]);
    // Three stills and two, of 320x204, with gaps of 4.
    expect(sheet).toMatchObject({ width: 4 + 3 * 324, height: 4 + 2 * 208 });
    expect(sheet && [sheet.colour(164, 30), sheet.colour(164, 160)]).toEqual(["red", "blue"]);
    for (const row of [0, 1]) expect(sheet && written(sheet, row)).toBeGreaterThan(500);
    expect(readdirSync(session).toSorted()).toEqual(
      ["contact-sheet.jpg", "sound.webm", "tall.jpg", "tall.mp4", "wide.jpg", "wide.webm"].toSorted(),
    );
  });

  test("a rotation in the file is applied, in Matroska as in MP4", async () => {
    write("turned.webm", ["wide.ivf"], 90);
    // Later ones have another way to say it.
    execFileSync(bundled, [
      ...["-nostdin", "-v", "error", "-i", join(clips, "tall.mp4"), "-c", "copy"],
      ...["-metadata:s:v", "rotate=270", join(session, "turned.mp4")],
    ]);
    const file = put("wide.webm", 2000, { path: "wide.webm" });
    const files = ["turned.webm", "turned.mp4"].map((path) => ({ ...file, path }));
    await pictures(files, { ffmpeg: which() });
    const webm = pixelsOf("turned.jpg");
    expect(webm).toMatchObject({ width: 180, height: 320 });
    // Clockwise: what was above is on the right.
    expect([webm.colour(10, 160), webm.colour(170, 160)]).toEqual(["blue", "red"]);
    const mp4 = pixelsOf("turned.mp4.jpg");
    expect(mp4).toMatchObject({ width: 320, height: 180 });
    expect([mp4.colour(10, 90), mp4.colour(310, 90)]).toEqual(["blue", "red"]);
  });

  test("pictures that change their size are shown as they are", async () => {
    write("wide.webm", ["wide.ivf", "tall.ivf", "wide.ivf", "tall.ivf"], 0);
    const file = put("wide.webm", 8000, { path: "other.webm" });
    const made = await pictures([{ ...file, path: "wide.webm" }], { ffmpeg: which() });
    expect(pixelsOf("wide.jpg")).toMatchObject({ width: 320, height: 180 });
    const sheet = pixelsOf(made.contactSheet ?? "");
    // Stills at 0.8, 3, 5.3 and 7.6 s: the second and fourth have nothing but their middle.
    const shapes = [0, 1, 2, 3].map((i) => {
      const [left, top] = [4 + (i % 2) * 324, 4 + Math.floor(i / 2) * 208];
      return [sheet.colour(left + 20, top + 20), sheet.colour(left + 160, top + 20)];
    });
    expect(shapes[0]).toEqual(["red", "red"]);
    expect(shapes[1]?.[1]).toBe("red");
    expect(shapes[1]?.[0]).not.toBe("red");
    expect(shapes[2]).toEqual(["red", "red"]);
    expect(shapes[3]?.[0]).not.toBe("red");
  });

  test("a poster is not black when the video is not black all along", async () => {
    await pictures([put("late.webm", 6000)], { ffmpeg: which() });
    const { rgb } = pixelsOf("late.jpg");
    expect(rgb.reduce((sum, c) => sum + c, 0) / rgb.length).toBeGreaterThan(60);
  });

  test("ten minutes take a moment, with many keyframes and with one", async () => {
    execFileSync(ffmpeg, [
      ...["-nostdin", "-v", "error", "-stream_loop", "299", "-i", join(clips, "minute.webm")],
      ...["-c", "copy", join(session, "ten.webm")],
    ]);
    const ten = { ...put("wide.webm", 600_000), path: "ten.webm" };
    for (const [i, files] of [[ten], [put("sparse.webm", 600_000)]].entries()) {
      const measured = measuring(which(), i);
      const made = await pictures(files, { ffmpeg: measured.path });
      expect(made.posters.size).toBe(1);
      expect(made.contactSheet).toBe(CONTACT_SHEET);
      // One to two, and as much waiting, on two cores with nothing else to do; decoding all of it takes ten.
      expect(measured.seconds()).toBeGreaterThan(0);
      expect(measured.seconds()).toBeLessThan(8);
    }
  });
});

/** An ffmpeg that says how much time of a processor it took in all. */
function measuring(program: string, n: number) {
  const path = join(session, `ffmpeg-${n}`);
  const log = `${path}.log`;
  writeFileSync(path, `#!/bin/sh\n"${program}" "$@"\nr=$?\ntimes >> "${log}"\nexit $r\n`);
  chmodSync(path, 0o755);
  const seconds = (m: string, s: string) => 60 * Number(m) + Number(s);
  return {
    path,
    /** Of the processes, without the shells around them: the second of the two lines that each shell writes. */
    seconds: () =>
      readFileSync(log, "utf8")
        .trim()
        .split("\n")
        .filter((_, i) => i % 2 === 1)
        .flatMap((line) => [...line.matchAll(/(\d+)m([\d.]+)s/g)])
        .reduce((sum, [, m = "", s = ""]) => sum + seconds(m, s), 0),
  };
}

/** Writes clips, one after the other, into a Matroska of ours whose pictures have to be turned. */
function write(name: string, ivfs: readonly string[], rotation: 0 | 90): void {
  const track: MatroskaTrack = {
    number: 1,
    kind: "video",
    codecId: "V_VP8",
    width: 320,
    height: 180,
    defaultDurationNs: 100_000_000,
    rotation,
  };
  const writer = new MatroskaWriter("webm", [track]);
  const file = new MemoryFile();
  file.apply([writer.header()]);
  const frames = ivfs.flatMap((ivf) => ivfFrames(new Uint8Array(readFileSync(join(clips, ivf)))));
  for (const [i, frame] of frames.entries())
    file.apply(writer.block(1, i * 100, 100, ((frame[0] ?? 1) & 1) === 0, frame));
  file.apply(writer.finish());
  writeFileSync(join(session, name), file.bytes);
}

describe("names", () => {
  test("a poster never takes the place of the sheet or of another poster", async () => {
    const files = ["contact-sheet.webm", "ada.webm", "ada.mkv"].map((path) =>
      put("still.webm", 1000, { path }),
    );
    const made = await pictures(files);
    expect([...made.posters.values()]).toEqual(["contact-sheet.webm.jpg", "ada.jpg", "ada.mkv.jpg"]);
    expect(made.contactSheet).toBe(CONTACT_SHEET);
    expect(pixelsOf(CONTACT_SHEET).width).toBeGreaterThan(600);
  });

  test("a path that leads out of the session is not followed", async () => {
    const file = put("still.webm", 1000);
    mkdirSync(join(session, "inner"));
    const made = await pictures([{ ...file, path: "../still.webm" }], { directory: join(session, "inner") });
    expect(made).toEqual({ posters: new Map() });
    expect(readdirSync(session)).toHaveLength(2);
  });
});

describe("what goes wrong is left out", () => {
  test("a picture that stands from the start on is found, though nothing comes after it", async () => {
    expect((await pictures([put("still.webm", 60_000)])).posters.size).toBe(1);
  });

  test("files that are missing, empty or no videos, beside one that is fine", async () => {
    const fine = put("still.webm", 1000);
    writeFileSync(join(session, "noise.webm"), Buffer.alloc(50_000, "noise"));
    writeFileSync(join(session, "empty.webm"), "");
    const head = readFileSync(join(clips, "wide.webm")).subarray(0, 600);
    writeFileSync(join(session, "head.webm"), head);
    const broken = ["noise", "empty", "head", "gone"].map((n) => ({ ...fine, path: `${n}.webm` }));
    const made = await pictures([...broken, fine]);
    expect([...made.posters.keys()]).toEqual(["still.webm"]);
    expect(made.contactSheet).toBe(CONTACT_SHEET);
  });

  test.each([
    ["that there is none of", ""],
    ["that is not there", "/no/such/ffmpeg"],
    ["that fails", "/bin/false"],
    ["that says nothing", "/bin/true"],
  ])("an ffmpeg %s", async (_, path) => {
    const files = [put("still.webm", 1000)];
    expect(await pictures(files, { ffmpeg: path })).toEqual({ posters: new Map() });
    expect(readdirSync(session)).toEqual(["still.webm"]);
  });

  test.each([
    [
      "has no drawtext",
      'case "$*" in *-filters*) "$F" "$@" | grep -v drawtext; exit;; *drawtext*) exit 1;; esac',
    ],
    ["has no font", 'case "$*" in *drawtext*) exit 1;; esac'],
  ])("labels, where ffmpeg %s", async (name, script) => {
    const wrapper = join(clips, name.replaceAll(" ", "-"));
    writeFileSync(wrapper, `#!/bin/sh\nF=${ffmpeg}\n${script}\nexec "$F" "$@"\n`);
    chmodSync(wrapper, 0o755);
    const made = await pictures([put("still.webm", 1000)], { ffmpeg: wrapper });
    expect(made.contactSheet).toBe(CONTACT_SHEET);
    expect(written(pixelsOf(CONTACT_SHEET))).toBe(0);
  });

  test("a session directory that is gone", async () => {
    const files = [put("still.webm", 1000)];
    rmSync(session, { recursive: true });
    expect(await pictures(files)).toEqual({ posters: new Map() });
    expect(existsSync(session)).toBe(false);
  });

  test.skipIf(unavailable !== undefined)("everything, where the manifest needs the room", async () => {
    const disk = await tinyDisk(1024 * 1024);
    try {
      const file = put("still.webm", 1000);
      copyFileSync(join(session, file.path), join(disk.path, file.path));
      expect(await pictures([file], { directory: disk.path })).toEqual({ posters: new Map() });
      expect(readdirSync(disk.path)).toEqual([file.path]);
    } finally {
      await disk.close();
    }
  });

  test("everything, when nobody wants to wait", async () => {
    const files = [put("wide.webm", 6000)];
    expect(await pictures(files, { signal: AbortSignal.abort() })).toEqual({ posters: new Map() });
    const soon = new AbortController();
    const making = pictures(files, { signal: soon.signal });
    setImmediate(() => soon.abort());
    expect((await making).contactSheet).toBeUndefined();
    expect(readdirSync(session)).toEqual(["wide.webm"]);
  });
});
