import type { MediaKind } from "../../core/frame.ts";
import type { Description, IceCandidate } from "../../core/room.ts";
import type { JanusId } from "./target.ts";

/**
 * What a Janus server says (Janus WebSocket API, VideoRoom plugin of the 1.x series), as far as it matters here. Requests
 * are plain objects; answers are read with suspicion: what does not fit is left out, or nothing.
 */

/** A stream that a publisher offers. */
export type PublishedStream = {
  readonly mid: string;
  readonly kind: MediaKind;
  /** The publisher's own words. */
  readonly description?: string;
};

/** Somebody who publishes. */
export type Publisher = {
  readonly id: JanusId;
  readonly display: string;
  readonly streams: readonly PublishedStream[];
};

/** An m-line of a subscription, as the server fills it now. */
export type SubscribedStream = {
  readonly mid: string;
  readonly kind: MediaKind;
  /** Something is sent on it. */
  readonly active: boolean;
  readonly feed?: JanusId;
  readonly feedMid?: string;
};

/** What the VideoRoom says. */
export type RoomData = {
  /** Value of `videoroom`: joined, attached, updated, started, event, destroyed... */
  readonly kind: string;
  readonly error?: { readonly code: number; readonly text: string };
  readonly id?: JanusId;
  readonly privateId?: number;
  readonly publishers: readonly Publisher[];
  /** People in the room who do not publish, or have just come; of rooms that tell. */
  readonly attendees: readonly { readonly id: JanusId; readonly display: string }[];
  /** Somebody's id, or "ok" when it is us. */
  readonly leaving?: JanusId;
  readonly unpublished?: JanusId;
  readonly kicked?: JanusId;
  readonly reason?: string;
  /** The whole list, where there is one. */
  readonly streams?: readonly SubscribedStream[];
};

/** One message of the server. */
export type JanusMessage = {
  /** Value of `janus`. */
  readonly type: string;
  readonly transaction?: string;
  /** Handle that it is about. */
  readonly sender?: number;
  readonly error?: { readonly code: number; readonly text: string };
  /** Id that was made. */
  readonly id?: number;
  readonly data?: RoomData;
  readonly jsep?: Description;
  /** `trickle`: a candidate. */
  readonly candidate?: IceCandidate;
  /** `hangup`: why. */
  readonly reason?: string;
};

/** Of one message, octets. */
export const MAX_MESSAGE = 1 << 20;
/** People and streams of one message; more is an attack. */
const MAX_LIST = 1000;
const MAX_TEXT = 300;

/** Reads a message; undefined: it is none. */
export function parseJanus(text: string): JanusMessage | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const m = record(value);
  const type = str(m?.janus);
  if (!m || type === undefined) return undefined;
  const error = errorOf(record(m.error)?.code, record(m.error)?.reason);
  const jsep = record(m.jsep);
  const sdp = typeof jsep?.sdp === "string" ? jsep.sdp : undefined;
  const sdpType = jsep?.type === "offer" || jsep?.type === "answer" ? jsep.type : undefined;
  const plugin = record(record(m.plugindata)?.data);
  return {
    type,
    ...opt("transaction", str(m.transaction)),
    ...opt("sender", num(m.sender)),
    ...opt("error", type === "error" ? (error ?? { code: 0, text: "no reason" }) : undefined),
    ...opt("id", num(record(m.data)?.id)),
    ...opt("data", plugin && roomData(plugin)),
    ...(sdp !== undefined && sdpType !== undefined ? { jsep: { type: sdpType, sdp } } : {}),
    ...opt("candidate", type === "trickle" ? candidateOf(m.candidate) : undefined),
    ...opt("reason", str(m.reason)),
  };
}

function roomData(d: Record<string, unknown>): RoomData {
  const joining = record(d.joining);
  return {
    kind: str(d.videoroom) ?? "",
    ...opt("error", errorOf(d.error_code, d.error)),
    ...opt("id", id(d.id)),
    ...opt("privateId", num(d.private_id)),
    publishers: list(d.publishers).flatMap(publisher),
    attendees: [...list(d.attendees), ...(joining ? [joining] : [])].flatMap((a) => {
      const who = id(a.id);
      return who === undefined ? [] : [{ id: who, display: str(a.display) ?? "" }];
    }),
    ...opt("leaving", id(d.leaving)),
    ...opt("unpublished", id(d.unpublished)),
    ...opt("kicked", id(d.kicked)),
    ...opt("reason", str(d.reason)),
    ...opt("streams", Array.isArray(d.streams) ? list(d.streams).flatMap(subscribed) : undefined),
  };
}

function publisher(p: Record<string, unknown>): Publisher[] {
  const who = id(p.id);
  if (who === undefined) return [];
  const streams = list(p.streams).flatMap((s): PublishedStream[] => {
    const [mid, kind] = [str(s.mid), kindOf(s.type)];
    if (mid === undefined || kind === undefined || s.disabled === true) return [];
    return [{ mid, kind, ...opt("description", str(s.description)) }];
  });
  return [{ id: who, display: str(p.display) ?? "", streams }];
}

function subscribed(s: Record<string, unknown>): SubscribedStream[] {
  const [mid, kind] = [str(s.mid), kindOf(s.type)];
  if (mid === undefined || kind === undefined) return [];
  return [
    {
      ...{ mid, kind, active: s.active === true },
      ...opt("feed", id(s.feed_id)),
      ...opt("feedMid", str(s.feed_mid)),
    },
  ];
}

function candidateOf(v: unknown): IceCandidate | undefined {
  const c = record(v);
  const candidate = typeof c?.candidate === "string" ? c.candidate.replace(/^a=/, "") : undefined;
  if (candidate === undefined) return undefined;
  return { candidate, ...opt("mid", str(c?.sdpMid)), ...opt("index", num(c?.sdpMLineIndex)) };
}

function errorOf(code: unknown, text: unknown): { code: number; text: string } | undefined {
  const n = num(code);
  return n === undefined ? undefined : { code: n, text: str(text) ?? "no reason" };
}

function kindOf(v: unknown): MediaKind | undefined {
  return v === "audio" || v === "video" ? v : undefined;
}

function id(v: unknown): JanusId | undefined {
  return num(v) ?? str(v);
}

function num(v: unknown): number | undefined {
  return typeof v === "number" && Number.isSafeInteger(v) && v >= 0 ? v : undefined;
}

function str(v: unknown): string | undefined {
  return typeof v === "string" ? v.slice(0, MAX_TEXT) : undefined;
}

function record(v: unknown): Record<string, unknown> | undefined {
  return typeof v === "object" && v !== null && !Array.isArray(v)
    ? (v as Record<string, unknown>)
    : undefined;
}

function list(v: unknown): Record<string, unknown>[] {
  return Array.isArray(v)
    ? v
        .slice(0, MAX_LIST)
        .map(record)
        .filter((x) => x !== undefined)
    : [];
}

function opt<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}
