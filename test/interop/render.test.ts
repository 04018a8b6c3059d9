import {
  chmodSync,
  copyFileSync,
  cpSync,
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
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RenderOptions, render } from "../../src/bot/render.ts";
import { runCli as inProcess } from "../../src/cli/program.ts";
import { drawText } from "../../src/ffmpeg/draw-text.ts";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { probeFile } from "../../src/ffmpeg/probe.ts";
import type { SessionEvent } from "../../src/sinks/recorder/session-events.ts";
import { CapturedOutput } from "../support/captured-output.ts";
import { startCli } from "../support/cli.ts";
import { Look } from "../support/look.ts";
import { type TestGuest, writeSession } from "../support/session-files.ts";
import { mountUnavailable, tinyDisk } from "../support/tiny-disk.ts";

const unavailable = mountUnavailable();
if (unavailable !== undefined) process.stderr.write(`skipped: render on a full disk: ${unavailable}\n`);

const hostile = "<img src=x onerror=1> %{eif:1}:x='\u001b[2J\n";
/** Everybody flashes and beeps at another part of the second. */
const guests: readonly TestGuest[] = [
  {
    id: "red",
    name: hostile,
    startMs: 0,
    lengthMs: 7000,
    hz: 500,
    camera: { colour: "0xc02020", size: "160x90" },
  },
  {
    id: "late",
    name: "עדה 🎉 李雷",
    startMs: 2250,
    lengthMs: 4750,
    hz: 700,
    camera: { colour: "0x2050d0", size: "90x160" },
  },
  {
    id: "early",
    name: "Grace".repeat(2000),
    startMs: 500,
    lengthMs: 4500,
    hz: 900,
    camera: { colour: "0x20a040", size: "320x180" },
  },
  { id: "voice", name: "%%{pts}", startMs: 1750, lengthMs: 5250, hz: 1100 },
];
const speaks = (participantId: string, atMs: number, toMs: number): SessionEvent => ({
  ...{ atMs, type: "speaking", participantId, toMs },
});
const events = [speaks("red", 200, 2000), speaks("late", 3000, 6900)];

let ffmpeg: string;
let folder: string;
let session: string;

beforeAll(async () => {
  ffmpeg = await locateFfmpeg();
  folder = mkdtempSync(join(tmpdir(), "roomtap-render %d's:-"));
  session = join(folder, "a session, [1];%{n}=");
  writeSession(session, ffmpeg, guests, events);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const small = { size: { width: 480, height: 270 }, fps: 30 };
function make(out: string, o: Partial<RenderOptions> = {}) {
  return render({ session, layout: "grid", out: join(folder, out), ffmpeg, ...small, ...o });
}

/** What a person is known by. */
function who([r, g, b]: readonly [number, number, number]): string {
  if (r > 140 && g < 80 && b < 80) return "red";
  if (b > 140 && r < 80) return "late";
  if (g > 110 && r < 80) return "early";
  if (Math.min(r, g, b) > 180) return "white";
  return Math.max(r, g, b) < 70 ? "dark" : "voice";
}

/** How far the flashes of a place are from the tones nearest to them. */
function offsets(look: Look, x: number, y: number, from: number, to: number): number[] {
  const tones = look.tones();
  return look
    .flashes(x, y)
    .filter((ms) => ms >= from && ms < to)
    .map((ms) => Math.min(...tones.map((t) => Math.abs(t - ms))));
}

describe.each([
  ["the newest ffmpeg", () => ffmpeg],
  ["the one that comes with Roomtap", () => installer.path],
])("four people, one late and one leaving early, with %s", (name, which) => {
  test("everybody is where they belong, and in time with their voice", async () => {
    const out = `${name.length}.mp4`;
    const result = await make(out, { ffmpeg: which(), title: hostile });
    expect(result).toMatchObject({ durationMs: 7000, missing: [], notices: [], width: 480, height: 270 });
    const look = new Look(ffmpeg, join(folder, out), 30);
    expect(look.frames).toBe(210);
    expect(Math.abs(look.soundMs - 7000)).toBeLessThan(60);
    const seen = (ms: number, ...places: readonly (readonly [number, number])[]) =>
      places.map(([x, y]) => who(look.at(ms, x, y))).join(" ");
    const [left, right, below] = [
      [0.27, 0.32],
      [0.73, 0.32],
      [0.5, 0.78],
    ] as const;
    const lowerRight = [0.73, 0.78] as const;
    expect(seen(300, [0.5, 0.5], [0.1, 0.5])).toBe("red red");
    expect(seen(1300, [0.25, 0.53], [0.75, 0.53], [0.5, 0.15])).toBe("red early dark");
    expect(seen(2150, left, right, [0.5, 0.68])).toBe("red early voice");
    expect(seen(3400, left, right, [0.27, 0.68], lowerRight, [0.56, 0.78])).toBe("red early voice late dark");
    expect(seen(5400, left, [0.73, 0.22], below)).toBe("red voice late");
    const found = [offsets(look, ...left, 2300, 5000), offsets(look, ...right, 2300, 5000)];
    found.push(offsets(look, ...lowerRight, 2300, 5000), offsets(look, ...below, 5000, 7000));
    expect(found.map((list) => list.length)).toEqual([2, 3, 2, 2]);
    expect(Math.max(...found.flat())).toBeLessThan(40);
    // Everybody is heard once a second while they are there.
    const heard = (phase: number) => look.tones().filter((t) => Math.abs((t % 1000) - phase) < 15).length;
    expect([heard(250), heard(500), heard(750)]).toEqual([5, 5, 6]);
  });
});

test("who speaks is large, with the others beside", async () => {
  await make("speaker.mp4", { layout: "speaker", labels: false });
  const look = new Look(ffmpeg, join(folder, "speaker.mp4"), 30);
  const seen = (ms: number) => [who(look.at(ms, 0.4, 0.6)), who(look.at(ms, 0.89, 0.5))];
  expect(seen(1300)).toEqual(["red", "early"]);
  expect(seen(2700)[0]).toBe("red");
  expect(seen(3600)[0]).toBe("late");
  expect(seen(6500)[0]).toBe("late");
  const found = offsets(look, 0.4, 0.6, 3100, 7000);
  expect(found).toHaveLength(4);
  expect(Math.max(...found)).toBeLessThan(40);
});

test("a part of it starts in the middle of files, between keyframes", async () => {
  const result = await make("part.mkv", { fromMs: 3600, toMs: 5600 });
  expect(result.durationMs).toBe(2000);
  const look = new Look(ffmpeg, join(folder, "part.mkv"), 30);
  expect(look.frames).toBe(60);
  expect(who(look.at(0, 0.27, 0.32))).toBe("red");
  expect(who(look.at(0, 0.73, 0.78))).toBe("late");
  const found = offsets(look, 0.27, 0.32, 0, 2000);
  expect(found).toHaveLength(2);
  expect(Math.max(...found)).toBeLessThan(40);
});

test.each(["ogg", "m4a", "mp3", "wav", "webm"])("the sound alone as %s", async (extension) => {
  const out = `sound.${extension}`;
  const result = await make(out, { layout: "audio", toMs: 3000 });
  expect(result.width).toBeUndefined();
  const look = new Look(ffmpeg, join(folder, out), 0);
  expect(Math.abs(look.soundMs - 3000)).toBeLessThan(90);
  const tones = look.tones();
  // The first stands where decoders still settle.
  for (const at of [500, 1000, 1500, 1750, 2000, 2250, 2500, 2750])
    expect(Math.min(...tones.map((t) => Math.abs(t - at))), `${at}`).toBeLessThan(15);
  if (extension === "webm")
    expect((await probeFile(join(folder, out))).tracks).toMatchObject([{ codec: "opus" }]);
});

describe("names", () => {
  test("are written as they are, whatever they would mean to ffmpeg", async () => {
    const names = ["%{n}", "%%", "\\n\\t", "%{eif:1:d}", "a'b", "x=1:y=2,[v]"];
    // Letter by letter between others nothing can mean anything; their own widths tell nothing of the space around.
    const letters = [...new Set(names.join(""))];
    const texts = ["H", "HH", ...letters.map((c) => `H${c}H`), ...names.map((n) => `H${n}H`)];
    const lines = texts.map((text) => ({ text, size: 40, width: 900 }));
    const drawn = await drawText(ffmpeg, lines, new AbortController().signal);
    const width = (text: string) => drawn?.[texts.indexOf(text)]?.width ?? 0;
    expect(width("HH")).toBeGreaterThan(1.5 * width("H"));
    for (const name of names) {
      const sum = [...name].reduce((n, c) => n + width(`H${c}H`) - width("HH"), width("HH"));
      expect(Math.abs(width(`H${name}H`) - sum), name).toBeLessThan(3 + 2 * name.length);
    }
  });

  test("nothing is drawn of nothing, and what is too long is cut at its width", async () => {
    const lines = ["", " ", "W".repeat(500)].map((text) => ({ text, size: 20, width: 200 }));
    const drawn = await drawText(ffmpeg, lines, new AbortController().signal);
    expect(drawn?.map((d) => [d.width > 190, d.cut])).toEqual([
      [false, false],
      [false, false],
      [true, true],
    ]);
  });

  test("are left out, with a word about it, where ffmpeg cannot write", async () => {
    const wrapper = join(folder, "no-text");
    const script = 'case "$*" in *-filters*) "$F" "$@" | grep -v drawtext; exit;; *drawtext*) exit 1;; esac';
    writeFileSync(wrapper, `#!/bin/sh\nF=${ffmpeg}\n${script}\nexec "$F" "$@"\n`);
    chmodSync(wrapper, 0o755);
    const result = await make("plain.webm", { ffmpeg: wrapper, toMs: 300 });
    expect(result.notices).toEqual([expect.stringContaining("no names")]);
    expect((await make("quiet.webm", { ffmpeg: wrapper, toMs: 300, labels: false })).notices).toEqual([]);
  });
});

describe("what goes wrong", () => {
  const cli = async (...args: string[]) => {
    const out = new CapturedOutput();
    const code = await inProcess(["render", ...args, "--size", "256x144", "--fps", "5"], out);
    return { code, out: out.stdout.join("\n"), err: out.stderr.join("\n") };
  };

  test("a file that is there is replaced only when that is asked for", async () => {
    const path = join(folder, "there.mp4");
    writeFileSync(path, "mine");
    const refused = await cli(session, "--out", path);
    expect([refused.code, refused.out]).toEqual([2, ""]);
    expect(refused.err).toMatch(/is there already\nhint: --force/);
    expect(readFileSync(path, "utf8")).toBe("mine");
    const forced = await cli(session, "--out", path, "--force", "--to", "0:01");
    expect(forced.code).toBe(0);
    expect(forced.out).toMatch(/there\.mp4 {2}0:01 .* grid {2}256x144 5 fps {2}[\d.]+ x real time$/);
    expect((await probeFile(path)).container).toMatch(/MP4|QuickTime/);
  });

  test.each([
    [["--out", "x.avi"], /no format has the extension "avi"/],
    [["--out", "x.mp3"], /a \.mp3 file holds no pictures/],
    [["--out", "x.mp4", "--from", "5s", "--to", "5s"], /nothing between/],
    [["--out", "x.mp4", "--from", "tomorrow"], /not a duration/],
  ])("%j is refused", async (args, message) => {
    const { code, err } = await cli(session, ...args);
    expect(code).toBe(2);
    expect(err).toMatch(message);
  });

  test("a directory that is no session, and one with nothing in it", async () => {
    expect((await cli(folder, "--out", join(folder, "n.mp4"))).code).toBe(2);
    const bare = join(folder, "bare");
    mkdirSync(bare);
    copyFileSync(join(session, "manifest.json"), join(bare, "manifest.json"));
    const { code, err } = await cli(bare, "--out", join(folder, "n.mp4"));
    expect([code, err]).toEqual([7, expect.stringContaining("holds no media")]);
  });

  test("files that are gone or broken are named, and the rest is made", async () => {
    const broken = join(folder, "broken");
    cpSync(session, broken, { recursive: true });
    rmSync(join(broken, "late.webm"));
    writeFileSync(join(broken, "early.webm"), "no video at all");
    const out = join(folder, "broken.mp4");
    const { code, err, out: json } = await cli(broken, "--out", out, "--json");
    expect(code).toBe(9);
    expect(err).toMatch(/missing: late\.webm: it is not there/);
    expect(JSON.parse(json).missing).toHaveLength(2);
    expect(who(new Look(ffmpeg, out, 5).at(6000, 0.27, 0.32))).toBe("red");
  });

  test("an ffmpeg that is killed or missing leaves nothing", async () => {
    const wrapper = join(folder, "killed");
    writeFileSync(wrapper, `#!/bin/sh\ncase "$*" in *libx264*) kill -9 $$;; esac\nexec ${ffmpeg} "$@"\n`);
    chmodSync(wrapper, 0o755);
    for (const path of [wrapper, "/no/such/ffmpeg"]) {
      const { code, err } = await cli(session, "--out", join(folder, "k.mp4"), "--ffmpeg", path);
      expect(code).toBe(5);
      expect(err).toMatch(/^error: .*(SIGKILL|not an ffmpeg).*\nhint: .*$/);
    }
    expect(readdirSync(folder).filter((n) => n.startsWith("k.mp4"))).toEqual([]);
  });

  test.skipIf(unavailable !== undefined)("a disk that fills up leaves nothing", async () => {
    const disk = await tinyDisk(64 * 1024);
    try {
      const out = join(disk.path, "full.wav");
      const { code, err } = await cli(session, "--layout", "audio", "--out", out);
      expect(code).toBe(5);
      expect(err).toMatch(/No space left on device.*\nhint: free space/);
      expect(readdirSync(disk.path)).toEqual([]);
    } finally {
      await disk.close();
    }
  });

  test("Ctrl-C ends it, and leaves nothing", async () => {
    const out = join(folder, "interrupted.mp4");
    const run = startCli(["render", session, "--out", out, "--size", "1920x1080", "--fps", "60"]);
    await run.seen(/rendering/);
    run.kill();
    const { code, stderr, stdout } = await run.done;
    expect([code, stdout]).toEqual([130, ""]);
    expect(stderr).toMatch(/interrupted: nothing was written\n$/);
    expect([existsSync(out), existsSync(`${out}.part`)]).toEqual([false, false]);
  });
});
