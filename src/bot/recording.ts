import type { RoomtapError } from "../core/fault.ts";
import type { CodecName, Rotation } from "../core/frame.ts";
import { earliest } from "../core/machine.ts";
import type { PlacedDigit, PlacedFrame } from "../core/media/received-track.ts";
import { type Speech, SpeechMeter } from "../core/media/speech-meter.ts";
import type { Peer, RemoteTrack } from "../core/room.ts";
import { type Micros, type Millis, micros } from "../core/time.ts";
import { Journal, type ParticipantStatistics, readJournal } from "../sinks/recorder/journal.ts";
import { manifestOf, writeManifest } from "../sinks/recorder/manifest.ts";
import { takes } from "../sinks/recorder/output.ts";
import type { RecordingPolicy } from "../sinks/recorder/policy.ts";
import { Recorder } from "../sinks/recorder/recorder.ts";
import type { DiskUse } from "./disk-guard.ts";
import type { OutputFormat } from "./job.ts";
import { everything, type Selection, selects } from "./selection.ts";
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
  /** Default: nothing is encoded again. */
  readonly policy?: RecordingPolicy | undefined;
  /** What of the room; default everything. */
  readonly selection?: Selection | undefined;
  /** Only participants of this name. */
  readonly participant?: string | undefined;
  /** Time goes on after a pause where it was before; else the pause is a part of it. */
  readonly collapsePauses?: boolean | undefined;
  /** From the first recorded media on. */
  readonly durationMs?: number | undefined;
  /** When the first media packet of a link came; undefined: none yet. */
  readonly firstMedia: (linkId: string) => Millis | undefined;
  /** A file waits for a keyframe of a link's m-line. */
  readonly requestKeyframe: (linkId: string, mid: string) => void;
  /** Writing failed for good. Called once. */
  readonly onFailure: (error: RoomtapError) => void;
};

type RecordedTrack = {
  readonly track: RemoteTrack;
  readonly participant: Peer;
  /** Who speaks, from the levels of a microphone. */
  readonly speech: SpeechMeter | undefined;
  /** Pictures are of no use before a keyframe: some were left out. */
  gated: boolean;
  codec?: CodecName;
  rotation?: Rotation;
};

type Outage = {
  readonly what: "signalling" | "media";
  readonly participantId: string | undefined;
  readonly atMs: number;
};

/** A sender that never answers does not fill the disk. */
const MAX_LOGGED_REQUESTS = 10_000;
/** The manifest of a session that runs is written no more often. */
const MANIFEST_MS = 1000;
/** A packet of sound whose length is not known. */
const PACKET_US = 20_000;

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
  /** What is lost at the moment. */
  readonly #outages = new Map<string, Outage>();
  #pausedAt: Millis | undefined;
  #requests = 0;
  /** When the manifest was written last, and when it will be. */
  #manifestAt = Number.NEGATIVE_INFINITY;
  #manifestTimer: NodeJS.Timeout | undefined;
  /** Length of the recording, once it is over. */
  #endedMs: number | undefined;

  /** Throws a RoomtapError `output-unwritable`. The caller closes it. */
  constructor(o: RecordingOptions) {
    this.#o = o;
    this.#clock = new SessionClock(o.start, o.zeroAt, o.collapsePauses);
    this.#journal = new Journal(o.directory, () => this.#onFiles());
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
      requestKeyframe: (trackId) => this.#requestKeyframe(trackId),
      ...(o.policy ? { policy: o.policy } : {}),
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

  /** What is written, for the watch over the disk. */
  diskUse(now: Millis): DiskUse {
    const { durationMs } = this.#o;
    return {
      written: this.#recorder.written,
      files: this.#recorder.openFiles,
      ...(durationMs === undefined ? {} : { endsInMs: Math.max(0, durationMs - this.elapsedMs(now)) }),
    };
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
    } else if (participant && this.#wanted(participant, track)) {
      const speech = track.source === "microphone" ? new SpeechMeter() : undefined;
      this.#tracks.set(key, { track, participant, speech, gated: false });
      this.#recorder.addTrack({ id: track.id, kind: track.kind, source: track.source, participant });
    }
  }

  /** A frame of a link's m-line. */
  frame(linkId: string, mid: string, f: PlacedFrame): void {
    const entry = this.#tracks.get(`${linkId}/${mid}`);
    if (!entry) return;
    const { local, audioLevel, ...rest } = f;
    const first = !this.#clock.started;
    const time = this.#clock.at(local, first ? this.#firstMedia() : undefined);
    if (time === undefined) {
      entry.gated = entry.track.kind === "video";
      return;
    }
    if (entry.gated && !f.keyframe) {
      this.#o.requestKeyframe(linkId, mid);
      return;
    }
    entry.gated = false;
    if (first) this.#journal.append({ t: "first-media", at: Math.round(this.#clock.zeroAt ?? 0) });
    this.#note(entry, f, time);
    if (audioLevel !== undefined)
      this.#speech(entry, entry.speech?.push(time, f.duration ?? PACKET_US, audioLevel));
    this.#recorder.frame(entry.track.id, { ...rest, time });
  }

  /** What comes from now on is not recorded. Idempotent. */
  pause(now: Millis): void {
    this.#clock.pause(now);
    this.#pausedAt ??= now;
  }

  /** Recording goes on. Idempotent. */
  resume(now: Millis): void {
    const { started } = this.#clock;
    const span = this.#clock.resume(now);
    const since = this.#pausedAt;
    this.#pausedAt = undefined;
    if (!span || since === undefined || !started) return;
    this.#journal.append({
      t: "pause",
      fromMs: Math.round(span.from / 1000),
      toMs: Math.round(span.to / 1000),
      lengthMs: Math.round(now - since),
      collapsed: this.#o.collapsePauses === true,
    });
  }

  get paused(): boolean {
    return this.#clock.paused;
  }

  /** Signalling, or the connection to a participant, was lost or is back. */
  connection(what: "signalling" | "media", op: "down" | "up", now: Millis, participantId?: string): void {
    const key = `${what}/${participantId ?? ""}`;
    const since = this.#outages.get(key);
    if (op === "down") {
      if (since === undefined) this.#outages.set(key, { what, participantId, atMs: this.elapsedMs(now) });
      return;
    }
    this.#outages.delete(key);
    if (since) this.#outage(since, this.elapsedMs(now));
  }

  /** A participant's sender was asked for a keyframe. */
  keyframeRequest(participantId: string, now: Millis): void {
    if (++this.#requests > MAX_LOGGED_REQUESTS) return;
    this.#journal.append({ t: "keyframe-request", participantId, atMs: this.elapsedMs(now) });
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
    if (time === undefined) return;
    for (const entry of this.#tracks.values()) this.#speech(entry, entry.speech?.poll(time));
    this.#recorder.tick(time);
  }

  /** The recording is over; what is still on its way may come. */
  stop(now: Millis): void {
    this.resume(now);
    this.#endedMs ??= this.elapsedMs(now);
    for (const entry of this.#tracks.values()) this.#speech(entry, entry.speech?.end());
    for (const since of this.#outages.values()) this.#outage(since, this.#endedMs);
    this.#outages.clear();
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
    clearTimeout(this.#manifestTimer);
    this.#journal.close();
  }

  /** Notes what is new about a track's frames. */
  #note(entry: RecordedTrack, f: PlacedFrame, time: Micros): void {
    const participantId = entry.participant.id;
    const atMs = Math.round(time / 1000);
    if (entry.codec !== f.codec) {
      entry.codec = f.codec;
      this.#journal.append({ t: "codec", participantId, kind: entry.track.kind, codec: f.codec, atMs });
    }
    const rotation = f.rotation ?? 0;
    if (entry.track.kind === "video" && (entry.rotation ?? 0) !== rotation)
      this.#journal.append({ t: "rotation", participantId, rotation, atMs });
    entry.rotation = rotation;
  }

  #speech(entry: RecordedTrack, speech: Speech | undefined): void {
    if (!speech) return;
    this.#journal.append({
      t: "speaking",
      participantId: entry.participant.id,
      fromMs: Math.round(speech.from / 1000),
      toMs: Math.round(speech.to / 1000),
    });
  }

  #outage(o: Outage, toMs: number): void {
    const { what, participantId, atMs } = o;
    const who = participantId === undefined ? {} : { participantId };
    this.#journal.append({ t: "outage", what, ...who, fromMs: atMs, toMs });
  }

  #requestKeyframe(trackId: string): void {
    for (const { track } of this.#tracks.values())
      if (track.id === trackId) this.#o.requestKeyframe(track.linkId, track.mid);
  }

  /** Something is new about the files. A sender that changes codecs all the time does not keep the disk busy. */
  #onFiles(): void {
    if (this.#manifestTimer) return;
    const wait = this.#manifestAt + MANIFEST_MS - performance.now();
    if (wait <= 0) this.#writeManifest();
    else this.#manifestTimer = setTimeout(() => this.#writeManifest(), wait).unref();
  }

  /** Whoever looks at the directory meanwhile, or after this process was killed, finds what there is. */
  #writeManifest(): void {
    clearTimeout(this.#manifestTimer);
    this.#manifestTimer = undefined;
    this.#manifestAt = performance.now();
    try {
      writeManifest(this.#o.directory, manifestOf(readJournal(this.#o.directory)));
    } catch {
      // The disk's failure is reported where media is written.
    }
  }

  /** When the first media packet of all that is recorded came: links that start together share it. */
  #firstMedia(): Millis | undefined {
    let first: Millis | undefined;
    for (const { track } of this.#tracks.values()) first = earliest(first, this.#o.firstMedia(track.linkId));
    return first;
  }

  #wanted(p: Peer, { kind, source }: RemoteTrack): boolean {
    const { participant, selection = everything } = this.#o;
    if (!takes(this.#o.format, kind)) return false;
    if (participant !== undefined && p.name !== participant) return false;
    return selects(selection, { name: p.name, kind, source });
  }
}
