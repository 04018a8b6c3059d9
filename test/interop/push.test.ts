import { copyFileSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import type { ProgramSink, SinkStatus } from "../../src/sinks/program/program.ts";
import { checkPushTargets, createPushes, type PushTarget } from "../../src/sinks/push/targets.ts";
import { encodeStream } from "../support/encoded-stream.ts";
import { inspectFile } from "../support/inspect-file.ts";
import { childrenOf } from "../support/processes.ts";
import { feedPlan, ProgramFeed } from "../support/program-feed.ts";
import { filesIn, freePort, nginxReceiver, Receiver } from "../support/receivers.ts";
import { describeWith, findProgram } from "../support/requires.ts";
import { until } from "../support/until.ts";

const nginx = {
  name: "nginx",
  path: findProgram("nginx", "/usr/sbin/nginx"),
  install: "apt-get install nginx-light libnginx-mod-rtmp",
};
const ffmpeg = { name: "ffmpeg", path: findProgram("ffmpeg"), install: "apt-get install ffmpeg" };

/** In every address, and nowhere else. */
const KEY = "q7Xk-stream-key";
const PASSPHRASE = "correct-horse-battery";

describeWith("targets of a live program", [nginx, ffmpeg], () => {
  const folder = mkdtempSync(join(tmpdir(), "roomtap-push-"));
  const notices: string[] = [];
  const seen: SinkStatus[] = [];
  const commandLines: string[] = [];
  let sinks: ProgramSink[] = [];
  let before: readonly SinkStatus[] = [];
  let after: readonly SinkStatus[] = [];
  let deaf: Server | undefined;
  const deafened: Socket[] = [];
  let receivers: Receiver[] = [];
  let seconds = 0;
  let closedIn = 0;

  const sinkOf = (name: string) => sinks.findIndex((s) => s.name === name);
  /** Command lines of the processes that carry streams. */
  const carriers = () =>
    childrenOf(process.pid)
      .map((p) => p.command)
      .filter((c) => c.includes("-f matroska"));
  const looks = () => sinks.map((s) => s.status());

  beforeAll(async () => {
    const [rtmpPort, listenPort, srtPort, rtspPort, nobody] = await Promise.all(
      Array.from({ length: 5 }, () => freePort()),
    );
    deaf = createServer({ pauseOnConnect: true }, (s) => deafened.push(s));
    await new Promise<void>((resolve) => {
      deaf?.listen(0, "127.0.0.1", resolve);
    });
    const address = deaf.address();
    const deafPort = typeof address === "object" ? address?.port : undefined;
    const stream = await encodeStream(join(folder, "source.flv"), 320, 180);
    const keep = (name: string, input: readonly string[]) =>
      new Receiver(ffmpeg.path ?? "", (run) => [
        ...["-nostdin", "-v", "error", "-analyzeduration", "500000", ...input],
        ...["-c", "copy", join(folder, `${name}-${run}.mkv`)],
      ]);
    const web = nginxReceiver(nginx.path ?? "", join(folder, "nginx"), rtmpPort ?? 0);
    const listening = keep("listen", ["-listen", "1", "-i", `rtmp://127.0.0.1:${listenPort}/live/${KEY}`]);
    const srt = keep("srt", [
      "-i",
      `srt://127.0.0.1:${srtPort}?mode=listener&passphrase=${PASSPHRASE}&timeout=4000000`,
    ]);
    const rtsp = keep("rtsp", ["-rtsp_flags", "listen", "-i", `rtsp://127.0.0.1:${rtspPort}/stream`]);
    receivers = [web, listening, srt, rtsp];
    const targets: PushTarget[] = [
      { kind: "rtmp", url: `rtmp://127.0.0.1:${rtmpPort}/live/${KEY}` },
      { kind: "rtmp", url: `rtmp://127.0.0.1:${listenPort}/live/${KEY}` },
      { kind: "rtmp", url: `rtmp://127.0.0.1:${rtmpPort}/closed/${KEY}?sign=${PASSPHRASE}` },
      { kind: "rtmp", url: `rtmp://127.0.0.1:${nobody}/live/${KEY}` },
      { kind: "rtmp", url: `rtmp://127.0.0.1:${deafPort}/live/${KEY}` },
      { kind: "srt", url: `srt://127.0.0.1:${srtPort}?passphrase=${PASSPHRASE}&streamid=publish:${KEY}` },
      { kind: "rtsp", url: `rtsp://127.0.0.1:${rtspPort}/stream` },
      { kind: "rtsp", url: `rtsp://127.0.0.1:${deafPort}/stream` },
      { kind: "file", url: join(folder, "program.mp4") },
      { kind: "file", url: join(folder, "program.mkv") },
      { kind: "file", url: join(folder, "program.ts") },
    ];
    const found = await locateFfmpeg();
    await checkPushTargets(targets, found);
    sinks = createPushes(targets, feedPlan, {
      ffmpeg: found,
      onNotice: (_, text) => notices.push(text),
      random: () => 0,
    });
    for (const r of receivers) r.start();
    const feed = new ProgramFeed(stream, sinks);
    const away = (s: number) => until(`second ${s}`, () => feed.seconds >= s, 1000 * s + 5000);
    const carried = ["rtmp", "rtmp-2", "srt", "rtsp"].map(sinkOf);
    const run = () => carried.every((i) => sinks[i]?.status().state === "running");
    await until("all are reached", run, 10_000);
    await away(4);
    before = looks();
    commandLines.push(...carriers());
    await Promise.all(receivers.map((r) => r.stop()));
    await away(feed.seconds + 1.5);
    seen.push(...looks());
    for (const r of receivers) r.start();
    await until("all are reached again", run, 20_000);
    await away(Math.max(feed.seconds + 2, 12.5));
    after = looks();
    seconds = feed.seconds;
    // What a kill would leave.
    for (const ext of ["mp4", "mkv", "ts"])
      copyFileSync(join(folder, `program.${ext}.part`), join(folder, `torn.${ext}`));
    const end = performance.now();
    await feed.end();
    closedIn = performance.now() - end;
    seen.push(...looks());
    await Promise.all([listening, srt, rtsp].map((r) => r.ended));
    await web.stop("SIGTERM");
  });

  afterAll(async () => {
    await Promise.all(receivers.map((r) => r.stop()));
    for (const s of deafened) s.destroy();
    deaf?.close();
    rmSync(folder, { recursive: true });
  });

  /** What arrived there, the last time that it was started. */
  const received = async (file: string | undefined) => {
    const { video, audio, errors } = await inspectFile(file ?? "nothing");
    return {
      errors,
      pictures: video?.decoded ?? 0,
      sound: audio?.durationMs ?? 0,
      gapMs: video?.longestGapMs,
    };
  };

  test.each([
    ["rtmp", "nginx", () => filesIn(join(folder, "nginx"), ".flv").at(-1)],
    ["rtmp-2", "ffmpeg", () => join(folder, "listen-1.mkv")],
    ["srt", "ffmpeg", () => join(folder, "srt-1.mkv")],
    ["rtsp", "ffmpeg", () => join(folder, "rtsp-1.mkv")],
  ] as const)(
    "%s reaches %s, which is killed and reached again, from a keyframe on",
    async (name, _, file) => {
      expect(before[sinkOf(name)]).toMatchObject({ state: "running" });
      expect(before[sinkOf(name)]?.bytes).toBeGreaterThan(100_000);
      expect(after[sinkOf(name)]).toMatchObject({ state: "running" });
      expect(after[sinkOf(name)]?.attempts).toBeGreaterThan(1);
      expect(after[sinkOf(name)]?.dropped).toBeGreaterThan(0);
      const { errors, pictures, sound, gapMs } = await received(file());
      expect(errors).toEqual([]);
      expect(pictures).toBeGreaterThan(30);
      expect(sound).toBeGreaterThan(1000);
      expect(gapMs).toBeLessThan(70);
    },
  );

  test.each(["program.mp4", "program.mkv", "program.ts"])("%s goes on without a hole", async (name) => {
    const { errors, pictures, sound, gapMs } = await received(join(folder, name));
    expect(errors).toEqual([]);
    expect(pictures).toBeGreaterThan(30 * seconds - 3);
    expect(gapMs).toBeLessThan(40);
    // The source's rounds do not end with a whole frame of sound.
    expect(sound).toBeGreaterThan(1000 * seconds - 200);
    expect(readdirSync(folder).filter((f) => f.endsWith(".part"))).toEqual([]);
  });

  test.each(["mp4", "mkv", "ts"])("a kill costs a .%s a second at most", async (ext) => {
    const { pictures, gapMs } = await received(join(folder, `torn.${ext}`));
    expect(pictures).toBeGreaterThan(30 * (seconds - 1.2));
    expect(gapMs).toBeLessThan(40);
  });

  test.each([
    ["rtmp-3", "a stream that the server refuses", /when asked to publish/],
    ["rtmp-4", "a port that nobody listens on", /connection refused/],
    ["rtmp-5", "a server that never answers", /no answer for 10 s/],
    ["rtsp-2", "a server that never answers ffmpeg", /no answer for 10 s/],
  ])("%s: %s is tried again, and said why", (name, _, why) => {
    const status = after[sinkOf(name)];
    expect(status).toMatchObject({ state: "retrying", detail: expect.stringMatching(why) });
    // At most one a second, here where chance always says so.
    expect(status?.attempts).toBeLessThan(seconds + 1);
    expect(notices.filter((n) => n.startsWith(`${name} (`)).join()).toMatch(why);
  });

  test("no secret is told, nor stands on a command line", () => {
    expect(commandLines).toHaveLength(3);
    const told = JSON.stringify([notices, seen, before, after, commandLines]);
    expect(told).not.toContain(KEY);
    expect(told).not.toContain(PASSPHRASE);
  });

  test("all ends properly, and soon", () => {
    expect(closedIn).toBeLessThan(9000);
    expect(looks().map((s) => s.state)).toEqual(sinks.map(() => "ended"));
    expect(carriers()).toEqual([]);
  });
});
