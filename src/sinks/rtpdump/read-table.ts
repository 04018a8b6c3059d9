import { existsSync, readFileSync, statSync } from "node:fs";
import { RoomtapError } from "../../core/fault.ts";
import { askedFormats } from "../recorder/output.ts";
import type { RecordingPolicy } from "../recorder/policy.ts";
import {
  count,
  type Fields,
  fields,
  list,
  oneOf,
  readMedia,
  readPeer,
  readTrack,
  text,
} from "./read-values.ts";
import { type DumpEvent, type DumpSession, dumpPaths, type TimedEvent } from "./table.ts";

/** A table is a few kilobytes; this is a month of a bad machine. */
const MAX_BYTES = 256 * 1024 * 1024;
/** Unix milliseconds up to the year 10000: a time plus the length of a session is still a date. */
const MAX_UNIX_MS = 253_402_300_800_000;
/** No session is longer: the offsets of packets begin anew after 49 days. */
const MAX_SESSION_MS = 100 * 86_400_000;
const peerOps = ["join", "leave"] as const;
const trackOps = ["add", "remove"] as const;

/** What a replay needs of a table. */
export type LoadedTable = {
  readonly session: DumpSession;
  readonly events: readonly TimedEvent[];
  /** The dump was ended in order: nothing of it is missing. */
  readonly complete: boolean;
};

/**
 * Reads the table beside a dump, or its journal where the process died before it could write the table. Throws a
 * RoomtapError `media-invalid`.
 */
export function readDumpTable(file: string): LoadedTable {
  const { table, journal } = dumpPaths(file);
  if (existsSync(table)) return fromTable(table);
  if (existsSync(journal)) return readDumpJournal(journal);
  const first = file.replace(/-\d+(?=\.[^./\\]*$)/, "");
  const isLater = first !== file && existsSync(first);
  throw new RoomtapError("media-invalid", `there is no ${table} beside the dump`, {
    hint: isLater
      ? `replay ${first}: that takes every connection of the recording`
      : "a dump needs the table that was written with it; keep the two together",
  });
}

function fromTable(path: string): LoadedTable {
  const document = fields(parsed(read(path)));
  const session = readSession(document);
  const { events: raw } = document ?? {};
  if (!session || !Array.isArray(raw)) throw malformed(path);
  return { session, events: raw.map((v, i) => event(v, path, i)), complete: true };
}

/** Reads the journal of a dump that was not ended. Throws a RoomtapError `media-invalid`. */
export function readDumpJournal(path: string): LoadedTable {
  const [first = "", ...lines] = read(path).split("\n");
  const session = readSession(fields(parsed(first)));
  if (!session) throw malformed(path);
  // The line behind the last line end is empty, or was being written when the process died.
  const events = lines.slice(0, -1).map((line, i) => event(parsed(line), path, i));
  return { session, events, complete: false };
}

function event(v: unknown, path: string, i: number): TimedEvent {
  const f = fields(v);
  const at = count(f?.at, MAX_SESSION_MS);
  const after = readCounts(f?.after);
  const e = f && readEvent(f);
  if (!e || at === undefined || !after) throw malformed(path, `event ${i + 1} cannot be read`);
  return { ...e, at, after };
}

function readEvent(f: Fields): DumpEvent | undefined {
  const link = text(f.link);
  switch (f.t) {
    case "opened": {
      const file = text(f.file);
      const peerId = text(f.peerId);
      const seed = count(f.seed, 0xffffffff);
      // A name, never a path.
      if (link === undefined || file === undefined || peerId === undefined || seed === undefined)
        return undefined;
      return /^[^/\\\0]+$/.test(file) ? { t: "opened", link, file, peerId, seed } : undefined;
    }
    case "agreed": {
      const media = list(f.media, readMedia);
      return link !== undefined && media ? { t: "agreed", link, media } : undefined;
    }
    case "closed":
      return link === undefined ? undefined : { t: "closed", link };
    case "stalled": {
      const lagMs = count(f.lagMs, MAX_SESSION_MS);
      return lagMs === undefined ? undefined : { t: "stalled", lagMs };
    }
    case "peer": {
      const op = oneOf(f.op, peerOps);
      const peer = readPeer(f.peer);
      return op && peer ? { t: "peer", op, peer } : undefined;
    }
    case "track": {
      const op = oneOf(f.op, trackOps);
      const track = readTrack(f.track);
      return op && track ? { t: "track", op, track } : undefined;
    }
    case "connection": {
      const peerId = text(f.peerId);
      const what = oneOf(f.what, ["signalling", "media"] as const);
      const op = oneOf(f.op, ["down", "up"] as const);
      return what && op
        ? { t: "connection", what, op, ...(peerId === undefined ? {} : { peerId }) }
        : undefined;
    }
    case "pause":
    case "resume":
    case "stop":
    case "end":
      return { t: f.t };
    default:
      return undefined;
  }
}

function readCounts(v: unknown): Record<string, number> | undefined {
  const out: Record<string, number> = {};
  for (const [link, value] of Object.entries(fields(v) ?? {})) {
    const n = count(value);
    if (n === undefined) return undefined;
    out[link] = n;
  }
  return fields(v) && out;
}

function readSession(f: Fields | undefined): DumpSession | undefined {
  if (f?.version !== 1) return undefined;
  const start = count(f.start, MAX_UNIX_MS);
  const startedAt = count(f.startedAt, MAX_UNIX_MS);
  const attempt = count(f.attempt);
  const room = text(f.room);
  const format = oneOf(f.format, askedFormats);
  const participant = text(f.participant);
  const durationMs = count(f.durationMs);
  const zeroAt = f.zeroAt === undefined ? undefined : unixMillis(f.zeroAt);
  if (start === undefined || startedAt === undefined || attempt === undefined) return undefined;
  if (room === undefined || format === undefined) return undefined;
  if (zeroAt === undefined && f.zeroAt !== undefined) return undefined;
  return {
    version: 1,
    start,
    startedAt,
    attempt,
    room,
    format,
    ...(participant === undefined ? {} : { participant }),
    ...readWishes(f),
    ...(durationMs === undefined ? {} : { durationMs }),
    ...(zeroAt === undefined ? {} : { zeroAt }),
  };
}

/** What of the room was recorded, and how; what is malformed counts as not said. */
function readWishes(f: Fields): Pick<DumpSession, "selection" | "policy" | "collapsePauses"> {
  const chosen = fields(f.selection);
  const include = list(chosen?.include, text);
  const exclude = list(chosen?.exclude, text);
  const policy = readPolicy(fields(f.policy));
  return {
    ...(include && exclude ? { selection: { include, exclude } } : {}),
    ...(policy ? { policy } : {}),
    ...(typeof f.collapsePauses === "boolean" ? { collapsePauses: f.collapsePauses } : {}),
  };
}

function readPolicy(f: Fields | undefined): RecordingPolicy | undefined {
  const layout = oneOf(f?.layout, ["participants", "tracks"] as const);
  const onResize = oneOf(f?.onResize, ["keep", "split", "scale"] as const);
  const audioGaps = oneOf(f?.audioGaps, ["silence", "keep"] as const);
  const videoGaps = oneOf(f?.videoGaps, ["keep", "hold", "black"] as const);
  const segmentMs = count(f?.segmentMs);
  if (!layout || !onResize || !audioGaps || !videoGaps) return undefined;
  return { layout, onResize, audioGaps, videoGaps, ...(segmentMs === undefined ? {} : { segmentMs }) };
}

/** Unix milliseconds, fractions allowed. */
function unixMillis(v: unknown): number | undefined {
  return typeof v === "number" && v >= 0 && v <= MAX_UNIX_MS ? v : undefined;
}

function read(path: string): string {
  try {
    const facts = statSync(path);
    // A pipe would be waited for, and a device has no end.
    if (!facts.isFile()) throw malformed(path, "it is not a file");
    if (facts.size > MAX_BYTES) throw malformed(path, "it is too large");
    return readFileSync(path, "utf8");
  } catch (cause) {
    if (cause instanceof RoomtapError) throw cause;
    throw new RoomtapError("media-invalid", `cannot read ${path}`, { hint: "check its permissions", cause });
  }
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function malformed(path: string, detail = "it is of another kind or version"): RoomtapError {
  return new RoomtapError("media-invalid", `${path} is not the table of a dump: ${detail}`, {
    hint: "use the one that roomtap record --dump-rtp wrote",
  });
}
