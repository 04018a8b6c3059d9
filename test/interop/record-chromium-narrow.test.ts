import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { findChromium, launchChromium } from "../support/chromium.ts";
import { inspectFile, longestGap } from "../support/inspect-file.ts";
import { Attendee, type Sample, type ServedRooms, serveRooms } from "../support/meeting.ts";
import { NetworkCable, namespaces } from "../support/netns.ts";
import { Recording } from "../support/recording.ts";
import { describeWith } from "../support/requires.ts";

const SECONDS = 30;
/** The sender has found out what the path carries after this. */
const SETTLED_MS = 10_000;
const UPLINK = { rate: "1mbit", burst: "32kbit", latency: "400ms" };
const UPLINK_BPS = 1_000_000;

describeWith("a narrow uplink of Chromium", [findChromium(), namespaces], () => {
  let cable: NetworkCable;
  let rooms: ServedRooms;
  let browser: Browser;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "roomtap-record-narrow-"));
    cable = await NetworkCable.lay();
    const { far } = cable;
    rooms = await serveRooms(["--host", far.address, "--public"], { prefix: far.prefix });
    // Camera and microphone are for secure pages only; this address shall count as one.
    const trust = `--unsafely-treat-insecure-origin-as-secure=${new URL(rooms.url).origin}`;
    const fps = "--use-fake-device-for-media-stream=fps=30";
    browser = await launchChromium([trust, fps], await cable.wrapper(findChromium().path ?? ""));
  });

  afterAll(async () => {
    await browser?.close();
    await rooms?.close();
    await cable?.remove();
    await rm(folder, { recursive: true, force: true });
  });

  it("makes the sender slow down at once and stay there, with pictures that go on", async () => {
    const alice = await Attendee.join(browser, rooms.url, "narrow", "Alice");
    await alice.watch();
    await cable.shape(UPLINK);
    const recording = new Recording(rooms.room("narrow"), folder, ["--duration", `${SECONDS}s`], {
      prefix: cable.far.prefix,
    });
    const r = await recording.ended();
    const samples = await alice.samples();
    const shaped = await cable.shaped();
    const [file] = r.result.files;
    const inside = await inspectFile(file?.path ?? "");
    const zero = samples[0]?.at ?? 0;
    const settled = samples.filter((s) => s.at - zero >= SETTLED_MS);
    const perSecond = rates(samples);
    const last = samples.at(-1);
    const targets = settled.map((s) => s.targetBitrate);
    const times = inside.video?.times ?? [];
    console.log(
      `narrow: ${JSON.stringify({
        sentKbps: perSecond.map((bps) => Math.round(bps / 1000)),
        settledTarget: [Math.min(...targets), Math.max(...targets)],
        frames: inside.video?.decoded,
        longestGapMs: longestGap(times),
        longestGapSettledMs: longestGap(times, SETTLED_MS),
        ...{ packets: last?.packets, resent: last?.resent, nacks: last?.nacks, plis: last?.plis },
        ...{ width: last?.width, errors: inside.errors.length, audioEndMs: inside.audio?.endMs },
        ...shaped,
      })}`,
    );
    expect(r.code).toBe(0);
    expect(inside.errors).toEqual([]);
    expect(settled.length).toBeGreaterThan(100);
    // The path really was the limit, and what went into it was less all the time: no second of it was a rush.
    expect(shaped.delayed).toBeGreaterThan(0);
    expect(Math.max(...perSecond.slice(SETTLED_MS / 1000))).toBeLessThan(UPLINK_BPS);
    expect(Math.max(...targets)).toBeLessThan(1.2 * UPLINK_BPS);
    // Slower than the path, but not starved.
    expect(Math.min(...targets)).toBeGreaterThan(0.2 * UPLINK_BPS);
    expect(longestGap(times, SETTLED_MS)).toBeLessThanOrEqual(1000);
    expect(inside.audio?.endMs).toBeGreaterThan(1000 * SECONDS - 100);
    expect(last?.resent).toBeLessThanOrEqual(0.1 * (last?.packets ?? 0));
    expect(last?.plis).toBeLessThanOrEqual(5);
  });
});

/** Bits per second that were sent in each whole second. */
function rates(samples: readonly Sample[]): number[] {
  const out: number[] = [];
  let from = samples[0];
  for (const s of samples) {
    if (from === undefined || s.at - from.at < 1000) continue;
    out.push((8000 * (s.bytes - from.bytes)) / (s.at - from.at));
    from = s;
  }
  return out;
}
