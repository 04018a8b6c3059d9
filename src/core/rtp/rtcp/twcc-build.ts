import { putU16, putU24, putU32 } from "../../bytes.ts";
import { rtcpPacket } from "./build.ts";
import { FeedbackFormat, RtcpType } from "./packet.ts";

const HEAD = 20;
const MAX_RUN = 0x1fff;
const ONE_BIT_SYMBOLS = 14;
const TWO_BIT_SYMBOLS = 7;
const NOT_RECEIVED = 0;
const SMALL = 1;
const LARGE = 2;

/** What `buildTransportFeedback` needs. */
export type TransportFeedbackFields = {
  readonly sender: number;
  readonly media: number;
  readonly baseSeq: number;
  readonly feedbackCount: number;
  /** Units of 64 ms; the low 24 bits are sent. */
  readonly referenceTime: number;
  /**
   * One entry per packet from `baseSeq` on, at most 65535: quarter milliseconds (-32768..32767) since the
   * arrival before it, or since the reference time; undefined: not received.
   */
  readonly deltas: readonly (number | undefined)[];
};

/** Serialises transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1). */
export function buildTransportFeedback(f: TransportFeedbackFields): Uint8Array {
  const symbols = f.deltas.map(symbolOf);
  const chunks = statusChunks(symbols);
  let deltaOctets = 0;
  for (const s of symbols) deltaOctets += s;
  // Zero octets fill up to 32 bits, without the padding bit: the draft counts them into the packet.
  const octets = (HEAD + 2 * chunks.length + deltaOctets + 3) & ~3;
  const b = rtcpPacket(RtcpType.rtpfb, FeedbackFormat.transportCc, octets);
  putU32(b, 4, f.sender);
  putU32(b, 8, f.media);
  putU16(b, 12, f.baseSeq);
  putU16(b, 14, f.deltas.length);
  putU24(b, 16, f.referenceTime);
  b[19] = f.feedbackCount;
  let i = HEAD;
  for (const chunk of chunks) {
    putU16(b, i, chunk);
    i += 2;
  }
  for (const [k, delta] of f.deltas.entries()) {
    if (delta === undefined) continue;
    if (symbols[k] === SMALL) b[i] = delta;
    else putU16(b, i, delta);
    i += symbols[k] ?? 0;
  }
  return b;
}

/** A symbol's value is also the size of its delta in octets. */
function symbolOf(delta: number | undefined): number {
  if (delta === undefined) return NOT_RECEIVED;
  return delta >= 0 && delta <= 255 ? SMALL : LARGE;
}

/** Packs symbols greedily. Every chunk but the last covers at least seven. */
function statusChunks(symbols: readonly number[]): number[] {
  const chunks: number[] = [];
  let i = 0;
  while (i < symbols.length) {
    const run = runLength(symbols, i);
    const narrow = symbols.slice(i, i + ONE_BIT_SYMBOLS);
    const oneBit = !narrow.includes(LARGE);
    if (run >= (oneBit ? narrow.length : Math.min(TWO_BIT_SYMBOLS, narrow.length))) {
      chunks.push(((symbols[i] ?? 0) << 13) | run);
      i += run;
    } else if (oneBit) {
      chunks.push(narrow.reduce((v, s, k) => v | (s << (13 - k)), 0x8000));
      i += ONE_BIT_SYMBOLS;
    } else {
      const wide = narrow.slice(0, TWO_BIT_SYMBOLS);
      chunks.push(wide.reduce((v, s, k) => v | (s << (12 - 2 * k)), 0xc000));
      i += TWO_BIT_SYMBOLS;
    }
  }
  return chunks;
}

function runLength(symbols: readonly number[], from: number): number {
  let i = from;
  while (i < symbols.length && i - from < MAX_RUN && symbols[i] === symbols[from]) i++;
  return i - from;
}
