import { vp8 } from "../../../src/core/codecs/vp8.ts";
import { FaultCounter } from "../../../src/core/fault.ts";
import type { MediaPacket } from "../../../src/core/media/assembled-frame.ts";
import { ConnectionReceiver } from "../../../src/core/media/connection-receiver.ts";
import { seededRandom } from "../../../src/core/random.ts";
import { ExtensionUri } from "../../../src/core/rtp/extensions.ts";
import { buildRtp, type ExtensionElement } from "../../../src/core/rtp/packet.ts";
import { buildDlrr } from "../../../src/core/rtp/rtcp/build.ts";
import type { RtcpPacket } from "../../../src/core/rtp/rtcp/packet.ts";
import { parseRtcp } from "../../../src/core/rtp/rtcp/parse.ts";
import type { NegotiatedMedia } from "../../../src/core/sdp/negotiated.ts";
import { millis } from "../../../src/core/time.ts";
import { Sender, vp8Frame } from "./stream.ts";

export const SSRC = 0x11;
export const RTX_SSRC = 0x22;
export const PAYLOAD_TYPE = 96;
export const RTX_PAYLOAD_TYPE = 97;
/** Ids of the header extensions. */
export const ids = { mid: 4, rid: 10, repairedRid: 11 };
const START = 1000;

/** A video m-line with RTX, as negotiated. */
export function videoSection(o: Partial<NegotiatedMedia> = {}): NegotiatedMedia {
  const feedback = ["nack", "nack pli"];
  return {
    mid: "v",
    kind: "video",
    receiving: true,
    payloads: [
      { payloadType: PAYLOAD_TYPE, codec: "vp8", clockRate: 90_000, fmtp: "", feedback },
      {
        ...{ payloadType: RTX_PAYLOAD_TYPE, codec: "rtx", clockRate: 90_000, fmtp: "apt=96" },
        ...{ feedback: [], apt: PAYLOAD_TYPE },
      },
    ],
    extensions: new Map([
      [ids.mid, ExtensionUri.mid],
      [ids.rid, ExtensionUri.rid],
      [ids.repairedRid, ExtensionUri.repairedRid],
    ]),
    remoteSsrcs: [{ ssrc: SSRC, rtx: RTX_SSRC }],
    remoteRids: [],
    rtcpRsize: false,
    ...o,
  };
}

/** An RTP packet on the wire. */
export function rtp(
  p: MediaPacket,
  o: { readonly ssrc?: number; readonly extensions?: ExtensionElement[] } = {},
): Uint8Array {
  return buildRtp({
    ssrc: o.ssrc ?? SSRC,
    payloadType: PAYLOAD_TYPE,
    seq: p.extSeq & 0xffff,
    timestamp: p.rtpTime >>> 0,
    marker: p.marker,
    payload: p.payload,
    ...(o.extensions ? { extensions: o.extensions } : {}),
  });
}

/** The same as RTX (RFC 4588 section 4), with a number of its own. */
export function rtx(
  p: MediaPacket,
  seq: number,
  o: { readonly ssrc?: number; readonly extensions?: ExtensionElement[] } = {},
): Uint8Array {
  return buildRtp({
    ssrc: o.ssrc ?? RTX_SSRC,
    payloadType: RTX_PAYLOAD_TYPE,
    seq: seq & 0xffff,
    timestamp: p.rtpTime >>> 0,
    marker: p.marker,
    payload: Uint8Array.from([(p.extSeq >> 8) & 0xff, p.extSeq & 0xff, ...p.payload]),
    ...(o.extensions ? { extensions: o.extensions } : {}),
  });
}

/** A receiver in virtual time, and everything that came out of it. Times in milliseconds from its start. */
export class ReceiverPath {
  readonly receiver: ConnectionReceiver;
  readonly faults = new FaultCounter();
  readonly frames: { readonly at: number; readonly mid: string; readonly data: Uint8Array }[] = [];
  readonly nacks: { readonly at: number; readonly seqs: readonly number[] }[] = [];
  readonly plis: number[] = [];
  /** Called with every request as it goes out. */
  onNack: (seqs: readonly number[], at: number) => void = () => undefined;
  onPli: (at: number) => void = () => undefined;
  readonly #rttMs: number | undefined;
  /** What is still on its way here, ascending by arrival. */
  readonly #coming: { readonly at: number; readonly packet: Uint8Array }[] = [];
  #now = 0;

  /** `rttMs`: the other side answers reference times (RFC 3611), so that the round trip is known. */
  constructor(sections: readonly NegotiatedMedia[] = [videoSection()], rttMs?: number) {
    this.#rttMs = rttMs;
    const options = { random: seededRandom(1), cname: "r", maxBitrate: 4e6, faults: this.faults };
    this.receiver = new ConnectionReceiver(options);
    this.receiver.configure(sections);
  }

  get now(): number {
    return this.#now;
  }

  /** Sequence numbers asked for so far, in the order of asking. */
  get asked(): number[] {
    return this.nacks.flatMap((n) => n.seqs);
  }

  /** Runs everything due up to `t`. */
  until(t: number): void {
    for (;;) {
      const arrival = this.#coming[0]?.at ?? Number.POSITIVE_INFINITY;
      const due = (this.receiver.deadline ?? Number.POSITIVE_INFINITY) - START;
      if (Math.min(arrival, due) > t) break;
      this.#now = Math.max(this.#now, Math.min(arrival, due));
      const packet = arrival <= due ? this.#coming.shift()?.packet : undefined;
      if (packet) this.receiver.push(packet.slice(), millis(START + this.#now));
      this.#drain();
    }
    this.#now = Math.max(this.#now, t);
  }

  /** A packet arrives at `t`, after everything due until then. */
  deliver(packet: Uint8Array, t = this.#now): void {
    this.until(t);
    this.receiver.push(packet.slice(), millis(START + this.#now));
    this.#drain();
  }

  /** A packet will arrive at `t`. */
  later(packet: Uint8Array, t: number): void {
    let i = this.#coming.length;
    while (i > 0 && (this.#coming[i - 1]?.at ?? 0) > t) i--;
    this.#coming.splice(i, 0, { at: t, packet });
  }

  /** Hands out what is held. */
  flush(): void {
    this.receiver.flush(millis(START + this.#now));
    this.#drain();
  }

  #drain(): void {
    const now = millis(START + this.#now);
    for (let out = this.receiver.poll(now); out; out = this.receiver.poll(now)) {
      if (out.t === "frame") {
        this.frames.push({ at: this.#now, mid: out.mid, data: out.frame.data });
        continue;
      }
      if (out.t === "rtcp") for (const p of parseRtcp(out.data).packets) this.#onRtcp(p);
    }
  }

  #onRtcp(p: RtcpPacket): void {
    if (p.type === "pli") {
      this.plis.push(this.#now);
      this.onPli(this.#now);
    } else if (p.type === "nack") {
      this.nacks.push({ at: this.#now, seqs: p.seqs });
      this.onNack(p.seqs, this.#now);
    } else if (p.type === "xr" && p.rrtr && this.#rttMs !== undefined) {
      const lastRr = (((p.rrtr.seconds & 0xffff) << 16) | (p.rrtr.fraction >>> 16)) >>> 0;
      this.later(buildDlrr(SSRC, [{ ssrc: p.sender, lastRr, delay: 0 }]), this.#now + this.#rttMs);
    }
  }
}

/** A frame of a stream as it was sent. */
export type SentFrame = {
  readonly data: Uint8Array;
  readonly keyframe: boolean;
  readonly packets: readonly MediaPacket[];
};

/** A VP8 stream: `length` octets a frame, in packets of 1000; keyframes where `isKey` says so. */
export function vp8Stream(
  frames: number,
  o: { readonly seq?: number; readonly length?: number; readonly isKey?: (n: number) => boolean } = {},
): SentFrame[] {
  const sender = new Sender(vp8, o.seq === undefined ? {} : { seq: o.seq });
  return Array.from({ length: frames }, (_, n) => {
    const keyframe = o.isKey ? o.isKey(n) : n === 0;
    const data = vp8Frame(n, keyframe, o.length ?? 2500);
    return { data, keyframe, packets: sender.frame(data, keyframe) };
  });
}
