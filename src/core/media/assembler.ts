import type { Depacketizer } from "../codecs/codec.ts";
import type { Rotation } from "../frame.ts";
import type { Machine } from "../machine.ts";
import { type Millis, millis } from "../time.ts";
import {
  type AssembledFrame,
  type AssemblerOptions,
  type AssemblerStats,
  assembledFrame,
  emptyAssemblerStats,
  type KeyframeReason,
  type MediaPacket,
} from "./assembled-frame.ts";
import { FrameGate } from "./frame-gate.ts";
import { LossGap } from "./loss-gap.ts";
import { MarkerTrust } from "./marker-trust.ts";
import { emptyDraft, PacketRing, Slot } from "./packet-ring.ts";

const RING_BITS = 12;
/** With the ring this full, missing packets are given up at once. */
const PRESSURE = 0.75;
/** Repairs may take this long. What waits for them is lost when the process dies. */
const HOLD_MS = 700;
const MARKER_GRACE_MS = 10;
/** At the very start: wait this long for packets that were overtaken. */
const START_GRACE_MS = 100;
const WAIT = -1;
const BROKEN = -2;

/**
 * Turns packets into whole frames in sequence order: the jitter buffer of the recorder, which cares for
 * completeness, not for delay. It waits a bounded time for a missing packet, then gives up that frame only,
 * and lets no video frame pass that may refer to it. Memory is bounded by 4096 packets.
 */
export class FrameAssembler implements Machine<MediaPacket, AssembledFrame> {
  /** Counters, updated in place. */
  readonly stats: AssemblerStats = emptyAssemblerStats();
  readonly #ring = new PacketRing(RING_BITS);
  readonly #depacketizer: Depacketizer;
  /** Video only: every audio frame stands alone. */
  readonly #gate: FrameGate | undefined;
  readonly #baseHold: number;
  readonly #markerGrace: number;
  readonly #draft = emptyDraft();
  readonly #markers: MarkerTrust;
  #hold: number;
  /** Sequence number at the head: everything below is out or given up. */
  #next = 0;
  /** Newest number seen; below `#next`: nothing is held. */
  #highest = -1;
  #started = false;
  /** No packet of this epoch is consumed yet, so older ones may still go in front. */
  #fresh = true;
  #flushing = false;
  /** Last packet known to belong to the frame at the head; below `#next`: not looked at. */
  #scan = -1;
  /** Where the frame at the head is torn. */
  #tornAt = 0;
  /** Timestamp of the packet right before the head; undefined when that one is lost. */
  #prevTime: number | undefined;
  #prevEnded = false;
  /** What is lost right before the head. */
  readonly #gap = new LossGap();
  /** Timestamps of the last frame that came out, and of the last that was counted as abandoned. */
  #outTime: number | undefined;
  #abandonedTime: number | undefined;

  #lost = 0;
  #rotation: Rotation | undefined;
  /** Timestamp of the newest keyframe: of some codecs only its first packet tells what it belongs to. */
  #keyframeTime: number | undefined;
  #keyframePacketAt: Millis | undefined;
  #deadline: Millis | undefined;

  constructor(o: AssemblerOptions) {
    this.#depacketizer = o.codec.depacketizer(o.fmtp);
    const video = o.codec.kind === "video";
    this.#gate = video ? new FrameGate(o.onLoss ?? "gate") : undefined;
    this.#baseHold = o.holdMs ?? HOLD_MS;
    this.#hold = this.#baseHold;
    this.#markers = new MarkerTrust(o.codec.marker);
    this.#markerGrace = o.markerGraceMs ?? MARKER_GRACE_MS;
  }

  /** See `Machine`. Valid after `poll` has returned undefined. */
  get deadline(): Millis | undefined {
    return this.#deadline;
  }

  /** Every packet below this number is out or given up. */
  get head(): number {
    return this.#next;
  }

  /** Arrival of the newest packet that belongs to a keyframe. */
  get keyframePacketAt(): Millis | undefined {
    return this.#keyframePacketAt;
  }

  /** True while delta frames are dropped until a keyframe comes. */
  get gated(): boolean {
    return this.#gate?.closed ?? false;
  }

  /** The reason a keyframe is needed, once. Ask after every push and poll; the policy paces the requests. */
  takeKeyframeRequest(): KeyframeReason | undefined {
    return this.#gate?.takeRequest();
  }

  /** Stretches the hold for long round trips: at least 3 RTT + 100 ms. `rttMs` counts up to 1 s. */
  setRoundTrip(rttMs: number): void {
    this.#hold = Math.max(this.#baseHold, 3 * Math.min(rttMs, 1000) + 100);
  }

  push(p: MediaPacket, now: Millis): void {
    if (this.#flushing) this.#restart();
    if (!this.#admit(p.extSeq, now)) return;
    const empty = p.payload.length === 0;
    const info = empty ? undefined : this.#depacketizer.inspect(p.payload);
    if (!info) {
      if (!empty) this.stats.malformedPackets++;
      this.#ring.put(p.extSeq, empty ? Slot.padding : Slot.lost, now);
      return;
    }
    if (info.keyframe) this.#keyframeTime = p.rtpTime;
    if (p.rtpTime === this.#keyframeTime) this.#keyframePacketAt = p.arrival;
    if (p.marker) this.#markers.seen();
    this.#ring.putMedia(p.extSeq, p, info, p.marker || info.end, p.arrival);
  }

  /** A missing packet will not come: its retransmission was asked for in vain. */
  giveUp(extSeq: number): void {
    if (extSeq < this.#next || extSeq > this.#highest) return;
    if (this.#ring.state(extSeq) === Slot.missing) this.#ring.put(extSeq, Slot.lost, this.#ring.time(extSeq));
  }

  /**
   * The stream ends or starts anew: the next polls release what is whole, past all holes. After that the
   * assembler is as new; the numbers of the next packet need not be related.
   */
  flush(): void {
    this.#flushing = true;
  }

  poll(now: Millis): AssembledFrame | undefined {
    this.#deadline = undefined;
    const ring = this.#ring;
    while (this.#next <= this.#highest) {
      const at = this.#next;
      const state = ring.state(at);
      if (state === Slot.padding) {
        this.#consume(at);
        continue;
      }
      if (state !== Slot.media) {
        if (!this.#isGone(at, now)) return undefined;
        this.#passLost(at);
        continue;
      }
      if (!this.#gap.empty) this.#judgeGap(at);
      if (!this.#startsFrame(at)) {
        if (this.#awaitsStart(at, now)) return undefined;
        this.#dropHeadless(at);
        continue;
      }
      const end = this.#gate ? this.#frameEnd(at, now) : at;
      if (end === WAIT) return undefined;
      if (end === BROKEN) {
        this.#abandonHead();
        continue;
      }
      const frame = this.#release(at, end);
      if (frame) return frame;
    }
    if (this.#flushing) this.#restart();
    return undefined;
  }

  /** Makes room for a sequence number; false: the packet is late or a duplicate. */
  #admit(seq: number, now: Millis): boolean {
    const ring = this.#ring;
    if (!this.#started) {
      this.#started = true;
      this.#next = seq;
      this.#highest = seq;
      this.#gate?.begin();
      return true;
    }
    if (seq > this.#highest) {
      if (seq - this.#next >= ring.size) this.#overflow(seq);
      for (let s = this.#highest + 1; s < seq; s++) ring.put(s, Slot.missing, now);
      this.#highest = seq;
      return true;
    }
    if (seq < this.#next) {
      if (this.#fresh && this.#highest - seq < ring.size) {
        for (let s = seq + 1; s < this.#next; s++) ring.put(s, Slot.missing, now);
        this.#next = seq;
        this.#scan = -1;
        return true;
      }
      if (seq > this.#highest - ring.size && ring.state(seq) === Slot.done) this.stats.duplicatePackets++;
      else this.stats.latePackets++;
      return false;
    }
    const state = ring.state(seq);
    if (state === Slot.missing || state === Slot.lost) return true;
    this.stats.duplicatePackets++;
    return false;
  }

  /** More is missing than the ring can hold: starts again at `seq`. */
  #overflow(seq: number): void {
    this.#ring.clear();
    this.#lost += seq - this.#next;
    this.stats.lostPackets += seq - this.#next;
    this.stats.abandonedFrames++;
    this.#next = seq;
    this.#highest = seq - 1;
    this.#fresh = false;
    this.#forgetNeighbours();
    this.#gate?.break("overflow");
  }

  /** True when the packet missing at `seq` is waited for no longer. */
  #isGone(seq: number, now: Millis): boolean {
    if (this.#highest - this.#next >= PRESSURE * this.#ring.size) return true;
    return this.#ring.state(seq) === Slot.lost || !this.#waits(this.#ring.time(seq) + this.#hold, now);
  }

  /** It is before `until`: then is the time to look again. */
  #waits(until: number, now: Millis): boolean {
    if (this.#flushing || now >= until) return false;
    this.#deadline = millis(until);
    return true;
  }

  #startsFrame(at: number): boolean {
    const info = this.#ring.info(at);
    const time = this.#ring.rtpTime(at);
    if (!this.#gate) return true;
    // The rest of a frame that came out at a false marker.
    if (time === this.#outTime && (!this.#markers.sure || !info.start)) return false;
    return info.start || (this.#prevTime !== undefined && (this.#prevEnded || time !== this.#prevTime));
  }

  /** At the very start the beginning of the frame may have been overtaken. */
  #awaitsStart(at: number, now: Millis): boolean {
    return this.#fresh && this.#waits(this.#ring.time(at) + Math.min(START_GRACE_MS, this.#hold), now);
  }

  /** Last sequence number of the frame that begins at `at`, or WAIT, or BROKEN. */
  #frameEnd(at: number, now: Millis): number {
    const ring = this.#ring;
    const time = ring.rtpTime(at);
    let last = Math.max(this.#scan, at);
    for (;;) {
      let i = last + 1;
      while (i <= this.#highest && ring.state(i) === Slot.padding) i++;
      this.#tornAt = i;
      const marked = ring.marker(last);
      if (i <= this.#highest && ring.state(i) === Slot.media) {
        if (ring.rtpTime(i) !== time) {
          const end = marked ? "whole" : this.#markers.unmarkedEnd(ring.info(i).keyframe);
          if (end === "torn") return BROKEN;
          return end === "unknown" && this.#waits(ring.time(i) + START_GRACE_MS, now) ? WAIT : last;
        }
        if (marked) {
          if (this.#markers.sure && ring.info(i).start) return last;
          this.#markers.lied();
        }
        last = i;
        this.#scan = i;
        continue;
      }
      if (marked) {
        return !this.#markers.sure && this.#waits(ring.time(last) + this.#markerGrace, now) ? WAIT : last;
      }
      if (i <= this.#highest) return this.#isGone(i, now) ? BROKEN : WAIT;
      if (!this.#flushing) return WAIT;
      return this.#markers.expected ? BROKEN : last;
    }
  }

  /** Gives up the torn frame at the head, up to where it is torn. */
  #abandonHead(): void {
    const ring = this.#ring;
    const time = ring.rtpTime(this.#next);
    let info = ring.info(this.#next);
    while (this.#next < this.#tornAt) {
      if (ring.state(this.#next) === Slot.media && !info.media) info = ring.info(this.#next);
      this.#consume(this.#next);
    }
    this.#countAbandoned(time);
    this.#gap.damaged(info, time);
    if (this.#gap.certain) this.#gate?.break("loss");
  }

  /** Passes a packet at the head that will not come. */
  #passLost(at: number): void {
    this.#gap.lost();
    this.#prevTime = undefined;
    this.#lost++;
    this.stats.lostPackets++;
    this.#consume(at);
  }

  /** The first packet after a loss tells more about what was lost. */
  #judgeGap(at: number): void {
    const info = this.#ring.info(at);
    const time = this.#ring.rtpTime(at);
    this.#gate?.onGap(this.#gap, info, time);
    if (this.#gap.isBetweenFrames(info)) this.#countAbandoned(undefined);
    this.#gap.clear();
  }

  /** Drops a packet of a frame whose beginning is missing. */
  #dropHeadless(at: number): void {
    const time = this.#ring.rtpTime(at);
    if (time === this.#outTime) {
      this.stats.latePackets++;
      this.#markers.lied();
    } else if (this.#fresh) {
      // Joined in the middle of a frame: not a loss.
      this.#abandonedTime = time;
    } else this.#countAbandoned(time);
    this.#prevTime = time;
    this.#prevEnded = this.#markers.sure && this.#ring.marker(at);
    this.#consume(at);
  }

  /** Takes the packets [at, end] out and makes a frame of them, if it may pass. */
  #release(at: number, end: number): AssembledFrame | undefined {
    const ring = this.#ring;
    const draft = this.#draft;
    const first = ring.info(at);
    const rtpTime = ring.rtpTime(at);
    ring.gather(at, end, draft);
    const packets = draft.payloads.length;
    const joined = this.#depacketizer.join(draft.payloads);
    draft.payloads = [];
    for (let s = at; s <= end; s++) this.#consume(s);
    this.#rotation = draft.rotation ?? this.#rotation;
    this.#prevTime = rtpTime;
    this.#prevEnded = true;
    if (!joined) {
      if (!draft.media) return undefined;
      this.stats.gatedFrames++;
      this.#gate?.break(draft.keyframe ? "parameter-sets" : "loss");
      return undefined;
    }
    this.#outTime = rtpTime;
    if (joined.keyframe && packets > 1 && ring.marker(end)) this.#markers.proved();
    const passed = this.#gate ? this.#gate.admit(joined, first, draft.arrival) : joined;
    if (!passed) {
      this.stats.gatedFrames++;
      return undefined;
    }
    this.stats.frames++;
    if (passed.keyframe) this.stats.keyframes++;
    const frame = assembledFrame(passed, draft, rtpTime, at, end, this.#lost, this.#rotation);
    this.#lost = 0;
    return frame;
  }

  #countAbandoned(time: number | undefined): void {
    if (time !== undefined && time === this.#abandonedTime) return;
    this.#abandonedTime = time;
    this.stats.abandonedFrames++;
  }

  #consume(seq: number): void {
    this.#ring.release(seq);
    this.#next = seq + 1;
    this.#fresh = false;
  }

  #forgetNeighbours(): void {
    this.#prevTime = undefined;
    this.#prevEnded = false;
    this.#outTime = undefined;
    this.#abandonedTime = undefined;
    this.#scan = -1;
    this.#gap.clear();
  }

  /** As new, but for what is known of the sender's markers and parameter sets. */
  #restart(): void {
    this.#ring.clear();
    this.#forgetNeighbours();
    this.#next = 0;
    this.#highest = -1;
    this.#started = false;
    this.#fresh = true;
    this.#flushing = false;
    this.#lost = 0;
    this.#rotation = undefined;
    this.#keyframeTime = undefined;
  }
}
