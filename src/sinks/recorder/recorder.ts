import { join } from "node:path";
import { RoomtapError } from "../../core/fault.ts";
import type { Frame, MediaKind, TrackSource } from "../../core/frame.ts";
import type { Peer } from "../../core/room.ts";
import { type Micros, micros } from "../../core/time.ts";
import { type Conversion, completeFile, convertAll } from "./convert.ts";
import { RecordingGroup } from "./group.ts";
import type { FileOpened, Journal } from "./journal.ts";
import { MediaFile } from "./media-file.ts";
import { fileStem, UniqueNames } from "./names.ts";
import { type AskedFormat, docTypeFor, extensionOf, TEMP_SUFFIX } from "./output.ts";
import { RecordedPart } from "./part.ts";
import { defaultPolicy, type RecordingPolicy } from "./policy.ts";

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
  readonly format: AskedFormat;
  /** Default `defaultPolicy`. */
  readonly policy?: RecordingPolicy;
  /** Path of ffmpeg, for containers that need conversion; empty: none. */
  readonly ffmpeg: string;
  readonly journal: Journal;
  /** Times the session was started before: it keeps the ids of its files apart. */
  readonly attempt: number;
  /** Writing failed for good (disk full, directory gone). Called once. */
  readonly onFailure: (error: RoomtapError) => void;
  /** A new file waits for a keyframe of this track. */
  readonly requestKeyframe?: (trackId: string) => void;
};

/** What is recorded of one participant under one name. */
type Entry = { readonly participant: Peer; readonly part: RecordedPart };

/** What the files of a part have in common. */
type Naming = { readonly participant: Peer; readonly source: TrackSource; readonly stem: string };

/**
 * Writes every participant into a file of their own: camera and microphone together, a shared screen apart.
 * What is received goes to disk at once as Matroska; what another container needs is converted from that.
 */
export class Recorder {
  readonly #o: RecorderOptions;
  readonly #policy: RecordingPolicy;
  readonly #parts = new Map<string, Entry>();
  readonly #partOf = new Map<string, RecordedPart>();
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
    this.#policy = o.policy ?? defaultPolicy;
    for (const name of MediaFile.stemsIn(o.directory)) this.#names.take(name);
  }

  /** Nothing at or after this time is recorded. */
  limit(at: Micros | undefined): void {
    this.#limit = at;
    for (const { part } of this.#parts.values()) part.limit(at);
  }

  /** A track appeared, or came back after a reconnect. */
  addTrack(t: RecorderTrack): void {
    const part = this.#part(t);
    part.addTrack(t);
    this.#partOf.set(t.id, part);
  }

  /** A track went away; what was written of it stays, and the file goes on with the others. */
  removeTrack(trackId: string): void {
    this.#partOf.get(trackId)?.removeTrack(trackId);
  }

  /** A participant left: their files are complete. */
  removeParticipant(participantId: string): void {
    for (const [key, { participant, part }] of this.#parts) {
      if (participant.id !== participantId) continue;
      this.#parts.delete(key);
      for (const [trackId, p] of this.#partOf) if (p === part) this.#partOf.delete(trackId);
      this.#guarded(() => part.end(undefined));
    }
  }

  /** One frame of an announced track. */
  frame(trackId: string, frame: Frame): void {
    const part = this.#partOf.get(trackId);
    if (part && !this.#failed) this.#guarded(() => part.frame(trackId, frame));
  }

  /** Session time now; call about ten times a second. */
  tick(now: Micros): void {
    this.#now = now;
    if (this.#failed) return;
    this.#guarded(() => {
      for (const { part } of this.#parts.values()) part.tick(now);
    });
  }

  /** Bytes on disk for a participant so far. */
  bytesOf(participantId: string): number {
    let n = this.#bytes.get(participantId) ?? 0;
    for (const { participant, part } of this.#parts.values()) {
      if (participant.id === participantId) n += part.openBytes;
    }
    return n;
  }

  /** Octets of all files so far. */
  get written(): number {
    let n = 0;
    for (const bytes of this.#bytes.values()) n += bytes;
    for (const { part } of this.#parts.values()) n += part.openBytes;
    return n;
  }

  /** Files that are being written, about. */
  get openFiles(): number {
    return this.#parts.size + this.#closing.size;
  }

  /** Resolves when the disk has all that was written into open files until now. */
  async drained(): Promise<void> {
    await Promise.all([...this.#parts.values()].map(({ part }) => part.drained()));
  }

  /** Ends all files: afterwards everything received is safe and playable on disk. */
  async finish(): Promise<void> {
    // Only who was recorded up to the limit is filled up to it: not who is stopped before.
    const until = this.#limit !== undefined && this.#now >= this.#limit ? this.#limit : undefined;
    for (const { part } of this.#parts.values()) this.#guarded(() => part.end(until));
    this.#parts.clear();
    this.#partOf.clear();
    await Promise.all(this.#closing);
  }

  /** Makes the containers that were asked for from what `finish` left; skipped ones stay Matroska. */
  async convert(o: { skip: AbortSignal; onProgress: (share: number) => void }): Promise<void> {
    const error = await convertAll(this.#conversions, { ...o, ...this.#o });
    if (error) this.#fail(error);
  }

  #part(t: RecorderTrack): RecordedPart {
    const { key, naming } = this.#policy.layout === "tracks" ? trackNaming(t) : participantNaming(t);
    const known = this.#parts.get(key);
    if (known) return known.part;
    const part = new RecordedPart({
      policy: this.#policy,
      group: (from) => this.#group(naming, from),
      close: (group, until) => this.#close(naming, group, until),
      requestKeyframe: (id) => this.#o.requestKeyframe?.(id),
    });
    part.limit(this.#limit);
    this.#parts.set(key, { participant: t.participant, part });
    return part;
  }

  #group(naming: Naming, from: Micros | undefined): RecordingGroup {
    const { journal } = this.#o;
    const gap = (
      file: MediaFile,
      kind: MediaKind,
      from: Micros,
      to: Micros,
      cause: "loss" | "silence" | "disk",
    ) => journal.append({ t: "gap", id: file.id, kind, fromMs: ms(from), toMs: ms(to), cause });
    return new RecordingGroup({
      ...(from === undefined ? {} : { from }),
      silence: this.#policy.audioGaps === "silence",
      open: (startUs, first) => this.#open(naming, startUs, first),
      onSize: (file, at, width, height) =>
        journal.append({ t: "size", id: file.id, atMs: ms(at), width, height }),
      onGap: (file, kind, g) => gap(file, kind, g.from, g.to, g.cause),
      onDropped: (file, kind, from, to) => gap(file, kind, from, to, "disk"),
    });
  }

  #open(naming: Naming, startUs: Micros, first: readonly Frame[]): MediaFile {
    const { format, directory, attempt, journal } = this.#o;
    const stem = this.#names.unique(naming.stem);
    const docType = docTypeFor(
      format,
      first.map((f) => f.codec),
    );
    const id = `${attempt}-${this.#nextFile++}`;
    const temp = `${stem}.${extensionOf(docType)}${TEMP_SUFFIX}`;
    const opened: FileOpened = {
      t: "file-open",
      id,
      temp,
      stem,
      format,
      participant: naming.participant.name,
      participantId: naming.participant.id,
      source: naming.source,
      startMs: Math.max(0, ms(startUs)),
      ...(this.#policy.onResize === "scale" ? { scale: true as const } : {}),
      ...(this.#policy.videoGaps === "keep" ? {} : { fill: this.#policy.videoGaps }),
    };
    // The file first: what the journal names is there.
    const file = MediaFile.create({
      id,
      path: join(directory, temp),
      docType,
      startUs,
      opened,
      onFailure: (error) => this.#fail(error),
    });
    journal.append(opened);
    return file;
  }

  /** Ends a group in the background; `finish` waits for it. Sound is brought up to `until`. */
  #close(naming: Naming, group: RecordingGroup, until: Micros | undefined): void {
    if (group.empty) return;
    this.#guarded(() => group.end(until));
    const { file } = group;
    if (!file) return;
    const participantId = naming.participant.id;
    const done = (async () => {
      const closed = await file.finish();
      this.#bytes.set(participantId, (this.#bytes.get(participantId) ?? 0) + closed.bytes);
      // What could not be written to its end keeps its temporary name: it is completed like after a crash.
      if (!closed.whole) return;
      this.#conversions.push({
        opened: file.opened,
        path: completeFile(this.#o.directory, file.opened, file.docType, this.#o.journal),
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

/** Camera and microphone share a file; a screen has its own, and so has a second camera. */
function participantNaming(t: RecorderTrack): { key: string; naming: Naming } {
  const { participant } = t;
  const screen = isScreen(t);
  const second = /-(\d+)$/.exec(t.id)?.[1];
  const extra = t.kind === "video" && second !== undefined ? `-${second}` : "";
  const name = fileStem(participant.name, "participant");
  return {
    key: `${participant.id}/${screen ? "screen" : "main"}${extra}`,
    naming: {
      participant,
      source: screen ? "screen" : t.kind === "audio" ? "camera" : t.source,
      stem: `${name}${screen ? "-screen" : ""}${extra && `-video${extra}`}`,
    },
  };
}

/** Every track has a file of its own. */
function trackNaming(t: RecorderTrack): { key: string; naming: Naming } {
  const { participant, source } = t;
  const name = fileStem(participant.name, "participant");
  return {
    key: `${participant.id}/${t.id}`,
    naming: { participant, source, stem: `${name}-${source === "unknown" ? t.kind : source}` },
  };
}

function isScreen(t: RecorderTrack): boolean {
  return t.source === "screen" || t.source === "screen-audio";
}

function ms(t: Micros): number {
  return Math.round(t / 1000);
}
