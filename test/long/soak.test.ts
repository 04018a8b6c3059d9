import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { createRoomServer } from "../../src/server/room-server.ts";
import { verifyRecording } from "../../src/sources/ground-truth/verify.ts";
import { startCli } from "../support/cli.ts";
import { growthPerMinute, type MemorySample } from "../support/memory.ts";
import { childrenOf } from "../support/processes.ts";

/** Length of the soak; ROOMTAP_SOAK_MINUTES changes it. */
const MINUTES = Number(process.env.ROOMTAP_SOAK_MINUTES ?? 10);
/** Growth of the recording process that is not noise of the collector, bytes per minute. */
const MAX_GROWTH = 2_000_000;

test("a long recording keeps its memory, every frame, and sound and picture together", async () => {
  const server = await createRoomServer();
  const directory = await mkdtemp(join(tmpdir(), "roomtap-soak-"));
  const room = `${server.url.replace("http", "ws")}soak`;
  const sentLog = join(directory, "sent.jsonl");
  const publisher = startCli(["publish", room, "--sent-log", sentLog]);
  try {
    await publisher.seen(/publishing/, 60_000);
    const recorder = startCli(["record", room, "--out", directory, "--duration", `${MINUTES}m`, "--json"]);
    await recorder.seen(/recording/, 30_000);
    const samples: MemorySample[] = [];
    const started = Date.now();
    const sampling = setInterval(() => {
      void residentSize(childrenOf(recorder.child.pid ?? 0)[0]?.pid).then((rss) => {
        if (rss > 0) samples.push({ minute: (Date.now() - started) / 60_000, rss });
      });
    }, 5000);
    const done = await recorder.done;
    clearInterval(sampling);
    expect(done.code).toBe(0);
    const { files } = JSON.parse(done.stdout);
    expect(files).toHaveLength(1);
    const v = await verifyRecording(files[0].path, { ffmpeg: await locateFfmpeg() });
    const slope = growthPerMinute(samples.filter((s) => s.minute > 1));
    const { numbers, ...figures } = v;
    console.log(
      "soak",
      JSON.stringify({ minutes: MINUTES, slope, first: samples[0], last: samples.at(-1), ...figures }),
    );
    expect(v.decodeErrors + v.missing + v.duplicated).toBe(0);
    expect(v.offset.p95).toBeLessThanOrEqual(40);
    expect(Math.abs(v.audioDurationMs - MINUTES * 60_000)).toBeLessThanOrEqual(50);
    expect(numbers.length).toBeGreaterThanOrEqual(MINUTES * 60 * 30 - 2);
    if (MINUTES >= 5) expect(slope).toBeLessThan(MAX_GROWTH);
    const sent = (await readFile(sentLog, "utf8")).trim().split("\n").length;
    expect(sent).toBeGreaterThanOrEqual(numbers.length);
  } finally {
    publisher.kill("SIGINT");
    await publisher.done;
    await server.close();
    await rm(directory, { recursive: true, force: true });
  }
});

async function residentSize(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return 1024 * Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0);
}
