import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RecordResult } from "../../src/bot/record.ts";
import { emptyRtpView, parseRtp } from "../../src/core/rtp/packet.ts";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { groundTruthClip } from "../../src/sources/ground-truth/generate.ts";
import { verifyRecording } from "../../src/sources/ground-truth/verify.ts";
import { type CliRun, startCli } from "../support/cli.ts";
import { describeWith } from "../support/requires.ts";
import { aiortcProgram } from "../support/servers/aiortc.ts";
import { gstreamerProgram } from "../support/servers/gstreamer.ts";
import { until } from "../support/until.ts";

const LISTEN = "offer-listen://127.0.0.1:0/offer";

describeWith("samples that talk to Roomtap with other stacks", [aiortcProgram, gstreamerProgram], () => {
  let folder: string;
  let ffmpeg: string;
  let clip: string;
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "roomtap-samples-"));
    ffmpeg = await locateFfmpeg();
    // aiortc decodes and encodes in Python: small pictures, so that it keeps up.
    const size = { width: 320, height: 180 };
    clip = await groundTruthClip({ ffmpeg, cacheDir: folder, codec: "vp8", size });
  });

  afterAll(async () => {
    for (const child of children) child.kill("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  });

  function start(program: string, ...args: string[]): ChildProcess {
    const child = spawn(program, args, { stdio: "ignore" });
    children.push(child);
    return child;
  }

  const node = (...args: string[]) => start(process.execPath, "samples/libdatachannel.mjs", ...args);
  const python = (...args: string[]) => start(aiortcProgram.path ?? "", "samples/aiortc_call.py", ...args);
  const address = async (run: CliRun) => (await run.seen(/callers come to (http\S+)/, 60_000))[1] ?? "";
  const record = (name: string) =>
    startCli([
      "record",
      LISTEN,
      "--out",
      join(folder, name),
      "--format",
      "mkv",
      "--duration",
      "4s",
      "--json",
    ]);

  /** Pictures that are what was sent: where Python encodes, some are late or missing. */
  async function pictures(run: CliRun) {
    const { code, stdout, stderr } = await run.done;
    expect(code, stderr).toBe(0);
    const [file] = (JSON.parse(stdout) as RecordResult).files;
    const { numbers: _, ...v } = await verifyRecording(file?.path ?? "", { ffmpeg });
    console.log(JSON.stringify(v));
    expect([file?.participant, v.decodeErrors, v.duplicated, v.outOfOrder]).toEqual(["Ann", 0, 0, 0]);
    return v.frames - v.unreadable;
  }

  test("bare libdatachannel sends what an encoder gives it, and is recorded", async () => {
    const recorder = record("native");
    const free = createSocket("udp4").bind(0, "127.0.0.1");
    await once(free, "listening");
    const { port } = free.address() as AddressInfo;
    free.close();
    await once(free, "close");
    node("send", `${await address(recorder)}/Ann`, String(port));
    const rtp = `rtp://127.0.0.1:${port}?pkt_size=1200`;
    start(
      ffmpeg,
      "-v",
      "error",
      "-re",
      "-stream_loop",
      "-1",
      "-i",
      clip,
      "-map",
      "0:v",
      "-c",
      "copy",
      "-f",
      "rtp",
      rtp,
    );
    // From a keyframe on, which comes within a second.
    expect(await pictures(recorder)).toBeGreaterThanOrEqual(3 * 30 - 2);
  });

  test("bare libdatachannel hands out what it gets", async () => {
    const publisher = startCli(["publish", LISTEN, "--media", clip]);
    const socket = createSocket("udp4").bind(0, "127.0.0.1");
    await once(socket, "listening");
    const seqs: number[] = [];
    socket.on("message", (m) => {
      const view = emptyRtpView();
      if (parseRtp(m, view)) seqs.push(view.seq);
    });
    try {
      node("receive", await address(publisher), String((socket.address() as AddressInfo).port));
      await until("pictures", () => seqs.length > 200, 60_000);
      expect(seqs.every((s, i) => i === 0 || s === (((seqs[i - 1] ?? 0) + 1) & 0xffff))).toBe(true);
    } finally {
      publisher.kill("SIGINT");
      socket.close();
    }
    expect((await publisher.done).code).toBe(0);
  });

  test("aiortc sends a file and is recorded, and writes what is published", async () => {
    const [recorder, publisher] = [record("python"), startCli(["publish", LISTEN, "--media", clip])];
    const written = join(folder, "call.mkv");
    try {
      python("send", `${await address(recorder)}/Ann`, clip, "--seconds", "30");
      const receiver = python("receive", await address(publisher), written, "--seconds", "8");
      const received = once(receiver, "exit");
      expect(await pictures(recorder)).toBeGreaterThan(50);
      expect((await received)[0]).toBe(0);
    } finally {
      publisher.kill("SIGINT");
    }
    expect((await publisher.done).code).toBe(0);
    const { frames, unreadable, audioDurationMs } = await verifyRecording(written, { ffmpeg });
    console.log(JSON.stringify({ frames, unreadable, audioDurationMs }));
    expect(frames - unreadable).toBeGreaterThan(50);
    expect(audioDurationMs).toBeGreaterThan(1500);
  });

  test("GStreamer's webrtcbin sends a file and is recorded, and writes what is published", async () => {
    const gstreamer = (...args: string[]) =>
      start(gstreamerProgram.path ?? "", "samples/gstreamer_call.py", ...args);
    const [recorder, publisher] = [record("gst"), startCli(["publish", LISTEN, "--media", clip])];
    const written = join(folder, "gst.mkv");
    try {
      gstreamer("send", `${await address(recorder)}/Ann`, clip, "--seconds", "30");
      const received = once(
        gstreamer("receive", await address(publisher), written, "--seconds", "6"),
        "exit",
      );
      expect(await pictures(recorder)).toBeGreaterThan(100);
      expect((await received)[0]).toBe(0);
    } finally {
      publisher.kill("SIGINT");
    }
    expect((await publisher.done).code).toBe(0);
    const { frames, unreadable, audioDurationMs, decodeErrors } = await verifyRecording(written, { ffmpeg });
    console.log(JSON.stringify({ frames, unreadable, audioDurationMs, decodeErrors }));
    expect([frames - unreadable > 100, decodeErrors]).toEqual([true, 0]);
    expect(audioDurationMs).toBeGreaterThan(3500);
  });
});
