import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { LinkPlan } from "../../src/core/room.ts";
import { micros } from "../../src/core/time.ts";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { shutDownNative } from "../../src/peer/native.ts";
import { monotonicNow } from "../../src/peer/pump.ts";
import { Journal } from "../../src/sinks/recorder/journal.ts";
import { Recorder } from "../../src/sinks/recorder/recorder.ts";
import { groundTruthClip } from "../../src/sources/ground-truth/generate.ts";
import { SampleStore } from "../../src/sources/sample-store.ts";
import { clipSender } from "../support/clip.ts";
import { growthPerMinute, type MemorySample } from "../support/memory.ts";
import { connect, nativeHost } from "../support/native-pair.ts";

/** Length of the soak; ROOMTAP_SOAK_MINUTES changes it. */
const MINUTES = Number(process.env.ROOMTAP_SOAK_MINUTES ?? 10);
const PEERS = 10;
/** Growth that is not noise of the collector, bytes per minute. */
const MAX_GROWTH = 2_000_000;
const SAMPLE_MS = 2000;
const PROBE_MS = 20;
/** Compiling, and filling what is bounded, are over. */
const SETTLED_MINUTES = 1;

const sending: LinkPlan = {
  send: [
    { id: "mic", kind: "audio", source: "microphone", codec: "opus" },
    { id: "cam", kind: "video", source: "camera", codec: "vp8" },
  ],
  receive: { audio: 0, video: 0 },
  data: true,
};
const receiving: LinkPlan = { send: [], receive: { audio: 1, video: 1 }, data: true };

test("ten people on real transports are recorded in one process, whole, in steady memory and without stalls", async () => {
  const folder = await mkdtemp(join(tmpdir(), "roomtap-ten-"));
  const ffmpeg = await locateFfmpeg();
  const size = { width: 640, height: 360 };
  const clip = SampleStore.open(
    await groundTruthClip({ codec: "vp8", size, ffmpeg, cacheDir: join(folder, "clip") }),
  );
  const journal = new Journal(folder);
  const failures: unknown[] = [];
  const recorder = new Recorder({
    directory: folder,
    format: "mkv",
    ffmpeg: "",
    journal,
    attempt: 0,
    onFailure: (error) => failures.push(error),
  });
  const kinds = new Map<string, "audio" | "video">();
  let zero: number | undefined;
  let frames = 0;
  const receiver = nativeHost({
    seed: 100,
    onFrame: (linkId, _mid, frame) => {
      frames++;
      zero ??= frame.local;
      const kind = frame.codec === "opus" ? "audio" : "video";
      const id = `${linkId}/${kind}`;
      if (!kinds.has(id)) {
        kinds.set(id, kind);
        const participant = { id: linkId, name: linkId, recorder: false };
        recorder.addTrack({ id, kind, source: kind === "audio" ? "microphone" : "camera", participant });
      }
      const { local, ...rest } = frame;
      recorder.frame(id, { ...rest, time: micros(Math.max(0, Math.round((local - zero) * 1000))) });
    },
    onTick: (at) => {
      if (zero !== undefined) recorder.tick(micros(Math.max(0, Math.round((at - zero) * 1000))));
    },
  });
  const senders = Array.from({ length: PEERS }, (_, i) =>
    nativeHost({
      seed: i + 1,
      sender: (_peer, media, now) =>
        clipSender(media, now, {
          index: clip.index,
          read: (kind, sample) => clip.read(kind, sample),
          cname: `peer-${i}`,
          wallOffsetMs: Date.now() - monotonicNow(),
        }),
    }),
  );
  try {
    for (const [i, sender] of senders.entries())
      await connect(sender, sending, receiver, receiving, { from: `peer-${i}`, to: "recorder" });
    const samples: MemorySample[] = [];
    const started = performance.now();
    const sampling = setInterval(() => {
      const minute = (performance.now() - started) / 60_000;
      samples.push({ minute, rss: process.memoryUsage.rss() });
    }, SAMPLE_MS);
    const cpu = process.cpuUsage();
    const late = await lateness(MINUTES * 60_000);
    clearInterval(sampling);
    const used = process.cpuUsage(cpu);
    const tracks = receiver.host.statistics(monotonicNow()).flatMap((l) => l.receiver.tracks);
    const { packets } = receiver.host;
    const settled = samples.filter((s) => s.minute > Math.min(SETTLED_MINUTES, MINUTES / 3));
    const slope = growthPerMinute(settled);
    const p99 = late[Math.floor(late.length * 0.99)] ?? Number.NaN;
    const figures = {
      minutes: MINUTES,
      packets,
      frames,
      bytesPerMinute: slope,
      rss: [settled[0]?.rss, settled.at(-1)?.rss],
      cpuShare: Number(((used.user + used.system) / 1000 / (MINUTES * 60_000)).toFixed(3)),
      stallMs: { p50: late[Math.floor(late.length / 2)], p99, max: late.at(-1) },
      recovered: tracks.reduce((n, t) => n + t.ledger.recovered, 0),
    };
    console.log("ten peers", JSON.stringify(figures));
    expect(tracks).toHaveLength(2 * PEERS);
    for (const t of tracks) {
      expect(t.ledger.lost).toBe(0);
      expect(t.abandonedFrames + t.gatedFrames).toBe(0);
      const perSecond = t.kind === "video" ? 30 : 50;
      expect(t.frames).toBeGreaterThan(0.97 * perSecond * MINUTES * 60);
    }
    expect(p99).toBeLessThan(50);
    if (MINUTES >= 3) expect(slope).toBeLessThan(MAX_GROWTH);
    expect([failures, receiver.failures, ...senders.map((s) => s.failures)].flat()).toEqual([]);
    await Promise.all([...senders, receiver].map((h) => h.host.close()));
    await recorder.finish();
    journal.close();
    expect((await readdir(folder)).filter((name) => name.endsWith(".mkv"))).toHaveLength(PEERS);
  } finally {
    shutDownNative();
    await rm(folder, { recursive: true, force: true });
  }
});

/** How late a timer of 20 ms fires, over and over for a while: milliseconds, in ascending order. */
async function lateness(forMs: number): Promise<number[]> {
  const late: number[] = [];
  const end = performance.now() + forMs;
  for (let now = performance.now(); now < end; now = performance.now()) {
    await new Promise((resolve) => setTimeout(resolve, PROBE_MS));
    late.push(Math.max(0, performance.now() - now - PROBE_MS));
  }
  return late.sort((a, b) => a - b);
}
