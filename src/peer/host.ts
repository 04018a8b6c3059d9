import { type Fault, FaultCounter } from "../core/fault.ts";
import { ConnectionReceiver, type ReceiverStatistics } from "../core/media/connection-receiver.ts";
import type { MediaSender } from "../core/media/media-sender.ts";
import type { PlacedDigit, PlacedFrame } from "../core/media/received-track.ts";
import { ReceivingEngine } from "../core/media/receiving-engine.ts";
import { type Random, randomInt, seededRandom } from "../core/random.ts";
import type { IceServer, LinkState, LogLevel, RtcHost } from "../core/room.ts";
import { type Capability, defaultCapabilities } from "../core/sdp/capabilities.ts";
import type { NegotiatedMedia } from "../core/sdp/negotiated.ts";
import { Negotiator } from "../core/sdp/negotiator.ts";
import type { Millis } from "../core/time.ts";
import { PeerLink } from "./link.ts";
import { type Incoming, LinkMedia } from "./link-media.ts";
import type { Pump, Pumped } from "./pump.ts";
import type { TransportFactory } from "./transport.ts";

/**
 * Sees everything that goes into the receivers, before it does: enough to play it again. Packets and times as the
 * receivers get them; the memory of packets is theirs.
 */
export interface ReceivingTap {
  /** `seed`: of the randomness that the link's receiver gets. */
  opened(linkId: string, o: { readonly peerId: string; readonly seed: number }, now: Millis): void;
  agreed(linkId: string, media: readonly NegotiatedMedia[], now: Millis): void;
  packet(linkId: string, bytes: Uint8Array, now: Millis): void;
  stalled(lagMs: number, now: Millis): void;
  closed(linkId: string, now: Millis): void;
}

/** What the engine needs from the program. */
export type PeerHostOptions = {
  readonly transports: TransportFactory;
  /** Descriptions that are to hold candidates wait no longer than this for them, milliseconds. */
  readonly gatherMs?: number;
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
  /** A key of a telephone was pressed. */
  readonly onDigit?: (linkId: string, mid: string, digit: PlacedDigit) => void;
  /** Every 100 ms of the pump's time, after the frames up to then; see `ReceivingEngine`. */
  readonly onTick?: (at: Millis) => void;
  readonly tap?: ReceivingTap;
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
  readonly #engine: ReceivingEngine;
  readonly #pumped: Pumped;
  #packetsBefore = 0;
  #next = 1;

  constructor(o: PeerHostOptions) {
    this.#o = o;
    const engine = new ReceivingEngine({
      onFrame: o.onFrame,
      ...(o.onDigit ? { onDigit: o.onDigit } : {}),
      onRtcp: (linkId, data) => this.#links.get(linkId)?.media.send(data),
      ...(o.onTick ? { onTick: o.onTick } : {}),
    });
    this.#engine = engine;
    this.#pumped = {
      get deadline() {
        return engine.deadline;
      },
      run: (now) => engine.advance(now),
      onStall: (lagMs, now) => {
        o.tap?.stalled(lagMs, now);
        engine.stall(lagMs, now);
      },
    };
    o.pump.add(this.#pumped);
  }

  /** Throws what the transport factory throws: `usage` on ICE servers that cannot be read, `ice-failed`. */
  link(o: { peerId: string; iceServers: readonly IceServer[] }): PeerLink {
    const id = `link-${this.#next++}`;
    const makeSender = this.#o.sender;
    const media: LinkMedia = new LinkMedia({
      pump: this.#o.pump,
      incoming: this.#incoming(id, o.peerId),
      send: (packet) => link.send(packet),
      ...(makeSender ? { sender: (m, now) => makeSender(o.peerId, m, now) } : {}),
    });
    let link: PeerLink;
    try {
      link = new PeerLink({
        id,
        ...(this.#o.gatherMs === undefined ? {} : { gatherMs: this.#o.gatherMs }),
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

  /** Hands out every frame up to `now`: what the caller does next comes after them. */
  settle(now: Millis): void {
    this.#engine.settle(now);
    this.#o.pump.touch(this.#pumped);
  }

  /** Sends what was put into senders by others than the pump. */
  flush(): void {
    const now = this.#o.pump.now();
    for (const { media } of this.#links.values()) media.run(now);
  }

  /** Asks for a keyframe of a link's m-line. */
  requestKeyframe(linkId: string, mid: string): void {
    this.#engine.requestKeyframe(linkId, mid);
    this.#o.pump.touch(this.#pumped);
  }

  /** When the first media packet of a link came; undefined: none, or no such link. */
  firstMedia(linkId: string): Millis | undefined {
    return this.#engine.receiver(linkId)?.firstMedia;
  }

  /** Packets handled by all links so far. */
  get packets(): number {
    let n = this.#packetsBefore;
    for (const { media } of this.#links.values()) n += media.packets;
    return n;
  }

  /** `now`: of the pump's clock. */
  statistics(now: Millis): LinkStatistics[] {
    return [...this.#links].flatMap(([linkId, e]) => {
      const receiver = this.#engine.receiver(linkId)?.statistics(now);
      if (!receiver) return [];
      const { peerId, link, media } = e;
      return [
        { linkId, peerId, state: link.state, pair: link.selectedPair(), receiver, sender: media.sender },
      ];
    });
  }

  /** Closes every link; resolves when the native side has let go, after about a second at most. */
  async close(): Promise<void> {
    await Promise.all([...this.#links.values()].map(({ link }) => link.closed()));
    this.#o.pump.remove(this.#pumped);
  }

  /** Opens a receiver and says where what the link receives goes. */
  #incoming(id: string, peerId: string): Incoming {
    const { tap, pump, cname, maxBitrate } = this.#o;
    const seed = randomInt(this.#o.random, 2 ** 32);
    const opened = pump.now();
    tap?.opened(id, { peerId, seed }, opened);
    const random = seededRandom(seed);
    this.#engine.open(id, new ConnectionReceiver({ random, cname, maxBitrate, faults: this.faults }), opened);
    const touch = () => pump.touch(this.#pumped);
    return {
      configure: (media, now) => {
        tap?.agreed(id, media, now);
        this.#engine.configure(id, media, now);
        touch();
      },
      packet: (bytes, now) => {
        tap?.packet(id, bytes, now);
        this.#engine.packet(id, bytes, now);
        touch();
      },
      close: (now) => {
        tap?.closed(id, now);
        this.#engine.close(id, now);
        touch();
      },
    };
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
