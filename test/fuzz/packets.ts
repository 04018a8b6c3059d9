import { asciiBytes } from "../../src/core/bytes.ts";
import { type Random, randomInt } from "../../src/core/random.ts";
import { RtpDemuxer } from "../../src/core/rtp/demux.ts";
import { ExtensionReader, ExtensionUri } from "../../src/core/rtp/extensions.ts";
import { buildRtp, emptyRtpView, isRtcp, parseRtp } from "../../src/core/rtp/packet.ts";
import { parseRtcp } from "../../src/core/rtp/rtcp/parse.ts";
import { RtxUnwrapper } from "../../src/core/rtp/rtx.ts";
import { kinds, randomCompound } from "../core/rtp/rtcp/compounds.ts";
import { type FuzzTarget, mutate, noise, pick, toHex } from "./target.ts";

const MAX = 240;

/** Valid RTCP compounds of all kinds. */
export function rtcpSeeds(random: Random): Uint8Array[] {
  return Array.from({ length: 60 }, () => randomCompound(random, Object.keys(kinds)).bytes.slice(0, MAX));
}

/** Valid RTP packets with extensions of both forms, and RTX. */
export function rtpSeeds(random: Random): Uint8Array[] {
  return Array.from({ length: 60 }, (_, i) => {
    const extensions = Array.from({ length: randomInt(random, 5) }, (_x, k) => ({
      id: 1 + k + (i % 7 === 0 ? 14 : 0),
      data: k === 0 ? asciiBytes("v") : new Uint8Array(1 + randomInt(random, 8)),
    }));
    const payload = new Uint8Array(randomInt(random, 40)).map(() => randomInt(random, 256));
    const payloadType = 96 + (i % 3);
    return buildRtp({ payloadType, marker: false, seq: i, timestamp: i, ssrc: i % 4, payload, extensions });
  });
}

function demuxer() {
  const demux = new RtpDemuxer();
  const uris = Object.values(ExtensionUri);
  demux.update([
    {
      mid: "v",
      payloads: [
        { payloadType: 96, codec: "vp8", clockRate: 90_000 },
        { payloadType: 97, codec: "rtx", clockRate: 90_000, apt: 96 },
      ],
      extensions: new Map(uris.map((uri, i) => [i + 1, uri])),
      remoteSsrcs: [{ ssrc: 1, rtx: 2 }],
      remoteRids: ["v"],
    },
  ]);
  return demux;
}

/** RTP headers, header extensions, demultiplexing and RTX. */
export const rtpTarget: FuzzTarget = {
  name: "packet/rtp",
  start(random) {
    const seeds = rtpSeeds(random);
    const demux = demuxer();
    const reader = new ExtensionReader();
    const unwrapper = new RtxUnwrapper();
    const association = { primarySsrc: 1, primaryPayloadType: 96, repairedRidId: 3, ridId: 2 };
    const v = emptyRtpView();
    const again = emptyRtpView();
    let input: Uint8Array = new Uint8Array(0);
    return {
      round() {
        input =
          random() < 0.03 ? noise(random, 64) : mutate(random, pick(random, seeds), pick(random, seeds), MAX);
        if (!parseRtp(input, v)) return false;
        if (v.payloadOffset > v.payloadEnd || v.payloadEnd + v.padding !== input.length)
          throw new Error("the payload is outside");
        if (v.extOffset + v.extLength > v.payloadOffset) throw new Error("the extensions are outside");
        reader.begin(v);
        while (reader.next()) {
          if (reader.offset + reader.length > v.extOffset + v.extLength)
            throw new Error("an extension is outside");
        }
        const route = demux.route(v);
        if (typeof route === "string") return false;
        if (route.role !== "rtx" || !unwrapper.unwrap(v, association)) return true;
        if (!parseRtp(v.buf, again) || again.seq !== v.seq || again.payloadEnd !== v.payloadEnd)
          throw new Error("what RTX restored is no packet");
        return true;
      },
      last: () => toHex(input),
    };
  },
};

/** RTCP compounds. */
export const rtcpTarget: FuzzTarget = {
  name: "packet/rtcp",
  start(random) {
    const seeds = rtcpSeeds(random);
    let input: Uint8Array = new Uint8Array(0);
    return {
      round() {
        input = mutate(random, pick(random, seeds), pick(random, seeds), MAX);
        isRtcp(input);
        const { packets, malformed } = parseRtcp(input);
        // Every entry of a result is paid for by at least one octet.
        if (packets.length * 4 > input.length || malformed * 4 > input.length + 4)
          throw new Error(`${packets.length} packets and ${malformed} faults in ${input.length} octets`);
        return packets.length > 0;
      },
      last: () => toHex(input),
    };
  },
};
