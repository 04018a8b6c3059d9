import type { MediaKind, TrackSource } from "../../core/frame.ts";
import type { LocalTrack, Peer, RemoteTrack } from "../../core/room.ts";
import type {
  NegotiatedMedia,
  NegotiatedPayload,
  NegotiatedSend,
  NegotiatedStream,
} from "../../core/sdp/negotiated.ts";
import { defined } from "../../core/stats/defined.ts";

/*
 * Values of a table that somebody may have written by hand: each reader gives the value, or undefined where it is
 * not one.
 */

/** All fields of a type, unknown ones too: a field that is added to the type must be read here as well. */
type All<T> = { readonly [K in keyof Required<T>]: T[K] | undefined };

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
  const send = readSend(f.send);
  if (f.send !== undefined && !send) return undefined;
  const all = {
    mid,
    kind,
    receiving: f.receiving === true,
    send,
    payloads,
    extensions,
    remoteSsrcs,
    remoteRids,
    remoteMsid: readMsid(f.remoteMsid),
    rtcpRsize: f.rtcpRsize === true,
  } satisfies All<NegotiatedMedia>;
  return defined(all);
}

function readPayload(v: unknown): NegotiatedPayload | undefined {
  const f = fields(v);
  const payloadType = count(f?.payloadType, 127);
  const codec = text(f?.codec);
  const clockRate = count(f?.clockRate, 1e9);
  const fmtp = text(f?.fmtp);
  const feedback = list(f?.feedback, text);
  if (payloadType === undefined || codec === undefined || fmtp === undefined || !feedback) return undefined;
  if (clockRate === undefined || clockRate === 0) return undefined;
  const all = {
    payloadType,
    codec,
    clockRate,
    channels: count(f?.channels, 255),
    fmtp,
    feedback,
    apt: count(f?.apt, 127),
  } satisfies All<NegotiatedPayload>;
  return defined(all);
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

type RemoteSsrc = NegotiatedMedia["remoteSsrcs"][number];

function readSsrc(v: unknown): RemoteSsrc | undefined {
  const f = fields(v);
  const ssrc = readSsrcNumber(f?.ssrc);
  if (ssrc === undefined) return undefined;
  return defined({ ssrc, rtx: readSsrcNumber(f?.rtx), cname: text(f?.cname) } satisfies All<RemoteSsrc>);
}

function readSsrcNumber(v: unknown): number | undefined {
  return count(v, 0xffffffff);
}

function readMsid(v: unknown): NegotiatedMedia["remoteMsid"] {
  const f = fields(v);
  const stream = text(f?.stream);
  const track = text(f?.track);
  return stream === undefined || track === undefined ? undefined : { stream, track };
}

function readSend(v: unknown): NegotiatedSend | undefined {
  const f = fields(v);
  const stream = readStream(v);
  const track = readLocalTrack(f?.track);
  const payload = readPayload(f?.payload);
  if (!f || !stream || !track || !payload) return undefined;
  const all = {
    ssrc: stream.ssrc,
    rtx: stream.rtx,
    track,
    payload,
    layers: list(f.layers, readLayer),
  } satisfies All<NegotiatedSend>;
  return defined(all);
}

function readStream(v: unknown): NegotiatedStream | undefined {
  const f = fields(v);
  const ssrc = readSsrcNumber(f?.ssrc);
  if (ssrc === undefined) return undefined;
  const repair = fields(f?.rtx);
  const payloadType = count(repair?.payloadType, 127);
  const repairSsrc = readSsrcNumber(repair?.ssrc);
  const known = payloadType !== undefined && repairSsrc !== undefined;
  const rtx = known ? { payloadType, ssrc: repairSsrc } : undefined;
  return defined({ ssrc, rtx } satisfies All<NegotiatedStream>);
}

function readLayer(v: unknown): (NegotiatedStream & { readonly rid: string }) | undefined {
  const stream = readStream(v);
  const rid = text(fields(v)?.rid);
  return stream && rid !== undefined ? { ...stream, rid } : undefined;
}

function readLocalTrack(v: unknown): LocalTrack | undefined {
  const f = fields(v);
  const id = text(f?.id);
  const kind = oneOf(f?.kind, kinds);
  const source = oneOf(f?.source, sources);
  const codec = text(f?.codec);
  if (id === undefined || kind === undefined || source === undefined || codec === undefined) return undefined;
  const profile = text(f?.profile);
  const all = { id, kind, source, codec, profile, layers: list(f?.layers, text) } satisfies All<LocalTrack>;
  return defined(all);
}
