import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { longCall } from "../core/media/long-call.ts";

const HOUR = 3_600_000;
/** Time that a slow clock is given to show its drift. */
const SETTLED = HOUR / 6;
/** Growth of the heap that is not noise, bytes over the call. */
const MAX_GROWTH = 1_000_000;

test.each([50, -50])(
  "a call of twelve hours (clocks %i ppm off) loses nothing, keeps time and does not grow",
  (ppm) => {
    setFlagsFromString("--expose-gc");
    const gc: () => void = runInNewContext("gc");
    const worst = { audio: 0, video: 0 };
    const heap: number[] = [];
    const call = longCall({
      durationMs: 12 * HOUR,
      ppm,
      // Wraps in the middle.
      videoStart: 2 ** 32 - 90 * 6 * HOUR,
      loss: 0.01,
      seed: 12,
      onFrame: (kind, t, error) => {
        if (t > SETTLED) worst[kind] = Math.max(worst[kind], Math.abs(error));
      },
      onHour: () => {
        gc();
        heap.push(process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers);
      },
    });
    console.log("call", JSON.stringify({ ppm, worst, sent: call.sent, heap }));
    const [audio, video] = call.statistics.tracks;
    expect(call.outOfOrder).toBe(0);
    expect(call.frames).toEqual({ audio: call.sent.audio, video: call.sent.video });
    // A second request may go out while the answer to the first arrives.
    const { "rtp-duplicate": repeated = 0, ...faults } = call.faults;
    expect(faults).toEqual({});
    expect(repeated).toBeLessThan(call.sent.dropped / 50);
    expect(audio?.ledger).toMatchObject({ expected: call.sent.audio, received: call.sent.audio, lost: 0 });
    expect(video?.ledger).toMatchObject({
      expected: 4 * call.sent.video,
      recovered: call.sent.dropped,
      lost: 0,
    });
    expect(video?.timelineRestarts).toBe(0);
    expect(worst.video).toBeLessThan(1);
    expect(worst.audio).toBeLessThan(11);
    expect((heap.at(-1) ?? 0) - (heap[1] ?? 0)).toBeLessThan(MAX_GROWTH);
  },
  900_000,
);
