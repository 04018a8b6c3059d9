import type { PayloadInfo } from "../codecs/codec.ts";
import type { Rotation } from "../frame.ts";

/** What a slot knows of its sequence number. */
export const Slot = {
  /** Nothing yet. */
  free: 0,
  /** A later packet arrived first. */
  missing: 1,
  /** Missing or unusable, and nobody asks for it any more. */
  lost: 2,
  /** A packet without payload: counts for continuity only. */
  padding: 3,
  media: 4,
  /** Arrived and already consumed. */
  done: 5,
} as const;

/** One of the slot states. */
export type SlotState = (typeof Slot)[keyof typeof Slot];

const NO_BYTES = new Uint8Array(0);
const NO_INFO: PayloadInfo = { start: false, end: false, keyframe: false, discardable: false, media: false };
const NO_ROTATION = -1;

/** What the packets of one frame say together. Filled in place, again and again. */
export type FrameDraft = {
  payloads: Uint8Array[];
  /** Arrival of the packet that came first, in milliseconds. */
  arrival: number;
  media: boolean;
  keyframe: boolean;
  /** Nothing inside is referred to. */
  discardable: boolean;
  rotation: Rotation | undefined;
};

/** A draft without packets. */
export function emptyDraft(): FrameDraft {
  return { payloads: [], arrival: 0, media: false, keyframe: false, discardable: true, rotation: undefined };
}

/**
 * Packets by extended sequence number in a ring whose size is a power of two. Columns instead of objects: a
 * packet costs no allocation here. The owner keeps all live numbers within one ring size.
 */
export class PacketRing {
  readonly size: number;
  readonly #mask: number;
  readonly #state: Uint8Array;
  readonly #marker: Uint8Array;
  readonly #rotation: Int16Array;
  readonly #rtpTime: Float64Array;
  readonly #time: Float64Array;
  readonly #payload: Uint8Array[];
  readonly #info: PayloadInfo[];

  constructor(bits: number) {
    this.size = 1 << bits;
    this.#mask = this.size - 1;
    this.#state = new Uint8Array(this.size);
    this.#marker = new Uint8Array(this.size);
    this.#rotation = new Int16Array(this.size);
    this.#rtpTime = new Float64Array(this.size);
    this.#time = new Float64Array(this.size);
    this.#payload = new Array<Uint8Array>(this.size).fill(NO_BYTES);
    this.#info = new Array<PayloadInfo>(this.size).fill(NO_INFO);
  }

  state(seq: number): SlotState {
    return (this.#state[seq & this.#mask] ?? Slot.free) as SlotState;
  }

  /** True when the packet may be the last of its frame, by marker or payload. */
  marker(seq: number): boolean {
    return this.#marker[seq & this.#mask] === 1;
  }

  rtpTime(seq: number): number {
    return this.#rtpTime[seq & this.#mask] ?? 0;
  }

  /** Milliseconds: arrival of a packet, or when its absence was noticed. */
  time(seq: number): number {
    return this.#time[seq & this.#mask] ?? 0;
  }

  payload(seq: number): Uint8Array {
    return this.#payload[seq & this.#mask] ?? NO_BYTES;
  }

  info(seq: number): PayloadInfo {
    return this.#info[seq & this.#mask] ?? NO_INFO;
  }

  /** Rotation the packet carries; undefined: none. */
  rotation(seq: number): Rotation | undefined {
    const r = this.#rotation[seq & this.#mask] ?? NO_ROTATION;
    return r === NO_ROTATION ? undefined : (r as Rotation);
  }

  putMedia(
    seq: number,
    p: { rtpTime: number; payload: Uint8Array; rotation?: Rotation | undefined },
    info: PayloadInfo,
    marker: boolean,
    time: number,
  ): void {
    const i = seq & this.#mask;
    this.#state[i] = Slot.media;
    this.#marker[i] = marker ? 1 : 0;
    this.#rotation[i] = p.rotation ?? NO_ROTATION;
    this.#rtpTime[i] = p.rtpTime;
    this.#time[i] = time;
    this.#payload[i] = p.payload;
    this.#info[i] = info;
  }

  /** Sets a state that has no payload. */
  put(seq: number, state: SlotState, time: number): void {
    const i = seq & this.#mask;
    this.#state[i] = state;
    this.#time[i] = time;
    this.#payload[i] = NO_BYTES;
  }

  /** Collects the media packets of [from, to] into `d`, over anything it held. */
  gather(from: number, to: number, d: FrameDraft): void {
    d.payloads = [];
    d.arrival = Number.POSITIVE_INFINITY;
    d.media = false;
    d.keyframe = false;
    d.discardable = true;
    d.rotation = undefined;
    for (let s = from; s <= to; s++) {
      if (this.state(s) !== Slot.media) continue;
      const info = this.info(s);
      d.payloads.push(this.payload(s));
      d.arrival = Math.min(d.arrival, this.time(s));
      if (info.keyframe) d.keyframe = true;
      if (info.media) {
        d.media = true;
        if (!info.discardable) d.discardable = false;
      }
      d.rotation = this.rotation(s) ?? d.rotation;
    }
  }

  /** Marks as consumed and lets go of the payload. */
  release(seq: number): void {
    const i = seq & this.#mask;
    if ((this.#state[i] ?? 0) >= Slot.padding) this.#state[i] = Slot.done;
    this.#payload[i] = NO_BYTES;
  }

  /** Forgets everything. */
  clear(): void {
    this.#state.fill(Slot.free);
    this.#payload.fill(NO_BYTES);
  }
}
