import { describe, expect, test } from "vitest";
import { SenderTimeline } from "../../../src/core/media/timeline.ts";
import type { Random } from "../../../src/core/random.ts";
import { millis, wallMillis, wallToNtp } from "../../../src/core/time.ts";
import { audio, error, lips, type ModelTrack, perfect, send, video, WALL } from "./sender-model.ts";

const MINUTE = 60_000;
const jitter = (_t: number, random: Random) => 20 + 40 * random();

/** The clock of the first sender of all, 77 s ahead of the server's. */
const CAPTURE_AHEAD = 77_000;

/** Capture times on one frame in a second, as senders do. */
function captured(every: number, offsetMs?: number): NonNullable<ModelTrack["capture"]> {
  return (t) => {
    if (t % 1000 >= every) return undefined;
    const ntp = wallToNtp(wallMillis(WALL + t + CAPTURE_AHEAD));
    return offsetMs === undefined ? { ntp } : { ntp, clockOffsetMs: offsetMs };
  };
}

/** Reports of a media server that knows nothing of capture: its RTP times are 200 ms late for the picture. */
const serverReport = (t: number) => ({ wall: WALL + t, rtp: perfect(90_000)(t - 200) });

describe("capture times (abs-capture-time)", () => {
  test.each([undefined, -CAPTURE_AHEAD])(
    "override the reports of the server, with a clock offset of %s",
    (offset) => {
      for (let seed = 1; seed <= 5; seed++) {
        const [a, v] = send(
          [
            { ...audio, capture: captured(20, offset) },
            { ...video, encode: 220, report: serverReport, capture: captured(34, offset) },
          ],
          { until: 2 * MINUTE, delay: jitter, seed },
        );
        expect(lips(a?.placed ?? [], v?.placed ?? [])).toBeLessThan(40);
        expect(lips(a?.placed ?? [], v?.placed ?? [], 30_000)).toBeLessThan(2);
        expect(v?.timeline.synchronized).toBe(true);
      }
    },
  );

  test("of which the picture alone has some do not harm the sound beside it", () => {
    const [a, v] = send([audio, { ...video, capture: captured(34) }], { until: MINUTE });
    expect(lips(a?.placed ?? [], v?.placed ?? [])).toBeLessThan(40);
    expect(a?.timeline.synchronized).toBe(true);
  });

  test("place tracks for which there are no reports", () => {
    const [a, v] = send(
      [
        { ...audio, reportEvery: 0, capture: captured(20) },
        { ...video, reportEvery: 0, encode: 180, capture: captured(34) },
      ],
      { until: MINUTE, delay: jitter },
    );
    expect(lips(a?.placed ?? [], v?.placed ?? [], 10_000)).toBeLessThan(10);
  });

  test("of another source start anew", () => {
    const rtp = perfect(90_000);
    const track = new SenderTimeline().track(90_000);
    let local = 0;
    for (let t = 0; t < 20_000; t += 40) {
      const source = t < 10_000 ? 1 : 2;
      const ahead = source === 1 ? 0 : 3_000_000;
      track.onPacket(rtp(t), millis(t + 20));
      track.onCaptureTime({ ntp: wallToNtp(wallMillis(WALL + t + ahead)) }, source, rtp(t), millis(t + 20));
      local = track.place(rtp(t), millis(t + 20));
      expect(Math.abs(local - t - 20)).toBeLessThan(1);
    }
    expect(track.clockSteps).toBe(0);
    expect(track.synchronized).toBe(true);
  });

  test("that are wrong by seconds leave the track to its reports", () => {
    const wrong = (t: number) => ({ ntp: wallToNtp(wallMillis(WALL + 1.3 * t)) });
    const [a, v] = send([audio, { ...video, capture: wrong }], { until: MINUTE });
    expect(lips(a?.placed ?? [], v?.placed ?? [])).toBeLessThan(120);
    const late = (t: number) => ({ ntp: wallToNtp(wallMillis(WALL + t - (t < 5000 ? 0 : 4000 * (t % 2)))) });
    const [b, w] = send([audio, { ...video, capture: late }], { until: MINUTE });
    expect(lips(b?.placed ?? [], w?.placed ?? [])).toBeLessThan(40);
    expect(error(w?.placed ?? [])).toBeLessThan(40);
  });
});
