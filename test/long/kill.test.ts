import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { randomInt, seededRandom } from "../../src/core/random.ts";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { createRoomServer, type RoomServer } from "../../src/server/room-server.ts";
import { groundTruthClip } from "../../src/sources/ground-truth/generate.ts";
import { type CliRun, runCli, startCli } from "../support/cli.ts";
import {
  complaints,
  type KillPlan,
  type KillReport,
  killRecording,
  type Moment,
  type Victim,
} from "../support/kill.ts";

/** Recordings of each kind that are killed; ROOMTAP_KILLS changes it. */
const RUNS = Number(process.env.ROOMTAP_KILLS ?? 20);
const SEED = Number(process.env.ROOMTAP_SEED ?? 1);
/** Recordings at the same time. */
const AT_ONCE = 3;
/** Latest moment of a kill while media flows, milliseconds. */
const LATEST_MS = 7000;

let server: RoomServer;
let root: string;
let ffmpeg: string;
const publishers: CliRun[] = [];

const roomUrl = (name: string) => `${server.url.replace("http", "ws")}${name}`;
const sentLog = (room: string) => join(root, `${room}.jsonl`);

async function publish(room: string, ...args: string[]): Promise<void> {
  const publisher = startCli(["publish", roomUrl(room), ...args]);
  publishers.push(publisher);
  await publisher.seen(/publishing/, 60_000);
}

beforeAll(async () => {
  server = await createRoomServer();
  root = await mkdtemp(join(tmpdir(), "roomtap-kill-"));
  ffmpeg = await locateFfmpeg();
  const media = await groundTruthClip({
    ...{ codec: "vp8", size: { width: 320, height: 180 }, ffmpeg, cacheDir: root },
  });
  await publish("vp8", "--media", media, "--sent-log", sentLog("vp8"));
  await publish("h264", "--media", media, "--video", "h264", "--sent-log", sentLog("h264"));
  await publish("sound", "--video", "none");
});

afterAll(async () => {
  for (const publisher of publishers) publisher.kill("SIGINT");
  await Promise.all(publishers.map((p) => p.done));
  await server.close();
  await rm(root, { recursive: true, force: true });
});

const { stdout: help } = await runCli(["record", "--help"]);
const kinds = [
  { format: "webm", room: "vp8", converts: false },
  { format: "mkv", room: "h264", converts: false },
  { format: "mp4", room: "h264", converts: true },
  { format: "mp4", room: "vp8", converts: true },
  { format: "webm", room: "sound", converts: false },
  { format: "mp4", room: "sound", converts: true },
  ...(/"ogg"/.test(help) ? [{ format: "ogg", room: "sound", converts: true } as const] : []),
] as const;

test.each(kinds)(
  "$format of $room: what is killed at any moment loses a second at most, and is repaired",
  async (kind) => {
    const random = seededRandom(SEED + kinds.indexOf(kind));
    const plans = Array.from({ length: RUNS }, (_, i): KillPlan => {
      const moment: Moment = kind.converts && random() < 0.3 ? "conversion" : randomInt(random, LATEST_MS);
      const all: Victim[] = [
        "supervisor",
        "media",
        "both",
        ...(moment === "conversion" ? (["ffmpeg"] as const) : []),
      ];
      return {
        ...{ room: roomUrl(kind.room), format: kind.format, moment, ffmpeg },
        out: join(root, `${kind.format}-${kind.room}-${i}`),
        victim: all[randomInt(random, all.length)] ?? "both",
        sentLog: kind.room === "sound" ? undefined : sentLog(kind.room),
      };
    });
    const reports: KillReport[] = [];
    const wrong: unknown[] = [];
    const work = async () => {
      for (let plan = plans.shift(); plan; plan = plans.shift()) {
        try {
          const report = await killRecording(plan);
          reports.push(report);
          const findings = complaints(report, kind.format);
          if (findings.length > 0) wrong.push({ ...report, findings });
          else await rm(plan.out, { recursive: true });
        } catch (error) {
          wrong.push({ plan, error: String(error) });
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    const lost = (which: "lostVideo" | "lostAudio") =>
      reports
        .flatMap((r) => r[which] ?? [])
        .map(Math.round)
        .sort((a, b) => a - b);
    console.log("kill", JSON.stringify({ ...kind, video: lost("lostVideo"), audio: lost("lostAudio") }));
    if (wrong.length > 0) console.log("wrong", JSON.stringify(wrong, null, 1));
    expect(wrong).toEqual([]);
  },
);
