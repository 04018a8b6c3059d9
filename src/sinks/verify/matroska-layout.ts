import { Id } from "../../core/containers/matroska/ebml.ts";
import {
  elementChildren,
  floating,
  MatroskaReader,
  readElementHead,
  unsigned,
} from "../../core/containers/matroska/reader.ts";
import type { Layout, LayoutProblem } from "./layout.ts";
import type { RandomAccessFile } from "./random-access.ts";

const HEAD = 16;
const MAX_HEADER = 1 << 20;
const MAX_CUES = 16 << 20;
/** A cluster every few seconds makes far less. */
const MAX_ELEMENTS = 1_000_000;

type Found = {
  scaleMs: number;
  durationMs: number | undefined;
  tracksEnd: number;
  readonly clusters: Set<number>;
  cues: { timeMs: number; at: number }[] | undefined;
  readonly problems: LayoutProblem[];
};

/** Walks over the top of a Matroska or WebM file (RFC 9559), and asks whether one can seek in it. */
export async function matroskaLayout(file: RandomAccessFile): Promise<Layout> {
  const found: Found = {
    ...{ scaleMs: 1, durationMs: undefined, tracksEnd: 0, cues: undefined },
    clusters: new Set(),
    problems: [],
  };
  const segment = await segmentOf(file);
  if (segment) await walk(file, segment, found);
  else found.problems.push({ code: "unreadable", message: "there is no Matroska segment in it" });
  const { docType, video } = await header(file, found.tracksEnd);
  if (found.problems.length === 0) found.problems.push(...seeking(found));
  return {
    container: docType === "webm" ? "webm" : "mkv",
    ...(found.durationMs === undefined ? {} : { durationMs: found.durationMs * found.scaleMs }),
    video,
    problems: found.problems,
  };
}

type Range = { readonly start: number; readonly end: number };

/** Where the Segment's content is; an unknown size reaches to the end of the file. */
async function segmentOf(file: RandomAccessFile): Promise<Range | undefined> {
  const ebml = readElementHead(await file.read(0, HEAD));
  if (ebml?.size === undefined) return undefined;
  const at = ebml.length + ebml.size;
  const head = readElementHead(await file.read(at, HEAD));
  if (head?.id !== Id.Segment) return undefined;
  const start = at + head.length;
  return { start, end: head.size === undefined ? file.size : start + head.size };
}

async function walk(file: RandomAccessFile, segment: Range, found: Found): Promise<void> {
  const broken = (code: LayoutProblem["code"], message: string) =>
    void found.problems.push({ code, message });
  if (segment.end > file.size) {
    broken("unfinished", `${segment.end - file.size} octets are missing at its end`);
    return;
  }
  let at = segment.start;
  for (let n = 0; at < segment.end; n++) {
    const head = readElementHead(await file.read(at, HEAD));
    if (!head || n > MAX_ELEMENTS) return broken("unreadable", `octet ${at} begins nothing that is known`);
    const { id, size, length } = head;
    if (id === Id.Cluster) found.clusters.add(at);
    if (size === undefined) return broken("unfinished", "it was not closed: its last part has no size");
    const next = at + length + size;
    if (next > segment.end) return broken("unfinished", `the element at octet ${at} is cut off`);
    if (id === Id.Info && size <= MAX_HEADER) info(await file.read(at + length, size), found);
    if (id === Id.Cues && size <= MAX_CUES)
      found.cues = cuesOf(await file.read(at + length, size), segment.start);
    if (id === Id.Tracks) found.tracksEnd = next;
    at = next;
  }
  if (segment.end < file.size) broken("unfinished", `${file.size - segment.end} octets stand behind its end`);
}

function info(bytes: Uint8Array, found: Found): void {
  for (const { id, data } of elementChildren(bytes)) {
    if (id === Id.TimestampScale) found.scaleMs = unsigned(data) / 1e6 || 1;
    if (id === Id.Duration) found.durationMs = floating(data);
  }
}

function cuesOf(bytes: Uint8Array, segmentStart: number): { timeMs: number; at: number }[] {
  return elementChildren(bytes).flatMap((point) => {
    if (point.id !== Id.CuePoint) return [];
    const fields = elementChildren(point.data);
    const time = fields.find((f) => f.id === Id.CueTime);
    return fields.flatMap((f) => {
      const position = elementChildren(f.data).find((c) => c.id === Id.CueClusterPosition);
      if (f.id !== Id.CueTrackPositions || !position) return [];
      return [{ timeMs: time ? unsigned(time.data) : 0, at: segmentStart + unsigned(position.data) }];
    });
  });
}

function seeking({ durationMs, cues, clusters }: Found): LayoutProblem[] {
  const problem = (message: string): LayoutProblem[] => [{ code: "not-seekable", message }];
  if (!durationMs || !(durationMs > 0)) return problem("it does not say how long it is");
  if (clusters.size === 0) return problem("there is no media in it");
  if (!cues || cues.length === 0) return problem("it has no cues");
  const astray = cues.find((c) => !clusters.has(c.at));
  return astray ? problem(`its cue at ${astray.timeMs} ms points to no cluster`) : [];
}

/** Document type and tracks. Nothing is read twice that is longer than a header of ours can be. */
async function header(file: RandomAccessFile, tracksEnd: number) {
  const reader = new MatroskaReader();
  const events = reader.push(await file.read(0, Math.min(tracksEnd || MAX_HEADER, 2 * MAX_HEADER)));
  const docType = events.find((e) => e.t === "header")?.docType;
  const tracks = events.find((e) => e.t === "tracks")?.tracks ?? [];
  const video = tracks.flatMap((t) => (t.kind === "video" ? [{ width: t.width, height: t.height }] : []));
  return { docType, video };
}
