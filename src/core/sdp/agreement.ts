import { fmtpValue } from "../fmtp.ts";
import type { LocalTrack } from "../room.ts";
import type { MediaSection, SdpCodec } from "./description.ts";
import type { NegotiatedMedia, NegotiatedPayload, NegotiatedSend } from "./negotiated.ts";
import { takenLayers } from "./simulcast.ts";

/** Our stream on an m-line; `layers`: of a simulcast track that we offered. */
export type OwnStream = {
  readonly track: LocalTrack;
  readonly ssrc: number;
  readonly rtxSsrc: number;
  readonly layers: readonly { readonly rid: string; readonly ssrc: number; readonly rtxSsrc: number }[];
};

/** A payload type as both sides have it. */
export function payloadOf(mine: SdpCodec, theirs: SdpCodec): NegotiatedPayload {
  const apt = /(?:^|;)\s*apt=(\d+)/.exec(theirs.fmtp)?.[1];
  return {
    payloadType: mine.payloadType,
    codec: mine.name.toLowerCase(),
    clockRate: mine.clockRate,
    fmtp: theirs.fmtp,
    feedback: mine.feedback.filter((f) => theirs.feedback.includes(f)),
    ...(mine.channels === undefined ? {} : { channels: mine.channels }),
    ...(apt === undefined ? {} : { apt: Number(apt) }),
  };
}

/** Of the formats of a codec, the one with the H.264 profile of what is sent; the first where none has it. */
export function sentFormat<T extends { readonly fmtp: string }>(
  formats: readonly T[],
  track: LocalTrack,
): T | undefined {
  const profileOf = (id: string | undefined) => id?.slice(0, 2).toLowerCase();
  const sent = profileOf(track.profile);
  const same = formats.find((f) => profileOf(fmtpValue(f.fmtp, "profile-level-id")) === sent);
  return (sent === undefined ? undefined : same) ?? formats[0];
}

/** Our stream with the payload type that the other side takes; undefined: it does not take the codec. */
export function negotiatedSend(
  send: OwnStream,
  remote: MediaSection,
  payloads: readonly NegotiatedPayload[],
): NegotiatedSend | undefined {
  const payload = sentFormat(
    payloads.filter((p) => p.codec === send.track.codec),
    send.track,
  );
  if (!payload) return undefined;
  const repair = payloads.find((p) => p.apt === payload.payloadType)?.payloadType;
  const stream = (s: { readonly ssrc: number; readonly rtxSsrc: number }) => ({
    ssrc: s.ssrc,
    ...(repair === undefined ? {} : { rtx: { payloadType: repair, ssrc: s.rtxSsrc } }),
  });
  const rids = takenLayers(
    remote,
    send.layers.map((l) => l.rid),
  );
  const layers = send.layers.filter((l) => rids.includes(l.rid)).map((l) => ({ rid: l.rid, ...stream(l) }));
  return { track: send.track, payload, ...stream(send), ...(layers.length > 0 ? { layers } : {}) };
}

/** The SSRCs that a section names, without those of repairs. */
export function remoteSsrcs(m: MediaSection): NegotiatedMedia["remoteSsrcs"] {
  const rtx = new Map<number, number>();
  for (const g of m.ssrcGroups) {
    const [primary, repair] = g.ssrcs;
    if (g.semantics === "FID" && primary !== undefined && repair !== undefined) rtx.set(primary, repair);
  }
  const repairs = new Set(rtx.values());
  return [...m.ssrcs]
    .filter(([ssrc]) => !repairs.has(ssrc))
    .map(([ssrc, s]) => {
      const repair = rtx.get(ssrc);
      return {
        ssrc,
        ...(repair === undefined ? {} : { rtx: repair }),
        ...(s.cname ? { cname: s.cname } : {}),
      };
    });
}
