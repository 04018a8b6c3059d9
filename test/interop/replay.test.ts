import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { ReplayResult } from "../../src/bot/replay.ts";
import { MANIFEST_FILE, type Manifest } from "../../src/sinks/recorder/manifest.ts";
import type { DumpTable } from "../../src/sinks/rtpdump/table.ts";
import { findChromium, launchChromium } from "../support/chromium.ts";
import { type CliRun, runCli, startCli } from "../support/cli.ts";
import { inspectFile } from "../support/inspect-file.ts";
import { blocksOf, readEvents } from "../support/matroska.ts";
import { Attendee, type ServedRooms, serveRooms } from "../support/meeting.ts";
import { Recording } from "../support/recording.ts";
import { describeWith } from "../support/requires.ts";

let rooms: ServedRooms;
let folder: string;
const TOKEN = "open-sesame-4711";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "roomtap-replay-"));
  rooms = await serveRooms();
});

afterAll(async () => {
  await rooms?.close();
  await rm(folder, { recursive: true, force: true });
});

/**
 * Media files of a session by name, and its manifest without what belongs to the connection: counters, of which the
 * last are read at another moment, and what was asked of the sender.
 */
function session(directory: string) {
  const {
    statistics: _,
    tracks: _tracks,
    events,
    ...rest
  } = JSON.parse(readFileSync(join(directory, MANIFEST_FILE), "utf8")) as Manifest;
  const told = events.filter((e) => e.type !== "keyframe-request");
  const manifest = { ...rest, events: told };
  const files = new Map(manifest.files.map((f) => [f.path, readFileSync(join(directory, f.path))]));
  return { files, manifest };
}

let replays = 0;

async function replayed(dump: string, args: readonly string[] = []) {
  const out = join(folder, `replay-${++replays}`);
  const run = await runCli(["replay", dump, "--out", out, "--json", ...args]);
  expect(run.stderr).not.toMatch(/error/);
  const result = JSON.parse(run.stdout) as ReplayResult;
  return { code: run.code, stderr: run.stderr, result, ...session(result.session) };
}

/** The same files, octet by octet, and the same story. */
function expectSame(a: ReturnType<typeof session>, b: ReturnType<typeof session>): void {
  expect(b.manifest).toEqual(a.manifest);
  expect([...b.files.keys()]).toEqual([...a.files.keys()]);
  for (const [name, bytes] of a.files) expect(b.files.get(name)?.equals(bytes), name).toBe(true);
}

/** The frames of a Matroska by track. */
function frames(file: Buffer): Record<number, string[]> {
  const out: Record<number, string[]> = {};
  for (const { track, offset, size } of blocksOf(readEvents(file)).filter((b) => b.t === "block")) {
    const list = out[track] ?? [];
    out[track] = list;
    list.push(file.toString("base64", offset, offset + size));
  }
  return out;
}

describe("what our own publisher sent", () => {
  const publishers: CliRun[] = [];
  afterEach(async () => {
    for (const p of publishers.splice(0)) {
      p.kill("SIGINT");
      await p.done;
    }
  });

  async function publish(room: string, args: readonly string[] = []): Promise<void> {
    const publisher = startCli(["publish", rooms.room(room), ...args]);
    publishers.push(publisher);
    await publisher.seen(/publishing/, 60_000);
  }

  it("is replayed into the same file every time, and an independent reader agrees with the dump", async () => {
    await publish("own", ["--name", "Truth"]);
    const dump = join(folder, "own", "call.rtpdump");
    const recording = new Recording(rooms.room("own"), join(folder, "own-live"), [
      ...["--duration", "10s", "--segment", "4s", "--no-pictures", "--dump-rtp", dump, "--token", TOKEN],
    ]);
    const recorded = await recording.ended();
    expect(recorded.code).toBe(0);
    const live = session(recorded.result.session);
    for (let i = 0; i < 3; i++) {
      const again = await replayed(dump);
      expect(again.code).toBe(0);
      expect(again.result.session).toMatch(/own-\d{4}-\d\d-\d\dT\d{6}Z$/);
      expectSame(live, again);
    }
    const text = readFileSync(join(folder, "own", "call.json"), "utf8");
    for (const secret of [TOKEN, "candidate", "fingerprint", "ice-pwd", "ufrag"])
      expect(text).not.toContain(secret);
    const table = JSON.parse(text) as DumpTable;
    expect(table.links[0]).toMatchObject({ file: "call.rtpdump", peerName: "Truth" });
    const dumped = readByTheBook(readFileSync(dump));
    expect(dumped.start).toBe(table.start);
    expect(dumped.packets).toHaveLength(table.links[0]?.packets ?? 0);
    expect(dumped.packets.every((p) => p.rtcp === (p.type >= 192 && p.type <= 223))).toBe(true);
    const known = new Set(table.links[0]?.media.flatMap((m) => Object.keys(m.payloadTypes).map(Number)));
    expect(dumped.packets.filter((p) => !p.rtcp).every((p) => known.has(p.type & 0x7f))).toBe(true);
  });

  it("is converted into the same MP4 again", async () => {
    await publish("mp4", ["--video", "h264"]);
    const dump = join(folder, "mp4.rtpdump");
    const recorded = await new Recording(rooms.room("mp4"), join(folder, "mp4-live"), [
      ...["--duration", "5s", "--format", "mp4", "--no-pictures", "--dump-rtp", dump],
    ]).ended();
    expect(recorded.code).toBe(0);
    const again = await replayed(dump);
    expect(again.result.files.map((f) => f.format)).toEqual(["mp4"]);
    expectSame(session(recorded.result.session), again);
  });

  it("is replayed from what a killed media process left, each attempt from its own dump", async () => {
    await publish("killed");
    const dump = join(folder, "killed.rtpdump");
    const recording = new Recording(rooms.room("killed"), join(folder, "killed-live"), [
      "--no-pictures",
      "--dump-rtp",
      dump,
    ]);
    await recording.fileOpened(1);
    await recording.sessionTime(4000);
    process.kill(await recording.mediaProcess(), "SIGKILL");
    await recording.fileOpened(2);
    await recording.sessionTime(12_000);
    recording.run.kill("SIGINT");
    const recorded = await recording.ended();
    expect(recorded.result.files).toHaveLength(2);
    const first = await replayed(dump);
    expect(first.stderr).toMatch(/not ended in order/);
    const [recovered, second] = recorded.result.files;
    // What was on disk of the file is the beginning of what was on disk of the dump, or the other way round.
    const was = frames(readFileSync(recovered?.path ?? ""));
    const is = frames([...first.files.values()][0] ?? Buffer.alloc(0));
    for (const track of [1, 2]) {
      const n = Math.min(was[track]?.length ?? 0, is[track]?.length ?? 0);
      expect(n).toBeGreaterThan(60);
      expect(is[track]?.slice(0, n)).toEqual(was[track]?.slice(0, n));
    }
    const again = await replayed(join(folder, "killed.1.rtpdump"));
    expect(again.code).toBe(0);
    expect([...again.files.values()][0]?.equals(readFileSync(second?.path ?? ""))).toBe(true);
  });
});

describeWith("what browsers sent", [findChromium()], () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());

  it("is replayed into the same files every time, and into the same frames over a lossy network", async () => {
    const enter = (name: string, codec: string) =>
      Attendee.join(browser, rooms.url, "people", name, { codec });
    const ann = await enter("Ann", "vp8");
    // Of its own: tried again, it must not find the files of before.
    const folder = await mkdtemp(join(tmpdir(), "roomtap-people-"));
    const dump = join(folder, "people.rtpdump");
    const recording = new Recording(rooms.room("people"), join(folder, "live"), [
      ...["--duration", "14s", "--no-pictures", "--dump-rtp", dump],
    ]);
    await recording.fileOpened(1);
    const second = await enter("Ann", "h264");
    await recording.fileOpened(2);
    await recording.sessionTime(6000);
    await ann.press(/Share/);
    await recording.fileOpened(3);
    await recording.sessionTime(10_000);
    await second.close();
    const recorded = await recording.ended();
    expect(recorded.code).toBe(0);
    expect(recorded.result.files).toHaveLength(3);
    const live = session(recorded.result.session);
    for (let i = 0; i < 3; i++) expectSame(live, await replayed(dump));
    const table = JSON.parse(readFileSync(join(folder, "people.json"), "utf8")) as DumpTable;
    expect(table.links.length).toBeGreaterThanOrEqual(2);
    expect(table.links.every((l) => existsSync(join(folder, l.file)))).toBe(true);

    const lossy = await replayed(dump, ["--loss", "5%", "--seed", "7"]);
    const lost = await replayed(dump, ["--loss", "5%", "--seed", "7", "--no-retransmit"]);
    console.log(
      JSON.stringify({
        packets: lossy.result.packets,
        dropped: lossy.result.dropped,
        repaired: lossy.result.repaired,
      }),
    );
    expect(lossy.result.dropped).toBeGreaterThan(0.03 * lossy.result.packets);
    const videoFrames = (s: ReturnType<typeof session>) =>
      s.manifest.files.map((f) => f.tracks.find((t) => t.kind === "video")?.frames ?? 0);
    console.log(
      JSON.stringify({ live: videoFrames(live), lossy: videoFrames(lossy), lost: videoFrames(lost) }),
    );
    for (const [i, n] of videoFrames(live).entries()) {
      expect(videoFrames(lossy)[i]).toBeGreaterThanOrEqual(0.97 * n);
      expect(videoFrames(lost)[i] ?? 0).toBeLessThan(n);
    }
    for (const f of lost.result.files) expect((await inspectFile(f.path)).errors).toEqual([]);
    await rm(folder, { recursive: true, force: true });
  });
});

it("what cannot be replayed is refused with two lines and exit code 2", async () => {
  for (const file of [join(folder, "gone.rtpdump"), import.meta.filename]) {
    const r = await runCli(["replay", file, "--out", join(folder, "refused")]);
    expect(r.code).toBe(2);
    expect(r.stderr.trim().split("\n")).toEqual([
      expect.stringMatching(/^error: /),
      expect.stringMatching(/^hint: /),
    ]);
  }
  const lossy = await runCli(["replay", "x", "--loss", "150%"]);
  expect([lossy.code, lossy.stderr]).toEqual([2, expect.stringContaining("not a share: 150%")]);
  expect(readdirSync(folder)).not.toContain("refused");
});

/** The dump as rtptools describe it, read by nothing of ours. `type`: the second octet. */
function readByTheBook(dump: Buffer) {
  const line = dump.indexOf(10) + 1;
  expect(dump.toString("latin1", 0, line)).toMatch(/^#!rtpplay1\.0 [\d.]+\/\d+\n$/);
  const start = dump.readUInt32BE(line) * 1000 + dump.readUInt32BE(line + 4) / 1000;
  const packets: { type: number; rtcp: boolean; offset: number }[] = [];
  for (let i = line + 16; i < dump.length; i += dump.readUInt16BE(i)) {
    const length = dump.readUInt16BE(i) - 8;
    const plen = dump.readUInt16BE(i + 2);
    expect(plen === 0 || plen === length).toBe(true);
    packets.push({ type: dump[i + 9] ?? 0, rtcp: plen === 0, offset: dump.readUInt32BE(i + 4) });
  }
  return { start, packets };
}
