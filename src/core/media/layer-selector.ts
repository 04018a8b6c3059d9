import { type Millis, millis } from "../time.ts";
import type { PlacedFrame } from "./received-track.ts";
import { SimulcastLayer } from "./simulcast-layer.ts";

/** Other layers get this long from the first packet on to show themselves, */
const START_MIN_MS = 300;
/** and every layer that has shown itself this long for its first keyframe (streams wait for sender reports). */
const START_MAX_MS = 1600;
/** Silence of the layer that passes after which it is given up; slow layers get three intervals. */
const SILENT_MS = 400;
const MAX_SILENT_MS = 1000;
/** A share of that makes it doubtful: another layer is asked for a keyframe in good time. */
const DOUBT_SHARE = 0.4;
/** Packets come but no frame: a repair is under way, and helps more often than not. */
const STUCK_DOUBT_MS = 600;
const STUCK_MS = 1200;
/** One pause between packets of others counts as no more silence than this: then the path stood still, not a layer. */
const MAX_WITNESS_MS = 100;
/** A layer is better, or of unknown size, and flows for this long before it is asked for a keyframe. */
const STEADY_MS = 500;
/** A keyframe this much older than what has passed is too late to switch at. Large frames travel longer. */
const MAX_LAG_MS = 500;
/** A hole in the layer that passes is filled from the reserve of another that has this much of it. */
const FILL_MS = 300;
/** Pictures of the same size are better when they cost this much more. */
const BETTER_RATE = 1.5;

/** What the selector wants done. */
export type LayerOutput =
  | { readonly t: "frame"; readonly ssrc: number; readonly frame: PlacedFrame }
  /** A keyframe of this layer is needed; asking once is enough when the asked one repeats itself. */
  | { readonly t: "keyframe"; readonly ssrc: number };

/** Counters since the start. */
export type LayerStatistics = {
  /** The layer that passes; undefined: none yet. */
  readonly selected: number | undefined;
  readonly layers: number;
  /** Changes to a better layer, and changes because a layer fell silent or ended. */
  readonly upSwitches: number;
  readonly downSwitches: number;
  readonly passed: number;
  /** Frames of layers that were not selected. */
  readonly dropped: number;
};

/**
 * Makes one track of simulcast layers (RFC 8853): lets the frames of the best layer that flows pass, the largest
 * picture first. It changes to another layer at a keyframe of it only, and the old layer passes until then. Times
 * of what passes grow strictly, whatever the layers' clocks say.
 *
 * A layer is given up on the witness of others: it is silent while their packets come. (When all are silent the
 * path is, and there is nothing to change to.) Before that, at the first doubt, the next best layer is asked for a
 * keyframe and kept in reserve from there, so that the picture goes on where it stopped. A layer that was given up
 * waits before it is taken again, longer each time.
 *
 * Effort for layers that are not selected: they are received, repaired (NACK) and assembled like any other,
 * because a hole would hold up the very keyframe that a switch needs, and what it costs falls with the loss; but
 * no keyframe is asked of them unless `wants` says so.
 *
 * Everything is decided when a packet or frame comes in, or at `deadline`: when polls happen changes nothing.
 */
export class LayerSelector {
  readonly #layers: SimulcastLayer[] = [];
  readonly #out: LayerOutput[] = [];
  #selected: SimulcastLayer | undefined;
  /** Time of the last frame that passed. */
  #lastLocal = Number.NEGATIVE_INFINITY;
  /** Time of the newest frame that was not of the selected layer. */
  #newestOther = Number.NEGATIVE_INFINITY;
  #firstPacket: Millis | undefined;
  #started = false;
  /** Time that packets of others came without a packet, or without a frame, of the selected layer. */
  #silentMs = 0;
  #stuckMs = 0;
  #lastWitness: Millis = millis(0);
  #up = 0;
  #down = 0;
  #passed = 0;
  #dropped = 0;

  /** A layer appears. It takes the place of another of the same RID: its sender has a new SSRC. */
  add(ssrc: number, rid: string | undefined, now: Millis): void {
    const replaced = this.#layers.find((l) => l.ssrc === ssrc || (rid !== undefined && l.rid === rid));
    if (replaced) this.remove(replaced.ssrc, now);
    this.#layers.push(new SimulcastLayer(ssrc, rid));
  }

  /** A layer ends (BYE, a new SSRC, forgotten). */
  remove(ssrc: number, now: Millis): void {
    const i = this.#layers.findIndex((l) => l.ssrc === ssrc);
    const layer = this.#layers[i];
    if (!layer) return;
    this.#advance(now);
    this.#layers.splice(i, 1);
    this.#dropped += layer.discard();
    if (layer !== this.#selected) return;
    this.#selected = undefined;
    this.#forgive(now);
    this.#review(now);
  }

  /** A packet of a layer came with so many octets of payload. Hand in the frames that it completes afterwards. */
  packet(ssrc: number, octets: number, now: Millis): void {
    const layer = this.#layer(ssrc);
    if (!layer) return;
    this.#firstPacket ??= now;
    this.#advance(now);
    layer.onPacket(octets, now);
    if (layer === this.#selected) this.#silentMs = 0;
    else this.#witness(now);
    this.#review(now);
  }

  /** A whole frame of a layer, in its order. */
  push(ssrc: number, frame: PlacedFrame, now: Millis): void {
    const layer = this.#layer(ssrc);
    if (!layer) return;
    this.#advance(now);
    layer.onFrame(frame, now);
    if (layer === this.#selected) this.#continue(layer, frame);
    else if (!frame.keyframe || !this.#mayRise(layer, now)) this.#spare(layer, frame, now);
    else if (frame.local > this.#lastLocal - MAX_LAG_MS) {
      this.#up++;
      this.#take(layer, now);
      this.#pass(layer, { ...frame, lostBefore: 0 });
    } else {
      layer.onLate(now);
      this.#spare(layer, frame, now);
    }
    this.#review(now);
    this.#advance(now);
  }

  /** What is to be done next; undefined: nothing until `deadline` or another input. */
  poll(now: Millis): LayerOutput | undefined {
    this.#advance(now);
    return this.#out.shift();
  }

  get deadline(): Millis | undefined {
    if (this.#out.length > 0) return millis(0);
    return this.#bestReserve(undefined) && this.#startDue();
  }

  /** Keyframe requests of this layer's stream may go out: it passes, it is kept in reserve, or a switch to it needs one. */
  wants(ssrc: number): boolean {
    const layer = this.#layer(ssrc);
    if (!layer) return false;
    return !this.#started || layer === this.#selected || layer.wanted || layer.reserve.length > 0;
  }

  /** The track ends: hands out what is kept in reserve where it follows on what has passed. Poll afterwards. */
  flush(now: Millis): void {
    this.#advance(now);
    if (!this.#selected || this.#stuckMs >= SILENT_MS) this.#fallBack(now);
  }

  statistics(): LayerStatistics {
    return {
      selected: this.#selected?.ssrc,
      layers: this.#layers.length,
      upSwitches: this.#up,
      downSwitches: this.#down,
      passed: this.#passed,
      dropped: this.#dropped,
    };
  }

  #layer(ssrc: number): SimulcastLayer | undefined {
    for (const l of this.#layers) if (l.ssrc === ssrc) return l;
    return undefined;
  }

  /** Begins with the best layer once all that came have a keyframe, or the time for that is over. */
  #advance(now: Millis): void {
    const due = this.#startDue();
    if (due === undefined || now < due) return;
    this.#fallBack(now);
  }

  #startDue(): Millis | undefined {
    if (this.#started || this.#firstPacket === undefined) return undefined;
    return millis(this.#firstPacket + (this.#allReady() ? START_MIN_MS : START_MAX_MS));
  }

  #allReady(): boolean {
    for (const l of this.#layers) if (l.reserve.length === 0) return false;
    return this.#layers.length > 0;
  }

  /** A packet of another layer says that the path is well. */
  #witness(now: Millis): void {
    const heard = Math.min(now - this.#lastWitness, MAX_WITNESS_MS);
    const selected = this.#selected;
    this.#lastWitness = now;
    this.#silentMs += Math.min(heard, selected?.lastPacket === undefined ? heard : now - selected.lastPacket);
    this.#stuckMs += Math.min(heard, selected?.lastFrame === undefined ? heard : now - selected.lastFrame);
  }

  /** Says of every layer whether a keyframe of it is needed, and leaves the selected one when it is silent. */
  #review(now: Millis): void {
    if (this.#started && (!this.#selected || this.#lost())) this.#fallBack(now);
    const lost = this.#started && this.#lost();
    const selected = this.#selected;
    const next = this.#started && (!selected || this.#doubtful()) ? this.#successor(now) : undefined;
    for (const l of this.#layers) {
      if (l === selected) continue;
      const betterFor = l.better(l.pixels === undefined || this.#isBetter(l), now);
      const wanted =
        (l === next && l.reserve.length === 0) ||
        (lost && l.flows(now)) ||
        (selected !== undefined && betterFor >= STEADY_MS && l.mayBeAsked(now));
      if (wanted && !l.wanted) this.#out.push({ t: "keyframe", ssrc: l.ssrc });
      l.wanted = wanted;
    }
  }

  #limit(): number {
    const interval = this.#selected?.intervalMs ?? 0;
    return Math.min(Math.max(SILENT_MS, 3 * interval), MAX_SILENT_MS);
  }

  #lost(): boolean {
    return this.#silentMs >= this.#limit() || this.#stuckMs >= STUCK_MS;
  }

  #doubtful(): boolean {
    const share = Math.max(DOUBT_SHARE * SILENT_MS, 1.5 * (this.#selected?.intervalMs ?? 0));
    return this.#silentMs >= share || this.#stuckMs >= Math.max(STUCK_DOUBT_MS, share);
  }

  /**
   * Frames of layers that are not selected are kept: before the start, in doubt, and after a silence of all
   * layers, when the first that returns may return alone.
   */
  #keepsReserves(now: Millis): boolean {
    const selected = this.#selected;
    if (!selected) return true;
    const silent = selected.lastPacket === undefined ? 0 : now - selected.lastPacket;
    return silent >= SILENT_MS || this.#doubtful();
  }

  /** A frame that does not pass: it is kept where it may still be needed. */
  #spare(l: SimulcastLayer, f: PlacedFrame, now: Millis): void {
    this.#newestOther = Math.max(this.#newestOther, f.local);
    this.#dropped += this.#keepsReserves(now) ? l.keep(f) : 1;
  }

  /** A keyframe of it is taken as a change up. */
  #mayRise(l: SimulcastLayer, now: Millis): boolean {
    return this.#selected !== undefined && this.#isBetter(l) && l.mayBeTaken(now);
  }

  #isBetter(l: SimulcastLayer): boolean {
    const selected = this.#selected;
    if (l.pixels === undefined || !selected) return false;
    if (selected.pixels === undefined || l.pixels !== selected.pixels)
      return l.pixels > (selected.pixels ?? 0);
    return selected.rate > 0 && l.rate > BETTER_RATE * selected.rate;
  }

  /** The best layer that flows for sure, or else that may. */
  #successor(now: Millis): SimulcastLayer | undefined {
    let best: SimulcastLayer | undefined;
    for (const l of this.#layers) {
      if (l === this.#selected || !l.flows(now)) continue;
      const surer = Number(l.recent(now)) - Number(best?.recent(now) ?? false);
      if (surer > 0 || (surer === 0 && (l.pixels ?? 0) >= (best?.pixels ?? 0))) best = l;
    }
    return best;
  }

  #bestReserve(but: SimulcastLayer | undefined): SimulcastLayer | undefined {
    let best: SimulcastLayer | undefined;
    for (const l of this.#layers) {
      if (l !== but && l.reserve.length > 0 && (l.pixels ?? 0) >= (best?.pixels ?? 0)) best = l;
    }
    return best;
  }

  /** Goes on with the best reserve, if there is one. */
  #fallBack(now: Millis): void {
    const left = this.#selected;
    const best = this.#bestReserve(left);
    if (!best) return;
    left?.onLeft(now);
    if (this.#started) this.#down++;
    this.#started = true;
    this.#take(best, now);
    this.#passReserve(best);
  }

  /** A frame of the selected layer. A long hole before its keyframe is filled from a reserve. */
  #continue(layer: SimulcastLayer, frame: PlacedFrame): void {
    const filler = frame.keyframe ? this.#bestReserve(layer) : undefined;
    const from = filler?.reserve[0]?.local;
    if (filler && from !== undefined && frame.local - from >= FILL_MS) {
      for (const f of filler.takeReserve()) {
        if (f.local < frame.local) this.#pass(filler, f);
        else this.#dropped++;
      }
    }
    this.#pass(layer, frame);
    // A frame that was long under repair leaves the track behind, and says nothing of packets to come.
    this.#stuckMs = Math.min(Math.max(0, this.#newestOther - frame.local), MAX_LAG_MS);
    if (!this.#doubtful()) this.#discardReserves();
  }

  #take(layer: SimulcastLayer, now: Millis): void {
    this.#selected = layer;
    this.#forgive(now);
    layer.onTaken(now);
  }

  #forgive(now: Millis): void {
    this.#silentMs = 0;
    this.#stuckMs = 0;
    this.#lastWitness = now;
  }

  #passReserve(layer: SimulcastLayer): void {
    let first = true;
    for (const f of layer.takeReserve()) {
      this.#pass(layer, first ? { ...f, lostBefore: 0 } : f);
      first = false;
    }
    this.#discardReserves();
  }

  #discardReserves(): void {
    for (const l of this.#layers) this.#dropped += l.discard();
  }

  #pass(layer: SimulcastLayer, f: PlacedFrame): void {
    const local = millis(Math.max(this.#lastLocal + 1, f.local));
    this.#lastLocal = local;
    this.#passed++;
    this.#out.push({ t: "frame", ssrc: layer.ssrc, frame: local === f.local ? f : { ...f, local } });
  }
}
