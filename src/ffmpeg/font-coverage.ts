import { closeSync, openSync, readSync } from "node:fs";

/** Tables longer than this are no character maps. */
const MAX_TABLE = 4 << 20;

/** Which characters (code points) a font can draw. */
export type FontCoverage = (codePoint: number) => boolean;

/** Reads the character map of a TrueType or OpenType file; of a collection, its first font's. undefined: there is none. */
export function fontCoverage(path: string): FontCoverage | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(path, "r");
    const table = characterMap(fd);
    return table && coverageOf(table);
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** The `cmap` table. */
function characterMap(fd: number): Buffer | undefined {
  const start = read(fd, 0, 16);
  const at = start.toString("latin1", 0, 4) === "ttcf" ? start.readUInt32BE(12) : 0;
  const count = read(fd, at, 6).readUInt16BE(4);
  const directory = read(fd, at + 12, 16 * count);
  for (let i = 0; i < count; i++) {
    if (directory.toString("latin1", 16 * i, 16 * i + 4) !== "cmap") continue;
    const length = directory.readUInt32BE(16 * i + 12);
    return length > MAX_TABLE ? undefined : read(fd, directory.readUInt32BE(16 * i + 8), length);
  }
  return undefined;
}

function read(fd: number, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(fd, bytes, 0, length, at));
}

/** Of all maps in a table, the one with the most characters. Throws on a broken one. */
function coverageOf(table: Buffer): FontCoverage | undefined {
  let basic: FontCoverage | undefined;
  for (let i = 0; i < table.readUInt16BE(2); i++) {
    const map = table.subarray(table.readUInt32BE(4 + 8 * i + 4));
    const format = map.readUInt16BE(0);
    if (format === 12) return groups(map);
    if (format === 4) basic ??= segments(map);
  }
  return basic;
}

/** Format 12: sorted groups of characters. */
function groups(map: Buffer): FontCoverage {
  const count = map.readUInt32BE(12);
  const ranges = Array.from(
    { length: count },
    (_, i) => [map.readUInt32BE(16 + 12 * i), map.readUInt32BE(20 + 12 * i)] as const,
  );
  return (c) => ranges.some(([first, last]) => c >= first && c <= last);
}

/** Format 4: segments of the basic plane, of which some lead to no glyph. */
function segments(map: Buffer): FontCoverage {
  const count = map.readUInt16BE(6) / 2;
  const word = (table: number, i: number) =>
    map.readUInt16BE(14 + 2 * table * count + (table > 0 ? 2 : 0) + 2 * i);
  const list = Array.from({ length: count }, (_, i) => ({
    last: word(0, i),
    first: word(1, i),
    delta: word(2, i),
    offset: word(3, i),
    at: 16 + 6 * count + 2 * i,
  }));
  return (c) => {
    const s = list.find(({ last }) => c <= last);
    if (!s || c < s.first || c > 0xffff) return false;
    if (s.offset === 0) return ((c + s.delta) & 0xffff) !== 0;
    const place = s.at + s.offset + 2 * (c - s.first);
    return place + 2 <= map.length && map.readUInt16BE(place) !== 0;
  };
}
