import { expect, test } from "vitest";
import { longCall } from "./long-call.ts";

const MINUTE = 60_000;

test("ten minutes of a call, with all clocks 50 ppm off, lose nothing and keep time", () => {
  const worst = { audio: 0, video: 0 };
  const call = longCall({
    durationMs: 10 * MINUTE,
    ppm: 50,
    videoStart: 2 ** 32 - 90 * 5 * MINUTE,
    loss: 0.02,
    seed: 5,
    onFrame: (kind, t, error) => {
      if (t > MINUTE) worst[kind] = Math.max(worst[kind], Math.abs(error));
    },
  });
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
  expect(worst.audio).toBeLessThan(worst.video + 10);
});
