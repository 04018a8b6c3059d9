import { describe, expect, test } from "vitest";
import { seededRandom } from "../../src/core/random.ts";
import { offsetInWords, pairOffsets, summarizeOffsets } from "../../src/sources/ground-truth/lipsync.ts";
import { ToneEnvelope, toneOnsets } from "../../src/sources/ground-truth/sound.ts";
import { CHANNELS, SAMPLE_RATE, tonePcm } from "../../src/sources/ground-truth/spec.ts";

/** One channel of the clip's sound, moved by `delay` samples. */
function sound(seconds: number, delay = 0): Int16Array {
  const pcm = tonePcm(seconds * SAMPLE_RATE);
  const out = new Int16Array(seconds * SAMPLE_RATE + delay);
  for (let i = 0; i < seconds * SAMPLE_RATE; i++) out[i + delay] = pcm[i * CHANNELS] ?? 0;
  return out;
}

function onsets(pcm: Int16Array, chunk = 960): number[] {
  const envelope = new ToneEnvelope();
  for (let i = 0; i < pcm.length; i += chunk) envelope.push(pcm.subarray(i, i + chunk));
  return toneOnsets(envelope.levels);
}

describe("tones in sound", () => {
  test.each([480, 487, 5003, 33_333])(
    "a delay of %d samples is measured to a tenth of a millisecond",
    (delay) => {
      const found = onsets(sound(4, delay));
      expect(found).toHaveLength(4);
      for (const [i, t] of found.entries()) expect(Math.abs(t - i - delay / SAMPLE_RATE)).toBeLessThan(1e-4);
    },
  );

  test("the size of the pieces makes no difference", () => {
    expect(onsets(sound(2, 999), 7)).toEqual(onsets(sound(2, 999), 4096));
  });

  test("noise, hum, speech-like sweeps and echoes in front do not move them by a millisecond", () => {
    const random = seededRandom(11);
    const pcm = sound(4, 4800);
    for (let i = 0; i < pcm.length; i++) {
      const t = i / SAMPLE_RATE;
      const hum = 1500 * Math.sin(2 * Math.PI * 50 * t);
      const sweep = 1500 * Math.sin(2 * Math.PI * (300 + 100 * Math.sin(7 * t)) * t);
      // What a transform codec smears ahead of an attack: the same pitch, weaker, for some milliseconds.
      const ahead = (i + 240) % SAMPLE_RATE;
      const early = ahead >= 4800 && ahead < 5040 ? 2500 * Math.sin(2 * Math.PI * 1000 * t) : 0;
      pcm[i] = Math.max(
        -32768,
        Math.min(32767, (pcm[i] ?? 0) + hum + sweep + early + (random() - 0.5) * 3000),
      );
    }
    const found = onsets(pcm);
    expect(found).toHaveLength(4);
    for (const [i, t] of found.entries()) expect(Math.abs(t - i - 0.1)).toBeLessThan(1e-3);
  });

  test("quiet tones count, tones of another length or pitch do not", () => {
    const quiet = sound(2, 4800).map((s) => s * 0.1);
    expect(onsets(quiet)).toHaveLength(2);
    const tone = (hz: number, from: number, to: number) =>
      Int16Array.from({ length: SAMPLE_RATE }, (_, i) =>
        i >= from && i < to ? 16000 * Math.sin((2 * Math.PI * hz * i) / SAMPLE_RATE) : 0,
      );
    expect(onsets(tone(1000, 9600, 9600 + 1920))).toHaveLength(1);
    expect(onsets(tone(1000, 9600, 9600 + 24_000))).toEqual([]);
    expect(onsets(tone(1000, 9600, 9600 + 480))).toEqual([]);
    expect(onsets(tone(2000, 9600, 9600 + 1920))).toEqual([]);
  });

  test("silence has none, and a tone that the sound starts in is left out", () => {
    expect(onsets(new Int16Array(SAMPLE_RATE))).toEqual([]);
    expect(onsets(new Int16Array(0))).toEqual([]);
    expect(onsets(sound(3).subarray(480))).toHaveLength(2);
  });
});

describe("sound against picture", () => {
  test("offsets are picture minus sound, each flash with its nearest tone", () => {
    const offsets = pairOffsets([1.02, 2.02, 3.02, 4.02], [0, 1, 2, 4]);
    expect(offsets.map((o) => Math.round(o * 1000) / 1000)).toEqual([20, 20, 20]);
  });

  test("a missing flash or tone does not shift the others", () => {
    expect(pairOffsets([1, 3, 4], [0.99, 2, 2.99, 4.99])).toHaveLength(2);
    expect(pairOffsets([1, 2], [])).toEqual([]);
    expect(pairOffsets([], [1])).toEqual([]);
  });

  test("the summary keeps the sign of the median and the size of the extremes", () => {
    const offsets = [...Array.from({ length: 19 }, () => -5), 60];
    expect(summarizeOffsets(offsets)).toEqual({ count: 20, p50: -5, p95: 5, max: 60 });
    expect(summarizeOffsets([])).toEqual({ count: 0, p50: 0, p95: 0, max: 0 });
  });
});

test("no distance is told where nothing was measured", () => {
  expect(offsetInWords(summarizeOffsets([]))).toBe("no flash with its tone");
  expect(offsetInWords(summarizeOffsets([0.5]))).toBe("0.5 ms (p95 0.5 ms) in 1 flash");
  expect(offsetInWords(summarizeOffsets([-1, -1, 2]))).toBe("-1.0 ms (p95 2.0 ms) in 3 flashes");
});
