import { ascii, asciiBytes, concat, u8 } from "../../bytes.ts";
import { little, putLittle } from "./page.ts";

const VENDOR = "roomtap";
/** Octets before the table of channels. */
const HEAD = 19;
const MAX_TAG = 1000;
/** More comments than this are not read. */
const MAX_TAGS = 1000;

/** What the identification header tells (RFC 7845 section 5.1). */
export type OpusHead = {
  /** 1..255; of mapping family 0 1 or 2, of family 1 up to 8. */
  readonly channels: number;
  /** Samples at 48 kHz that a player leaves out at the start. */
  readonly preSkip: number;
  readonly family: number;
  /** Opus packets in a packet of the file, 1..255, and how many of them are stereo. */
  readonly streams: number;
  readonly coupled: number;
};

/** What the comment header tells (RFC 7845 section 5.2). */
export type OpusTags = {
  readonly vendor: string;
  /** `NAME=value`, in UTF-8. */
  readonly comments: readonly Uint8Array[];
};

/** Reads OpusHead; undefined: it is none that can be played. */
export function readOpusHead(b: Uint8Array): OpusHead | undefined {
  // Later versions up to 15 can be read as this one.
  if (b.length < HEAD || ascii(b, 0, 8) !== "OpusHead" || u8(b, 8) === 0 || u8(b, 8) > 15) return undefined;
  const channels = u8(b, 9);
  const preSkip = little(b, 10, 2);
  const family = u8(b, 18);
  if (family === 0) {
    if (channels < 1 || channels > 2) return undefined;
    return { channels, preSkip, family, streams: 1, coupled: channels - 1 };
  }
  const streams = u8(b, 19);
  const coupled = u8(b, 20);
  if (b.length < HEAD + 2 + channels || channels < 1 || (family === 1 && channels > 8)) return undefined;
  if (streams < 1 || coupled > streams || streams + coupled > 255) return undefined;
  for (let i = 0; i < channels; i++) {
    const from = u8(b, HEAD + 2 + i);
    if (from >= streams + coupled && from !== 255) return undefined;
  }
  return { channels, preSkip, family, streams, coupled };
}

/** The same header with another pre-skip, samples at 48 kHz, 0..65 535. */
export function withPreSkip(head: Uint8Array, samples: number): Uint8Array {
  const out = head.slice();
  putLittle(out, 10, samples, 2);
  return out;
}

/** OpusTags with comments like `TITLE`, by name; longer values are cut. */
export function opusTags(tags: Readonly<Record<string, string>>): Uint8Array {
  const comments = Object.entries(tags).map(([name, value]) => utf8(`${name}=${value.slice(0, MAX_TAG)}`));
  const vendor = asciiBytes(VENDOR);
  return concat([
    asciiBytes("OpusTags"),
    little32(vendor.length),
    vendor,
    little32(comments.length),
    ...comments.flatMap((c) => [little32(c.length), c]),
  ]);
}

/** Reads OpusTags; undefined: it is none, or it ends too early. */
export function readOpusTags(b: Uint8Array): OpusTags | undefined {
  if (b.length < 16 || ascii(b, 0, 8) !== "OpusTags") return undefined;
  let at = 8;
  const next = () => {
    const length = little(b, at, 4);
    if (at + 4 + length > b.length) return undefined;
    at += 4 + length;
    return b.slice(at - length, at);
  };
  const vendor = next();
  if (!vendor || at + 4 > b.length) return undefined;
  const count = little(b, at, 4);
  at += 4;
  const comments: Uint8Array[] = [];
  for (let i = 0; i < Math.min(count, MAX_TAGS); i++) {
    const comment = at + 4 <= b.length ? next() : undefined;
    if (!comment) return undefined;
    comments.push(comment);
  }
  return { vendor: ascii(vendor), comments };
}

function little32(n: number): Uint8Array {
  const b = new Uint8Array(4);
  putLittle(b, 0, n, 4);
  return b;
}

/** The core has no TextEncoder. A lone surrogate becomes U+FFFD. */
function utf8(text: string): Uint8Array {
  const out: number[] = [];
  for (const ch of text) {
    const point = ch.codePointAt(0) ?? 0;
    const c = point >= 0xd800 && point <= 0xdfff ? 0xfffd : point;
    if (c < 0x80) out.push(c);
    else if (c < 0x800) out.push(0xc0 | (c >> 6), 0x80 | (c & 63));
    else if (c < 0x10000) out.push(0xe0 | (c >> 12), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
    else out.push(0xf0 | (c >> 18), 0x80 | ((c >> 12) & 63), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
  }
  return Uint8Array.from(out);
}
