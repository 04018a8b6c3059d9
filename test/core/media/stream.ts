import type { Codec } from "../../../src/core/codecs/codec.ts";
import type { AssembledFrame, MediaPacket } from "../../../src/core/media/assembled-frame.ts";
import type { FrameAssembler } from "../../../src/core/media/assembler.ts";
import { type Millis, millis } from "../../../src/core/time.ts";
import { annexB, idr, sets, slice } from "../codecs/h264.cases.ts";
import { keyframe640x480 } from "../codecs/vp8.cases.ts";

/** Filling that tells frame `n` apart and holds no zero byte. */
function filling(n: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => 1 + ((n * 31 + i) % 255));
}

/** Frame `n` of a VP8 stream, `length` bytes and a little. */
export function vp8Frame(n: number, keyframe: boolean, length = 2500): Uint8Array {
  const head = keyframe ? keyframe640x480 : Uint8Array.of(0x31);
  return Uint8Array.from([...head, ...filling(n, length)]);
}

/** Access unit `n` of an H.264 stream. */
export function h264Frame(n: number, keyframe: boolean, length = 2500): Uint8Array {
  const vcl = Uint8Array.from([...(keyframe ? idr : slice), ...filling(n, length)]);
  return keyframe ? annexB(sets.sps640x480, sets.pps, vcl) : annexB(vcl);
}

/** Opus packet `n`, 20 ms. */
export function opusPacket(n: number): Uint8Array {
  return Uint8Array.from([0xf8, ...filling(n, 40)]);
}

/** Numbers packets as a sender does. Arrival times are set by whoever delivers them. */
export class Sender {
  readonly #codec: Codec;
  readonly #packetizer;
  readonly #ticks: number;
  seq: number;
  rtpTime = 1_000_000;

  constructor(codec: Codec, o: { seq?: number; ticks?: number } = {}) {
    this.#codec = codec;
    this.#packetizer = codec.packetizer();
    this.#ticks = o.ticks ?? (codec.kind === "audio" ? 960 : 3000);
    this.seq = o.seq ?? 70_000;
  }

  /** Packets of one frame; the timestamp moves on. */
  frame(data: Uint8Array, keyframe = false): MediaPacket[] {
    const chunks = this.#packetizer.packetize(data, { keyframe, maxPayload: 1000 });
    return this.raw(
      chunks.map((c) => c.payload),
      { markers: chunks.map((c) => c.marker) },
    );
  }

  /** Packets of these payloads, the marker on the last of a video frame if not said otherwise. */
  raw(payloads: readonly Uint8Array[], o: { markers?: readonly boolean[] } = {}): MediaPacket[] {
    const video = this.#codec.kind === "video";
    const packets = payloads.map((payload, i) => ({
      extSeq: this.seq++,
      rtpTime: this.rtpTime,
      marker: o.markers?.[i] ?? (video && i === payloads.length - 1),
      payload,
      arrival: millis(0),
    }));
    this.rtpTime += this.#ticks;
    return packets;
  }

  /** A padding-only packet with the timestamp of the last frame. */
  padding(): MediaPacket {
    return {
      extSeq: this.seq++,
      rtpTime: this.rtpTime - this.#ticks,
      marker: false,
      payload: new Uint8Array(0),
      arrival: millis(0),
    };
  }
}

/** Everything that is ready. */
export function drain(a: FrameAssembler, now: Millis): AssembledFrame[] {
  const out: AssembledFrame[] = [];
  for (let f = a.poll(now); f; f = a.poll(now)) out.push(f);
  return out;
}

/** Delivers packets at `at` milliseconds and returns what comes out. */
export function feed(a: FrameAssembler, packets: readonly MediaPacket[], at = 0): AssembledFrame[] {
  const now = millis(at);
  const out: AssembledFrame[] = [];
  for (const p of packets) {
    a.push({ ...p, arrival: now }, now);
    out.push(...drain(a, now));
  }
  return out;
}
