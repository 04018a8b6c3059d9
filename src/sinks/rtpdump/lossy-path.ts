import { putU16, putU32 } from "../../core/bytes.ts";
import { Netem, type NetworkProfile, perfectNetwork } from "../../core/net-emulator.ts";
import type { Random } from "../../core/random.ts";
import { emptyRtpView, isRtcp, parseRtp } from "../../core/rtp/packet.ts";
import { parseRtcp } from "../../core/rtp/rtcp/parse.ts";
import type { NegotiatedMedia } from "../../core/sdp/negotiated.ts";
import { type Millis, millis } from "../../core/time.ts";

/** Senders keep what they sent for about this long. */
const HISTORY_MS = 2000;
/** Octets of the original sequence number (RFC 4588 section 4). */
const OSN = 2;
/** Marks a packet of the dump on its way through the emulator; it arrives at once or never. */
const HERE = true;

/** How the path treats a dump. */
export type LossyPathOptions = {
  /** Share of the media packets that it drops, 0..1; repairs are dropped as often. */
  readonly loss: number;
  readonly random: Random;
  /** A repair comes this long after it was asked for. */
  readonly rttMs: number;
  /** The sender repairs what is asked for. */
  readonly retransmit: boolean;
};

/** A packet that arrives. */
export type Arrival = { readonly link: string; readonly bytes: Uint8Array };

type Lost = { readonly bytes: Uint8Array; readonly at: number; repairDue: number };
type Flight = Arrival & { readonly at: number };

/** Where the repairs of a stream go: what was negotiated for them. */
type Repair = { readonly payloadType: number; readonly ssrc: number };

/**
 * A worse network in front of a replay. Media packets of the dump are dropped by chance; where the receiver asks
 * for them, the sender's part is played: each comes a round trip later, as RTX where that was agreed. Repairs and
 * reports of the dump itself pass. The same seed and dump give the same network.
 */
export class LossyPath {
  readonly #o: LossyPathOptions;
  readonly #net: Netem<typeof HERE>;
  readonly #media = new Map<string, readonly NegotiatedMedia[]>();
  /** By link, SSRC and sequence number, oldest first. */
  readonly #lost = new Map<string, Lost>();
  /** Repairs on their way, in order: they all take the same time. */
  readonly #flying: Flight[] = [];
  readonly #numbers = new Map<number, number>();
  readonly #view = emptyRtpView();
  #repaired = 0;

  constructor(o: LossyPathOptions) {
    this.#o = o;
    const profile: NetworkProfile = { ...perfectNetwork, loss: { ...perfectNetwork.loss, good: o.loss } };
    this.#net = new Netem(profile, o.random);
  }

  /** Packets dropped, first-time and repairs; repairs that arrived. */
  get counts(): { readonly dropped: number; readonly repaired: number } {
    return { dropped: this.#net.dropped, repaired: this.#repaired };
  }

  /** When the next repair arrives. */
  get deadline(): Millis | undefined {
    const first = this.#flying[0];
    return first && millis(first.at);
  }

  /** What was agreed on a link. */
  configure(link: string, media: readonly NegotiatedMedia[]): void {
    this.#media.set(link, media);
  }

  /** A packet of the dump. False: it is lost. */
  passes(link: string, bytes: Uint8Array, now: Millis): boolean {
    const v = this.#view;
    if (isRtcp(bytes) || !parseRtp(bytes, v) || this.#isRepair(link, v.payloadType)) return true;
    if (this.#survives(bytes.length, now)) return true;
    this.#expire(now);
    const lost = { bytes, at: now, repairDue: Number.NEGATIVE_INFINITY };
    if (this.#o.retransmit) this.#lost.set(key(link, v.ssrc, v.seq), lost);
    return false;
  }

  /** What the receiver sends back. */
  onRtcp(link: string, rtcp: Uint8Array, now: Millis): void {
    for (const p of parseRtcp(rtcp).packets) {
      if (p.type !== "nack") continue;
      for (const seq of p.seqs) this.#repair(link, key(link, p.media, seq), now);
    }
  }

  /** The next repair that has arrived by `now`. */
  poll(now: Millis): Arrival | undefined {
    const first = this.#flying[0];
    if (!first || first.at > now) return undefined;
    this.#repaired++;
    return this.#flying.shift();
  }

  #repair(link: string, lostKey: string, now: Millis): void {
    const lost = this.#lost.get(lostKey);
    if (!lost || now < lost.repairDue || now - lost.at > HISTORY_MS) return;
    const at = now + Math.max(1, this.#o.rttMs);
    // A sender that is asked again within a round trip does not send again.
    lost.repairDue = at;
    const bytes = this.#retransmission(link, lost.bytes);
    if (!this.#survives(bytes.length, now)) return;
    this.#flying.push({ link, bytes, at });
    this.#lost.delete(lostKey);
  }

  #survives(octets: number, now: Millis): boolean {
    this.#net.push({ item: HERE, bytes: octets }, now);
    return this.#net.poll(now) === HERE;
  }

  /** As RTX (RFC 4588), or the same packet once more. */
  #retransmission(link: string, bytes: Uint8Array): Uint8Array {
    const v = this.#view;
    if (!parseRtp(bytes, v)) return bytes.slice();
    const rtx = this.#repairOf(link, v.payloadType, v.ssrc);
    if (!rtx) return bytes.slice();
    const number = this.#numbers.get(rtx.ssrc) ?? 0;
    this.#numbers.set(rtx.ssrc, (number + 1) & 0xffff);
    const out = new Uint8Array(v.payloadEnd + OSN);
    out.set(bytes.subarray(0, v.payloadOffset));
    putU16(out, v.payloadOffset, v.seq);
    out.set(bytes.subarray(v.payloadOffset, v.payloadEnd), v.payloadOffset + OSN);
    // Without the padding.
    out[0] = (out[0] ?? 0) & ~0x20;
    out[1] = (v.marker ? 0x80 : 0) | rtx.payloadType;
    putU16(out, 2, number);
    putU32(out, 8, rtx.ssrc);
    return out;
  }

  #isRepair(link: string, payloadType: number): boolean {
    const media = this.#media.get(link) ?? [];
    return media.some((m) => m.payloads.some((p) => p.payloadType === payloadType && p.apt !== undefined));
  }

  #repairOf(link: string, payloadType: number, ssrc: number): Repair | undefined {
    for (const m of this.#media.get(link) ?? []) {
      const repair = m.remoteSsrcs.find((s) => s.ssrc === ssrc)?.rtx;
      const format = m.payloads.find((p) => p.apt === payloadType);
      if (repair !== undefined && format) return { payloadType: format.payloadType, ssrc: repair };
    }
    return undefined;
  }

  #expire(now: Millis): void {
    for (const [k, lost] of this.#lost) {
      if (now - lost.at <= HISTORY_MS) break;
      this.#lost.delete(k);
    }
  }
}

function key(link: string, ssrc: number, seq: number): string {
  return `${link}/${ssrc}/${seq}`;
}
