import { type Fault, FaultCounter } from "../core/fault.ts";
import { ConnectionReceiver, type ReceiverStatistics } from "../core/media/connection-receiver.ts";
import type { MediaSender } from "../core/media/media-sender.ts";
import type { PlacedFrame } from "../core/media/received-track.ts";
import { type Random, randomInt } from "../core/random.ts";
import type { IceServer, LinkState, LogLevel, RtcHost } from "../core/room.ts";
import { type Capability, defaultCapabilities } from "../core/sdp/capabilities.ts";
import type { NegotiatedMedia } from "../core/sdp/negotiated.ts";
import { Negotiator } from "../core/sdp/negotiator.ts";
import type { Millis } from "../core/time.ts";
import { PeerLink } from "./link.ts";
import { LinkMedia } from "./link-media.ts";
import type { Pump } from "./pump.ts";
import type { TransportFactory } from "./transport.ts";

/** What the engine needs from the program. */
export type PeerHostOptions = {
  readonly transports: TransportFactory;
  readonly pump: Pump;
  readonly random: Random;
  /** Canonical name of everything we send (RFC 3550 section 6.5.1). */
  readonly cname: string;
  /** Ceiling for each incoming video, bit/s. */
  readonly maxBitrate: number;
  readonly capabilities?: readonly Capability[];
  /** Makes the sender of a link once something of ours is to be sent on it. */
  readonly sender?: (
    peerId: string,
    media: readonly NegotiatedMedia[],
    now: Millis,
  ) => MediaSender | undefined;
  readonly onFrame: (linkId: string, mid: string, frame: PlacedFrame) => void;
  readonly onLink?: (linkId: string, peerId: string, state: LinkState) => void;
  readonly log: (level: LogLevel, message: string) => void;
};

type Entry = { readonly peerId: string; readonly link: PeerLink; readonly media: LinkMedia };

/** Live view of one link. */
export type LinkStatistics = {
  readonly linkId: string;
  readonly peerId: string;
  readonly state: LinkState;
  readonly pair: { readonly local: string; readonly remote: string } | undefined;
  readonly receiver: ReceiverStatistics;
  readonly sender: MediaSender | undefined;
};

/** The engine behind every signalling adapter: makes links and keeps their media going. */
export class PeerHost implements RtcHost {
  readonly faults = new FaultCounter();
  readonly #o: PeerHostOptions;
  readonly #links = new Map<string, Entry>();
  #packetsBefore = 0;
  #next = 1;

  constructor(o: PeerHostOptions) {
    this.#o = o;
  }

  /** Throws what the transport factory throws: `usage` on ICE servers that cannot be read, `ice-failed`. */
  link(o: { peerId: string; iceServers: readonly IceServer[] }): PeerLink {
    const id = `link-${this.#next++}`;
    const receiver = new ConnectionReceiver({
      random: this.#o.random,
      cname: this.#o.cname,
      maxBitrate: this.#o.maxBitrate,
      faults: this.faults,
    });
    const makeSender = this.#o.sender;
    const media: LinkMedia = new LinkMedia({
      pump: this.#o.pump,
      receiver,
      send: (packet) => link.send(packet),
      onFrame: (mid, frame) => this.#o.onFrame(id, mid, frame),
      ...(makeSender ? { sender: (m, now) => makeSender(o.peerId, m, now) } : {}),
    });
    let link: PeerLink;
    try {
      link = new PeerLink({
        id,
        sessionId: String(1 + randomInt(this.#o.random, 2 ** 48)),
        negotiator: new Negotiator({
          random: this.#o.random,
          capabilities: this.#o.capabilities ?? defaultCapabilities,
          cname: this.#o.cname,
        }),
        open: (handlers) => this.#o.transports({ name: id, iceServers: o.iceServers }, handlers),
        onMedia: (m) => media.configure(m),
        onPacket: (packet) => media.onPacket(packet),
        onState: (state) => this.#onState(id, state),
        onFault: (fault) => this.fault(fault),
        onClosing: () => media.close(),
      });
    } catch (error) {
      media.close();
      throw error;
    }
    this.#links.set(id, { peerId: o.peerId, link, media });
    return link;
  }

  fault(name: Fault): void {
    this.faults.count(name);
  }

  log(level: LogLevel, message: string): void {
    this.#o.log(level, message);
  }

  /** When the first media packet of a link came; undefined: none, or no such link. */
  firstMedia(linkId: string): Millis | undefined {
    return this.#links.get(linkId)?.media.receiver.firstMedia;
  }

  /** Packets handled by all links so far. */
  get packets(): number {
    let n = this.#packetsBefore;
    for (const { media } of this.#links.values()) n += media.packets;
    return n;
  }

  statistics(now: Millis): LinkStatistics[] {
    return [...this.#links].map(([linkId, e]) => ({
      linkId,
      peerId: e.peerId,
      state: e.link.state,
      pair: e.link.selectedPair(),
      receiver: e.media.receiver.statistics(now),
      sender: e.media.sender,
    }));
  }

  /** Closes every link; resolves when the native side has let go, after about a second at most. */
  async close(): Promise<void> {
    await Promise.all([...this.#links.values()].map(({ link }) => link.closed()));
  }

  #onState(id: string, state: LinkState): void {
    const entry = this.#links.get(id);
    if (!entry) return;
    if (state === "connected") entry.media.connected();
    this.#o.onLink?.(id, entry.peerId, state);
    if (state !== "closed") return;
    this.#packetsBefore += entry.media.packets;
    this.#links.delete(id);
  }
}
