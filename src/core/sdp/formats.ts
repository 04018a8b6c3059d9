import { fmtpValue } from "../fmtp.ts";
import type { MediaKind } from "../frame.ts";
import {
  audioFeedback,
  audioOnlyExtensions,
  type Capability,
  knownExtensions,
  videoFeedback,
  videoOnlyExtensions,
} from "./capabilities.ts";
import type { MediaSection, SdpCodec, SdpExtension } from "./description.ts";

/** Largest id of the one-byte header form (RFC 8285 section 4.2); 15 is reserved. */
const MAX_ONE_BYTE_ID = 14;

/**
 * Payload types and extension ids in use on one bundle. Inside a bundle a number means one thing only
 * (RFC 9143 sections 7.3 and 9.2), so what the other side chose first is kept for m-lines that we add.
 */
export class PayloadTypes {
  readonly #byFormat = new Map<string, number>();
  readonly #used = new Set<number>();
  readonly #extensionIds = new Map<string, number>();
  readonly #usedExtensions = new Set<number>();

  /** Takes over the numbers of a remote section. */
  learn(m: MediaSection): void {
    for (const c of m.codecs) {
      this.#byFormat.set(formatKey(c.name, c.clockRate, c.fmtp), c.payloadType);
      this.#used.add(c.payloadType);
    }
    for (const e of m.extensions) {
      this.#extensionIds.set(e.uri, e.id);
      this.#usedExtensions.add(e.id);
    }
  }

  /** The number for a format: the one in use, else `preferred` where free, else any dynamic one. */
  payloadType(name: string, clockRate: number, fmtp: string, preferred: number): number {
    const key = formatKey(name, clockRate, fmtp);
    const known = this.#byFormat.get(key);
    if (known !== undefined) return known;
    let pt = preferred;
    // RFC 5761 section 4 keeps 64..95 for RTCP; 96..127 and then 35..63 are dynamic.
    for (let i = 96; this.#used.has(pt) && i !== 64; i = i === 127 ? 35 : i + 1) pt = i;
    this.#byFormat.set(key, pt);
    this.#used.add(pt);
    return pt;
  }

  /** The id for an extension: the one in use, else the lowest free that fits the one-byte form, if any. */
  extensionId(uri: string): number | undefined {
    const known = this.#extensionIds.get(uri);
    if (known !== undefined) return known;
    let id = 1;
    while (this.#usedExtensions.has(id)) id++;
    if (id > MAX_ONE_BYTE_ID) return undefined;
    this.#extensionIds.set(uri, id);
    this.#usedExtensions.add(id);
    return id;
  }
}

/** RTX is keyed by the payload type it repairs, H.264 by profile and packetization mode, others by name and profile. */
function formatKey(name: string, clockRate: number, fmtp: string): string {
  const lower = name.toLowerCase();
  if (lower === "rtx") return `rtx/${fmtpValue(fmtp, "apt") ?? ""}`;
  if (lower !== "h264") return `${lower}/${clockRate}/${bitstreamProfile(lower, fmtp)}`;
  const profile = (fmtpValue(fmtp, "profile-level-id") ?? "42e01f").slice(0, 4).toLowerCase();
  return `h264/${profile}/${fmtpValue(fmtp, "packetization-mode") ?? "0"}`;
}

/** Codecs for an m-line of our own offer; `only` restricts it to one codec (a send-only line). */
export function offerCodecs(
  kind: MediaKind,
  capabilities: readonly Capability[],
  types: PayloadTypes,
  only: string | undefined,
): SdpCodec[] {
  const out: SdpCodec[] = [];
  for (const c of capabilities) {
    if (c.kind !== kind || (only !== undefined && c.name.toLowerCase() !== only)) continue;
    if (c.payloadType === undefined) continue;
    const payloadType = types.payloadType(c.name, c.clockRate, c.fmtp, c.payloadType);
    out.push({
      payloadType,
      name: c.name,
      clockRate: c.clockRate,
      fmtp: c.fmtp,
      feedback: kind === "video" ? videoFeedback : audioFeedback,
      ...(c.channels === undefined ? {} : { channels: c.channels }),
    });
    if (c.rtxPayloadType === undefined) continue;
    const fmtp = `apt=${payloadType}`;
    const rtx = types.payloadType("rtx", c.clockRate, fmtp, c.rtxPayloadType);
    out.push({ payloadType: rtx, name: "rtx", clockRate: c.clockRate, fmtp, feedback: [] });
  }
  return out;
}

/** Codecs of the remote offer that we can take, with their retransmissions: in its order, video that we never offer last. */
export function answerCodecs(m: MediaSection, capabilities: readonly Capability[]): SdpCodec[] {
  const ours = m.kind === "video" ? videoFeedback : audioFeedback;
  const taken = new Set<number>();
  const out: SdpCodec[] = [];
  const behind: SdpCodec[] = [];
  for (const c of m.codecs) {
    const name = c.name.toLowerCase();
    const known = capabilities.find(
      (k) =>
        k.kind === m.kind &&
        k.name.toLowerCase() === name &&
        k.clockRate === c.clockRate &&
        bitstreamProfile(name, k.fmtp) === bitstreamProfile(name, c.fmtp),
    );
    if (!known || isInterleaved(name, c.fmtp)) continue;
    // Copies of a codec that is not taken are of no use. RED may stand before the codec inside.
    if (name === "red" && !m.codecs.some((x) => x.name.toLowerCase() === "opus" && repeats(c.fmtp, x)))
      continue;
    taken.add(c.payloadType);
    const fmtp = name === "opus" ? known.fmtp : name === "h264" ? withOurLevel(c.fmtp) : c.fmtp;
    const codec = { ...c, fmtp, feedback: c.feedback.filter((f) => ours.includes(f)) };
    (known.payloadType === undefined && m.kind === "video" ? behind : out).push(codec);
  }
  out.push(...behind);
  for (const c of m.codecs) {
    if (c.name.toLowerCase() === "rtx" && taken.has(Number(fmtpValue(c.fmtp, "apt")))) out.push(c);
  }
  return out;
}

/** RED of this fmtp carries packets of `c`. */
function repeats(fmtp: string, c: SdpCodec): boolean {
  return fmtp === "" || fmtp.split("/").every((pt) => Number(pt) === c.payloadType);
}

/** Profile of VP9 (RFC 9628 section 6.1) and AV1, 0 where nothing is said. Of others any profile is taken. */
function bitstreamProfile(name: string, fmtp: string): string {
  if (name === "vp9") return fmtpValue(fmtp, "profile-id") ?? "0";
  if (name === "av1") return fmtpValue(fmtp, "profile") ?? "0";
  return "";
}

/** H.264 whose packets come in another order than their pictures (RFC 6184 section 6.4): nobody sends it. */
function isInterleaved(name: string, fmtp: string): boolean {
  return name === "h264" && fmtpValue(fmtp, "packetization-mode") === "2";
}

/**
 * An answer repeats profile and mode of an H.264 offer; the level is ours to say where asymmetry is allowed
 * (RFC 6184 section 8.2.2): 5.2, so that senders are not held to the 720p of the usual 3.1.
 */
function withOurLevel(fmtp: string): string {
  if (fmtpValue(fmtp, "level-asymmetry-allowed") !== "1") return fmtp;
  return fmtp.replace(/(profile-level-id=[0-9a-f]{4})[0-9a-f]{2}/i, (_, profile: string) => `${profile}34`);
}

/** Extensions for an m-line of our own offer. */
export function offerExtensions(kind: MediaKind, types: PayloadTypes): SdpExtension[] {
  const wrong = kind === "video" ? audioOnlyExtensions : videoOnlyExtensions;
  return knownExtensions.flatMap((uri) => {
    const id = wrong.has(uri) ? undefined : types.extensionId(uri);
    return id === undefined ? [] : [{ id, uri }];
  });
}

/** Extensions of the remote offer that we read or write. */
export function answerExtensions(m: MediaSection): SdpExtension[] {
  return m.extensions.filter((e) => knownExtensions.includes(e.uri));
}
