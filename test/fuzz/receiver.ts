import { codecs } from "../../src/core/codecs/registry.ts";
import { FaultCounter } from "../../src/core/fault.ts";
import { ConnectionReceiver } from "../../src/core/media/connection-receiver.ts";
import { type Random, randomInt } from "../../src/core/random.ts";
import { ExtensionUri } from "../../src/core/rtp/extensions.ts";
import { buildRtp, emptyRtpView, parseRtp } from "../../src/core/rtp/packet.ts";
import { parseRtcp } from "../../src/core/rtp/rtcp/parse.ts";
import type { NegotiatedMedia, NegotiatedPayload } from "../../src/core/sdp/negotiated.ts";
import { millis } from "../../src/core/time.ts";
import { codecFmtp, codecTables } from "../core/codecs/tables.ts";
import { rtcpSeeds } from "./packets.ts";
import { type FuzzTarget, mutate, noise, pick, toHex } from "./target.ts";

/** Packets that one connection gets. */
const LIFE = 2000;
const MAX = 240;
/** A packet makes no more outputs than this, and no instant keeps polling longer. */
const MAX_OUTPUTS = 10_000;

const payloads: readonly NegotiatedPayload[] = codecs.flatMap((c, i) => [
  {
    payloadType: 96 + i,
    codec: c.rtpName.toLowerCase(),
    clockRate: c.clockRate,
    fmtp: codecFmtp[c.name] ?? "",
    feedback: feedback(c.kind),
  },
  ...(c.kind === "video"
    ? [{ payloadType: 35 + i, codec: "rtx", clockRate: c.clockRate, fmtp: "", feedback: [], apt: 96 + i }]
    : []),
]);

function feedback(kind: string): string[] {
  return kind === "video" ? ["nack", "nack pli", "goog-remb", "transport-cc"] : ["transport-cc"];
}

function section(mid: string, kind: "audio" | "video"): NegotiatedMedia {
  const own = codecs.flatMap((c, i) => (c.kind === kind ? [96 + i, 35 + i] : []));
  return {
    mid,
    kind,
    receiving: true,
    payloads: payloads.filter((p) => own.includes(p.payloadType)),
    extensions: new Map(Object.values(ExtensionUri).map((uri, i) => [i + 1, uri])),
    remoteSsrcs: kind === "video" ? [{ ssrc: 1, rtx: 2, cname: "x" }] : [],
    remoteRids: [],
    rtcpRsize: false,
  };
}

/** A whole connection: packets that are nearly right, RTCP and noise, with time running on. */
export const receiverTarget: FuzzTarget = {
  name: "connection",
  start(random) {
    let life = new Life(random);
    return {
      round() {
        if (life.over) life = new Life(random);
        return life.step();
      },
      last: () => toHex(life.last),
    };
  },
};

class Life {
  last: Uint8Array = new Uint8Array(0);
  readonly #random: Random;
  readonly #receiver: ConnectionReceiver;
  readonly #rtcp: readonly Uint8Array[];
  readonly #seq = new Map<number, number>();
  readonly #view = emptyRtpView();
  #left = LIFE;
  #now = 1000;

  constructor(random: Random) {
    this.#random = random;
    this.#rtcp = rtcpSeeds(random);
    this.#receiver = new ConnectionReceiver({
      random,
      cname: "fuzz",
      maxBitrate: 1e6,
      faults: new FaultCounter(),
    });
    this.#receiver.configure([section("a", "audio"), section("v", "video")]);
  }

  get over(): boolean {
    return this.#left === 0;
  }

  step(): boolean {
    const random = this.#random;
    this.#now += random() < 0.5 ? 0 : random() < 0.999 ? randomInt(random, 20) : randomInt(random, 40_000);
    if (random() < 0.001) this.#receiver.onStall(randomInt(random, 500), millis(this.#now));
    this.last = this.#input();
    this.#receiver.push(this.last.slice(), millis(this.#now));
    let frames = this.#drain();
    for (const { ssrc, ledger: n } of this.#receiver.statistics(millis(this.#now)).tracks) {
      if (n.expected !== n.received + n.recovered + n.lost + n.pending)
        throw new Error(`numbers of ${ssrc}: ${JSON.stringify(n)}`);
    }
    if (--this.#left === 0) {
      this.#receiver.flush(millis(this.#now));
      frames += this.#drain();
    }
    return frames > 0;
  }

  #input(): Uint8Array {
    const random = this.#random;
    const dice = random();
    if (dice < 0.01) return noise(random, 64);
    if (dice < 0.06) return mutate(random, pick(random, this.#rtcp), pick(random, this.#rtcp), MAX);
    const i = randomInt(random, codecs.length);
    const codec = codecs[i] ?? pick(random, codecs);
    const ssrc = random() < 0.97 ? (codec.kind === "video" ? 1 : 10) : randomInt(random, 5);
    const step = random() < 0.9 ? 1 : randomInt(random, 12) - 4;
    const seq = ((this.#seq.get(ssrc) ?? randomInt(random, 65_536)) + step) & 0xffff;
    this.#seq.set(ssrc, seq);
    const example = pick(
      random,
      (codecTables[codec.name] ?? []).filter((c) => c.payloads.length > 0),
    );
    const payload = pick(random, example.payloads);
    const rtx = codec.kind === "video" && random() < 0.05;
    const packet = buildRtp({
      payloadType: rtx ? 35 + i : 96 + i,
      ssrc: rtx ? 2 : ssrc,
      seq,
      timestamp: (Math.floor(this.#now * (codec.clockRate / 1000)) >>> 0) % 0x1_0000_0000,
      marker: random() < 0.6,
      payload: rtx ? Uint8Array.of((seq - 3) >> 8, (seq - 3) & 0xff, ...payload) : payload,
      extensions: random() < 0.2 ? [{ id: 1 + randomInt(random, 12), data: noise(random, 12) }] : [],
    });
    if (!parseRtp(packet, this.#view)) throw new Error("the seed is no packet");
    return random() < 0.2 ? mutate(random, packet, packet, MAX) : packet;
  }

  #drain(): number {
    const r = this.#receiver;
    let frames = 0;
    for (let n = 0; ; n++) {
      if (n > MAX_OUTPUTS) throw new Error("it never stops");
      const out = r.poll(millis(this.#now));
      if (!out) break;
      if (out.t === "frame") frames++;
      else if (out.t === "rtcp" && parseRtcp(out.data).malformed > 0)
        throw new Error("our own RTCP is malformed");
    }
    if (r.deadline !== undefined && r.deadline <= this.#now) throw new Error(`stuck at ${this.#now}`);
    return frames;
  }
}
