import type { Codec } from "../codecs/codec.ts";
import { earliest } from "../machine.ts";
import { type Millis, millis } from "../time.ts";
import {
  type AssembledFrame,
  type AssemblerStats,
  emptyAssemblerStats,
  type KeyframeReason,
  type MediaPacket,
} from "./assembled-frame.ts";
import { FrameAssembler } from "./assembler.ts";

/** Packets of the codec before may still come this long after the sender changed to another. */
const CHANGE_HOLD_MS = 1000;
/** Payload types of one stream that are remembered; each costs an assembler. */
const MAX_LANES = 6;

/** A frame and what it is coded in. */
export type CodedFrame = { readonly codec: Codec; readonly frame: AssembledFrame };

type Lane = { readonly codec: Codec; readonly fmtp: string; readonly assembler: FrameAssembler };

/**
 * The assemblers of one SSRC. A sender may change its codec in the middle of the stream: packets keep their
 * numbers, so those of the codec before are finished first, and none is fed to the wrong depacketizer.
 */
export class StreamAssembler {
  #current: Lane;
  /** The codec before, until all below `from` is out or was waited for long enough. */
  #previous: (Lane & { from: number; until: Millis }) | undefined;
  /** Kept for a sender that changes to and fro. */
  readonly #lanes = new Map<string, Lane>();
  readonly #forgotten = emptyAssemblerStats();
  #rttMs = 0;

  constructor(codec: Codec, fmtp: string) {
    this.#current = this.#lane(codec, fmtp);
  }

  /** What the sender uses now. */
  get codec(): Codec {
    return this.#current.codec;
  }

  /** See `Machine`. Valid after `poll` has returned undefined. */
  get deadline(): Millis | undefined {
    const p = this.#previous;
    return p ? earliest(p.assembler.deadline, p.until) : this.#current.assembler.deadline;
  }

  /** Every packet below this number is out or given up. */
  get head(): number {
    return (this.#previous ?? this.#current).assembler.head;
  }

  /** Counters over all codecs. */
  get stats(): Readonly<AssemblerStats> {
    const sum = emptyAssemblerStats();
    add(sum, this.#forgotten);
    for (const lane of this.#lanes.values()) add(sum, lane.assembler.stats);
    return sum;
  }

  /** Arrival of the newest packet that belongs to a keyframe. */
  get keyframePacketAt(): Millis | undefined {
    return this.#current.assembler.keyframePacketAt;
  }

  takeKeyframeRequest(): KeyframeReason | undefined {
    return this.#current.assembler.takeKeyframeRequest();
  }

  setRoundTrip(rttMs: number): void {
    if (rttMs === this.#rttMs) return;
    this.#rttMs = rttMs;
    for (const lane of this.#lanes.values()) lane.assembler.setRoundTrip(rttMs);
  }

  /** A packet of `codec`; `newest`: no packet of the stream had a higher number. */
  push(p: MediaPacket, codec: Codec, fmtp: string, newest: boolean, now: Millis): void {
    if (is(this.#current, codec, fmtp)) {
      // Overtaken by what first showed the change.
      if (this.#previous && p.extSeq < this.#previous.from) this.#previous.from = p.extSeq;
      this.#current.assembler.push(p, now);
    } else if (this.#previous && is(this.#previous, codec, fmtp) && p.extSeq < this.#previous.from)
      this.#previous.assembler.push(p, now);
    else if (newest) {
      this.#change(codec, fmtp, p.extSeq, now);
      this.#current.assembler.push(p, now);
    }
  }

  /** A packet of the stream that carries nothing for us. */
  pass(p: MediaPacket, now: Millis): void {
    const before = this.#previous && p.extSeq < this.#previous.from;
    (before ? this.#previous : this.#current)?.assembler.push(p, now);
  }

  /** A missing packet will not come. */
  giveUp(extSeq: number): void {
    this.#previous?.assembler.giveUp(extSeq);
    this.#current.assembler.giveUp(extSeq);
  }

  /** See `FrameAssembler.flush`. */
  flush(): void {
    if (this.#previous) this.#previous.until = millis(0);
    this.#current.assembler.flush();
  }

  poll(now: Millis): CodedFrame | undefined {
    for (let p = this.#previous; p; p = this.#previous) {
      if (now >= p.until) p.assembler.flush();
      const frame = p.assembler.poll(now);
      if (frame) return { codec: p.codec, frame };
      if (now < p.until && p.assembler.head < p.from) return undefined;
      this.#previous = undefined;
    }
    const frame = this.#current.assembler.poll(now);
    return frame && { codec: this.#current.codec, frame };
  }

  #change(codec: Codec, fmtp: string, from: number, now: Millis): void {
    // Two changes within a second: what the first codec still holds is torn, and not worth a longer queue.
    this.#previous?.assembler.flush();
    this.#previous = { ...this.#current, from, until: millis(now + CHANGE_HOLD_MS) };
    this.#current = this.#lane(codec, fmtp);
    // As new, should it have been used before: nothing of that time is still to come.
    this.#current.assembler.flush();
  }

  #lane(codec: Codec, fmtp: string): Lane {
    const key = `${codec.name} ${fmtp}`;
    const known = this.#lanes.get(key);
    if (known) return known;
    const lane = { codec, fmtp, assembler: new FrameAssembler({ codec, fmtp }) };
    lane.assembler.setRoundTrip(this.#rttMs);
    if (this.#lanes.size >= MAX_LANES) this.#forgetLane();
    this.#lanes.set(key, lane);
    return lane;
  }

  /** Makes room: of those that are not in use, the oldest goes. */
  #forgetLane(): void {
    for (const [key, lane] of this.#lanes) {
      if (lane.assembler === this.#current.assembler || lane.assembler === this.#previous?.assembler)
        continue;
      add(this.#forgotten, lane.assembler.stats);
      this.#lanes.delete(key);
      return;
    }
  }
}

function is(lane: Lane, codec: Codec, fmtp: string): boolean {
  return lane.codec === codec && lane.fmtp === fmtp;
}

function add(sum: AssemblerStats, s: Readonly<AssemblerStats>): void {
  sum.frames += s.frames;
  sum.keyframes += s.keyframes;
  sum.abandonedFrames += s.abandonedFrames;
  sum.gatedFrames += s.gatedFrames;
  sum.lostPackets += s.lostPackets;
  sum.latePackets += s.latePackets;
  sum.duplicatePackets += s.duplicatePackets;
  sum.malformedPackets += s.malformedPackets;
}
