import type { HlsSource } from "../../sinks/hls/source.ts";

/** What a player wants to wait for (draft-pantos-hls-rfc8216bis section 6.2.5.2). */
export type ReloadWish = {
  /** Segment, and part of it, that the playlist shall have; absent: as it is. */
  readonly msn?: number;
  readonly part?: number;
  /** A delta update will do. */
  readonly skip: boolean;
};

/** Players may ask for the segment after next at most; who asks for more does not know what it asks. */
const MAX_AHEAD = 2;

/** Reads the directives of a playlist's address. undefined: they are malformed. */
export function parseReload(query: URLSearchParams): ReloadWish | undefined {
  const number = (name: string) => {
    const values = query.getAll(name);
    if (values.length === 0) return undefined;
    return values.length === 1 && /^\d{1,15}$/.test(values[0] ?? "") ? Number(values[0]) : Number.NaN;
  };
  const [msn, part] = [number("_HLS_msn"), number("_HLS_part")];
  const skip = query.get("_HLS_skip");
  if (Number.isNaN(msn) || Number.isNaN(part) || (part !== undefined && msn === undefined)) return undefined;
  if (skip !== null && skip !== "YES" && skip !== "v2") return undefined;
  return {
    skip: skip !== null,
    ...(msn === undefined ? {} : { msn }),
    ...(part === undefined ? {} : { part }),
  };
}

/** Whether a playlist has what is wished for: `ready`, `wait`, or `too-far`. */
export function judgeReload(
  source: HlsSource,
  rendition: string,
  { msn, part }: ReloadWish,
): "ready" | "wait" | "too-far" {
  if (msn === undefined || source.ended) return "ready";
  const { nextMsn, parts } = source.edge(rendition) ?? { nextMsn: 0, parts: 0 };
  if (msn > nextMsn + MAX_AHEAD) return "too-far";
  if (msn < nextMsn) return "ready";
  if (part === undefined || msn > nextMsn) return "wait";
  // A part beyond the segment's end is the first of the next one; nobody knows yet where the end is.
  return part < parts ? "ready" : "wait";
}
