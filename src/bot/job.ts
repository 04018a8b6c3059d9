import type { ExitCodeValue } from "../core/fault.ts";
import type { Frame, MediaKind, TrackSource } from "../core/frame.ts";
import type { LiveSample } from "../core/media/live-samples.ts";
import type { LayerWish, Peer, RemoteTrack } from "../core/room.ts";
import type { StatsReport } from "../core/stats/webrtc-stats.ts";
import type { Millis } from "../core/time.ts";
import type { AskedFormat } from "../sinks/recorder/output.ts";
import type { RecordingPolicy } from "../sinks/recorder/policy.ts";
import type { DiskStatus } from "./disk-guard.ts";
import type { RoomCall } from "./join.ts";
import type { Selection } from "./selection.ts";

/**
 * What the supervisor and its child process tell each other. Plain data over the IPC channel: the child
 * alone loads the native addon, and may die without taking the supervisor with it.
 */

/** Container of the finished files. `auto`: WebM where it can hold the codecs, else Matroska. Ogg: sound alone. */
export type OutputFormat = AskedFormat;

/** Records a room. Times in milliseconds. */
export type RecordJob = RoomCall & {
  readonly job: "record";
  /** Session directory; it exists. */
  readonly directory: string;
  readonly format: OutputFormat;
  /** From the first recorded media on. */
  readonly durationMs?: number;
  /** End after the room has been without other participants for this long. */
  readonly untilEmptyMs?: number;
  /** Only participants of this name. */
  readonly participant?: string;
  readonly selection?: Selection;
  readonly policy?: RecordingPolicy;
  /** Pauses are cut out of the files' time. */
  readonly collapsePauses?: boolean;
  /** The recording is paused when the process starts. */
  readonly paused?: boolean;
  /** Ceiling for each incoming video, bit/s. */
  readonly maxBitrate: number;
  readonly ffmpeg: string;
  /** Where what comes in is written down for `roomtap replay`; see `dumpPaths`. */
  readonly dumpFile?: string;
  /** How many times this session was started before: the parts of a restarted child are numbered on. */
  readonly attempt: number;
  /** Unix milliseconds of the session's start. */
  readonly startedAt: number;
  /** Unix milliseconds of the session's first media, when an earlier attempt had some: time goes on from there. */
  readonly zeroAt?: number;
};

/** Publishes a source into a room. */
export type PublishJob = RoomCall & {
  readonly job: "publish";
  /** Prepared Matroska file with the encoded media. */
  readonly mediaFile: string;
  /** The same in smaller, for simulcast: prepared files, the smallest first. */
  readonly layerFiles?: readonly string[];
  readonly video: "vp8" | "h264" | "none";
  readonly audio: "opus" | "none";
  readonly durationMs?: number;
  readonly sentLog?: string;
};

/** Hands over what is received in a room, frame by frame. */
export type RelayJob = RoomCall & {
  readonly job: "relay";
  /** Frames are counted, and not handed over. */
  readonly measureOnly?: boolean;
  /** Ceiling for each incoming video, bit/s. */
  readonly maxBitrate: number;
};

/** Publishes a stream that the supervisor hands over as it is made: H.264 and Opus. Ends with its connection. */
export type PushJob = RoomCall & {
  readonly job: "push";
  /** Of the H.264: `profile-level-id`, six hexadecimal digits. */
  readonly profile: string;
  /** Of the pictures, bit/s. */
  readonly bitrate: number;
};

/** Work for one child process. */
export type Job = RecordJob | PublishJob | RelayJob | PushJob;

/** Supervisor to child. */
export type ToChild =
  | { readonly t: "start"; readonly job: Job }
  /** Finish the files, leave, exit. */
  | { readonly t: "stop" }
  /** Do not wait for conversions. */
  | { readonly t: "skip" }
  /** Leave out what comes from now on, or take it again. */
  | { readonly t: "pause" }
  | { readonly t: "resume" }
  /** Another simulcast layer from now on, of everything. */
  | { readonly t: "layer"; readonly layer: LayerWish }
  /** What a person brought, asked for with `ask`; absent: no more comes. */
  | { readonly t: "line"; readonly line?: string }
  /** Somebody waits for a keyframe of a relayed track. */
  | { readonly t: "keyframe"; readonly trackId: string }
  /** The next frame of the stream that is pushed. */
  | { readonly t: "sample"; readonly sample: LiveSample };

/** Live figures of one incoming or outgoing track. */
export type TrackStatus = {
  readonly id: string;
  readonly kind: MediaKind;
  readonly source: TrackSource;
  readonly codec: string;
  readonly width?: number;
  readonly height?: number;
  /** Payload of the last second, bit/s. */
  readonly bitrate: number;
  /** Frames of video in the last second. */
  readonly framesPerSecond?: number;
  /** Packets lost for good, after repair; and as a share of those expected, 0..1. */
  readonly lost: number;
  readonly loss: number;
  readonly recovered: number;
  /** Interarrival jitter (RFC 3550); of what we send: as the other side reports it. */
  readonly jitterMs?: number;
  readonly keyframes: number;
  readonly frames: number;
};

/** Live figures of one participant. */
export type ParticipantStatus = {
  readonly name: string;
  readonly connected: boolean;
  /** Round trip to where the media comes from, once measured. */
  readonly rttMs?: number;
  /** The candidates in use, as `type protocol address:port`; ours with ` by TURN over TLS` or the like behind it. */
  readonly path?: { readonly local: string; readonly remote: string };
  readonly tracks: readonly TrackStatus[];
  readonly bytesOnDisk: number;
};

/** Child's report, about once a second; it is the heartbeat as well. */
export type StatusMessage = {
  readonly t: "status";
  readonly phase:
    | "joining"
    | "waiting"
    | "recording"
    | "paused"
    | "publishing"
    | "streaming"
    | "measuring"
    | "finishing";
  readonly elapsedMs: number;
  /** Unix milliseconds of the session's first media, once there was some. */
  readonly zeroAt?: number;
  readonly participants: readonly ParticipantStatus[];
  /** Publishing: what is sent to everyone, under the names of W3C webrtc-stats. */
  readonly statistics?: StatsReport;
  readonly faults: Readonly<Record<string, number>>;
  /** Packets handled so far and CPU time used (ms): a child that burns one without the other is stuck. */
  readonly packets: number;
  readonly cpuMs: number;
  /** Room on the disk that is recorded to. */
  readonly disk?: DiskStatus;
  /** Finishing: share of the conversion done, 0..1. */
  readonly progress?: number;
};

/** Something worth a line. */
export type NoticeMessage = {
  readonly t: "notice";
  readonly level: "info" | "warn" | "error";
  readonly text: string;
};

/** The child's last word. */
export type DoneMessage = {
  readonly t: "done";
  readonly exit: ExitCodeValue;
  readonly error?: { readonly code: string; readonly message: string; readonly hint?: string };
  /** Media time recorded or sent, milliseconds. */
  readonly elapsedMs: number;
};

/** A frame that was received, without a place on a session's timeline. */
export type RelayedFrame = Omit<Frame, "time"> & {
  /** How loud the sender says it is, -dBov (RFC 6464). */
  readonly audioLevel?: number;
};

/** What happens in a room that is relayed. */
export type RelayMessage =
  | { readonly t: "peer"; readonly op: "join" | "leave"; readonly peer: Peer }
  | { readonly t: "track"; readonly op: "add" | "remove"; readonly track: RemoteTrack }
  /** `atMs`: when it shows, on the clock that all processes of the machine share. */
  | { readonly t: "frame"; readonly trackId: string; readonly atMs: Millis; readonly frame: RelayedFrame };

/** What a person carries to the other side of a room without a server, and is asked to bring from there. */
export type CourierMessage =
  | { readonly t: "give"; readonly text: string; readonly note: string }
  | { readonly t: "ask"; readonly prompt: string };

/** Child to supervisor. */
export type FromChild = StatusMessage | NoticeMessage | DoneMessage | RelayMessage | CourierMessage;
