import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { StatusMessage } from "../../src/bot/job.ts";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { createRoomServer, type RoomServer } from "../../src/server/room-server.ts";
import type { Manifest } from "../../src/sinks/recorder/manifest.ts";
import { verifyRecording } from "../../src/sources/ground-truth/verify.ts";
import { runCli, startCli } from "../support/cli.ts";

let server: RoomServer;
let directory: string;
let ffmpeg: string;

beforeAll(async () => {
  server = await createRoomServer();
  directory = await mkdtemp(join(tmpdir(), "roomtap-publish-record-"));
  ffmpeg = await locateFfmpeg();
});

afterAll(async () => {
  await server.close();
  await rm(directory, { recursive: true, force: true });
});

const roomUrl = (name: string) => `${server.url.replace("http", "ws")}${name}`;

type SentLine = { loop: number; number: number; time: number; keyframe: boolean };

/** Publishes the ground-truth clip, records it and returns the file with what was really sent. */
async function publishAndRecord(o: { name: string; video: "vp8" | "h264"; format: string; seconds: number }) {
  const sentLog = join(directory, `${o.name}.jsonl`);
  const publisher = startCli([
    "publish",
    roomUrl(o.name),
    "--video",
    o.video,
    "--name",
    "Truth",
    "--sent-log",
    sentLog,
    "--ndjson",
  ]);
  try {
    await publisher.seen(/publishing/, 60_000);
    const out = join(directory, o.name);
    const recorder = await runCli([
      "record",
      roomUrl(o.name),
      "--out",
      out,
      "--duration",
      `${o.seconds}s`,
      "--format",
      o.format,
      "--json",
    ]);
    expect(recorder.stderr).not.toMatch(/error/);
    expect(recorder.code).toBe(0);
    const result = JSON.parse(recorder.stdout);
    publisher.kill("SIGINT");
    const { code, stdout } = await publisher.done;
    expect(code).toBe(0);
    const statuses = stdout.split("\n").filter((l) => l.includes('"remote-inbound-rtp"'));
    const outgoing: StatusMessage = JSON.parse(statuses.at(-1) ?? "{}");
    const sent: SentLine[] = (await readFile(sentLog, "utf8"))
      .trim()
      .split("\n")
      .map((l) => JSON.parse(l));
    const manifest: Manifest = JSON.parse(await readFile(join(result.session, "manifest.json"), "utf8"));
    return { file: result.files[0], sent, manifest, outgoing };
  } finally {
    publisher.kill("SIGKILL");
  }
}

/** Index in the sent log at which the recorded numbers begin to follow it exactly, or -1. */
function alignment(sent: readonly SentLine[], recorded: readonly (number | undefined)[]): number {
  return sent.findIndex(
    (line, i) => line.number === recorded[0] && recorded.every((n, k) => sent[i + k]?.number === n),
  );
}

test("the clip recorded as WebM has every frame that was sent exactly once, and sound and picture agree", async () => {
  const { file, sent } = await publishAndRecord({ name: "webm", video: "vp8", format: "webm", seconds: 20 });
  const v = await verifyRecording(file.path, { ffmpeg });
  const { numbers, ...figures } = v;
  console.log("vp8 webm", JSON.stringify(figures));
  expect(v.decodeErrors).toBe(0);
  expect(v.offset.count).toBeGreaterThanOrEqual(18);
  expect(v.offset.p95).toBeLessThanOrEqual(40);
  expect(Math.abs(v.audioDurationMs - 20_000)).toBeLessThanOrEqual(50);
  const start = alignment(sent, numbers);
  expect(start).toBeGreaterThanOrEqual(0);
  expect(sent[start]?.keyframe).toBe(true);
  // Nothing that was sent in the recorded time is missing at the end either.
  expect(numbers.length).toBeGreaterThanOrEqual(20 * 30 - 2);
});

test("H.264 from our own publisher is copied into MP4, with AAC", async () => {
  const { file, sent } = await publishAndRecord({ name: "mp4", video: "h264", format: "mp4", seconds: 8 });
  expect(file.format).toBe("mp4");
  expect(file.tracks.map((t: { codec: string }) => t.codec).sort()).toEqual(["aac", "h264"]);
  const v = await verifyRecording(file.path, { ffmpeg });
  const { numbers, ...figures } = v;
  console.log("h264 mp4", JSON.stringify(figures));
  expect(v.decodeErrors).toBe(0);
  expect(v.offset.p95).toBeLessThanOrEqual(40);
  expect(alignment(sent, numbers)).toBeGreaterThanOrEqual(0);
  expect(Math.abs(v.audioDurationMs - 8000)).toBeLessThanOrEqual(50);
});

test("H.264 from our own publisher is kept as it is in Matroska, with statistics that balance", async () => {
  const { file, sent, manifest, outgoing } = await publishAndRecord({
    name: "mkv",
    video: "h264",
    format: "mkv",
    seconds: 6,
  });
  const [person] = manifest.statistics;
  const tracks = person?.tracks.map((t) => Object.values(t.statistics)) ?? [];
  for (const objects of tracks) {
    const stream = objects.find((o) => o.type === "inbound-rtp");
    const sender = objects.find((o) => o.type === "remote-outbound-rtp");
    const codec = objects.find((o) => o.type === "codec");
    const { expected, received, recovered, lost, pending } = stream?.roomtap ?? {};
    expect(expected).toBeGreaterThan(200);
    expect((received ?? 0) + (recovered ?? 0) + (lost ?? 0) + (pending ?? 0)).toBe(expected);
    expect(codec?.mimeType).toBe(stream?.kind === "audio" ? "audio/opus" : "video/H264");
    // The newest report is a second old at most, and speaks of what came in until then.
    expect(sender?.packetsSent).toBeLessThanOrEqual(expected ?? 0);
    expect(sender?.packetsSent).toBeGreaterThan((expected ?? 0) / 2);
    expect(sender?.roundTripTime).toBeLessThan(1);
    if (stream?.kind === "video") expect(stream.framesReceived).toBeGreaterThan(150);
  }
  expect(tracks).toHaveLength(2);
  const own = Object.values(outgoing.statistics ?? {});
  for (const objects of tracks) {
    const stream = objects.find((o) => o.type === "inbound-rtp");
    const source = own.find((o) => o.type === "outbound-rtp" && o.ssrc === stream?.ssrc);
    const report = own.find((o) => o.type === "remote-inbound-rtp" && o.ssrc === stream?.ssrc);
    expect(source).toMatchObject({ kind: stream?.kind, mid: stream?.mid, remoteId: report?.id });
    expect(report).toMatchObject({ packetsLost: 0, fractionLost: 0, localId: source?.id });
  }
  const path = person?.connections.flatMap((c) => Object.values(c).map((o) => o.type));
  expect(path).toEqual(["transport", "candidate-pair", "local-candidate", "remote-candidate"]);
  expect(file.tracks.map((t: { codec: string }) => t.codec).sort()).toEqual(["h264", "opus"]);
  const v = await verifyRecording(file.path, { ffmpeg });
  const { numbers, ...figures } = v;
  console.log("h264 mkv", JSON.stringify(figures));
  expect(v.decodeErrors).toBe(0);
  expect(v.offset.p95).toBeLessThanOrEqual(40);
  expect(alignment(sent, numbers)).toBeGreaterThanOrEqual(0);
});

test("a file that is not media is refused with two lines and exit code 2", async () => {
  const r = await runCli(["publish", roomUrl("bad"), "--media", new URL(import.meta.url).pathname]);
  expect(r.code).toBe(2);
  expect(
    r.stderr
      .trim()
      .split("\n")
      .filter((l) => /^(error|hint): /.test(l)),
  ).toHaveLength(2);
  expect(r.stderr).not.toMatch(/ at .*\.js:\d+/);
});

test("a room in which nobody sends ends with exit code 7", async () => {
  const r = await runCli([
    "record",
    roomUrl("nobody"),
    "--out",
    join(directory, "nobody"),
    "--until-empty",
    "1s",
    "--json",
  ]);
  expect(r.code).toBe(7);
  expect(JSON.parse(r.stdout).files).toEqual([]);
});
