import { earliest } from "../machine.ts";
import type { NegotiatedMedia } from "../sdp/negotiated.ts";
import type { Millis } from "../time.ts";
import { type LayerOutput, LayerSelector } from "./layer-selector.ts";
import type { PlacedFrame } from "./received-track.ts";

/** An incoming stream, as far as simulcast is concerned. */
export type SimulcastStream = {
  readonly ssrc: number;
  readonly mid: string;
  readonly rid: string | undefined;
};

/** The m-lines of a connection on which several layers make one track. */
export class SimulcastTracks {
  readonly #selectors = new Map<string, LayerSelector>();

  /** The m-line carries layers: by RID, or as several SSRCs that the description names. */
  static carries(section: NegotiatedMedia): boolean {
    return section.kind === "video" && (section.remoteRids.length > 1 || section.remoteSsrcs.length > 1);
  }

  get deadline(): Millis | undefined {
    let due: Millis | undefined;
    for (const s of this.#selectors.values()) due = earliest(due, s.deadline);
    return due;
  }

  /** A stream of a simulcast m-line begins. */
  add(s: SimulcastStream, now: Millis): void {
    const selector = this.#selectors.get(s.mid) ?? new LayerSelector();
    this.#selectors.set(s.mid, selector);
    selector.add(s.ssrc, s.rid, now);
  }

  /** A packet of a stream came; before the stream takes it. */
  packet(s: SimulcastStream, octets: number, now: Millis): void {
    this.#selectors.get(s.mid)?.packet(s.ssrc, octets, now);
  }

  /** A frame of a stream. False: its m-line has no layers, the frame is one of the track. */
  push(s: SimulcastStream, frame: PlacedFrame, now: Millis): boolean {
    const selector = this.#selectors.get(s.mid);
    selector?.push(s.ssrc, frame, now);
    return selector !== undefined;
  }

  /** A keyframe of this stream is of use. */
  wants(s: SimulcastStream): boolean {
    return this.#selectors.get(s.mid)?.wants(s.ssrc) ?? true;
  }

  /** A stream ended. */
  remove(s: SimulcastStream, now: Millis): void {
    this.#selectors.get(s.mid)?.remove(s.ssrc, now);
  }

  poll(now: Millis): { readonly mid: string; readonly out: LayerOutput } | undefined {
    for (const [mid, selector] of this.#selectors) {
      const out = selector.poll(now);
      if (out) return { mid, out };
    }
    return undefined;
  }

  /** All streams have handed out what they held: so do the tracks. */
  flush(now: Millis): void {
    for (const s of this.#selectors.values()) s.flush(now);
  }

  /** The stream is the layer that the track shows; undefined: it is no layer. */
  selected(s: SimulcastStream): boolean | undefined {
    const selector = this.#selectors.get(s.mid);
    return selector && selector.statistics().selected === s.ssrc;
  }
}
