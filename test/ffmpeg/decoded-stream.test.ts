import { describe, expect, test } from "vitest";
import type { MatroskaTrack } from "../../src/core/containers/matroska/track.ts";
import { MatroskaWriter } from "../../src/core/containers/matroska/writer.ts";
import { randomInt, seededRandom } from "../../src/core/random.ts";
import { DecodedStream } from "../../src/ffmpeg/decoded-stream.ts";

const tracks: MatroskaTrack[] = [
  { number: 1, kind: "video", codecId: "V_UNCOMPRESSED", width: 4, height: 4, defaultDurationNs: 33_333_333 },
  { number: 2, kind: "audio", codecId: "A_PCM/INT/LIT", sampleRate: 48_000, channels: 1, bitDepth: 16 },
];

/** A stream of 20 pictures and 20 pieces of sound, every one of its own size and content. */
function stream() {
  const writer = new MatroskaWriter("matroska", tracks);
  const patches = [writer.header()];
  const blocks = Array.from({ length: 40 }, (_, i) => ({
    kind: i % 2 === 0 ? ("video" as const) : ("audio" as const),
    timeMs: i * 16,
    data: new Uint8Array(50 + 37 * i).fill(i + 1),
  }));
  for (const b of blocks)
    patches.push(...writer.block(b.kind === "video" ? 1 : 2, b.timeMs, 16, true, b.data));
  const bytes = new Uint8Array(writer.length);
  for (const p of patches) bytes.set(p.bytes, p.at);
  return { bytes, blocks };
}

describe("a decoded stream", () => {
  test.each([1, 13, 4096, 1 << 20])("arrives whole in pieces of %d octets", (size) => {
    const { bytes, blocks } = stream();
    const decoded = new DecodedStream();
    const out = [];
    for (let i = 0; i < bytes.length; i += size) out.push(...decoded.push(bytes.subarray(i, i + size)));
    expect(out).toEqual(blocks);
  });

  test("random pieces and random octets never throw", () => {
    const random = seededRandom(5);
    for (let round = 0; round < 60; round++) {
      const { bytes } = stream();
      for (let i = 0; i < 20; i++) bytes[randomInt(random, bytes.length)] = randomInt(random, 256);
      const decoded = new DecodedStream();
      for (let i = 0; i < bytes.length; ) {
        const n = 1 + randomInt(random, 3000);
        for (const b of decoded.push(bytes.subarray(i, i + n)))
          expect(b.data.length).toBeLessThan(bytes.length);
        i += n;
      }
    }
  });
});
