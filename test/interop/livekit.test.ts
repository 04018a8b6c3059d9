import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { StatusMessage } from "../../src/bot/job.ts";
import type { RecordControl as Control, record as Record } from "../../src/bot/record.ts";
import { decodeCheck } from "../../src/ffmpeg/decode-check.ts";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { verifyRecording } from "../../src/sources/ground-truth/verify.ts";
import { runCli, startCli } from "../support/cli.ts";
import { keyframeHeights } from "../support/keyframe-heights.ts";
import { LiveKitOracle } from "../support/livekit-oracle.ts";
import { Recording } from "../support/recording.ts";
import { describeWith } from "../support/requires.ts";
import { type LiveKitServer, liveKitProgram, startLiveKit } from "../support/servers/livekit.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { until } from "../support/until.ts";

/** The public API, as it is built. */
const { record, RecordControl }: { record: typeof Record; RecordControl: typeof Control } = await import(
  new URL("../../dist/index.js", import.meta.url).href
);

/** Of the pictures sent from the first to the last recorded one, the share that was recorded, in order. */
function shareOfSent(log: string, recorded: readonly (number | undefined)[]): number {
  const sent = log
    .trim()
    .split("\n")
    .map((line): number => JSON.parse(line).number);
  const start = sent.findIndex((_, i) => recorded.slice(0, 8).every((n, k) => sent[i + k] === n));
  let at = start;
  let found = 0;
  for (const n of recorded) {
    const next = sent.indexOf(n ?? -1, at);
    if (next < 0) continue;
    found++;
    at = next + 1;
  }
  return start < 0 ? 0 : found / (at - start);
}

/** Which of its three layers a publisher sent, status by status. */
function sentLayers(ndjson: string): string[] {
  return ndjson.split("\n").flatMap((line) => {
    const status: StatusMessage | undefined = line.endsWith("}") ? JSON.parse(line) : undefined;
    const videos = status?.participants?.[0]?.tracks.filter((t) => t.kind === "video") ?? [];
    return videos.length === 3 ? [videos.map((v, i) => (v.bitrate > 0 ? "qhf"[i] : "")).join("")] : [];
  });
}

describeWith("a LiveKit server", [liveKitProgram], () => {
  let server: LiveKitServer;
  let directory: string;
  let ffmpeg: string;
  let env: { LIVEKIT_API_KEY: string; LIVEKIT_API_SECRET: string };

  beforeAll(async () => {
    server = await startLiveKit();
    directory = await mkdtemp(join(tmpdir(), "roomtap-livekit-"));
    ffmpeg = await locateFfmpeg();
    env = { LIVEKIT_API_KEY: server.apiKey, LIVEKIT_API_SECRET: server.apiSecret };
  });

  afterAll(async () => {
    await server?.close();
    await rm(directory, { recursive: true, force: true });
  });

  test("brings every frame to recorder and official client, also when the recorder's signalling breaks", async () => {
    const oracle = new LiveKitOracle("watch", server, "truth");
    const proxy = await TcpProxy.start(Number(server.host.split(":")[1]));
    const sentLog = join(directory, "truth.jsonl");
    const publisher = startCli(["publish", server.room("truth"), "--name", "Truth", "--sent-log", sentLog], {
      env,
    });
    try {
      await publisher.seen(/publishing/, 60_000);
      const before = await until(
        "the client's picture",
        () => (oracle.watched?.frames ?? 0) > 0 && oracle.watched,
        30_000,
      );
      const room = `livekit+ws://127.0.0.1:${proxy.port}/truth`;
      const args = ["--duration", "10s", "--format", "webm"];
      const recording = new Recording(room, join(directory, "truth"), args, { env });
      await recording.sessionTime(5000);
      proxy.cut();
      const r = await recording.ended();
      const after = oracle.watched ?? before;
      expect([r.code, r.stderr]).toEqual([
        0,
        expect.stringMatching(/signalling lost[\s\S]*signalling is back/),
      ]);
      expect(r.result.files).toHaveLength(1);
      const v = await verifyRecording(r.result.files[0]?.path ?? "", { ffmpeg });
      const { numbers, ...figures } = v;
      const log = await readFile(sentLog, "utf8");
      // Four seconds before it breaks.
      const share = { before: shareOfSent(log, numbers.slice(0, 120)), all: shareOfSent(log, numbers) };
      console.log(
        "livekit truth",
        JSON.stringify({ ...figures, share, gaps: r.manifest.gaps, client: after }),
      );
      expect(v.decodeErrors).toBe(0);
      expect(v.offset.p95).toBeLessThanOrEqual(40);
      expect(share.before).toBeGreaterThanOrEqual(0.99);
      // Until the keyframe of the new connection some may be missing.
      expect(share.all).toBeGreaterThanOrEqual(0.9);
      expect(numbers.length).toBeGreaterThanOrEqual(0.9 * 300);
      expect(r.manifest.room).toBe(room);
      // A busy machine may leave out pictures that it decodes.
      expect(after).toMatchObject({ width: 1280, height: 720 });
      expect(after.frames).toBeGreaterThan(before.frames + 100);
      expect(after.audioMs).toBeGreaterThan(9000);
      expect(after.loudest).toBeGreaterThan(1000);
      publisher.kill("SIGINT");
      expect((await publisher.done).code).toBe(0);
    } finally {
      publisher.kill("SIGKILL");
      await proxy.close();
      await oracle.close();
    }
  });

  test("does not let in who has no good token: exit code 3, and nothing secret is said", async () => {
    const grants = { roomJoin: true, room: "no", canSubscribe: true };
    const expired = server.token("x", grants, -120);
    const mute = server.token("x", { ...grants, canSubscribe: false });
    const run = (e: { [name: string]: string }) =>
      runCli(["record", server.room("no"), "--out", join(directory, "no")], { env: e });
    const [late, wrong, deaf] = await Promise.all([
      run({ ROOMTAP_TOKEN: expired }),
      run({ ...env, LIVEKIT_API_SECRET: "a-wrong-secret-4711-4711-4711-4711" }),
      run({ ROOMTAP_TOKEN: mute }),
    ]);
    expect([late.code, wrong.code, deaf.code]).toEqual([3, 3, 3]);
    expect(late.stderr).toMatch(/error: .* does not let us in \(401: .*token is expired\)/);
    expect(wrong.stderr).toMatch(/error: .* does not let us in \(401: .*signature is invalid\)/);
    expect(deaf.stderr).toMatch(/error: the token does not let us receive/);
    expect(late.stderr + wrong.stderr + deaf.stderr).not.toMatch(/eyJ|4711/);
  });

  test("lets one of two with the same token stay: the other ends with exit code 3", async () => {
    const token = server.token("twin", { roomJoin: true, room: "twins", canSubscribe: true, hidden: true });
    const start = (name: string) =>
      startCli(["record", server.room("twins"), "--out", join(directory, name)], {
        env: { ROOMTAP_TOKEN: token },
      });
    const first = start("first");
    const second = await first.seen(/in the room/, 60_000).then(() => start("second"));
    try {
      await second.seen(/in the room/, 60_000);
      const { code, stderr } = await first.done;
      expect([code, stderr]).toEqual([
        3,
        expect.stringMatching(/error: somebody else joined with our identity/),
      ]);
      expect(second.child.exitCode).toBeNull();
    } finally {
      first.kill("SIGKILL");
      second.kill("SIGKILL");
    }
  });

  test("who is muted by it, leaves and returns, and its own death, are all in the recording", async () => {
    const room = "drama";
    // By the dialect with a single connection, both.
    const address = `${server.room(room)}?connections=1`;
    const publish = () => startCli(["publish", address, "--name", "Ann"], { env });
    const people = async () => {
      const answer = (await server.api("ListParticipants", { room })) as {
        participants: {
          identity: string;
          name: string;
          tracks: { sid: string; type?: string; source: string }[];
        }[];
      };
      return answer.participants.filter((p) => p.name === "Ann");
    };
    const recording = new Recording(address, join(directory, room), ["--format", "webm"], { env });
    let ann = publish();
    try {
      await recording.fileOpened(1);
      await recording.sessionTime(2000);
      const [person] = await people();
      const track = person?.tracks.find((t) => t.source === "CAMERA");
      const mute = (muted: boolean) =>
        server.api("MutePublishedTrack", { room, identity: person?.identity, track_sid: track?.sid, muted });
      await mute(true);
      await recording.sessionTime(4000);
      await mute(false);
      await recording.sessionTime(5500);
      ann.kill("SIGINT");
      await ann.done;
      await until("her good-bye", () => recording.journal.some((e) => e.t === "participant-left"), 10_000);
      ann = publish();
      await recording.fileOpened(2);
      await new Promise((resolve) => setTimeout(resolve, 1500));
      await server.kill();
      await recording.run.seen(/signalling lost/, 30_000);
      await server.start();
      const back = recording.run.seen(/signalling is back/, 60_000);
      await ann.seen(/signalling lost/, 30_000);
      await back;
      const seen = () => people().then((p) => p.some((a) => a.tracks.length === 2));
      while (!(await seen().catch(() => false))) await new Promise((resolve) => setTimeout(resolve, 200));
      await new Promise((resolve) => setTimeout(resolve, 3000));
      recording.run.kill("SIGINT");
      const r = await recording.ended();
      expect(r.code).toBe(0);
      const figures = r.result.files.map((f) => ({
        name: f.participant,
        ms: f.durationMs,
        tracks: f.tracks.map((t) => `${t.codec} ${t.frames}`),
      }));
      console.log("livekit drama", JSON.stringify({ figures, gaps: r.manifest.gaps }));
      expect(r.result.files.map((f) => f.participant)).toEqual(["Ann", "Ann"]);
      for (const f of r.result.files) expect((await decodeCheck(f.path, { ffmpeg })).errors).toBe(0);
      const [first, second] = r.result.files;
      // Two of five seconds without pictures, none without sound.
      const frames = (f: typeof first, kind: string) => f?.tracks.find((t) => t.kind === kind)?.frames ?? 0;
      expect(frames(first, "audio")).toBeGreaterThan(200);
      expect(frames(first, "video")).toBeLessThan(0.8 * 0.6 * frames(first, "audio"));
      expect(second?.durationMs).toBeGreaterThan(4000);
    } finally {
      ann.kill("SIGKILL");
      recording.run.kill("SIGKILL");
    }
  });

  test("gives other layers every two seconds, each sent only while it is needed, with every frame decodable", async () => {
    const publisher = startCli(["publish", server.room("layers"), "--simulcast", "--ndjson"], { env });
    const control = new RecordControl();
    const stop = new AbortController();
    try {
      await publisher.seen(/"publishing"/, 90_000);
      let started = false;
      const recording = record({
        room: server.room("layers"),
        apiKey: server.apiKey,
        apiSecret: server.apiSecret,
        layer: "low",
        out: join(directory, "layers"),
        format: "mkv",
        pictures: false,
        control,
        stop: stop.signal,
        onStatus: (s) => {
          started ||= s.phase === "recording";
        },
      });
      await until("media", () => started, 30_000);
      // The server waits some seconds before it says that nobody needs the others.
      await until("only the smallest", () => sentLayers(publisher.stdout).at(-1) === "q", 30_000);
      for (const wish of ["high", "medium", "low", "high"] as const) {
        control.prefer(wish);
        await new Promise((resolve) => setTimeout(resolve, 2000));
      }
      stop.abort();
      const { files } = await recording;
      publisher.kill("SIGINT");
      const { stdout } = await publisher.done;
      expect(files).toHaveLength(1);
      const [file] = files;
      const check = await decodeCheck(file?.path ?? "", { ffmpeg });
      const heights = await keyframeHeights(file?.path ?? "");
      const sent = sentLayers(stdout).join(" ");
      console.log(
        "livekit layers",
        JSON.stringify({ ms: file?.durationMs, frames: check.tracks, heights, sent }),
      );
      expect([check.errors, check.messages]).toEqual([0, []]);
      expect(check.tracks.find((t) => t.kind === "video")?.frames).toBeGreaterThan(200);
      // The server may take a layer between two on its way.
      expect(new Set(heights)).toEqual(new Set([720, 360, 180]));
      expect(heights.length).toBeGreaterThanOrEqual(4);
      expect(sent).toMatch(/q .*qhf/);
    } finally {
      stop.abort();
      publisher.kill("SIGKILL");
    }
  });
});
