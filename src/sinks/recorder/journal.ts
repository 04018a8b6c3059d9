import { closeSync, fstatSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { RoomtapError } from "../../core/fault.ts";
import type { CodecName, MediaKind, Rotation, TrackSource } from "../../core/frame.ts";
import type { StatsReport } from "../../core/stats/webrtc-stats.ts";
import type { AskedFormat, FileFormat } from "./output.ts";

/** Name of the session journal inside the session directory. */
export const JOURNAL_FILE = "journal.jsonl";

const NEWLINE = 0x0a;

/** One track of a finished file. */
export type FileTrack = {
  readonly kind: MediaKind;
  readonly codec: CodecName | "aac";
  /** Frames of video, packets of audio. */
  readonly frames: number;
  readonly width?: number;
  readonly height?: number;
};

/** A file that is being written. */
export type FileOpened = {
  readonly t: "file-open";
  /** Identifies the file within the session. */
  readonly id: string;
  /** What is written now; played or repaired when the recorder dies. */
  readonly temp: string;
  /** Stem of the final name. */
  readonly stem: string;
  /** Container asked for; what `auto` becomes depends on the codecs that come. */
  readonly format: AskedFormat;
  readonly participant: string;
  readonly participantId: string;
  readonly source: TrackSource;
  /** Milliseconds since the session's start. */
  readonly startMs: number;
  /** After the call all pictures are scaled onto one canvas; holes between them are filled. */
  readonly scale?: true;
  readonly fill?: "hold" | "black";
};

/** A file under its final name. */
export type FileClosed = {
  readonly t: "file-close";
  readonly id: string;
  readonly path: string;
  readonly format: FileFormat;
  readonly durationMs: number;
  readonly bytes: number;
  readonly tracks: readonly FileTrack[];
  /** The recorder died while writing it and it was completed afterwards. */
  readonly recovered?: true;
};

/** What was received from a participant, under the names of W3C webrtc-stats. */
export type ParticipantStatistics = {
  readonly participantId: string;
  /** One entry per incoming stream (SSRC): a track has more than one after a reconnect. */
  readonly tracks: readonly {
    readonly id: string;
    readonly source: TrackSource;
    /** `inbound-rtp`, its `codec` and its sender's `remote-outbound-rtp`, as far as known. */
    readonly statistics: StatsReport;
  }[];
  /** Per connection: `transport`, and the `candidate-pair` that was in use with its candidates. */
  readonly connections: readonly StatsReport[];
};

/** One line of the session journal. The manifest is made from them. */
export type JournalEntry =
  | {
      readonly t: "session";
      readonly version: 1;
      readonly room: string;
      /** Unix milliseconds of this attempt's start. */
      readonly startedAt: number;
      readonly attempt: number;
    }
  /** Unix milliseconds of the session's time zero: that of every `...Ms`. */
  | { readonly t: "first-media"; readonly at: number }
  | { readonly t: "participant"; readonly id: string; readonly name: string; readonly joinedMs: number }
  | { readonly t: "participant-left"; readonly id: string; readonly leftMs: number }
  | FileOpened
  /** The media of a file is complete on disk under this name; a conversion may follow and replace it. */
  | { readonly t: "file-complete"; readonly id: string; readonly path: string }
  | FileClosed
  /** Nothing was in a file when its recorder died: it is gone, and nothing is missing. */
  | { readonly t: "file-empty"; readonly id: string }
  | {
      readonly t: "size";
      readonly id: string;
      readonly atMs: number;
      readonly width: number;
      readonly height: number;
    }
  | {
      readonly t: "gap";
      readonly id: string;
      readonly kind: MediaKind;
      readonly fromMs: number;
      readonly toMs: number;
      readonly cause: "loss" | "silence" | "disk";
    }
  | (ParticipantStatistics & { readonly t: "statistics" })
  | {
      readonly t: "codec";
      readonly participantId: string;
      readonly kind: MediaKind;
      readonly codec: CodecName;
      readonly atMs: number;
    }
  /** Clockwise degrees by which pictures are to be turned, from here on. */
  | {
      readonly t: "rotation";
      readonly participantId: string;
      readonly rotation: Rotation;
      readonly atMs: number;
    }
  | {
      readonly t: "speaking";
      readonly participantId: string;
      readonly fromMs: number;
      readonly toMs: number;
    }
  | { readonly t: "keyframe-request"; readonly participantId: string; readonly atMs: number }
  /** Signalling, or the connection to a participant, was lost and is back. */
  | {
      readonly t: "outage";
      readonly what: "signalling" | "media";
      readonly participantId?: string;
      readonly fromMs: number;
      readonly toMs: number;
    }
  /** `lengthMs` is how long it was; where it is cut out of the time, it ends where it begins. */
  | {
      readonly t: "pause";
      readonly fromMs: number;
      readonly toMs: number;
      readonly lengthMs: number;
      readonly collapsed: boolean;
    }
  /** Of a closed file. */
  | { readonly t: "checksum"; readonly id: string; readonly sha256: string }
  /** Pictures of a closed file, and of all. Names in the session directory. */
  | { readonly t: "poster"; readonly id: string; readonly path: string }
  | { readonly t: "contact-sheet"; readonly path: string }
  /** A key of a telephone was pressed (RFC 4733). */
  | {
      readonly t: "digit";
      readonly participantId: string;
      readonly digit: string;
      readonly atMs: number;
      readonly durationMs: number;
    }
  /** Faults of what came in during this attempt, by name. */
  | { readonly t: "faults"; readonly counts: Readonly<Record<string, number>> }
  | { readonly t: "end"; readonly atMs: number };

/** Appends to the session journal, a line at a time, so that a killed process loses nothing it said. */
export class Journal {
  readonly #path: string;
  readonly #onFiles: () => void;
  #fd: number | undefined;
  /** The file does not end with a whole line. */
  #torn: boolean;

  /**
   * Opens (or creates) the journal of a session directory. `onFiles`: called after an entry about a file. Throws a
   * RoomtapError `output-unwritable`.
   */
  constructor(directory: string, onFiles: () => void = () => undefined) {
    this.#onFiles = onFiles;
    this.#path = join(directory, JOURNAL_FILE);
    try {
      this.#fd = openSync(this.#path, "a+", 0o644);
      const { size } = fstatSync(this.#fd);
      const last = new Uint8Array(1);
      this.#torn = size > 0 && readSync(this.#fd, last, 0, 1, size - 1) === 1 && last[0] !== NEWLINE;
    } catch (cause) {
      throw new RoomtapError("output-unwritable", `cannot write ${this.#path}`, {
        hint: "choose another directory with --out",
        cause,
      });
    }
  }

  /** Adds an entry. A full disk loses the line, not the program: the media files tell the rest. */
  append(entry: JournalEntry): void {
    if (this.#fd === undefined) return;
    const line = Buffer.from(`${this.#torn ? "\n" : ""}${JSON.stringify(entry)}\n`);
    this.#torn = true;
    try {
      this.#torn = writeSync(this.#fd, line) < line.length;
    } catch {
      // The disk's failure is reported where media is written.
    }
    if (entry.t.startsWith("file-")) this.#onFiles();
  }

  /** Idempotent. */
  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

/** All entries of a session's journal; a torn last line is skipped. Empty when there is none. */
export function readJournal(directory: string): JournalEntry[] {
  let text: string;
  try {
    text = readFileSync(join(directory, JOURNAL_FILE), "utf8");
  } catch {
    return [];
  }
  const out: JournalEntry[] = [];
  for (const line of text.split("\n")) {
    try {
      const entry: unknown = line === "" ? undefined : JSON.parse(line);
      if (typeof entry === "object" && entry !== null && "t" in entry) out.push(entry as JournalEntry);
    } catch {
      // The line that was being written when the process died.
    }
  }
  return out;
}
