import { describe, expect, it } from "vitest";
import { seededRandom } from "../../../src/core/random.ts";
import { RtpDemuxer } from "../../../src/core/rtp/demux.ts";
import { ExtensionUri } from "../../../src/core/rtp/extensions.ts";
import { NackGenerator } from "../../../src/core/rtp/nack.ts";
import { emptyRtpView, parseRtp, payloadOf } from "../../../src/core/rtp/packet.ts";
import { Reception } from "../../../src/core/rtp/reception.ts";
import { buildNacks } from "../../../src/core/rtp/rtcp/build-feedback.ts";
import { parseRtcp } from "../../../src/core/rtp/rtcp/parse.ts";
import { RttEstimator } from "../../../src/core/rtp/rtt.ts";
import { RtxUnwrapper } from "../../../src/core/rtp/rtx.ts";
import { SendHeader } from "../../../src/core/rtp/send/header.ts";
import { NackResponder } from "../../../src/core/rtp/send/nack-responder.ts";
import { RtpSendStream } from "../../../src/core/rtp/send/stream.ts";
import { type Millis, millis } from "../../../src/core/time.ts";
import { Netem, type NetworkName, networkProfiles } from "../../support/netem.ts";

const PACKETS = 4000;
const INTERVAL_MS = 4;

/** A video sender and the receiving half, each at one end of a network. Which media packets got across? */
function run(name: NetworkName, seed: number) {
  const random = seededRandom(seed);
  const header = new SendHeader({ mid: 1, rid: 2, repairedRid: 3 }, { mid: "v", rid: "hi" });
  const stream = new RtpSendStream({
    ssrc: 10,
    payloadType: 96,
    clockRate: 90_000,
    header,
    rtx: { ssrc: 20, payloadType: 97 },
    random,
    start: millis(0),
  });
  const responder = new NackResponder(stream);
  const there = new Netem<Uint8Array>(networkProfiles[name], random);
  const back = new Netem<Uint8Array>(networkProfiles[name], random);

  const demux = new RtpDemuxer();
  demux.update([
    {
      mid: "v",
      payloads: [
        { payloadType: 96, codec: "vp8", clockRate: 90_000 },
        { payloadType: 97, codec: "rtx", clockRate: 90_000, apt: 96 },
      ],
      extensions: new Map([
        [1, ExtensionUri.mid],
        [2, ExtensionUri.rid],
        [3, ExtensionUri.repairedRid],
      ]),
      remoteSsrcs: [],
      remoteRids: ["hi"],
    },
  ]);
  const rtt = new RttEstimator();
  const nack = new NackGenerator({ rtt });
  const reception = new Reception(10, 90_000);
  const unwrapper = new RtxUnwrapper();
  const v = emptyRtpView();
  const media = new Map<number, string>();
  const gaveUp: number[] = [];
  let restored = 0;
  let overflows = 0;

  const receive = (b: Uint8Array, now: Millis) => {
    if (!parseRtp(b, v)) return;
    const route = demux.route(v);
    if (typeof route === "string") throw new Error(route);
    if (route.role === "media") {
      const ext = reception.push(v.seq, v.timestamp, now);
      if (ext === undefined) throw new Error("a packet was taken for a restart");
      nack.push(ext, now);
    } else {
      const primarySsrc = route.primarySsrc ?? 0;
      const ids = { repairedRidId: 3, ridId: 2 };
      if (!unwrapper.unwrap(v, { primarySsrc, primaryPayloadType: 96, ...ids })) return;
      const ext = reception.locate(v.seq);
      if (ext === undefined || !nack.recovered(ext, now)) return;
      restored++;
    }
    media.set(v.seq, payloadOf(v).join());
  };

  const sent = new Map<number, string>();
  for (let t = 0; t < PACKETS * INTERVAL_MS + 5000; t++) {
    const now = millis(t);
    if (t % INTERVAL_MS === 0 && t < PACKETS * INTERVAL_MS) {
      const payload = new Uint8Array(200).fill(t / INTERVAL_MS);
      const p = stream.packet({ payload, marker: false, mediaTimeUs: t * 1000, identify: false });
      stream.sent(p, now);
      responder.mediaSent(p.bytes.length, now);
      sent.set(p.seq, payload.join());
      there.push({ item: p.bytes.slice(), bytes: p.bytes.length }, now);
    }
    for (let b = back.poll(now); b; b = back.poll(now)) {
      for (const p of parseRtcp(b).packets) {
        if (p.type !== "nack") continue;
        for (const r of responder.answer(p.seqs, now, 60)) there.push({ item: r, bytes: r.length }, now);
      }
    }
    for (let b = there.poll(now); b; b = there.poll(now)) receive(b.slice(), now);
    for (let out = nack.poll(now); out; out = nack.poll(now)) {
      if (out.type === "gave-up") gaveUp.push(...out.seqs);
      else if (out.type === "overflow") overflows++;
      else for (const b of buildNacks(1, 10, out.seqs)) back.push({ item: b, bytes: b.length }, now);
    }
  }
  const wrong = [...media].filter(([seq, payload]) => sent.get(seq) !== payload).length;
  return { sent: sent.size, got: media.size, wrong, gaveUp: gaveUp.length, overflows, restored, nack };
}

describe("recovering lost packets with RTX over an emulated network", () => {
  it.each(["clean", "wifi", "lossy", "bursty", "reordering"] as const)(
    "misses next to nothing (%s)",
    (name) => {
      const r = run(name, 77);
      expect(r.wrong).toBe(0);
      expect(r.overflows).toBe(0);
      expect(r.nack.missing).toBe(0);
      // The last packets may be lost without anybody noticing.
      expect(r.sent - r.got - r.gaveUp).toBeLessThanOrEqual(20);
      expect(r.gaveUp).toBeLessThanOrEqual(r.sent / 1000);
      if (name === "lossy" || name === "bursty") expect(r.restored).toBeGreaterThan(100);
      if (name === "clean") expect(r.restored).toBe(0);
    },
  );
});
