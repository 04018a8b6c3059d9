import type { RoomtapError } from "../core/fault.ts";
import type { Frame } from "../core/frame.ts";
import { earliest } from "../core/machine.ts";
import type { PlacedDigit, PlacedFrame } from "../core/media/received-track.ts";
import type { Peer, RemoteTrack } from "../core/room.ts";
import { type Millis, micros } from "../core/time.ts";
import { Journal, type ParticipantStatistics } from "../sinks/recorder/journal.ts";
import { Recorder } from "../sinks/recorder/recorder.ts";
import type { OutputFormat } from "./job.ts";
import { SessionClock } from "./session-clock.ts";

/** After the asked-for duration, packets of its last moment may still come or be repaired. */
const DURATION_GRACE_MS = 400;

/** What to record, and where. */
export type RecordingOptions = {
  /** Session directory; it exists. */
  readonly directory: string;
  readonly room: string;
  readonly format: OutputFormat;
  /** Path of ffmpeg; empty: none. */
  readonly ffmpeg: string;
  /** Unix milliseconds of the session's start, and how many times it was started before. */
  readonly startedAt: number;
  readonly attempt: number;
  /** Unix milliseconds of time zero of the receiving clock. */
  readonly start: number;
  /** Unix milliseconds of the session's first media, when an earlier attempt had some. */
  readonly zeroAt?: number | undefined;
  /** Only participants of this name. */
  readonly participant?: string | undefined;
  /** From the first recorded media on. */
  readonly durationMs?: number | undefined;
  /** When the first media packet of a link came; undefined: none yet. */
  readonly firstMedia: (linkId: string) => Millis | undefined;
  /** Writing failed for good. Called once. */
  readonly onFailure: (error: RoomtapError) => void;
};

type RecordedTrack = { readonly track: RemoteTrack; readonly participant: Peer };

/**
 * A session on its way to disk: what the room says and what the receivers give go in, in order and with the
 * receivers' time; files, journal and manifest come of it. The same inputs give the same files.
 */
export class Recording {
  readonly #o: RecordingOptions;
  readonly #clock: SessionClock;
  readonly #recorder: Recorder;
  readonly #journal: Journal;
  readonly #peers = new Map<string, Peer>();
  readonly #tracks = new Map<string, RecordedTrack>();
  /** Length of the recording, once it is over. */
  #endedMs: number | undefined;

  /** Throws a RoomtapError `output-unwritable`. The caller closes it. */
  constructor(o: RecordingOptions) {
    this.#o = o;
    this.#clock = new SessionClock(o.start, o.zeroAt);
    this.#journal = new Journal(o.directory);
    this.#journal.append({
      t: "session",
      version: 1,
      room: o.room,
      startedAt: o.startedAt,
      attempt: o.attempt,
    });
    this.#recorder = new Recorder({
      directory: o.directory,
      format: o.format,
      ffmpeg: o.ffmpeg,
      journal: this.#journal,
      attempt: o.attempt,
      onFailure: o.onFailure,
    });
    this.#recorder.limit(o.durationMs === undefined ? undefined : micros(o.durationMs * 1000));
  }

  /** Media came. */
  get started(): boolean {
    return this.#clock.started;
  }

  /** Unix milliseconds of the session's first media; undefined before it. */
  get zeroAt(): number | undefined {
    return this.#clock.zeroAt;
  }

  /** Everyone in the room but recorders. */
  get participants(): Peer[] {
    return [...this.#peers.values()].filter((p) => !p.recorder);
  }

  /** The participant of this id, while in the room. */
  peerOf(id: string): Peer | undefined {
    return this.#peers.get(id);
  }

  /** The track that a link's m-line carries, if it is recorded. */
  trackOf(linkId: string, mid: string): RemoteTrack | undefined {
    return this.#tracks.get(`${linkId}/${mid}`)?.track;
  }

  /** Bytes on disk for a participant so far. */
  bytesOf(participantId: string): number {
    return this.#recorder.bytesOf(participantId);
  }

  /** Length of the recording, milliseconds. */
  elapsedMs(now: Millis): number {
    return this.#endedMs ?? Math.max(0, Math.round((this.#clock.peek(now) ?? 0) / 1000));
  }

  /** The asked-for duration has passed. */
  over(now: Millis): boolean {
    const limit = this.#o.durationMs;
    const time = this.#clock.peek(now);
    return limit !== undefined && time !== undefined && time / 1000 >= limit + DURATION_GRACE_MS;
  }

  /** Somebody came or went. */
  peer(op: "join" | "leave", peer: Peer, now: Millis): void {
    const atMs = this.elapsedMs(now);
    if (op === "join") {
      this.#peers.set(peer.id, peer);
      if (!peer.recorder)
        this.#journal.append({ t: "participant", id: peer.id, name: peer.name, joinedMs: atMs });
      return;
    }
    this.#peers.delete(peer.id);
    this.#recorder.removeParticipant(peer.id);
    if (!peer.recorder) this.#journal.append({ t: "participant-left", id: peer.id, leftMs: atMs });
  }

  /** A track came or went. */
  track(op: "add" | "remove", track: RemoteTrack): void {
    const key = `${track.linkId}/${track.mid}`;
    const participant = this.#peers.get(track.peerId);
    if (op === "remove") {
      this.#tracks.delete(key);
      this.#recorder.removeTrack(track.id);
    } else if (participant && this.#wanted(participant)) {
      this.#tracks.set(key, { track, participant });
      this.#recorder.addTrack({ id: track.id, kind: track.kind, source: track.source, participant });
    }
  }

  /** A frame of a link's m-line. */
  frame(linkId: string, mid: string, f: PlacedFrame): void {
    const entry = this.#tracks.get(`${linkId}/${mid}`);
    if (!entry) return;
    const { local, ...rest } = f;
    const first = !this.#clock.started;
    const frame: Frame = { ...rest, time: this.#clock.at(local, first ? this.#firstMedia() : undefined) };
    if (first) this.#journal.append({ t: "first-media", at: Math.round(this.#clock.zeroAt ?? 0) });
    this.#recorder.frame(entry.track.id, frame);
  }

  /** A key of a telephone was pressed on a link's m-line. */
  digit(linkId: string, mid: string, d: PlacedDigit): void {
    const entry = this.#tracks.get(`${linkId}/${mid}`);
    const time = this.#clock.peek(d.local);
    if (!entry) return;
    this.#journal.append({
      t: "digit",
      participantId: entry.participant.id,
      digit: d.digit,
      atMs: Math.max(0, Math.round((time ?? 0) / 1000)),
      durationMs: d.durationMs,
    });
  }

  /** Call every 100 ms. */
  tick(now: Millis): void {
    const time = this.#clock.peek(now);
    if (time !== undefined) this.#recorder.tick(time);
  }

  /** The recording is over; what is still on its way may come. */
  stop(now: Millis): void {
    this.#endedMs ??= this.elapsedMs(now);
  }

  /** Resolves when the disk has all that was written until now. */
  drained(): Promise<void> {
    return this.#recorder.drained();
  }

  /** Ends all files: afterwards everything received is safe and playable on disk. */
  async finish(statistics: readonly ParticipantStatistics[]): Promise<void> {
    await this.#recorder.finish();
    for (const s of statistics) this.#journal.append({ t: "statistics", ...s });
  }

  /** Makes the containers that were asked for. `onProgress`: share of all media, 0..1. */
  async convert(skip: AbortSignal, onProgress: (share: number) => void): Promise<void> {
    await this.#recorder.convert({ skip, onProgress });
    this.#journal.append({ t: "end", atMs: this.#endedMs ?? 0 });
  }

  /** Idempotent. */
  close(): void {
    this.#journal.close();
  }

  /** When the first media packet of all that is recorded came: links that start together share it. */
  #firstMedia(): Millis | undefined {
    let first: Millis | undefined;
    for (const { track } of this.#tracks.values()) first = earliest(first, this.#o.firstMedia(track.linkId));
    return first;
  }

  #wanted(p: Peer): boolean {
    return this.#o.participant === undefined || p.name === this.#o.participant;
  }
}
