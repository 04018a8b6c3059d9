import { expect, it } from "vitest";
import { randomInt, seededRandom } from "../../../src/core/random.ts";
import { ExtensionReader } from "../../../src/core/rtp/extensions.ts";
import { emptyRtpView, parseRtp } from "../../../src/core/rtp/packet.ts";

const ROUNDS = 1_000_000;
const NOISE = 1 << 16;

/** What RFC 3550 section 5.1 says of a packet, as plainly as it can be said: [payload from, to], or undefined. */
function reading(b: Uint8Array): { from: number; to: number; profile: number; ext: number } | undefined {
  if (b.length < 12) return undefined;
  const view = new DataView(b.buffer, b.byteOffset, b.length);
  if (view.getUint8(0) >> 6 !== 2) return undefined;
  let from = 12 + 4 * (view.getUint8(0) & 15);
  let [profile, ext] = [0, 0];
  if (from > b.length) return undefined;
  if (view.getUint8(0) & 16) {
    if (from + 4 > b.length) return undefined;
    profile = view.getUint16(from);
    ext = 4 * view.getUint16(from + 2);
    from += 4 + ext;
    if (from > b.length) return undefined;
  }
  let to = b.length;
  if (view.getUint8(0) & 32) {
    const padding = view.getUint8(b.length - 1);
    if (padding === 0 || padding > to - from) return undefined;
    to -= padding;
  }
  return { from, to, profile, ext };
}

/** The extension elements of RFC 8285, read the slow way: "id:length" of each, and whether the block ends well. */
function elementsOf(block: Uint8Array, profile: number): string {
  const out: string[] = [];
  const one = profile === 0xbede;
  if (!one && profile >> 4 !== 0x100) return "";
  for (let i = 0; i < block.length; ) {
    const b = block[i] ?? 0;
    if (b === 0) {
      i++;
      continue;
    }
    const id = one ? b >> 4 : b;
    if (one && id === 15) break;
    const length = one ? (b & 15) + 1 : (block[i + 1] ?? Number.NaN);
    const at = i + (one ? 1 : 2);
    if (id === 0 || Number.isNaN(length) || at + length > block.length) return [...out, "broken"].join();
    out.push(`${id}:${length}`);
    i = at + length;
  }
  return out.join();
}

it("a million random packets are parsed, or dropped, exactly as a plain reading of the RFCs says", () => {
  const random = seededRandom(1);
  const noise = Uint8Array.from({ length: NOISE }, () => randomInt(random, 256));
  const v = emptyRtpView();
  const reader = new ExtensionReader();
  const counts = { parsed: 0, extended: 0, broken: 0 };
  let wrong: string | undefined;
  for (let round = 0; round < ROUNDS && wrong === undefined; round++) {
    const at = randomInt(random, NOISE - 64);
    const b = noise.subarray(at, at + randomInt(random, 64)).slice();
    // Most with a version, few sources and a short extension block, or nothing would ever be parsed.
    if (b.length > 16 && round % 8 !== 0) {
      b[0] = 0x80 | ((b[0] ?? 0) & (round % 4 === 0 ? 0x3f : 0x31));
      const ext = 12 + 4 * ((b[0] ?? 0) & 15);
      if (ext + 4 <= b.length) {
        b.set(round & 1 ? [0xbe, 0xde] : [0x10, (b[ext + 1] ?? 0) & 31], ext);
        b.set([0, (b[ext + 3] ?? 0) & 7], ext + 2);
      }
      if (round % 3 === 0) b[b.length - 1] = (b[b.length - 1] ?? 0) & 15;
    }
    const want = reading(b);
    const parsed = parseRtp(b, v);
    const same =
      parsed === (want !== undefined) &&
      (!want ||
        (v.payloadOffset === want.from &&
          v.payloadEnd === want.to &&
          v.extLength === want.ext &&
          v.extProfile === want.profile &&
          v.padding === b.length - want.to));
    if (!same) wrong = `${Buffer.from(b).toString("hex")}: ${JSON.stringify(want)}`;
    if (!want || !parsed) continue;
    counts.parsed++;
    // The slow way is for a part of them.
    if (want.ext === 0 || round % 5 > 1) continue;
    counts.extended++;
    const got: string[] = [];
    reader.begin(v);
    while (reader.next()) got.push(`${reader.id}:${reader.length}`);
    if (reader.malformed) {
      counts.broken++;
      got.push("broken");
    }
    const elements = elementsOf(b.subarray(want.from - want.ext, want.from), want.profile);
    if (got.join() !== elements) wrong = `${Buffer.from(b).toString("hex")}: ${got} instead of ${elements}`;
  }
  expect(wrong).toBeUndefined();
  for (const n of Object.values(counts)) expect(n).toBeGreaterThan(ROUNDS / 100);
});
