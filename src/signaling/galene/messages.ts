import type { TrackSource } from "../../core/frame.ts";
import type { IceCandidate, IceServer, LayerWish } from "../../core/room.ts";

/* What goes over a Galene server's WebSocket (its protocol, version 2), without a network. */

/** The one version that is spoken. */
export const PROTOCOL_VERSION = "2";

/** Most ICE servers taken from a server, and characters of its own words. */
const MAX_ICE_SERVERS = 8;
const MAX_WORDS = 160;
const MAX_ID = 256;
const ICE_URL =
  /^(?:stuns?|turns?):(?:\[[0-9a-f:.]+\]|[^:?\s[\]/@#]+)(?::\d{1,5})?(?:\?transport=(?:udp|tcp))?$/i;

/** What a server says, as far as it concerns a bot. */
export type ServerMessage =
  | { readonly t: "handshake"; readonly versions: readonly string[] }
  | { readonly t: "ping" | "pong" }
  | {
      readonly t: "joined";
      readonly kind: "join" | "fail" | "change" | "leave" | "redirect";
      /** Name of an error that programs know. */
      readonly error: string;
      /** The server's words, or an address where a redirect leads. */
      readonly value: string;
      readonly permissions: readonly string[];
      readonly iceServers: readonly IceServer[];
    }
  | {
      readonly t: "user";
      readonly kind: "add" | "change" | "delete";
      readonly id: string;
      readonly username: string;
    }
  | {
      readonly t: "offer";
      readonly id: string;
      readonly sdp: string;
      readonly label: string;
      readonly source: string;
      readonly username: string;
      readonly replace?: string;
    }
  | { readonly t: "answer"; readonly id: string; readonly sdp: string }
  | { readonly t: "ice"; readonly id: string; readonly candidate: IceCandidate }
  | { readonly t: "renegotiate" | "close" | "abort"; readonly id: string }
  /** Of the server itself: other people's are not for us. */
  | { readonly t: "notice"; readonly kind: "kicked" | "error" | "warning" | "info"; readonly value: string }
  /** Chat, and what later versions have. */
  | { readonly t: "other" };

/** What we say. */
export type ClientMessage =
  | { readonly type: "handshake"; readonly version: readonly string[]; readonly id: string }
  | { readonly type: "ping" | "pong" }
  | {
      readonly type: "join";
      readonly kind: "join" | "leave";
      readonly group: string;
      readonly username?: string;
      readonly password?: string;
      readonly token?: string;
    }
  | { readonly type: "request"; readonly request: Readonly<Record<string, readonly string[]>> }
  | { readonly type: "requestStream"; readonly id: string; readonly request: readonly string[] }
  | {
      readonly type: "offer";
      readonly id: string;
      readonly label: string;
      readonly sdp: string;
      readonly replace?: string;
    }
  | { readonly type: "answer"; readonly id: string; readonly sdp: string }
  | { readonly type: "ice"; readonly id: string; readonly candidate: object }
  | { readonly type: "close" | "abort"; readonly id: string };

/** Reads one message; undefined when it is none, or lacks what it needs. Never throws. */
export function parseServerMessage(text: string): ServerMessage | undefined {
  const m = jsonObject(text);
  const id = m && typeof m.id === "string" && m.id.length <= MAX_ID ? m.id : "";
  const type = textOf(m?.type);
  switch (type) {
    case "handshake":
      return { t: "handshake", versions: textsOf(m?.version) };
    case "ping":
    case "pong":
      return { t: type };
    case "joined":
      return joined(m ?? {});
    case "user": {
      const kind = textOf(m?.kind);
      if (id === "" || (kind !== "add" && kind !== "change" && kind !== "delete")) return undefined;
      return { t: "user", kind, id, username: textOf(m?.username) };
    }
    case "offer":
    case "answer": {
      const sdp = textOf(m?.sdp);
      if (id === "" || sdp === "") return undefined;
      if (type === "answer") return { t: "answer", id, sdp };
      const replace = textOf(m?.replace);
      return {
        ...{ t: "offer", id, sdp, label: textOf(m?.label), source: textOf(m?.source) },
        username: textOf(m?.username),
        ...(replace === "" ? {} : { replace }),
      };
    }
    case "ice": {
      const candidate = candidateOf(m?.candidate);
      return id === "" || !candidate ? undefined : { t: "ice", id, candidate };
    }
    case "renegotiate":
    case "close":
    case "abort":
      return id === "" ? undefined : { t: type, id };
    case "usermessage":
      return notice(m ?? {});
    default:
      return type === "" ? undefined : { t: "other" };
  }
}

/** Kinds of media to ask for; `undefined`: of any layer. */
export function requested(layer: LayerWish | undefined): readonly string[] {
  return ["audio", layer === "low" ? "video-low" : "video"];
}

/** What a stream's label says of its pictures. */
export function sourceOf(label: string, kind: "audio" | "video"): TrackSource {
  if (kind === "audio") return "microphone";
  return label === "screenshare" ? "screen" : "camera";
}

/** A server's words on one line, fit for a terminal. */
export function words(text: string): string {
  return text
    .replace(/[^\p{L}\p{N}\p{P}\p{S}]+/gu, " ")
    .trim()
    .slice(0, MAX_WORDS);
}

/** A candidate as the protocol has it (RTCIceCandidateInit). */
export function candidateInit(c: IceCandidate): object {
  return {
    candidate: c.candidate,
    ...(c.mid === undefined ? {} : { sdpMid: c.mid }),
    ...(c.index === undefined ? {} : { sdpMLineIndex: c.index }),
  };
}

type Fields = Readonly<Record<string, unknown>>;

function joined(m: Fields): ServerMessage | undefined {
  const kind = textOf(m.kind);
  switch (kind) {
    case "join":
    case "fail":
    case "change":
    case "leave":
    case "redirect": {
      const { iceServers } = fieldsOf(m.rtcConfiguration);
      return {
        ...{ t: "joined", kind, error: textOf(m.error), value: textOf(m.value) },
        permissions: textsOf(m.permissions),
        iceServers: Array.isArray(iceServers) ? iceServersOf(iceServers) : [],
      };
    }
    default:
      return undefined;
  }
}

/** Only what the server itself says has a meaning for us: it marks that, and puts no sender to it. */
function notice(m: Fields): ServerMessage {
  const kind = textOf(m.kind);
  const own = m.privileged === true && textOf(m.source) === "";
  if (own && (kind === "kicked" || kind === "error" || kind === "warning" || kind === "info"))
    return { t: "notice", kind, value: textOf(m.value) };
  return { t: "other" };
}

function iceServersOf(list: readonly unknown[]): IceServer[] {
  return list.slice(0, MAX_ICE_SERVERS).flatMap((v) => {
    const { urls, username, credential } = fieldsOf(v);
    const good = (typeof urls === "string" ? [urls] : textsOf(urls)).filter((u) => ICE_URL.test(u));
    if (good.length === 0) return [];
    return [
      {
        urls: good,
        ...(typeof username === "string" ? { username } : {}),
        ...(typeof credential === "string" ? { credential } : {}),
      },
    ];
  });
}

function candidateOf(v: unknown): IceCandidate | undefined {
  const { candidate, sdpMid, sdpMLineIndex } = fieldsOf(v);
  if (typeof candidate !== "string") return undefined;
  return {
    candidate,
    ...(typeof sdpMid === "string" ? { mid: sdpMid } : {}),
    ...(typeof sdpMLineIndex === "number" ? { index: sdpMLineIndex } : {}),
  };
}

/** What a group's `.status` says; undefined: it is none. Never throws. */
export type GroupStatus = {
  /** Address of the WebSocket. */
  readonly endpoint: string;
  readonly authServer: boolean;
  /** Another group to go to. */
  readonly redirect?: string;
};

/** See `GroupStatus`. */
export function parseStatus(text: string): GroupStatus | undefined {
  const m = jsonObject(text);
  const endpoint = textOf(m?.endpoint);
  const redirect = textOf(m?.redirect);
  if (!m || textOf(m.name) === "" || (endpoint === "" && redirect === "")) return undefined;
  const authServer = textOf(m.authServer) !== "" || textOf(m.authPortal) !== "";
  return { endpoint, authServer, ...(redirect === "" ? {} : { redirect }) };
}

function jsonObject(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function fieldsOf(v: unknown): Fields {
  return typeof v === "object" && v !== null ? { ...v } : {};
}

function textOf(v: unknown): string {
  return typeof v === "string" ? v : "";
}

function textsOf(v: unknown): string[] {
  return Array.isArray(v) ? v.filter((s) => typeof s === "string") : [];
}
