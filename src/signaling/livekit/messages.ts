import type { IceCandidate, IceServer } from "../../core/room.ts";
import { ProtoMessage } from "./wire.ts";

/*
 * What a LiveKit server says (livekit_rtc.proto and livekit_models.proto of its protocol), by field number, as far as
 * it matters here. Enums are numbers, as on the wire.
 */

/** Which of the two connections of the older dialect; the single connection is the publisher's. */
export const Target = { publisher: 0, subscriber: 1 } as const;
/** See `Target`. */
export type TargetValue = (typeof Target)[keyof typeof Target];

/** Types of tracks. */
export const TrackType = { audio: 0, video: 1, data: 2 } as const;

/** Qualities of video: what simulcast layers are called. */
export const Quality = { low: 0, medium: 1, high: 2 } as const;

/** What a track is of. */
export const Source = { unknown: 0, camera: 1, microphone: 2, screen: 3, screenAudio: 4 } as const;

/** What a `leave` of the server wants us to do. */
export const LeaveAction = { disconnect: 0, resume: 1, reconnect: 2 } as const;

/** Why somebody was disconnected. */
export const DisconnectReason = {
  clientInitiated: 1,
  duplicateIdentity: 2,
  participantRemoved: 4,
  roomDeleted: 5,
  roomClosed: 10,
} as const;

const STATE_DISCONNECTED = 3;
const KIND_EGRESS = 2;
/** A server says more than this of nobody. */
const MAX_ICE_SERVERS = 8;
/** Characters of a server's own words that are repeated. */
const MAX_WORDS = 120;

/** A published track. */
export type TrackInfo = {
  readonly sid: string;
  readonly type: number;
  readonly source: number;
  readonly muted: boolean;
  readonly encrypted: boolean;
};

/** Somebody in the room. `name` is a stranger's words. */
export type ParticipantInfo = {
  readonly sid: string;
  readonly identity: string;
  readonly name: string;
  readonly gone: boolean;
  readonly recorder: boolean;
  readonly tracks: readonly TrackInfo[];
};

/** The first message. */
export type JoinInfo = {
  readonly self: ParticipantInfo;
  /** What our token allows; undefined: the server does not say. */
  readonly may: { readonly publish: boolean; readonly subscribe: boolean } | undefined;
  readonly others: readonly ParticipantInfo[];
  readonly iceServers: readonly IceServer[];
  /** Milliseconds. */
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
  /** The server sends us elsewhere; empty: it does not. */
  readonly alternativeUrl: string;
  readonly serverVersion: string;
};

/** A description; `tracks`: SIDs of tracks by mid. */
export type SdpMessage = {
  readonly sdp: string;
  readonly id: number;
  readonly tracks: ReadonlyMap<string, string>;
};

/** Enabled qualities of a codec, see `Quality`; codec: in lower case, without "video/"; empty: any. */
export type WantedQualities = { readonly codec: string; readonly qualities: readonly number[] };

/** Everything that we listen to. */
export type ServerMessage =
  | { readonly t: "join"; readonly join: JoinInfo }
  | ({ readonly t: "offer" } & SdpMessage)
  | ({ readonly t: "answer" } & SdpMessage)
  /** `candidate` undefined: there are no more. */
  | { readonly t: "trickle"; readonly target: TargetValue; readonly candidate: IceCandidate | undefined }
  | { readonly t: "update"; readonly participants: readonly ParticipantInfo[] }
  | { readonly t: "track-published"; readonly cid: string; readonly track: TrackInfo }
  | { readonly t: "track-unpublished"; readonly sid: string }
  | { readonly t: "mute"; readonly sid: string; readonly muted: boolean }
  | { readonly t: "wanted"; readonly sid: string; readonly codecs: readonly WantedQualities[] }
  | {
      readonly t: "streams";
      readonly states: readonly { readonly sid: string; readonly paused: boolean }[];
    }
  | { readonly t: "permission"; readonly sid: string; readonly allowed: boolean }
  | { readonly t: "not-subscribed"; readonly sid: string; readonly error: number }
  | { readonly t: "refused"; readonly reason: number; readonly words: string }
  | { readonly t: "token"; readonly token: string }
  | { readonly t: "sections"; readonly audio: number; readonly video: number }
  | { readonly t: "leave"; readonly action: number; readonly reason: number; readonly mayReturn: boolean }
  /** To our ping. */
  | { readonly t: "pong" }
  /** Nothing that concerns us. */
  | { readonly t: "other" };

/** Reads a SignalResponse; undefined: it is none. */
export function parseServerMessage(octets: Uint8Array): ServerMessage | undefined {
  const outer = ProtoMessage.read(octets);
  const message = messageOf(outer);
  return outer.whole ? message : undefined;
}

function messageOf(outer: ProtoMessage): ServerMessage | undefined {
  const kind = outer.numbers.at(-1);
  if (kind === undefined) return undefined;
  // These two are no messages of their own.
  if (kind === 16) return { t: "token", token: outer.string(16) };
  if (kind === 18) return { t: "pong" };
  const parse = parsers[kind];
  if (!parse) return { t: "other" };
  const m = outer.message(kind);
  return m && parse(m);
}

const parsers: Readonly<Record<number, (m: ProtoMessage) => ServerMessage>> = {
  1: (m) => ({ t: "join", join: joinOf(m) }),
  2: (m) => ({ t: "answer", ...sdpOf(m) }),
  3: (m) => ({ t: "offer", ...sdpOf(m) }),
  4: (m) => ({
    t: "trickle",
    target: m.int(2) === Target.subscriber ? Target.subscriber : Target.publisher,
    candidate: candidateOf(m.string(1)),
  }),
  5: (m) => ({ t: "update", participants: m.messages(1).map(participantOf) }),
  6: (m) => ({ t: "track-published", cid: m.string(1), track: trackOf(m.message(2)) }),
  8: (m) => ({ t: "leave", mayReturn: m.bool(1), reason: m.int(2), action: m.int(3) }),
  9: (m) => ({ t: "mute", sid: m.string(1), muted: m.bool(2) }),
  13: (m) => ({
    t: "streams",
    states: m.messages(1).map((s) => ({ sid: s.string(2), paused: s.int(3) === 1 })),
  }),
  14: (m) => ({ t: "wanted", sid: m.string(1), codecs: wantedOf(m) }),
  15: (m) => ({ t: "permission", sid: m.string(2), allowed: m.bool(3) }),
  17: (m) => ({ t: "track-unpublished", sid: m.string(1) }),
  20: () => ({ t: "pong" }),
  21: (m) => ({ t: "not-subscribed", sid: m.string(1), error: m.int(2) }),
  22: (m) =>
    m.int(2) === 0 ? { t: "other" } : { t: "refused", reason: m.int(2), words: words(m.string(3)) },
  25: (m) => ({ t: "sections", audio: m.int(1), video: m.int(2) }),
};

function joinOf(m: ProtoMessage): JoinInfo {
  const self = m.message(2);
  const permission = self?.message(11);
  return {
    self: participantOf(self),
    may: permission && { subscribe: permission.bool(1), publish: permission.bool(2) },
    others: m.messages(3).map(participantOf),
    iceServers: m.messages(5).slice(0, MAX_ICE_SERVERS).map(iceServerOf),
    pingTimeoutMs: 1000 * m.int(10),
    pingIntervalMs: 1000 * m.int(11),
    alternativeUrl: m.string(7),
    serverVersion: words(m.message(12)?.string(2) || m.string(4)),
  };
}

function iceServerOf(m: ProtoMessage): IceServer {
  const [username, credential] = [m.string(2), m.string(3)];
  return {
    urls: m.strings(1),
    ...(username === "" ? {} : { username }),
    ...(credential === "" ? {} : { credential }),
  };
}

function participantOf(m: ProtoMessage | undefined): ParticipantInfo {
  return {
    sid: m?.string(1) ?? "",
    identity: m?.string(2) ?? "",
    name: m?.string(9) ?? "",
    gone: m?.int(3) === STATE_DISCONNECTED,
    recorder: m?.int(14) === KIND_EGRESS || m?.message(11)?.bool(8) === true,
    tracks: m?.messages(4).map(trackOf) ?? [],
  };
}

function trackOf(m: ProtoMessage | undefined): TrackInfo {
  return {
    sid: m?.string(1) ?? "",
    type: m?.int(2) ?? TrackType.data,
    source: m?.int(9) ?? Source.unknown,
    muted: m?.bool(4) ?? false,
    encrypted: (m?.int(16) ?? 0) !== 0,
  };
}

function sdpOf(m: ProtoMessage): SdpMessage {
  const tracks = new Map(m.messages(4).map((e) => [e.string(1), e.string(2)]));
  return { sdp: m.string(2), id: m.int(3), tracks };
}

/** Servers before 1.6 speak of one codec only, without a name. */
function wantedOf(m: ProtoMessage): WantedQualities[] {
  const enabled = (list: readonly ProtoMessage[]) => list.filter((q) => q.bool(2)).map((q) => q.int(1));
  const codecs = m.messages(3).map((c) => ({
    codec: c
      .string(1)
      .toLowerCase()
      .replace(/^video\//, ""),
    qualities: enabled(c.messages(2)),
  }));
  return codecs.length > 0 ? codecs : [{ codec: "", qualities: enabled(m.messages(2)) }];
}

/** A candidate as browsers write it in JSON. */
function candidateOf(json: string): IceCandidate | undefined {
  let c: { candidate?: unknown; sdpMid?: unknown; sdpMLineIndex?: unknown } | null;
  try {
    c = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (typeof c?.candidate !== "string" || c.candidate === "") return undefined;
  return {
    candidate: c.candidate,
    ...(typeof c.sdpMid === "string" ? { mid: c.sdpMid } : {}),
    ...(typeof c.sdpMLineIndex === "number" ? { index: c.sdpMLineIndex } : {}),
  };
}

/** A server's words, made fit for a terminal. */
export function words(said: string): string {
  return said
    .replace(/[^\x21-\x7e]+/g, " ")
    .trim()
    .slice(0, MAX_WORDS);
}
