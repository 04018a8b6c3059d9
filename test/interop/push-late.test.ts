import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { PushSample } from "../../src/sinks/push/link.ts";
import { rtmpLinks } from "../../src/sinks/push/rtmp-link.ts";
import { addressOf } from "../../src/sinks/push/target.ts";
import { clockOf, type EncodedStream, encodeStream } from "../support/encoded-stream.ts";
import { inspectFile } from "../support/inspect-file.ts";
import { feedFormat, feedPlan, feedSamples } from "../support/program-feed.ts";
import { filesIn, freePort, nginxReceiver, Receiver } from "../support/receivers.ts";
import { describeWith, findProgram } from "../support/requires.ts";
import { until } from "../support/until.ts";

const nginx = {
  name: "nginx",
  path: findProgram("nginx", "/usr/sbin/nginx"),
  install: "apt-get install nginx-light libnginx-mod-rtmp",
};
const ffmpeg = { name: "ffmpeg", path: findProgram("ffmpeg"), install: "apt-get install ffmpeg" };

/** Just before times take more than 24 bits. */
const LATE_MS = 0xffffff - 1500;

describeWith("a stream that has run for four hours and a half", [nginx, ffmpeg], () => {
  const folder = mkdtempSync(join(tmpdir(), "roomtap-late-"));
  let stream: EncodedStream;

  beforeAll(async () => {
    stream = await encodeStream(join(folder, "source.flv"), 160, 90);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Sends the whole stream, as late as that. */
  async function send(url: string): Promise<void> {
    const [rendition] = feedPlan.renditions;
    if (!rendition) throw new Error("a plan without renditions");
    const format = feedFormat(stream);
    for (;;) {
      let open = false;
      let closed: string | undefined;
      const link = rtmpLinks({ address: addressOf("rtmp", url), rendition, redact: (t) => t })(format, {
        onOpen: () => {
          open = true;
        },
        onRoom: () => undefined,
        onMoved: () => undefined,
        onClosed: (failure) => {
          closed = failure?.text ?? "ended";
        },
      });
      await until("an answer", () => open || closed);
      // The receiver is still starting.
      if (!open) continue;
      for (const { kind, data, keyframe, time } of feedSamples(stream, 0, 3)) {
        const timeMs = LATE_MS + (1000 * time) / clockOf(kind);
        link.send({ kind, data, keyframe, timeMs, format } satisfies PushSample);
      }
      await until("all is out", () => link.idle);
      link.end();
      await until("the end", () => closed);
      return;
    }
  }

  test.each(["nginx", "ffmpeg"])("%s takes it", async (which) => {
    const port = await freePort();
    const kept = join(folder, "kept.mkv");
    const receiver =
      which === "nginx"
        ? nginxReceiver(nginx.path ?? "", join(folder, "nginx"), port)
        : new Receiver(ffmpeg.path ?? "", () => [
            ...["-nostdin", "-v", "error", "-listen", "1", "-i", `rtmp://127.0.0.1:${port}/live/key`],
            ...["-c", "copy", kept],
          ]);
    receiver.start();
    try {
      await send(`rtmp://127.0.0.1:${port}/live/key`);
      if (which === "ffmpeg") await receiver.ended;
    } finally {
      await receiver.stop("SIGTERM");
    }
    const file = which === "nginx" ? filesIn(join(folder, "nginx"), ".flv")[0] : kept;
    const { video, errors } = await inspectFile(file ?? "nothing");
    expect(errors).toEqual([]);
    expect(video?.decoded).toBe(stream.video.length);
    expect(video?.longestGapMs).toBeLessThan(40);
  });
});
