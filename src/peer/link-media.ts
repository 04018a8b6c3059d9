import { earliest } from "../core/machine.ts";
import type { ConnectionReceiver } from "../core/media/connection-receiver.ts";
import type { MediaSender } from "../core/media/media-sender.ts";
import type { PlacedFrame } from "../core/media/received-track.ts";
import { isRtcp } from "../core/rtp/packet.ts";
import type { NegotiatedMedia } from "../core/sdp/negotiated.ts";
import type { Millis } from "../core/time.ts";
import { monotonicNow, type Pump, type Pumped } from "./pump.ts";

/** The media of one link: its packets in and out, driven by the pump. */
export type LinkMediaOptions = {
  readonly pump: Pump;
  readonly receiver: ConnectionReceiver;
  /** Makes the sender once something of ours was agreed to be sent; called once. */
  readonly sender?: (media: readonly NegotiatedMedia[], now: Millis) => MediaSender | undefined;
  readonly send: (packet: Uint8Array) => boolean;
  readonly onFrame: (mid: string, frame: PlacedFrame) => void;
};

/** Joins a receiver and a sender to a link. */
export class LinkMedia implements Pumped {
  readonly receiver: ConnectionReceiver;
  readonly #o: LinkMediaOptions;
  #sender: MediaSender | undefined;
  #media: readonly NegotiatedMedia[] = [];
  #connected = false;
  #closed = false;
  #packets = 0;

  constructor(o: LinkMediaOptions) {
    this.#o = o;
    this.receiver = o.receiver;
    o.pump.add(this);
  }

  /** Packets handled in either direction. */
  get packets(): number {
    return this.#packets;
  }

  get sender(): MediaSender | undefined {
    return this.#sender;
  }

  get deadline(): Millis | undefined {
    if (!this.#connected || this.#closed) return undefined;
    return earliest(this.receiver.deadline, this.#sender?.deadline);
  }

  /** Takes over what was agreed. */
  configure(media: readonly NegotiatedMedia[]): void {
    this.#media = media;
    this.receiver.configure(media);
    this.#startSender();
    this.#o.pump.touch(this);
  }

  /** The transport is up: feedback and media may flow. */
  connected(): void {
    this.#connected = true;
    this.#startSender();
    this.run(monotonicNow());
  }

  /** One packet from the transport. */
  onPacket(packet: Uint8Array): void {
    // First of all: everything after this line is delay that the sender did not cause.
    const now = monotonicNow();
    if (this.#closed) return;
    this.#packets++;
    if (this.#sender && isRtcp(packet)) this.#sender.onRtcp(packet, now);
    this.receiver.push(packet, now);
    this.run(now);
  }

  run(now: Millis): void {
    if (this.#closed) return;
    for (let out = this.receiver.poll(now); out !== undefined; out = this.receiver.poll(now)) {
      if (out.t === "frame") this.#o.onFrame(out.mid, out.frame);
      else this.#send(out.data);
    }
    if (this.#connected && this.#sender) {
      for (let p = this.#sender.poll(now); p !== undefined; p = this.#sender.poll(now)) this.#send(p);
    }
    this.#o.pump.touch(this);
  }

  onStall(lagMs: number, now: Millis): void {
    this.receiver.onStall(lagMs, now);
  }

  /** Hands out what the receiver still holds, says good-bye to the other side and stops. Idempotent. */
  close(): void {
    if (this.#closed) return;
    const now = monotonicNow();
    this.receiver.flush(now);
    if (this.#sender) for (const packet of this.#sender.stop(now)) this.#send(packet);
    this.run(now);
    this.#closed = true;
    this.#o.pump.remove(this);
  }

  #startSender(): void {
    if (!this.#connected || this.#closed || this.#sender || !this.#media.some((m) => m.send)) return;
    this.#sender = this.#o.sender?.(this.#media, monotonicNow());
  }

  #send(packet: Uint8Array): void {
    this.#packets++;
    this.#o.send(packet);
  }
}
