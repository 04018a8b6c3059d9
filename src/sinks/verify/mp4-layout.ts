import { ascii, u32 } from "../../core/bytes.ts";
import type { Layout, LayoutProblem } from "./layout.ts";
import type { RandomAccessFile } from "./random-access.ts";

/** More boxes than this at one level are no file of ours: not even a fragmented one. */
const MAX_BOXES = 100_000;

type Box = { readonly type: string; readonly at: number; readonly content: number; readonly end: number };

/** Walks over the boxes of an MP4 file (ISO/IEC 14496-12), and asks whether one can seek in it from its start. */
export async function mp4Layout(file: RandomAccessFile): Promise<Layout> {
  const { boxes, problem } = await boxesIn(file, 0, file.size);
  const problems: LayoutProblem[] = problem ? [problem] : [];
  const moov = boxes.find((b) => b.type === "moov");
  const mdat = boxes.find((b) => b.type === "mdat");
  const fragment = boxes.find((b) => b.type === "moof");
  const say = (code: LayoutProblem["code"], message: string) => void problems.push({ code, message });
  if (!problem) {
    if (!moov) say("unfinished", "it was not closed: it has no index");
    else if (fragment) say("unfinished", "it is still in fragments, without an index");
    else if (mdat && mdat.at < moov.at) say("not-seekable", "its index stands behind the media");
    else if (!mdat) say("not-seekable", "there is no media in it");
  }
  const durationMs = moov && (await movieDuration(file, moov));
  return { container: "mp4", ...(durationMs === undefined ? {} : { durationMs }), problems };
}

type Walked = { readonly boxes: readonly Box[]; readonly problem?: LayoutProblem };

async function boxesIn(file: RandomAccessFile, start: number, end: number): Promise<Walked> {
  const boxes: Box[] = [];
  let at = start;
  while (at < end) {
    const head = await file.read(at, 16);
    const short = u32(head, 0);
    const long = short === 1;
    const length = long ? u32(head, 8) * 2 ** 32 + u32(head, 12) : short === 0 ? end - at : short;
    const content = at + (long ? 16 : 8);
    const box = { type: ascii(head.subarray(4, 8)), at, content, end: at + length };
    if (head.length < 8 || box.end > end)
      return { boxes, problem: { code: "unfinished", message: `the box at octet ${at} is cut off` } };
    if (box.end < content || boxes.length >= MAX_BOXES)
      return { boxes, problem: { code: "unreadable", message: `octet ${at} begins no box` } };
    boxes.push(box);
    at = box.end;
  }
  return { boxes };
}

/** What the movie header says (section 8.2.2); the edit lists of the tracks make nothing of it longer. */
async function movieDuration(file: RandomAccessFile, moov: Box): Promise<number | undefined> {
  const { boxes } = await boxesIn(file, moov.content, moov.end);
  const mvhd = boxes.find((b) => b.type === "mvhd");
  if (!mvhd) return undefined;
  const b = await file.read(mvhd.content, 32);
  const long = b[0] === 1;
  const scale = u32(b, long ? 20 : 12);
  const duration = long ? u32(b, 24) * 2 ** 32 + u32(b, 28) : u32(b, 16);
  return scale > 0 ? (1000 * duration) / scale : undefined;
}
