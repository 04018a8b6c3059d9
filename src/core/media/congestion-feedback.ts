import type { PacketExtensions } from "../rtp/extension-map.ts";
import { AbsSendTimeUnwrapper } from "../rtp/extension-values.ts";
import { ExtensionUri } from "../rtp/extensions.ts";
import { RembController } from "../rtp/remb.ts";
import { TransportFeedbackGenerator } from "../rtp/twcc.ts";
import type { NegotiatedMedia } from "../sdp/negotiated.ts";
import type { Millis } from "../time.ts";

/** Never ask a sender to go below this. */
const FLOOR_BPS = 100_000;

/**
 * What a connection tells its sender of the path: transport-wide feedback where that was agreed, and the
 * highest bitrate (REMB), which follows delay and loss where it was not.
 */
export class CongestionFeedback {
  readonly #ssrc: number;
  readonly #maxBitrate: number;
  readonly #sendTimes = new AbsSendTimeUnwrapper();
  #wide: TransportFeedbackGenerator | undefined;
  #remb: { readonly controller: RembController; readonly ceiling: number } | undefined;

  /** `ssrc`: ours. `maxBitrate`: ceiling for each incoming video, bit/s. */
  constructor(ssrc: number, maxBitrate: number) {
    this.#ssrc = ssrc;
    this.#maxBitrate = maxBitrate;
  }

  /** What we state as the highest bitrate, bit/s; undefined: nothing. */
  get rembBps(): number | undefined {
    return this.#remb?.controller.estimateBps;
  }

  get deadline(): Millis | undefined {
    return this.#wide?.deadline;
  }

  /** Takes over what was agreed for the m-lines that we receive. */
  configure(media: readonly NegotiatedMedia[]): void {
    const wide = media.some(
      (m) =>
        [...m.extensions.values()].includes(ExtensionUri.transportCc) &&
        m.payloads.some((p) => p.feedback.includes("transport-cc")),
    );
    if (wide) this.#wide ??= new TransportFeedbackGenerator({ sender: this.#ssrc });
    const videos = media.filter(
      (m) => m.kind === "video" && m.payloads.some((p) => p.feedback.includes("goog-remb")),
    );
    const ceiling = videos.length * this.#maxBitrate;
    if (ceiling === 0 || this.#remb?.ceiling === ceiling) return;
    const controller = new RembController({ ceilingBps: ceiling, floorBps: FLOOR_BPS, transportWide: wide });
    this.#remb = { controller, ceiling };
  }

  /** A datagram of `octets` with extensions `x` arrived. */
  push(x: PacketExtensions, ssrc: number, octets: number, now: Millis): void {
    if (x.transportSeq !== undefined) this.#wide?.push(x.transportSeq, ssrc, now);
    const sendMs = x.absSendTime === undefined ? undefined : this.#sendTimes.unwrap(x.absSendTime);
    this.#remb?.controller.push(octets, sendMs, now);
  }

  /** Transport-wide feedback that is due. */
  poll(now: Millis): Uint8Array | undefined {
    return this.#wide?.poll(now);
  }

  /** The highest bitrate to state with a report now, after a share `lost` (0..1) of the video was lost. */
  statedWith(lost: number, now: Millis): number | undefined {
    this.#remb?.controller.onLoss(lost, now);
    return this.#remb?.controller.poll(now);
  }

  /** The event loop stood still for `lagMs` until `now`. */
  onStall(lagMs: number, now: Millis): void {
    this.#wide?.onStall(lagMs, now);
    this.#remb?.controller.onStall(lagMs, now);
  }
}
