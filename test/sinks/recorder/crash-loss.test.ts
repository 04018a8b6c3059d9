import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { Frame } from "../../../src/core/frame.ts";
import { blocksOf, readEvents } from "../../support/matroska.ts";
import { ms, pictureAt, soundAt, TestSession } from "./session.ts";

/** What may wait in memory, milliseconds: the rest of the second that a crash may cost belongs to the network. */
const MAX_WAITING = 320;

let session: TestSession | undefined;
afterEach(() => {
  session?.close();
  session = undefined;
});

/** What comes at a time: from when until when, and how often. Milliseconds. */
type Stream = { readonly from: number; readonly until: number; readonly every: number };

/**
 * Feeds four seconds and looks ten times a second what is on disk: the longest time that something that came was not
 * there yet. A stream that is there and sends nothing has no times.
 */
async function longestWait(o: { mic?: Partial<Stream>; cam?: Partial<Stream> }): Promise<number> {
  const s = new TestSession();
  session = s;
  const streams = [
    { id: o.mic && s.add("mic"), at: { from: 0, until: 0, every: 20, ...o.mic }, make: soundAt },
    {
      id: o.cam && s.add("cam"),
      at: { from: 0, until: 0, every: 40, ...o.cam },
      make: (t: number): Frame => pictureAt(t, t % 1000 === 0 ? [640, 360] : undefined),
    },
  ];
  const came: { kind: number; at: number }[] = [];
  let longest = 0;
  for (let t = 0; t <= 4000; t += 20) {
    for (const [kind, { id, at, make }] of streams.entries()) {
      if (id === undefined || t < at.from || t >= at.until || (t - at.from) % at.every > 0) continue;
      s.recorder.frame(id, make(t));
      came.push({ kind, at: t });
    }
    if (t % 100 > 0) continue;
    s.recorder.tick(ms(t));
    await s.recorder.drained();
    const there = onDisk(s);
    const waiting = came.find((f) => !there.has(`${f.kind} ${f.at}`));
    if (waiting) longest = Math.max(longest, t - waiting.at);
  }
  return longest;
}

/** Frames in the file that is being written: kind and session time. */
function onDisk(s: TestSession): Set<string> {
  const [opened] = s.entriesOf("file-open");
  const path = join(s.directory, opened?.temp ?? "none");
  if (!opened || !existsSync(path)) return new Set();
  const events = readEvents(new Uint8Array(readFileSync(path)));
  const kinds = new Map<number, number>();
  for (const e of events) {
    if (e.t === "tracks") for (const t of e.tracks) kinds.set(t.number, t.kind === "audio" ? 0 : 1);
  }
  return new Set(blocksOf(events).map((b) => `${kinds.get(b.track)} ${b.timeMs + opened.startMs}`));
}

test.each([
  ["a microphone alone", { mic: { until: 4000 } }],
  ["a microphone that sends every 400 ms, as in silence with DTX", { mic: { until: 4000, every: 400 } }],
  ["a camera alone", { cam: { until: 4000 } }],
  ["both", { mic: { until: 4000 }, cam: { until: 4000 } }],
  ["a microphone beside a camera that never sends a keyframe", { mic: { until: 4000 }, cam: {} }],
  ["a camera beside a microphone that never sends", { mic: {}, cam: { until: 4000 } }],
  ["a camera that comes late", { mic: { until: 4000 }, cam: { from: 2000, until: 4000 } }],
  ["a camera that is switched off", { mic: { until: 4000 }, cam: { until: 2000 } }],
  ["a microphone that is muted", { mic: { until: 2000 }, cam: { until: 4000 } }],
])("what comes of %s is on disk at once", async (_, streams) => {
  expect(await longestWait(streams)).toBeLessThanOrEqual(MAX_WAITING);
});
