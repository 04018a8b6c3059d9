import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { createRoomServer, type RoomServer } from "../../src/server/room-server.ts";
import { type CliRun, runCli, startCli } from "../support/cli.ts";
import { complaints, type KillPlan, killRecording } from "../support/kill.ts";
import { Recording } from "../support/recording.ts";

/*
 * The short form of test/long/kill.test.ts.
 */

let server: RoomServer;
let root: string;
let publisher: CliRun;
let room: string;
const sentLog = () => join(root, "sent.jsonl");

beforeAll(async () => {
  server = await createRoomServer();
  root = await mkdtemp(join(tmpdir(), "roomtap-kill-"));
  room = `${server.url.replace("http", "ws")}kill`;
  publisher = startCli(["publish", room, "--video", "h264", "--sent-log", sentLog()]);
  await publisher.seen(/publishing/, 60_000);
});

afterAll(async () => {
  publisher.kill("SIGINT");
  await publisher.done;
  await server.close();
  await rm(root, { recursive: true, force: true });
});

test("what is killed loses a second at most, is repaired into what was asked for, and passes verify", async () => {
  const ffmpeg = await locateFfmpeg();
  const plan = (victim: KillPlan["victim"], moment: number): KillPlan => ({
    ...{ room, format: "mp4", victim, moment, ffmpeg, sentLog: sentLog(), out: join(root, victim) },
  });
  const reports = await Promise.all([plan("both", 2100), plan("supervisor", 1400)].map(killRecording));
  for (const report of reports) {
    const { victim, lostVideo, lostAudio } = report;
    console.log("kill", JSON.stringify({ victim, lostVideo, lostAudio }));
    expect(complaints(report, "mp4"), JSON.stringify(report, null, 1)).toEqual([]);
  }
  expect(reports[0]?.repair.repaired).toMatchObject([
    {
      state: "repaired",
      files: [{ path: expect.stringMatching(/\.mp4$/), convertedFrom: expect.stringMatching(/\.mkv$/) }],
    },
  ]);
});

test("a session that is being recorded is not repaired", async () => {
  const recording = new Recording(room, join(root, "running"));
  try {
    await recording.fileOpened();
    const refused = await runCli(["repair", recording.directory ?? ""]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/^error: .*is being recorded.*\nhint: .*Ctrl-C/);
    recording.run.kill("SIGINT");
    const { result } = await recording.ended();
    const whole = await runCli(["repair", result.session]);
    expect(whole).toMatchObject({ code: 0, stdout: `${result.session}: whole, nothing to do\n` });
  } finally {
    recording.run.kill("SIGKILL");
  }
});
