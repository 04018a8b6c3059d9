import type { MediaKind } from "../frame.ts";
import type { WallMillis } from "../time.ts";
import type { CodecStats } from "./webrtc-stats.ts";

/** Whose statistics these are, and of when. */
export type StatsScope = {
  /** Unique among connections; all ids begin with it. */
  readonly link: string;
  readonly at: WallMillis;
};

/** A payload type as it was agreed on. */
export type CodecSnapshot = {
  readonly payloadType: number;
  /** Lower-case RTP name. */
  readonly codec: string;
  readonly clockRate?: number;
  readonly channels?: number;
  readonly fmtp?: string;
};

/** Id of an object about this stream. */
export function streamId(s: StatsScope, type: string, ssrc: number): string {
  return `${s.link}/${type}/${ssrc}`;
}

/** Id of the connection's transport. */
export function transportId(s: StatsScope): string {
  return `${s.link}/transport`;
}

/** Id of a payload type; streams in either direction that use it share it. */
export function codecId(s: StatsScope, c: CodecSnapshot): string {
  return `${s.link}/codec/${c.payloadType}`;
}

/** MIME subtypes that are not the RTP name in capitals (IANA media types). */
const subtypes: Readonly<Record<string, string>> = { opus: "opus", multiopus: "multiopus" };

/** The object of a payload type. */
export function codecStats(s: StatsScope, kind: MediaKind, c: CodecSnapshot): CodecStats {
  return {
    type: "codec",
    id: codecId(s, c),
    timestamp: s.at,
    payloadType: c.payloadType,
    transportId: transportId(s),
    mimeType: `${kind}/${subtypes[c.codec] ?? c.codec.toUpperCase()}`,
    ...(c.clockRate === undefined ? {} : { clockRate: c.clockRate }),
    ...(c.channels === undefined ? {} : { channels: c.channels }),
    ...(c.fmtp === undefined || c.fmtp === "" ? {} : { sdpFmtpLine: c.fmtp }),
  };
}
