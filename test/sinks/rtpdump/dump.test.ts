import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { devNull, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { RoomtapError } from "../../../src/core/fault.ts";
import type { RemoteTrack } from "../../../src/core/room.ts";
import type { NegotiatedMedia } from "../../../src/core/sdp/negotiated.ts";
import { millis } from "../../../src/core/time.ts";
import { checkDumpFile, RtpDump } from "../../../src/sinks/rtpdump/dump.ts";
import { DumpPlayer, type Played } from "../../../src/sinks/rtpdump/player.ts";
import { readDumpTable } from "../../../src/sinks/rtpdump/read-table.ts";
import { type DumpSession, type DumpTable, dumpPaths } from "../../../src/sinks/rtpdump/table.ts";

let directory: string;
let file: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "roomtap-dump-"));
  file = join(directory, "call.rtpdump");
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const session: DumpSession = {
  version: 1,
  start: 1_700_000_000_500,
  startedAt: 1_700_000_000_000,
  attempt: 0,
  room: "wss://rooms.example.org/standup",
  format: "webm",
  participant: "Ann",
  durationMs: 30_000,
  zeroAt: 1_699_999_000_000.25,
};

const opus = {
  payloadType: 111,
  codec: "opus",
  clockRate: 48_000,
  channels: 2,
  fmtp: "a=b",
  feedback: ["nack"],
};
const rtx = { payloadType: 97, codec: "rtx", clockRate: 90_000, fmtp: "apt=96", feedback: [], apt: 96 };
/** Every field that there is. */
const media: NegotiatedMedia[] = [
  {
    mid: "0",
    kind: "audio",
    receiving: true,
    send: {
      track: { id: "mic", kind: "audio", source: "microphone", codec: "opus", layers: ["l", "h"] },
      layers: [
        { rid: "l", ssrc: 70 },
        { rid: "h", ssrc: 71, rtx: { payloadType: 98, ssrc: 72 } },
      ],
      ssrc: 7,
      payload: opus,
      rtx: { payloadType: 98, ssrc: 8 },
    },
    payloads: [opus, rtx],
    extensions: new Map([
      [1, "urn:one"],
      [14, "urn:fourteen"],
    ]),
    remoteSsrcs: [{ ssrc: 1, rtx: 2, cname: "c" }, { ssrc: 0xffff_ffff }],
    remoteRids: ["hi", "lo"],
    remoteMsid: { stream: "s", track: "t" },
    rtcpRsize: true,
  },
];
const track: RemoteTrack = {
  id: "p:microphone",
  peerId: "p",
  kind: "audio",
  source: "microphone",
  linkId: "link-1",
  mid: "0",
};
const peer = { id: "p", name: 'Ann "A"\n<b>', recorder: false };

function create(o: Partial<DumpSession> = {}) {
  const failures: RoomtapError[] = [];
  const dump = RtpDump.create({ file, session: { ...session, ...o }, onFailure: (e) => failures.push(e) });
  return { dump, failures };
}

const rtp = (n: number, length = 20) => new Uint8Array(length).fill(n).fill(0x80, 0, 1);

/** Two connections, and everything that can happen. */
function fill(dump: RtpDump): void {
  dump.opened("link-1", { peerId: "p", seed: 5 }, millis(1));
  dump.event({ t: "peer", op: "join", peer }, millis(2));
  dump.agreed("link-1", media, millis(3));
  dump.event({ t: "track", op: "add", track }, millis(3));
  dump.packet("link-1", rtp(1), millis(10));
  dump.opened("link-2", { peerId: "q", seed: 0xffff_ffff }, millis(10));
  dump.packet("link-2", rtp(2, 1200), millis(10));
  dump.packet("link-1", Uint8Array.of(0x80, 200, 0, 0), millis(10));
  dump.event({ t: "connection", what: "media", op: "down", peerId: "p" }, millis(12));
  dump.event({ t: "connection", what: "signalling", op: "up" }, millis(13));
  dump.stalled(20, millis(31));
  dump.packet("link-1", rtp(3), millis(31));
  dump.closed("link-1", millis(40));
  dump.packet("link-1", rtp(4), millis(41));
  dump.event({ t: "track", op: "remove", track }, millis(42));
  dump.event({ t: "peer", op: "leave", peer }, millis(42));
  dump.event({ t: "stop" }, millis(50));
  dump.closed("link-2", millis(51));
  dump.event({ t: "end" }, millis(52));
}

/** Everything in a dump, as a word each. */
function played(path = file): string[] {
  const player = new DumpPlayer(path, readDumpTable(path));
  const out: string[] = [];
  const word = (p: Played) => (p.t === "packet" ? `${p.link} ${p.bytes.length}` : p.event.t);
  for (let p = player.next; p; p = player.next) {
    out.push(`${p.at} ${word(p)}`);
    player.take();
  }
  player.close();
  return out;
}

const everything = [
  "1 opened",
  "2 peer",
  "3 agreed",
  "3 track",
  "10 link-1 20",
  "10 opened",
  "10 link-1 4",
  "10 link-2 1200",
  "12 connection",
  "13 connection",
  "31 stalled",
  "31 link-1 20",
  "40 closed",
  "42 track",
  "42 peer",
  "50 stop",
  "51 closed",
  "52 end",
];

describe("a dump", () => {
  test("gives back what was put in, in order", async () => {
    const { dump, failures } = create();
    fill(dump);
    await dump.finish();
    await dump.finish();
    expect(failures).toEqual([]);
    expect(readdirSync(directory).sort()).toEqual(["call-2.rtpdump", "call.json", "call.rtpdump"]);
    const table = readDumpTable(file);
    expect(table.complete).toBe(true);
    expect(table.session).toEqual(session);
    expect(table.events.find((e) => e.t === "agreed")).toMatchObject({ link: "link-1", media });
    expect(table.events.find((e) => e.t === "peer")).toMatchObject({ op: "join", peer });
    expect(table.events.find((e) => e.t === "track")).toMatchObject({ op: "add", track });
    expect(played()).toEqual(everything);
  });

  test("is readable from its journal when the process dies before the end", async () => {
    const { dump } = create();
    fill(dump);
    dump.flush();
    // The disk takes the packets in its own time.
    await vi.waitFor(() => expect(played()).toEqual(everything), { timeout: 5000, interval: 5 });
    expect(readdirSync(directory).sort()).toEqual(["call-2.rtpdump", "call.jsonl", "call.rtpdump"]);
    expect(readDumpTable(file).complete).toBe(false);
    await dump.finish();
  });

  test("is replayed by its first file: that of a later connection names it", async () => {
    const { dump } = create();
    fill(dump);
    await dump.finish();
    const later = join(directory, "call-2.rtpdump");
    const hint = (path: string) => {
      try {
        readDumpTable(path);
        return undefined;
      } catch (error) {
        return (error as RoomtapError).hint;
      }
    };
    expect(hint(later)).toContain(file);
    expect(hint(join(directory, "other-2.rtpdump"))).toContain("keep the two together");
  });

  test("says at a glance whose packets are where, and what their numbers mean", async () => {
    const { dump } = create();
    fill(dump);
    await dump.finish();
    const { links } = JSON.parse(readFileSync(join(directory, "call.json"), "utf8")) as DumpTable;
    expect(links).toEqual([
      {
        link: "link-1",
        file: "call.rtpdump",
        peerId: "p",
        peerName: peer.name,
        packets: 3,
        media: [
          {
            mid: "0",
            kind: "audio",
            source: "microphone",
            payloadTypes: { "97": "rtx/90000 of 96", "111": "opus/48000/2" },
            ssrcs: [1, 2, 0xffff_ffff],
          },
        ],
      },
      { link: "link-2", file: "call-2.rtpdump", peerId: "q", packets: 1, media: [] },
    ]);
  });

  test("of a restarted session has files of its own", async () => {
    await create().dump.finish();
    const { dump } = create({ attempt: 1 });
    fill(dump);
    await dump.finish();
    expect(readdirSync(directory).sort()).toEqual([
      "call.1-2.rtpdump",
      "call.1.json",
      "call.1.rtpdump",
      "call.json",
      "call.rtpdump",
    ]);
    expect(played(join(directory, "call.1.rtpdump"))).toEqual(everything);
  });

  test("may be renamed, all its files together", async () => {
    const { dump } = create();
    fill(dump);
    await dump.finish();
    const moved = join(directory, "moved.rtpdump");
    writeFileSync(moved, readFileSync(file));
    writeFileSync(dumpPaths(moved).packets(2), readFileSync(dumpPaths(file).packets(2)));
    writeFileSync(dumpPaths(moved).table, readFileSync(dumpPaths(file).table));
    rmSync(file);
    expect(played(moved)).toEqual(everything);
  });

  test("splits pieces without losing a packet, however large they are", async () => {
    const { dump } = create();
    dump.opened("link-1", { peerId: "p", seed: 1 }, millis(0));
    const sizes = Array.from({ length: 200 }, (_, i) => (i === 50 ? 65_527 : 20 + 37 * i));
    for (const [i, size] of sizes.entries()) dump.packet("link-1", rtp(i, size), millis(i * 10));
    await dump.finish();
    expect(played().slice(1)).toEqual(sizes.map((size, i) => `${i * 10} link-1 ${size}`));
  });
});

describe("a dump that cannot go on", () => {
  test("says so once and writes nothing more", async () => {
    const { dump, failures } = create();
    // Somebody else's file where the second connection's packets would go.
    writeFileSync(dumpPaths(file).packets(2), "mine");
    fill(dump);
    fill(dump);
    await dump.finish();
    expect(failures.map((e) => e.code)).toEqual(["output-unwritable"]);
    expect(readFileSync(dumpPaths(file).packets(2), "utf8")).toBe("mine");
    // What there is until then can be replayed.
    expect(existsSync(dumpPaths(file).table)).toBe(false);
    expect(played().slice(0, 5)).toEqual(everything.slice(0, 5));
  });

  test("a packet that no packet length can say ends it", async () => {
    const { dump, failures } = create();
    dump.opened("link-1", { peerId: "p", seed: 1 }, millis(0));
    dump.packet("link-1", new Uint8Array(70_000), millis(1));
    dump.packet("link-1", rtp(1), millis(2));
    await dump.finish();
    expect(failures).toHaveLength(1);
  });

  test("is refused before the recording where it would overwrite something", () => {
    checkDumpFile(file);
    checkDumpFile(join(directory, "new", "call.rtpdump"));
    for (const name of ["call.rtpdump", "call-2.rtpdump", "call.json", "call.jsonl"]) {
      writeFileSync(join(directory, name), "");
      expect(() => checkDumpFile(file)).toThrow(RoomtapError);
      rmSync(join(directory, name));
    }
    expect(() => checkDumpFile(join(directory, "call.json"))).toThrow(/table would be/);
    expect(() =>
      RtpDump.create({ file: join(directory, "no", "x.rtpdump"), session, onFailure: () => undefined }),
    ).toThrow(RoomtapError);
  });
});

describe("a dump that cannot begin", () => {
  test.each([
    ["packets", (p: string) => dumpPaths(p).packets(1)],
    ["table", (p: string) => dumpPaths(p).journal],
  ])("for its %s leaves nothing that would be in the way of the next", (_, taken) => {
    mkdirSync(taken(file));
    expect(() => create()).toThrow(
      expect.objectContaining({ code: "output-unwritable", hint: expect.stringContaining("--dump-rtp") }),
    );
    expect(readdirSync(directory).map((name) => join(directory, name))).toEqual([taken(file)]);
  });
});

describe("a dump that was damaged", () => {
  async function damaged(change: (table: DumpTable) => unknown): Promise<void> {
    const { dump } = create();
    fill(dump);
    await dump.finish();
    const { table } = dumpPaths(file);
    writeFileSync(table, JSON.stringify(change(JSON.parse(readFileSync(table, "utf8")) as DumpTable)));
  }

  test("has no time beyond its end", async () => {
    await damaged((t) => t);
    const dump = readFileSync(file);
    // The last two packets of the first connection: 49 days later.
    const last = dump.length - 28;
    for (const at of [last, last - 12]) dump.writeUInt32BE(0xffff_0000, at + 4);
    writeFileSync(file, dump);
    const times = played().map((word) => Number(word.split(" ")[0]));
    expect(times).toHaveLength(everything.length);
    expect(Math.max(...times)).toBe(52);
  });

  test.each<[string, (t: DumpTable) => unknown]>([
    ["an event in a thousand years", (t) => ({ ...t, events: [{ t: "stop", at: 3e13, after: {} }] })],
    [
      "a stall of a thousand years",
      (t) => ({ ...t, events: [{ t: "stalled", lagMs: 3e13, at: 1, after: {} }] }),
    ],
    ["a start that is no date", (t) => ({ ...t, start: 8.64e15 })],
    ["a session that never began", (t) => ({ ...t, startedAt: 8.64e15 })],
    ["media before all time", (t) => ({ ...t, zeroAt: -1e308 })],
    ["media at no time", (t) => ({ ...t, zeroAt: "now" })],
  ])("with %s is refused", async (_, change) => {
    await damaged(change);
    expect(() => readDumpTable(file)).toThrow(RoomtapError);
  });

  test.skipIf(process.platform === "win32")(
    "that is a device or a pipe is refused, not waited for",
    async () => {
      await damaged((t) => t);
      const whole = readDumpTable(file);
      const { table } = dumpPaths(file);
      rmSync(table);
      symlinkSync(devNull, table);
      expect(() => readDumpTable(file)).toThrow(/not a file/);
      rmSync(file);
      symlinkSync(devNull, file);
      expect(() => new DumpPlayer(file, whole)).toThrow(RoomtapError);
    },
  );
});

test("a table with any value exchanged is refused or read, and never throws anything else", async () => {
  const { dump } = create();
  fill(dump);
  await dump.finish();
  const path = dumpPaths(file).table;
  const whole = JSON.parse(readFileSync(path, "utf8")) as unknown;
  const places: (readonly (string | number)[])[] = [];
  const walk = (v: unknown, at: readonly (string | number)[]) => {
    places.push(at);
    if (typeof v === "object" && v !== null) for (const [k, x] of Object.entries(v)) walk(x, [...at, k]);
  };
  walk(whole, []);
  let refused = 0;
  for (const place of places) {
    for (const value of [null, -1, {}]) {
      writeFileSync(path, JSON.stringify(exchanged(whole, place, value)));
      try {
        readDumpTable(file);
      } catch (e) {
        refused++;
        expect(e).toMatchObject({ code: "media-invalid" });
      }
    }
  }
  expect(refused).toBeGreaterThan(200);
});

function exchanged(v: unknown, place: readonly (string | number)[], value: unknown): unknown {
  const [key, ...rest] = place;
  if (key === undefined) return value;
  if (Array.isArray(v)) return v.map((x: unknown, i) => (String(i) === key ? exchanged(x, rest, value) : x));
  const fields = v as Record<string, unknown>;
  return { ...fields, [key]: exchanged(fields[key], rest, value) };
}
