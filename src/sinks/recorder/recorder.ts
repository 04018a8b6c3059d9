import { join } from "node:path";
import { RoomtapError } from "../../core/fault.ts";
import type { Frame, MediaKind, TrackSource } from "../../core/frame.ts";
import type { Peer } from "../../core/room.ts";
import { type Micros, micros } from "../../core/time.ts";
import { type Conversion, completeFile, convertAll } from "./convert.ts";
import { RecordingGroup } from "./group.ts";
import type { FileFormat, FileOpened, Journal } from "./journal.ts";
import { MediaFile } from "./media-file.ts";
import { fileStem, UniqueNames } from "./names.ts";
import { outputFor, TEMP_SUFFIX } from "./output.ts";

/** A track of a participant, as the room announced it. */
export type RecorderTrack = {
  readonly id: string;
  readonly kind: MediaKind;
  readonly source: TrackSource;
  readonly participant: Peer;
};

/** Options of a recorder. */
export type RecorderOptions = {
  /** Session directory; it exists. */
  readonly directory: string;
  readonly format: "auto" | FileFormat;
  /** Path of ffmpeg, for containers that need conversion; empty: none. */
  readonly ffmpeg: string;
  readonly journal: Journal;
  /** Times the session was started before: it keeps the ids of its files apart. */
  readonly attempt: number;
  /** Writing failed for good (disk full, directory gone). Called once. */
  readonly onFailure: (error: RoomtapError) => void;
};

/** One participant's part of the recording: the group being written and those already done. */
type Part = {
  readonly key: string;
  readonly participant: Peer;
  readonly source: TrackSource;
  readonly stem: string;
  readonly tracks: Map<string, RecorderTrack>;
  group: RecordingGroup;
};

/**
 * Writes every participant into a file of their own: camera and microphone together, a shared screen apart.
 * What is received goes to disk at once as Matroska; what another container needs is converted from that.
 */
export class Recorder {
  readonly #o: RecorderOptions;
  readonly #parts = new Map<string, Part>();
  readonly #partOf = new Map<string, Part>();
  readonly #names = new UniqueNames();
  readonly #conversions: Conversion[] = [];
  readonly #closing = new Set<Promise<void>>();
  readonly #bytes = new Map<string, number>();
  #limit: Micros | undefined;
  #now = micros(0);
  #failed = false;
  #nextFile = 1;

  constructor(o: RecorderOptions) {
    this.#o = o;
    for (const name of MediaFile.stemsIn(o.directory)) this.#names.take(name);
  }

  /** Nothing at or after this time is recorded. */
  limit(at: Micros | undefined): void {
    this.#limit = at;
    for (const part of this.#parts.values()) part.group.limit(at);
  }

  /** A track appeared, or came back after a reconnect. */
  addTrack(t: RecorderTrack): void {
    const part = this.#part(t);
    part.tracks.set(t.id, t);
    part.group.addTrack(t);
    this.#partOf.set(t.id, part);
  }

  /** A track went away; what was written of it stays, and the file goes on with the others. */
  removeTrack(trackId: string): void {
    this.#partOf.get(trackId)?.tracks.delete(trackId);
  }

  /** A participant left: their files are complete. */
  removeParticipant(participantId: string): void {
    for (const [key, part] of this.#parts) {
      if (part.participant.id !== participantId) continue;
      this.#parts.delete(key);
      for (const [trackId, p] of this.#partOf) if (p === part) this.#partOf.delete(trackId);
      this.#close(part, part.group, false);
    }
  }

  /** One frame of an announced track. */
  frame(trackId: string, frame: Frame): void {
    const part = this.#partOf.get(trackId);
    if (!part || this.#failed) return;
    this.#guarded(() => {
      if (part.group.mustSplit(trackId, frame)) {
        // Another codec cannot continue the file: a new part starts, with the same tracks.
        this.#close(part, part.group, false);
        part.group = this.#group(part);
        for (const t of part.tracks.values()) part.group.addTrack(t);
      }
      part.group.frame(trackId, frame);
    });
  }

  /** Session time now; call about ten times a second. */
  tick(now: Micros): void {
    this.#now = now;
    if (this.#failed) return;
    this.#guarded(() => {
      for (const part of this.#parts.values()) if (part.tracks.size > 0) part.group.tick(now);
    });
  }

  /** Bytes on disk for a participant so far. */
  bytesOf(participantId: string): number {
    let n = this.#bytes.get(participantId) ?? 0;
    for (const part of this.#parts.values()) {
      if (part.participant.id === participantId) n += part.group.file?.bytes ?? 0;
    }
    return n;
  }

  /** Resolves when the disk has all that was written into open files until now. */
  async drained(): Promise<void> {
    await Promise.all([...this.#parts.values()].map((part) => part.group.file?.drained()));
  }

  /** Ends all files: afterwards everything received is safe and playable on disk. */
  async finish(): Promise<void> {
    // Only who was recorded up to the limit is filled up to it: not who is stopped before.
    const full = this.#limit !== undefined && this.#now >= this.#limit;
    for (const part of this.#parts.values()) this.#close(part, part.group, full);
    this.#parts.clear();
    this.#partOf.clear();
    await Promise.all(this.#closing);
  }

  /** Makes the containers that were asked for from what `finish` left; skipped ones stay Matroska. */
  async convert(o: { skip: AbortSignal; onProgress: (share: number) => void }): Promise<void> {
    const error = await convertAll(this.#conversions, { ...o, ...this.#o });
    if (error) this.#fail(error);
  }

  #part(t: RecorderTrack): Part {
    const screen = t.source === "screen" || t.source === "screen-audio";
    // A second camera gets a file of its own, like a screen.
    const second = /-(\d+)$/.exec(t.id)?.[1];
    const extra = second === undefined ? "" : `-${second}`;
    const key = `${t.participant.id}/${screen ? "screen" : "main"}${t.kind === "video" ? extra : ""}`;
    const known = this.#parts.get(key);
    if (known) return known;
    const name = fileStem(t.participant.name, "participant");
    const stem = `${name}${screen ? "-screen" : ""}${t.kind === "video" && extra ? `-video${extra}` : ""}`;
    const source: TrackSource = screen ? "screen" : t.kind === "audio" ? "camera" : t.source;
    const draft = { key, participant: t.participant, source, stem, tracks: new Map<string, RecorderTrack>() };
    const part: Part = { ...draft, group: this.#group(draft) };
    this.#parts.set(key, part);
    return part;
  }

  #group(part: Omit<Part, "group">): RecordingGroup {
    const { journal } = this.#o;
    const ms = (t: Micros) => Math.round(t / 1000);
    const group = new RecordingGroup({
      open: (startUs, first) => this.#open(part, startUs, first),
      onSize: (file, at, width, height) =>
        journal.append({ t: "size", id: file.id, atMs: ms(at), width, height }),
      onSilence: (file, from, to) =>
        journal.append({
          t: "gap",
          id: file.id,
          kind: "audio",
          fromMs: ms(from),
          toMs: ms(to),
          cause: "silence",
        }),
      onDropped: (file, kind, from, to) =>
        journal.append({ t: "gap", id: file.id, kind, fromMs: ms(from), toMs: ms(to), cause: "disk" }),
    });
    group.limit(this.#limit);
    return group;
  }

  #open(part: Omit<Part, "group">, startUs: Micros, first: readonly Frame[]): MediaFile {
    const stem = this.#names.unique(part.stem);
    const output = outputFor(
      this.#o.format,
      first.map((f) => f.codec),
    );
    const id = `${this.#o.attempt}-${this.#nextFile++}`;
    const temp = `${stem}${output.tempExtension}${TEMP_SUFFIX}`;
    const opened: FileOpened = {
      t: "file-open",
      id,
      temp,
      stem,
      format: output.format,
      participant: part.participant.name,
      participantId: part.participant.id,
      source: part.source,
      startMs: Math.max(0, Math.round(startUs / 1000)),
    };
    this.#o.journal.append(opened);
    return MediaFile.create({
      id,
      path: join(this.#o.directory, temp),
      docType: output.docType,
      startUs,
      opened,
      onFailure: (error) => this.#fail(error),
    });
  }

  /** Ends a group in the background; `finish` waits for it. `full`: with silence up to the limit. */
  #close(part: Part, group: RecordingGroup, full: boolean): void {
    if (group.empty) return;
    this.#guarded(() => group.end(full));
    const file = group.file;
    if (!file) return;
    const done = (async () => {
      const closed = await file.finish();
      this.#bytes.set(part.participant.id, (this.#bytes.get(part.participant.id) ?? 0) + closed.bytes);
      // What could not be written to its end keeps its temporary name: it is completed like after a crash.
      if (!closed.whole) return;
      this.#conversions.push({
        opened: file.opened,
        path: completeFile(this.#o.directory, file.opened, this.#o.journal),
        durationMs: closed.durationMs,
        tracks: group.summary(),
        resized: group.resized,
      });
    })().catch((error: unknown) => this.#fail(error));
    this.#closing.add(done);
    void done.finally(() => this.#closing.delete(done));
  }

  /** Runs what may open files. */
  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#o.onFailure(
      error instanceof RoomtapError
        ? error
        : new RoomtapError("output-unwritable", "the recording cannot be written", { cause: error }),
    );
  }
}
