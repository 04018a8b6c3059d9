import { vp8 } from "../../src/core/codecs/vp8.ts";
import { FaultCounter } from "../../src/core/fault.ts";
import { ConnectionReceiver } from "../../src/core/media/connection-receiver.ts";
import { MediaSender } from "../../src/core/media/media-sender.ts";
import type { PlacedFrame, ReceivedTrack } from "../../src/core/media/received-track.ts";
import { seededRandom } from "../../src/core/random.ts";
import { ExtensionUri } from "../../src/core/rtp/extensions.ts";
import type { NegotiatedMedia } from "../../src/core/sdp/negotiated.ts";
import { type Millis, millis } from "../../src/core/time.ts";
import { Netem, type NetworkProfile } from "./netem.ts";

const FPS = 30;
const GOP = 30;
const START_MS = 1000;
const ids = { mid: 4, absSendTime: 2, transportCc: 3, rid: 10, repairedRid: 11 };

/** The layers of the call, as browsers name them. */
export const layers = [
  { rid: "q", ssrc: 100, width: 320, height: 180, octets: 350 },
  { rid: "h", ssrc: 200, width: 640, height: 360, octets: 800 },
  { rid: "f", ssrc: 300, width: 1280, height: 720, octets: 2600 },
] as const;

/** A picture that came out, and which one of the clip it is in which layer. */
export type ShownFrame = {
  readonly layer: number;
  readonly sample: number;
  readonly frame: PlacedFrame;
  readonly at: number;
};

/** How a call is set up. */
export type SimulcastCallOptions = {
  readonly profile: NetworkProfile;
  readonly seed: number;
  /** "rids": known by RID; "ssrcs": by the SSRCs that the description names. Default "rids". */
  readonly knownBy?: "rids" | "ssrcs";
  /** Looks at every packet in either direction; false: it is lost. */
  readonly through?: (packet: Uint8Array, from: "sender" | "receiver", at: number) => boolean;
};

/** Picture `sample` of a layer: a VP8 header, then both numbers. */
function picture(layer: number, sample: number): Uint8Array {
  const l = layers[layer] ?? layers[0];
  const keyframe = sample % GOP === 0;
  const data = new Uint8Array(keyframe ? 4 * l.octets : l.octets).fill(1 + (sample % 200));
  const size = [l.width & 0xff, l.width >> 8, l.height & 0xff, l.height >> 8];
  data.set(keyframe ? [0x10, 0, 0, 0x9d, 0x01, 0x2a, ...size] : [0x11]);
  data.set([layer, sample], 20);
  return data;
}

/** A sender of three layers and a receiver, with an emulated network in both directions, in virtual time. */
export class SimulcastCall {
  readonly sender: MediaSender;
  readonly receiver: ConnectionReceiver;
  readonly shown: ShownFrame[] = [];
  readonly #there: Netem<Uint8Array>;
  readonly #back: Netem<Uint8Array>;
  readonly #through: NonNullable<SimulcastCallOptions["through"]>;
  #now = START_MS;

  constructor(o: SimulcastCallOptions) {
    const random = seededRandom(o.seed);
    const byRid = o.knownBy !== "ssrcs";
    this.sender = new MediaSender({
      index: {
        video: Array.from({ length: 2 * FPS }, (_, i) => ({
          time: Math.round((i * 1e6) / FPS),
          size: picture(2, i).length,
          keyframe: i % GOP === 0,
        })),
        durationUs: 2e6,
      },
      video: layers.map((l) => ({
        codec: vp8,
        ssrc: l.ssrc,
        payloadType: 96,
        rtx: { ssrc: l.ssrc + 1, payloadType: 97 },
        mid: "0",
        rid: byRid ? l.rid : undefined,
        extensions: ids,
      })),
      read: (_kind, sample, layer) => picture(layer, sample),
      cname: "sender",
      start: millis(START_MS),
      wallOffsetMs: 1.7e12,
      random: seededRandom(1),
    });
    this.receiver = new ConnectionReceiver({
      random,
      cname: "r",
      maxBitrate: 8e6,
      faults: new FaultCounter(),
    });
    this.receiver.configure([agreed(byRid)]);
    this.#there = new Netem<Uint8Array>(o.profile, random);
    this.#back = new Netem<Uint8Array>(o.profile, random);
    this.#through = o.through ?? (() => true);
  }

  /** Milliseconds since the start. */
  get now(): number {
    return this.#now - START_MS;
  }

  get tracks(): readonly ReceivedTrack[] {
    return this.receiver.statistics(millis(this.#now)).tracks;
  }

  /** Runs for a while, a millisecond a step. */
  run(ms: number): this {
    for (const end = this.#now + ms; this.#now < end; this.#now++) this.#step(millis(this.#now));
    return this;
  }

  /** Everything that is held comes out. */
  end(): this {
    this.receiver.flush(millis(this.#now));
    this.#drain(millis(this.#now));
    return this;
  }

  /** Layers in the order they were shown, repeats left out. */
  get order(): readonly number[] {
    return this.shown.flatMap((s, i) => (this.shown[i - 1]?.layer === s.layer ? [] : [s.layer]));
  }

  /** The longest time between pictures that show after `from`, ms. */
  longestGap(from = 0): number {
    const times = this.shown.map((s) => s.frame.local - START_MS).filter((t) => t >= from);
    return Math.max(0, ...times.slice(1).map((t, i) => t - (times[i] ?? t)));
  }

  #step(now: Millis): void {
    for (let p = this.sender.poll(now); p; p = this.sender.poll(now)) {
      if (this.#through(p, "sender", this.now)) this.#there.push({ item: p.slice(), bytes: p.length }, now);
    }
    for (let p = this.#there.poll(now); p; p = this.#there.poll(now)) {
      this.receiver.push(p.slice(), now);
      this.#drain(now);
    }
    for (let p = this.#back.poll(now); p; p = this.#back.poll(now)) this.sender.onRtcp(p, now);
    if ((this.receiver.deadline ?? Number.POSITIVE_INFINITY) <= now) this.#drain(now);
  }

  #drain(now: Millis): void {
    for (let out = this.receiver.poll(now); out; out = this.receiver.poll(now)) {
      if (out.t === "frame") {
        const [layer = -1, sample = -1] = out.frame.data.subarray(20, 22);
        this.shown.push({ layer, sample, frame: out.frame, at: now - START_MS });
      } else if (out.t === "rtcp" && this.#through(out.data, "receiver", this.now))
        this.#back.push({ item: out.data, bytes: out.data.length }, now);
    }
  }
}

function agreed(byRid: boolean): NegotiatedMedia {
  const feedback = ["nack", "nack pli", "transport-cc"];
  return {
    mid: "0",
    kind: "video",
    receiving: true,
    payloads: [
      { payloadType: 96, codec: "vp8", clockRate: 90_000, fmtp: "", feedback },
      { payloadType: 97, codec: "rtx", clockRate: 90_000, fmtp: "apt=96", feedback: [], apt: 96 },
    ],
    extensions: new Map([
      [ids.mid, ExtensionUri.mid],
      [ids.absSendTime, ExtensionUri.absSendTime],
      [ids.transportCc, ExtensionUri.transportCc],
      [ids.rid, ExtensionUri.rid],
      [ids.repairedRid, ExtensionUri.repairedRid],
    ]),
    remoteSsrcs: byRid ? [] : layers.map((l) => ({ ssrc: l.ssrc, rtx: l.ssrc + 1, cname: "sender" })),
    remoteRids: byRid ? layers.map((l) => l.rid) : [],
    rtcpRsize: true,
  };
}
