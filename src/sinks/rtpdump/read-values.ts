import type { MediaKind, TrackSource } from "../../core/frame.ts";
import type { LocalTrack, Peer, RemoteTrack } from "../../core/room.ts";
import type { NegotiatedMedia, NegotiatedPayload, NegotiatedSend } from "../../core/sdp/negotiated.ts";

/*
 * Values of a table that somebody may have written by hand: each reader gives the value, or undefined where it is
 * not one.
 */

/** A JSON object. */
export type Fields = Readonly<Record<string, unknown>>;

/** More than any description that came over the signalling can hold. */
const MAX_TEXT = 1_000_000;
const MAX_LIST = 100_000;
const kinds: readonly MediaKind[] = ["audio", "video"];
const sources: readonly TrackSource[] = ["camera", "microphone", "screen", "screen-audio", "unknown"];

/** An object that is no list. */
export function fields(v: unknown): Fields | undefined {
  return typeof v === "object" && v !== null && !Array.isArray(v) ? (v as Fields) : undefined;
}

/** A text of bounded length. */
export function text(v: unknown): string | undefined {
  return typeof v === "string" && v.length <= MAX_TEXT ? v : undefined;
}

/** A whole number from 0 to `max`. */
export function count(v: unknown, max = Number.MAX_SAFE_INTEGER): number | undefined {
  return typeof v === "number" && Number.isSafeInteger(v) && v >= 0 && v <= max ? v : undefined;
}

/** One of some texts. */
export function oneOf<T extends string>(v: unknown, known: readonly T[]): T | undefined {
  return known.find((k) => k === v);
}

/** A list of bounded length, all of its entries readable. */
export function list<T>(v: unknown, read: (item: unknown) => T | undefined): T[] | undefined {
  if (!Array.isArray(v) || v.length > MAX_LIST) return undefined;
  const out: T[] = [];
  for (const item of v) {
    const value = read(item);
    if (value === undefined) return undefined;
    out.push(value);
  }
  return out;
}

/** A participant. */
export function readPeer(v: unknown): Peer | undefined {
  const f = fields(v);
  const id = text(f?.id);
  const name = text(f?.name);
  if (id === undefined || name === undefined || typeof f?.recorder !== "boolean") return undefined;
  return { id, name, recorder: f.recorder };
}

/** A participant's track. */
export function readTrack(v: unknown): RemoteTrack | undefined {
  const f = fields(v);
  const id = text(f?.id);
  const peerId = text(f?.peerId);
  const kind = oneOf(f?.kind, kinds);
  const source = oneOf(f?.source, sources);
  const linkId = text(f?.linkId);
  const mid = text(f?.mid);
  if (id === undefined || peerId === undefined || kind === undefined) return undefined;
  if (source === undefined || linkId === undefined || mid === undefined) return undefined;
  return { id, peerId, kind, source, linkId, mid };
}

/** What was agreed on an m-line. */
export function readMedia(v: unknown): NegotiatedMedia | undefined {
  const f = fields(v);
  const mid = text(f?.mid);
  const kind = oneOf(f?.kind, kinds);
  const payloads = list(f?.payloads, readPayload);
  const extensions = readExtensions(f?.extensions);
  const remoteSsrcs = list(f?.remoteSsrcs, readSsrc);
  const remoteRids = list(f?.remoteRids, text);
  if (!f || mid === undefined || kind === undefined || !payloads || !extensions) return undefined;
  if (!remoteSsrcs || !remoteRids) return undefined;
  const send = f.send === undefined ? undefined : readSend(f.send);
  const remoteMsid = readMsid(f.remoteMsid);
  if (f.send !== undefined && !send) return undefined;
  return {
    mid,
    kind,
    receiving: f.receiving === true,
    ...(send ? { send } : {}),
    payloads,
    extensions,
    remoteSsrcs,
    remoteRids,
    ...(remoteMsid ? { remoteMsid } : {}),
    rtcpRsize: f.rtcpRsize === true,
  };
}

function readPayload(v: unknown): NegotiatedPayload | undefined {
  const f = fields(v);
  const payloadType = count(f?.payloadType, 127);
  const codec = text(f?.codec);
  const clockRate = count(f?.clockRate, 1e9);
  const fmtp = text(f?.fmtp);
  const feedback = list(f?.feedback, text);
  const channels = count(f?.channels, 255);
  const apt = count(f?.apt, 127);
  if (payloadType === undefined || codec === undefined || fmtp === undefined || !feedback) return undefined;
  if (clockRate === undefined || clockRate === 0) return undefined;
  return {
    payloadType,
    codec,
    clockRate,
    ...(channels === undefined ? {} : { channels }),
    fmtp,
    feedback,
    ...(apt === undefined ? {} : { apt }),
  };
}

function readExtensions(v: unknown): Map<number, string> | undefined {
  const f = fields(v);
  if (!f) return undefined;
  const out = new Map<number, string>();
  for (const [key, value] of Object.entries(f)) {
    const id = count(Number(key), 255);
    const uri = text(value);
    if (id === undefined || uri === undefined) return undefined;
    out.set(id, uri);
  }
  return out;
}

function readSsrc(v: unknown): NegotiatedMedia["remoteSsrcs"][number] | undefined {
  const f = fields(v);
  const ssrc = count(f?.ssrc, 0xffffffff);
  const rtx = count(f?.rtx, 0xffffffff);
  const cname = text(f?.cname);
  if (ssrc === undefined) return undefined;
  return { ssrc, ...(rtx === undefined ? {} : { rtx }), ...(cname === undefined ? {} : { cname }) };
}

function readMsid(v: unknown): NegotiatedMedia["remoteMsid"] {
  const f = fields(v);
  const stream = text(f?.stream);
  const track = text(f?.track);
  return stream === undefined || track === undefined ? undefined : { stream, track };
}

function readSend(v: unknown): NegotiatedSend | undefined {
  const f = fields(v);
  const track = readLocalTrack(f?.track);
  const ssrc = count(f?.ssrc, 0xffffffff);
  const payload = readPayload(f?.payload);
  if (!f || !track || ssrc === undefined || !payload) return undefined;
  const rtx = fields(f.rtx);
  const payloadType = count(rtx?.payloadType, 127);
  const repair = count(rtx?.ssrc, 0xffffffff);
  const repaired = payloadType !== undefined && repair !== undefined;
  return { track, ssrc, payload, ...(repaired ? { rtx: { payloadType, ssrc: repair } } : {}) };
}

function readLocalTrack(v: unknown): LocalTrack | undefined {
  const f = fields(v);
  const id = text(f?.id);
  const kind = oneOf(f?.kind, kinds);
  const source = oneOf(f?.source, sources);
  const codec = text(f?.codec);
  if (id === undefined || kind === undefined || source === undefined || codec === undefined) return undefined;
  return { id, kind, source, codec };
}
