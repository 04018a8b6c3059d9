import type { TrackSource } from "../../core/frame.ts";
import type { IceServer, Peer } from "../../core/room.ts";
import { cleanName, roomName } from "./names.ts";

/**
 * The mesh protocol of Roomtap's own rooms: JSON text messages over one WebSocket. The server only relays;
 * media flows between the peers.
 *
 * A newcomer offers to every peer in its `welcome`. Afterwards either side may offer: on a collision the peer
 * with the larger id (by code unit) is the polite one and rolls back. Every connection between two peers has a
 * `link` name, chosen at random by whoever makes the first offer and repeated on everything that belongs to
 * it. An offer with a new name replaces the connection; anything else with a name that is not current is
 * late and ignored; of two first offers that cross, the one of the smaller id wins. A sender that knows no
 * link names leaves the field out and means the current connection.
 */

/** Version of this protocol, sent in `join`. */
export const PROTOCOL_VERSION = 1;

/** Path of the WebSocket endpoint. */
export const SOCKET_PATH = "/ws";

/** Bounds of what either side accepts. Lengths are UTF-16 code units. */
export const limits = {
  /** A message from a client, as text and as bytes: a simulcast offer with many m-lines fits. */
  clientMessage: 128 * 1024,
  /** A message from the server: a welcome to a large room. */
  serverMessage: 1024 * 1024,
  sdp: 120 * 1024,
  candidate: 1024,
  mid: 32,
  mediaEntries: 128,
  id: 64,
  token: 512,
  text: 512,
  peers: 4096,
  iceServers: 16,
  iceUrls: 8,
} as const;

/** WebSocket close codes of the room server. After 4001, 4002, 4003 and 4005 a client does not come back. */
export const CloseCode = {
  /** The client left on purpose. */
  left: 1000,
  /** The server goes away. */
  shutdown: 1001,
  kicked: 4001,
  roomFull: 4002,
  auth: 4003,
  /** Malformed or too many messages, or too slow a reader. */
  protocol: 4004,
  /** Another connection took this seat with its rejoin token. */
  replaced: 4005,
} as const;

/** One of the codes above. */
export type CloseCodeValue = (typeof CloseCode)[keyof typeof CloseCode];

/** Stable names in an `error` message that comes before the close. */
export type RefusalCode =
  | "kicked"
  | "room-full"
  | "server-full"
  | "auth"
  | "malformed"
  | "too-fast"
  | "too-slow"
  | "replaced"
  | "shutdown";

/** Why a peer left: on purpose, its connection did not come back, or it was removed. */
export type LeaveReason = "left" | "lost" | "kicked";

/** What of a peer is muted. */
export type Muted = { readonly audio: boolean; readonly video: boolean };

/** A peer as the server tells it; `muted` once the peer has said so. */
export type PeerInfo = Peer & { readonly muted?: Muted };

/** What a client is and does. */
export type Capabilities = { readonly recorder: boolean; readonly publish: boolean };

/** What an m-line carries, said by its sender. */
export type MediaSource = Exclude<TrackSource, "unknown">;

/** A description; `media` names, by mid, what the sender of this description sends. */
export type SdpSignal = {
  readonly link?: string;
  readonly sdp: { readonly type: "offer" | "answer"; readonly sdp: string };
  readonly media?: Readonly<Record<string, MediaSource>>;
};

/** A trickled candidate; an empty string ends them. */
export type CandidateSignal = {
  readonly link?: string;
  readonly candidate: {
    readonly candidate: string;
    readonly sdpMid?: string;
    readonly sdpMLineIndex?: number;
  };
};

/** The connection is over; the peer stays in the room. */
export type ByeSignal = { readonly link?: string; readonly bye: true };

/** What peers tell each other through the server. */
export type SignalData = SdpSignal | CandidateSignal | ByeSignal;

/** The first message of a client. */
export type JoinMessage = {
  readonly t: "join";
  readonly v: typeof PROTOCOL_VERSION;
  readonly room: string;
  /** Cleaned; empty when the client gave nothing readable. */
  readonly name: string;
  readonly token?: string;
  /**
   * From the last `welcome`: take the old seat back. Where that is not known any more, or never was to a server that
   * has started since, this is a fresh join under the old id.
   */
  readonly rejoin?: string;
  readonly caps: Capabilities;
};

/** From a client. */
export type ClientMessage =
  | JoinMessage
  | { readonly t: "signal"; readonly to: string; readonly data: SignalData }
  | { readonly t: "state"; readonly muted: Muted }
  | { readonly t: "ping" };

/** The answer to `join`. */
export type WelcomeMessage = {
  readonly t: "welcome";
  readonly you: string;
  readonly peers: readonly PeerInfo[];
  readonly ice: readonly IceServer[];
  /** Seconds for which new connections may use `ice`. */
  readonly ttl: number;
  /** Single-use secret for `join.rejoin`; who has it has the id. */
  readonly rejoin: string;
};

/** From the server. */
export type ServerMessage =
  | WelcomeMessage
  | { readonly t: "peer-joined"; readonly peer: PeerInfo }
  | { readonly t: "peer-left"; readonly peer: PeerInfo; readonly reason: LeaveReason }
  | { readonly t: "signal"; readonly from: string; readonly data: SignalData }
  | { readonly t: "state"; readonly from: string; readonly muted: Muted }
  /** Takes the place of the welcome's. */
  | { readonly t: "ice"; readonly ice: readonly IceServer[]; readonly ttl: number }
  | { readonly t: "pong" }
  | { readonly t: "error"; readonly code: string; readonly message: string };

/** A client's message, or undefined when it is malformed, oversized or of another version. Never throws. */
export function parseClientMessage(text: string): ClientMessage | undefined {
  const m = parseObject(text, limits.clientMessage);
  switch (m?.t) {
    case "join":
      return readJoin(m);
    case "signal": {
      const to = bounded(m.to, limits.id);
      const data = readSignal(m.data);
      return to && data ? { t: "signal", to, data } : undefined;
    }
    case "state": {
      const muted = readMuted(m.muted);
      return muted ? { t: "state", muted } : undefined;
    }
    case "ping":
      return { t: "ping" };
    default:
      return undefined;
  }
}

/** A server's message, or undefined when it is malformed or oversized. Never throws. */
export function parseServerMessage(text: string): ServerMessage | undefined {
  const m = parseObject(text, limits.serverMessage);
  switch (m?.t) {
    case "welcome":
      return readWelcome(m);
    case "peer-joined": {
      const peer = readPeer(m.peer);
      return peer ? { t: "peer-joined", peer } : undefined;
    }
    case "peer-left": {
      const peer = readPeer(m.peer);
      const reason = m.reason === "lost" || m.reason === "kicked" ? m.reason : "left";
      return peer ? { t: "peer-left", peer, reason } : undefined;
    }
    case "signal": {
      const from = bounded(m.from, limits.id);
      const data = readSignal(m.data);
      return from && data ? { t: "signal", from, data } : undefined;
    }
    case "state": {
      const from = bounded(m.from, limits.id);
      const muted = readMuted(m.muted);
      return from && muted ? { t: "state", from, muted } : undefined;
    }
    case "ice": {
      const ice = readList(m.ice, limits.iceServers, readIceServer);
      return ice ? { t: "ice", ice, ttl: readTtl(m.ttl) } : undefined;
    }
    case "pong":
      return { t: "pong" };
    case "error": {
      const code = bounded(m.code, limits.id);
      return code ? { t: "error", code, message: bounded(m.message, limits.text) ?? "" } : undefined;
    }
    default:
      return undefined;
  }
}

/** Whether `self` yields when both sides offer at once. */
export function isPolite(self: string, other: string): boolean {
  return self > other;
}

type Fields = { readonly [key: string]: unknown };

function isObject(v: unknown): v is Fields {
  return typeof v === "object" && v !== null && !Array.isArray(v);
}

function parseObject(text: string, maxLength: number): Fields | undefined {
  if (text.length > maxLength) return undefined;
  try {
    const v: unknown = JSON.parse(text);
    return isObject(v) ? v : undefined;
  } catch {
    return undefined;
  }
}

/** A string of 1 to `max` code units. */
function bounded(v: unknown, max: number): string | undefined {
  return typeof v === "string" && v.length > 0 && v.length <= max ? v : undefined;
}

/** Every item read, or undefined when the list is too long or an item is malformed. */
function readList<T>(v: unknown, max: number, read: (item: unknown) => T | undefined): T[] | undefined {
  if (!Array.isArray(v) || v.length > max) return undefined;
  const out: T[] = [];
  for (const item of v) {
    const one = read(item);
    if (one === undefined) return undefined;
    out.push(one);
  }
  return out;
}

function readJoin(m: Fields): JoinMessage | undefined {
  if (m.v !== PROTOCOL_VERSION || typeof m.room !== "string" || typeof m.name !== "string") return undefined;
  const room = roomName(m.room);
  if (room === undefined) return undefined;
  const token = bounded(m.token, limits.token);
  const rejoin = bounded(m.rejoin, limits.token);
  if (token === undefined && m.token !== undefined) return undefined;
  if (rejoin === undefined && m.rejoin !== undefined) return undefined;
  const caps = isObject(m.caps) ? m.caps : {};
  return {
    t: "join",
    v: PROTOCOL_VERSION,
    room,
    name: cleanName(m.name),
    ...(token !== undefined && { token }),
    ...(rejoin !== undefined && { rejoin }),
    caps: { recorder: caps.recorder === true, publish: caps.publish === true },
  };
}

function readWelcome(m: Fields): WelcomeMessage | undefined {
  const you = bounded(m.you, limits.id);
  const rejoin = bounded(m.rejoin, limits.token);
  const peers = readList(m.peers, limits.peers, readPeer);
  const ice = readList(m.ice, limits.iceServers, readIceServer);
  if (!you || !rejoin || !peers || !ice) return undefined;
  return { t: "welcome", you, peers, ice, ttl: readTtl(m.ttl), rejoin };
}

function readTtl(v: unknown): number {
  return typeof v === "number" && v >= 0 ? v : 0;
}

function readPeer(v: unknown): PeerInfo | undefined {
  if (!isObject(v) || typeof v.name !== "string") return undefined;
  const id = bounded(v.id, limits.id);
  if (id === undefined) return undefined;
  const muted = readMuted(v.muted);
  return { id, name: cleanName(v.name), recorder: v.recorder === true, ...(muted && { muted }) };
}

function readMuted(v: unknown): Muted | undefined {
  if (!isObject(v) || typeof v.audio !== "boolean" || typeof v.video !== "boolean") return undefined;
  return { audio: v.audio, video: v.video };
}

function readIceServer(v: unknown): IceServer | undefined {
  if (!isObject(v)) return undefined;
  const list = typeof v.urls === "string" ? [v.urls] : v.urls;
  const urls = readList(list, limits.iceUrls, (u) => {
    const url = bounded(u, limits.text);
    return url !== undefined && /^(stun|turn)s?:/i.test(url) ? url : undefined;
  });
  if (!urls || urls.length === 0) return undefined;
  const username = bounded(v.username, limits.text);
  const credential = bounded(v.credential, limits.text);
  return { urls, ...(username && { username }), ...(credential && { credential }) };
}

function readSignal(v: unknown): SignalData | undefined {
  if (!isObject(v)) return undefined;
  const name = bounded(v.link, limits.id);
  if (name === undefined && v.link !== undefined) return undefined;
  const link = name === undefined ? {} : { link: name };
  if (v.bye === true) return { ...link, bye: true };
  if (isObject(v.sdp)) {
    const sdp = bounded(v.sdp.sdp, limits.sdp);
    const type = v.sdp.type;
    if (sdp === undefined || (type !== "offer" && type !== "answer")) return undefined;
    if (v.media === undefined) return { ...link, sdp: { type, sdp } };
    const media = readMedia(v.media);
    return media && { ...link, sdp: { type, sdp }, media };
  }
  if (isObject(v.candidate)) {
    const candidate = readCandidate(v.candidate);
    return candidate && { ...link, candidate };
  }
  return undefined;
}

function readCandidate(c: Fields): CandidateSignal["candidate"] | undefined {
  if (typeof c.candidate !== "string" || c.candidate.length > limits.candidate) return undefined;
  // The line goes into an SDP: one line only.
  if (/[\r\n\0]/.test(c.candidate)) return undefined;
  const mid = typeof c.sdpMid === "string" && c.sdpMid.length <= limits.mid ? c.sdpMid : undefined;
  const index = c.sdpMLineIndex;
  return {
    candidate: c.candidate,
    ...(mid !== undefined && { sdpMid: mid }),
    ...(typeof index === "number" &&
      Number.isInteger(index) &&
      index >= 0 &&
      index < 65_536 && { sdpMLineIndex: index }),
  };
}

function readMedia(v: unknown): Record<string, MediaSource> | undefined {
  if (!isObject(v)) return undefined;
  const entries = Object.entries(v);
  if (entries.length > limits.mediaEntries) return undefined;
  const known: [string, MediaSource][] = [];
  for (const [mid, source] of entries) {
    if (mid.length > limits.mid) return undefined;
    if (isMediaSource(source)) known.push([mid, source]);
  }
  // fromEntries defines own properties, so that a mid called __proto__ is only a key.
  return Object.fromEntries(known);
}

function isMediaSource(v: unknown): v is MediaSource {
  return v === "camera" || v === "microphone" || v === "screen" || v === "screen-audio";
}
