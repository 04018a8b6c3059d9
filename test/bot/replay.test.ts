import { createHash } from "node:crypto";
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ReplayOptions, replay } from "../../src/bot/replay.ts";
import { rtpDumpHeader } from "../../src/core/containers/rtpdump/writer.ts";
import { RoomtapError } from "../../src/core/fault.ts";
import { wallMillis } from "../../src/core/time.ts";
import { readJournal } from "../../src/sinks/recorder/journal.ts";
import { manifestOf } from "../../src/sinks/recorder/manifest.ts";
import { blocksOf, readEvents } from "../support/matroska.ts";
import { type NetworkName, networkProfiles } from "../support/netem.ts";
import { VirtualRoom, type VirtualSession } from "../support/virtual-session.ts";

let root: string;
let n = 0;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "roomtap-replay-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Media files by name with their hashes, and what the journal amounts to. */
function outcome(directory: string) {
  const names = readdirSync(directory).filter((name) => /\.(webm|mkv)$/.test(name));
  // The virtual session ends with its files: it has no checksums, and the test hashes them itself.
  const journal = readJournal(directory).filter((e) => e.t !== "checksum");
  const { statistics: _, tracks: _tracks, ...manifest } = manifestOf(journal);
  const files = Object.fromEntries(names.map((name) => [name, readFileSync(join(directory, name))]));
  const hash = (b: Buffer) => createHash("sha256").update(b).digest("hex");
  return { files, manifest, hashes: Object.entries(files).map(([name, b]) => `${name} ${hash(b)}`) };
}

async function live(o: Partial<VirtualSession> & { profile: VirtualSession["profile"] }) {
  const directory = join(root, `live-${++n}`);
  const dumpFile = join(root, `call${n}.rtpdump`);
  const room = new VirtualRoom({
    directory,
    dumpFile,
    seed: 1,
    ms: 1800,
    punctuality: 0.3,
    people: ["Alice"],
    ...o,
  });
  await room.run();
  expect(room.failures).toEqual([]);
  return { dumpFile, ...outcome(directory) };
}

async function again(file: string, o: Partial<ReplayOptions> = {}) {
  const result = await replay({ file, out: join(root, `again-${++n}`), ...o });
  return { result, ...outcome(result.session) };
}

/** The frames of a file by track, in order. */
function media(file: Buffer = Buffer.alloc(0)): Record<number, string[]> {
  const out: Record<number, string[]> = {};
  for (const { track, offset, size } of blocksOf(readEvents(file))) {
    const frames = out[track] ?? [];
    out[track] = frames;
    frames.push(file.toString("base64", offset, offset + size));
  }
  return out;
}

/** A person alone, two of the same name who start in the same milliseconds, a crowd. */
const cases: readonly [NetworkName, readonly string[]][] = [
  ["clean", ["Alice"]],
  ["wifi", ["Sam", "Sam"]],
  ["lossy", ["Alice", "Bob"]],
  ["bursty", ["Alice", "Bob", "Sam", "sam"]],
  ["reordering", ["Sam", "Sam"]],
];

describe("a replay gives the same files and manifest as the live session, octet by octet", () => {
  test.each(cases)("over a %s network with %j", async (profile, people) => {
    const recorded = await live({ profile: networkProfiles[profile], people, seed: n, stallMs: 80 });
    expect(Object.keys(recorded.files).length).toBeGreaterThanOrEqual(people.length);
    for (let run = 0; run < 2; run++) {
      const replayed = await again(recorded.dumpFile);
      expect(replayed.manifest).toEqual(recorded.manifest);
      expect(replayed.hashes).toEqual(recorded.hashes);
      expect(replayed.result.exit).toBe(0);
    }
  });

  test("with a limit, up to which sound is filled", async () => {
    const profile = networkProfiles.wifi;
    const recorded = await live({ profile, people: ["Alice", "Bob"], durationMs: 1000 });
    const replayed = await again(recorded.dumpFile);
    expect(replayed.hashes).toEqual(recorded.hashes);
    expect(replayed.manifest).toEqual(recorded.manifest);
    expect(Math.max(...recorded.manifest.files.map((f) => f.startMs + f.durationMs))).toBeLessThan(1040);
  });

  test("of a session whose process died, up to what the disk had", async () => {
    const lived = await live({ profile: networkProfiles.wifi, people: ["Alice"] });
    const recorded = await live({ profile: networkProfiles.wifi, people: ["Alice"], dies: true });
    const notices: string[] = [];
    const replayed = await again(recorded.dumpFile, { onNotice: (text) => notices.push(text) });
    expect(media(replayed.files["Alice.mkv"])).toEqual(media(lived.files["Alice.mkv"]));
    expect(replayed.result.exit).toBe(0);
    expect(notices).toEqual(["the dump was not ended in order: its last moment may be missing"]);
    const journal = recorded.dumpFile.replace(/rtpdump$/, "jsonl");
    appendFileSync(journal, '{"t":"agreed","link":"li');
    truncateSync(recorded.dumpFile, statSync(recorded.dumpFile).size - 7);
    expect((await again(recorded.dumpFile)).result.exit).toBe(0);
  });
});

describe("a worse network in front of a replay", () => {
  let call: Awaited<ReturnType<typeof live>>;
  beforeAll(async () => {
    call = await live({ profile: networkProfiles.clean, people: ["Alice"], ms: 4000, quietMs: 500 });
  });

  test("loses nothing of what is sent again inside the hold", async () => {
    for (const seed of [7, 8]) {
      const lossy = await again(call.dumpFile, { loss: 0.05, seed, rttMs: 40 });
      expect(lossy.result.dropped).toBeGreaterThan(10);
      expect(lossy.result.repaired).toBeGreaterThan(10);
      const frames = (m: typeof call.manifest) => m.files.map((f) => f.tracks);
      expect(frames(lossy.manifest)).toEqual(frames(call.manifest));
      expect(media(lossy.files["Alice.mkv"])).toEqual(media(call.files["Alice.mkv"]));
    }
  });

  test("loses frames without retransmissions, the same with the same seed and others with another", async () => {
    const [one, same, other] = await Promise.all(
      [7, 7, 8].map((seed) => again(call.dumpFile, { loss: 0.05, seed, retransmit: false })),
    );
    expect(one?.result.repaired).toBe(0);
    expect(one?.hashes).toEqual(same?.hashes);
    expect(one?.hashes).not.toEqual(other?.hashes);
    const count = (r: typeof one) =>
      r?.manifest.files[0]?.tracks.find((t) => t.kind === "video")?.frames ?? 0;
    expect(count(one)).toBeLessThan(
      call.manifest.files[0]?.tracks.find((t) => t.kind === "video")?.frames ?? 0,
    );
    expect(count(one)).toBeGreaterThan(0);
  });
});

describe("a dump that cannot be replayed is refused", () => {
  const file = (name: string, packets: Uint8Array | string, table?: string) => {
    const path = join(root, `${name}.rtpdump`);
    writeFileSync(path, packets);
    if (table !== undefined) writeFileSync(join(root, `${name}.json`), table);
    return path;
  };
  const head = rtpDumpHeader(wallMillis(1.7e12));
  const session = { version: 1, start: 1, startedAt: 1, attempt: 0, room: "r", format: "mkv" };
  const opened = { t: "opened", link: "l", file: "f", peerId: "p", seed: 1, at: 0, after: {} };
  const table = JSON.stringify({ ...session, events: [opened] });

  test.each([
    ["missing", () => join(root, "gone.rtpdump"), /no .*gone\.json/],
    ["a directory", () => root, /no .*\.json/],
    ["without a table", () => file("alone", head), /no .*alone\.json/],
    ["empty", () => file("empty", "", table), /holds no packets/],
    ["a header only", () => file("head", head, table), /holds no packets/],
    ["another format", () => file("text", "hello world, this is a text", table), /not an rtpdump file/],
    ["with a table of text", () => file("t1", head, "hello"), /not the table of a dump/],
    ["with a table of a later version", () => file("t2", head, table.replace(":1,", ":2,")), /not the table/],
    ["with events that are none", () => file("t3", head, table.replace("opened", "exploded")), /event 1/],
    [
      "whose second connection has no file",
      () => file("t4", head, table.replace("[", `[${JSON.stringify(opened)},`)),
      /t4-2/,
    ],
  ])("%s", async (_, make, message) => {
    const path = make();
    const error = await replay({ file: path, out: join(root, "refused") }).then(
      () => undefined,
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(RoomtapError);
    expect(error).toMatchObject({ exitCode: 2, message: expect.stringMatching(message) });
    expect((error as RoomtapError).hint).toBeDefined();
    expect(existsSync(join(root, "refused"))).toBe(false);
  });

  test("one that was cut is replayed as far as it goes, and counts as incomplete", async () => {
    const call = await live({ profile: networkProfiles.clean, people: ["Alice"] });
    truncateSync(call.dumpFile, 100_000);
    const { result } = await again(call.dumpFile);
    expect(result.exit).toBe(9);
    expect(result.files).toHaveLength(1);
  });
});
