import { closeSync, existsSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { basename, dirname } from "node:path";
import {
  MAX_PACKET,
  putRtpDumpPacket,
  rtpDumpHeader,
  rtpDumpSize,
} from "../../core/containers/rtpdump/writer.ts";
import { RoomtapError } from "../../core/fault.ts";
import { isRtcp } from "../../core/rtp/packet.ts";
import type { NegotiatedMedia } from "../../core/sdp/negotiated.ts";
import { type Millis, wallMillis } from "../../core/time.ts";
import { makeDirectory } from "../directory.ts";
import { BlockWriter, diskError } from "../recorder/block-writer.ts";
import { readDumpJournal } from "./read-table.ts";
import {
  type DumpEvent,
  type DumpPaths,
  type DumpSession,
  dumpPaths,
  summarize,
  type TimedEvent,
  toJson,
} from "./table.ts";

/** Packets are handed to the disk in pieces of up to this size, or after this long. */
const PIECE = 64 * 1024;
const PIECE_MS = 500;
const HINT = "free space, or choose another place with --dump-rtp";

/** Options of a dump. */
export type RtpDumpOptions = {
  /** Where the packets of the first connection go; see `dumpPaths`. */
  readonly file: string;
  readonly session: DumpSession;
  /** The dump ended before its time: the disk is full or too slow. Called once. */
  readonly onFailure: (error: RoomtapError) => void;
};

/** The packets of one connection on their way to disk. */
type LinkFile = {
  readonly disk: BlockWriter;
  /** Octets handed to the disk so far. */
  length: number;
  piece: Uint8Array;
  used: number;
  /** When the first packet of the piece came. */
  since: number;
};

/**
 * Writes down everything that a session's receivers get, so that it can be played again: packets in the format of
 * rtptools' "rtpdump", a file for each connection, and beside them the table of what they mean. It never stands in
 * the way of a recording: what cannot be written ends the dump.
 */
export class RtpDump {
  readonly #o: RtpDumpOptions;
  readonly #paths: DumpPaths;
  readonly #files = new Map<string, LinkFile>();
  /** Packets of every connection there was. */
  readonly #counts = new Map<string, number>();
  readonly #closing: Promise<void>[] = [];
  #journal: number | undefined;
  #first: BlockWriter | undefined;
  #links = 0;
  #failed = false;

  private constructor(o: RtpDumpOptions) {
    this.#o = o;
    this.#paths = dumpPaths(o.file, o.session.attempt);
    this.#journal = beginJournal(this.#paths.journal, o.session);
    try {
      this.#first = this.#create(1);
    } catch (error) {
      closeSync(this.#journal);
      rmSync(this.#paths.journal, { force: true });
      throw error;
    }
  }

  /** Begins a dump; none of its files may exist. Throws a RoomtapError `output-unwritable` or `disk-full`. */
  static create(o: RtpDumpOptions): RtpDump {
    return new RtpDump(o);
  }

  /** A connection begins. */
  opened(link: string, o: { readonly peerId: string; readonly seed: number }, now: Millis): void {
    if (this.#failed) return;
    const n = ++this.#links;
    try {
      const disk = this.#first ?? this.#create(n);
      this.#first = undefined;
      const length = rtpDumpHeader(wallMillis(this.#o.session.start)).length;
      this.#files.set(link, { disk, length, piece: new Uint8Array(PIECE), used: 0, since: now });
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#counts.set(link, 0);
    this.event({ t: "opened", link, file: basename(this.#paths.packets(n)), ...o }, now);
  }

  /** Offer and answer are done. */
  agreed(link: string, media: readonly NegotiatedMedia[], now: Millis): void {
    this.event({ t: "agreed", link, media }, now);
  }

  /** A packet came; its memory is copied. */
  packet(link: string, bytes: Uint8Array, now: Millis): void {
    const file = this.#files.get(link);
    if (!file || this.#failed) return;
    if (file.disk.full || bytes.length > MAX_PACKET) {
      // A dump with a hole would replay as something that never was.
      const why = file.disk.full ? "the disk is too slow for it" : "a packet is too large for it";
      this.#fail(new RoomtapError("output-unwritable", why));
      return;
    }
    const size = rtpDumpSize(bytes);
    if (file.used + size > PIECE || now - file.since > PIECE_MS) this.#handOver(file);
    if (file.used === 0) file.since = now;
    if (size > file.piece.length) file.piece = new Uint8Array(size);
    putRtpDumpPacket(file.piece, file.used, bytes, isRtcp(bytes), now);
    file.used += size;
    this.#counts.set(link, (this.#counts.get(link) ?? 0) + 1);
  }

  /** The event loop stood still. */
  stalled(lagMs: number, now: Millis): void {
    this.event({ t: "stalled", lagMs }, now);
  }

  /** A connection ended: its file is complete. */
  closed(link: string, now: Millis): void {
    this.event({ t: "closed", link }, now);
    const file = this.#files.get(link);
    if (!file) return;
    this.#handOver(file);
    this.#files.delete(link);
    this.#closing.push(file.disk.close());
  }

  /** Something else happened. */
  event(e: DumpEvent, now: Millis): void {
    if (this.#failed || this.#journal === undefined) return;
    const after: Record<string, number> = {};
    for (const link of this.#files.keys()) after[link] = this.#counts.get(link) ?? 0;
    const timed: TimedEvent = { ...e, at: now, after };
    try {
      writeSync(this.#journal, `${toJson(timed)}\n`);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Hands what waits to the disk; call about once a second. */
  flush(): void {
    for (const file of this.#files.values()) this.#handOver(file);
  }

  /** Writes the rest and the table. Idempotent, never rejects. */
  async finish(): Promise<void> {
    this.flush();
    for (const { disk } of this.#files.values()) this.#closing.push(disk.close());
    this.#files.clear();
    if (this.#first) this.#closing.push(this.#first.close());
    this.#first = undefined;
    await Promise.all(this.#closing.splice(0));
    if (this.#journal === undefined) return;
    closeSync(this.#journal);
    this.#journal = undefined;
    if (!this.#failed) this.#writeTable();
  }

  #writeTable(): void {
    const { table, journal } = this.#paths;
    try {
      const { session, events } = readDumpJournal(journal);
      const links = summarize(events, this.#counts);
      writeFileSync(`${table}.tmp`, `${toJson({ ...session, links, events }, 1)}\n`);
      renameSync(`${table}.tmp`, table);
      rmSync(journal);
    } catch (error) {
      rmSync(`${table}.tmp`, { force: true });
      this.#fail(error);
    }
  }

  #create(n: number): BlockWriter {
    const path = this.#paths.packets(n);
    let disk: BlockWriter;
    try {
      disk = new BlockWriter(path, (error) => this.#fail(error));
    } catch (cause) {
      throw dumpError(path, cause);
    }
    disk.push([{ at: 0, bytes: rtpDumpHeader(wallMillis(this.#o.session.start)) }]);
    return disk;
  }

  #handOver(file: LinkFile): void {
    if (file.used === 0) return;
    file.disk.push([{ at: file.length, bytes: file.piece.subarray(0, file.used) }]);
    file.length += file.used;
    file.piece = new Uint8Array(PIECE);
    file.used = 0;
  }

  #fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#o.onFailure(error instanceof RoomtapError ? error : dumpError(this.#o.file, error));
  }
}

/** Creates the journal with its first line; a file that cannot take it does not stay. */
function beginJournal(path: string, session: DumpSession): number {
  let fd: number | undefined;
  try {
    fd = openSync(path, "wx", 0o644);
    writeSync(fd, `${toJson(session)}\n`);
    return fd;
  } catch (cause) {
    if (fd !== undefined) {
      closeSync(fd);
      rmSync(path, { force: true });
    }
    throw dumpError(path, cause);
  }
}

/** What a failed file operation means to the person at the shell. */
function dumpError(path: string, cause: unknown): RoomtapError {
  if (cause instanceof RoomtapError)
    return new RoomtapError(cause.code, cause.message, { hint: HINT, cause });
  const { code, message } = diskError(path, cause);
  return new RoomtapError(code, message, { hint: HINT, cause });
}

/**
 * Makes sure that a dump can begin at `file`, before anything else starts. Throws a RoomtapError `usage` where
 * files of an earlier dump, or its own table, would be in the way.
 */
export function checkDumpFile(file: string): void {
  const paths = dumpPaths(file);
  const own = [paths.table, paths.journal];
  if (own.includes(file)) {
    throw new RoomtapError("usage", `the dump's table would be ${file}`, {
      hint: "name the dump itself like call.rtpdump",
    });
  }
  try {
    makeDirectory(dirname(file));
  } catch (cause) {
    throw dumpError(file, cause);
  }
  const there = [file, ...own, paths.packets(2), dumpPaths(file, 1).packets(1)].find((p) => existsSync(p));
  if (there === undefined) return;
  throw new RoomtapError("usage", `${there} exists already`, { hint: "choose another name for --dump-rtp" });
}
