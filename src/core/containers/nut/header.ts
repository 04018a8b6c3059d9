import type { NutCursor } from "./cursor.ts";

/** What stands before a frame besides its code. */
export const FrameFlag = {
  time: 8,
  stream: 16,
  size: 32,
  checksum: 64,
  reserved: 128,
  sideData: 256,
  elision: 1024,
  matchTime: 2048,
  coded: 4096,
} as const;

/** What the first octet of a frame stands for. */
export type FrameCode = {
  readonly flags: number;
  readonly stream: number;
  readonly timeDelta: number;
  readonly sizeFactor: number;
  readonly size: number;
  readonly reserved: number;
  readonly elision: number;
};

/** What the headers of a NUT file say. */
export type NutHeader = {
  /** Ticks of the time bases, milliseconds. */
  bases: number[];
  /** By code; undefined: not used. */
  codes: (FrameCode | undefined)[];
  /** Octets that are left out of frames, by number. */
  elisions: number[];
  readonly streams: ({ readonly baseMs: number; readonly shift: number } | undefined)[];
};

const MAX_STREAMS = 16;
const CODES = 256;
/** Not a code: it begins every other packet. */
const NO_CODE = 0x4e;
const INVALID = 0x2000;

/** Reads the main header into `into`. False: it is none. */
export function parseMainHeader(c: NutCursor, into: NutHeader): boolean {
  const version = c.value();
  if (version < 2 || version > 4) return false;
  if (version > 3) c.value();
  const streams = c.value();
  c.value();
  const bases = c.value();
  if (streams > MAX_STREAMS || bases < 1 || bases > MAX_STREAMS) return false;
  into.bases = Array.from({ length: bases }, () => {
    const numerator = c.value();
    return (1000 * numerator) / Math.max(1, c.value());
  });
  const codes = parseCodes(c);
  if (!codes) return false;
  into.codes = codes;
  const elisions = Math.min(127, c.value());
  into.elisions = [0];
  for (let i = 0; i < elisions; i++) {
    const length = c.value();
    into.elisions.push(length);
    c.at += length;
  }
  return !c.short;
}

/** Codes stand in runs that differ in size alone. */
function parseCodes(c: NutCursor): (FrameCode | undefined)[] | undefined {
  const codes: (FrameCode | undefined)[] = [];
  let [timeDelta, factor, stream, elision] = [0, 1, 0, 0];
  while (codes.length < CODES) {
    const flags = c.value();
    const fields = c.value();
    if (fields > 0) timeDelta = c.signed();
    if (fields > 1) factor = c.value();
    if (fields > 2) stream = c.value();
    const size = fields > 3 ? c.value() : 0;
    const reserved = fields > 4 ? c.value() : 0;
    const count = fields > 5 ? c.value() : factor - size;
    if (fields > 6) c.signed();
    if (fields > 7) elision = c.value();
    for (let i = 8; i < fields && !c.short; i++) c.value();
    if (c.short || count < 1 || count > CODES - codes.length) return undefined;
    for (let i = 0; i < count; i++) {
      if (codes.length === NO_CODE) codes.push(undefined);
      if (codes.length >= CODES) break;
      const valid = (flags & INVALID) === 0;
      codes.push(
        valid
          ? { flags, stream, timeDelta, sizeFactor: factor, size: size + i, reserved, elision }
          : undefined,
      );
    }
  }
  return codes;
}

/** Reads a stream's header into `into`. False: it is none. */
export function parseStreamHeader(c: NutCursor, into: NutHeader): boolean {
  const id = c.value();
  c.value();
  const name = c.value();
  c.at += name;
  const baseMs = into.bases[c.value()];
  const shift = c.value();
  if (c.short || id >= MAX_STREAMS || baseMs === undefined || baseMs <= 0 || shift > 32) return false;
  into.streams[id] = { baseMs, shift };
  return true;
}
