import type { MediaSender } from "../core/media/media-sender.ts";
import { isRtcp } from "../core/rtp/packet.ts";
import type { NegotiatedMedia } from "../core/sdp/negotiated.ts";
import type { Millis } from "../core/time.ts";
import type { Pump, Pumped } from "./pump.ts";

/** Where everything goes that a link receives. */
export type Incoming = {
  readonly configure: (media: readonly NegotiatedMedia[], now: Millis) => void;
  readonly packet: (bytes: Uint8Array, now: Millis) => void;
  /** The link ends: what is held comes out. */
  readonly close: (now: Millis) => void;
};

/** The media of one link: its packets in and out. */
export type LinkMediaOptions = {
  readonly pump: Pump;
  readonly incoming: Incoming;
  /** Makes the sender once something of ours was agreed to be sent; called once. */
  readonly sender?: (media: readonly NegotiatedMedia[], now: Millis) => MediaSender | undefined;
  readonly send: (packet: Uint8Array) => boolean;
};

/** Joins the receiving engine and a sender to a link; the sender is driven by the pump. */
export class LinkMedia implements Pumped {
  readonly #o: LinkMediaOptions;
  #sender: MediaSender | undefined;
  #media: readonly NegotiatedMedia[] = [];
  #connected = false;
  #closed = false;
  #packets = 0;

  constructor(o: LinkMediaOptions) {
    this.#o = o;
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
    return this.#connected && !this.#closed ? this.#sender?.deadline : undefined;
  }

  /** Takes over what was agreed. */
  configure(media: readonly NegotiatedMedia[]): void {
    if (this.#closed) return;
    this.#media = media;
    this.#o.incoming.configure(media, this.#o.pump.now());
    this.#startSender();
    this.#o.pump.touch(this);
  }

  /** The transport is up: media may flow. */
  connected(): void {
    this.#connected = true;
    this.#startSender();
    this.run(this.#o.pump.now());
  }

  /** One packet from the transport. */
  onPacket(packet: Uint8Array): void {
    // First of all: everything after this line is delay that the sender did not cause.
    const now = this.#o.pump.now();
    if (this.#closed) return;
    this.#packets++;
    this.#o.pump.notice(now);
    if (this.#sender && isRtcp(packet)) {
      this.#sender.onRtcp(packet, now);
      this.run(now);
    }
    this.#o.incoming.packet(packet, now);
  }

  run(now: Millis): void {
    if (this.#closed || !this.#connected || !this.#sender) return;
    for (let p = this.#sender.poll(now); p !== undefined; p = this.#sender.poll(now)) this.send(p);
    this.#o.pump.touch(this);
  }

  /** Sends one packet, if the transport takes it. */
  send(packet: Uint8Array): void {
    this.#packets++;
    this.#o.send(packet);
  }

  /** Lets out what the receiver still holds, says good-bye to the other side and stops. Idempotent. */
  close(): void {
    if (this.#closed) return;
    const now = this.#o.pump.now();
    this.#o.incoming.close(now);
    if (this.#sender) for (const packet of this.#sender.stop(now)) this.send(packet);
    this.#closed = true;
    this.#o.pump.remove(this);
  }

  #startSender(): void {
    if (!this.#connected || this.#closed || this.#sender || !this.#media.some((m) => m.send)) return;
    this.#sender = this.#o.sender?.(this.#media, this.#o.pump.now());
  }
}
