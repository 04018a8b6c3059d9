/** The public API of Roomtap. Everything here is stable between minor versions; nothing else is. */

export type {
  NoticeMessage,
  OutputFormat,
  ParticipantStatus,
  StatusMessage,
  TrackStatus,
} from "./bot/job.ts";
export type { RoomOptions } from "./bot/join.ts";
export { type PublishOptions, publish } from "./bot/publish.ts";
export {
  RecordControl,
  type RecordedFile,
  type RecordOptions,
  type RecordResult,
  record,
} from "./bot/record.ts";
export { type RenderOptions, type RenderResult, render } from "./bot/render.ts";
export { type Repaired, type RepairOptions, type RepairResult, repair } from "./bot/repair.ts";
export { type ReplayOptions, type ReplayProgress, type ReplayResult, replay } from "./bot/replay.ts";
export {
  type HlsOptions,
  type OutputStatus,
  Restream,
  type RestreamOptions,
  type RestreamResult,
  type RestreamStatus,
} from "./bot/restream.ts";
export { type VerifyOptions, type VerifyResult, verify } from "./bot/verify.ts";
export type { WhipPushTarget } from "./bot/whip-push.ts";
export { type ErrorCode, ExitCode, type ExitCodeValue, RoomtapError } from "./core/fault.ts";
export type { MediaKind, TrackSource } from "./core/frame.ts";
export type {
  Cancel,
  Candidate,
  Courier,
  Description,
  EndReason,
  IceCandidate,
  IceServer,
  JoinWish,
  LayerWish,
  Link,
  LinkPlan,
  LinkState,
  ListenWish,
  LocalTrack,
  LogLevel,
  Peer,
  RemoteMedia,
  RemoteTrack,
  RoomAccess,
  RoomAdapter,
  RoomEvent,
  RoomSession,
  RtcHost,
  SignalingState,
} from "./core/room.ts";
export type { AnyRtcStats, StatsReport } from "./core/stats/webrtc-stats.ts";
export { createOrigin, type Origin, type OriginOptions } from "./server/origin/origin.ts";
export { createRoomServer, type RoomServer, type RoomServerOptions } from "./server/room-server.ts";
export type { HlsSource } from "./sinks/hls/source.ts";
export type { ProgramPlan, ProgramSink } from "./sinks/program/program.ts";
export type { PushTarget } from "./sinks/push/targets.ts";
export type { FileTrack, ParticipantStatistics } from "./sinks/recorder/journal.ts";
export type { Manifest, ManifestFile } from "./sinks/recorder/manifest.ts";
export type { ManifestTrack, SyncReport } from "./sinks/recorder/manifest-tracks.ts";
export type { RecordingPolicy } from "./sinks/recorder/policy.ts";
export type { GapCause, SessionEvent } from "./sinks/recorder/session-events.ts";
export type { Show } from "./sinks/stage/stage.ts";
