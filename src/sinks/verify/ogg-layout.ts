import { ascii, u8 } from "../../core/bytes.ts";
import type { Layout, LayoutProblem } from "./layout.ts";
import type { RandomAccessFile } from "./random-access.ts";

const HEADER = 27;
/** A page's header with its longest table of segments. */
const MAX_HEADER = HEADER + 255;
const LAST_PAGE = 4;

type Stream = { sequence: number; granule: number; ended: boolean };

/** Walks over the pages of an Ogg file (RFC 3533 section 6): seeking needs nothing but pages in order. */
export async function oggLayout(file: RandomAccessFile): Promise<Layout> {
  const problems: LayoutProblem[] = [];
  const streams = new Map<number, Stream>();
  for (let at = 0; at < file.size && problems.length === 0; ) {
    const b = await file.read(at, MAX_HEADER);
    const segments = u8(b, 26);
    let length = HEADER + segments;
    for (let i = 0; i < segments; i++) length += u8(b, HEADER + i);
    if (b.length >= 4 && ascii(b.subarray(0, 4)) !== "OggS")
      problems.push({ code: "unreadable", message: `octet ${at} begins no page` });
    else if (b.length < HEADER || at + length > file.size)
      problems.push({ code: "unfinished", message: `the page at octet ${at} is cut off` });
    else problems.push(...page(b, streams));
    at += length;
  }
  const open = [...streams.values()].some((s) => !s.ended);
  if (problems.length === 0 && open)
    problems.push({ code: "unfinished", message: "it was not closed: its last page is missing" });
  return { container: "ogg", problems };
}

function page(b: Uint8Array, streams: Map<number, Stream>): LayoutProblem[] {
  const serial = little(b, 14, 4);
  const sequence = little(b, 18, 4);
  // All bits set: no packet ends on the page.
  const none = b.subarray(6, 14).every((octet) => octet === 0xff);
  const granule = none ? 0 : little(b, 6, 8);
  const known = streams.get(serial);
  const problem = (message: string): LayoutProblem[] => [{ code: "not-seekable", message }];
  if (known && sequence !== known.sequence + 1)
    return problem(`pages ${known.sequence + 1} to ${sequence - 1} are missing`);
  if (known && !none && granule < known.granule) return problem(`page ${sequence} goes back in time`);
  streams.set(serial, {
    sequence,
    granule: Math.max(granule, known?.granule ?? 0),
    ended: (u8(b, 5) & LAST_PAGE) !== 0,
  });
  return [];
}

function little(b: Uint8Array, at: number, length: number): number {
  let v = 0;
  for (let i = length - 1; i >= 0; i--) v = v * 256 + u8(b, at + i);
  return v;
}
