import { describe, expect, it } from "vitest";
import { asciiBytes } from "../../../src/core/bytes.ts";
import { type Random, randomInt, seededRandom } from "../../../src/core/random.ts";
import { RtpDemuxer } from "../../../src/core/rtp/demux.ts";
import { ExtensionReader, ExtensionUri } from "../../../src/core/rtp/extensions.ts";
import { buildRtp, emptyRtpView, isRtcp, parseRtp } from "../../../src/core/rtp/packet.ts";
import { parseRtcp } from "../../../src/core/rtp/rtcp/parse.ts";
import { RtxUnwrapper } from "../../../src/core/rtp/rtx.ts";
import { kinds, randomCompound } from "./rtcp/compounds.ts";

const ROUNDS = 1_000_000;
const MAX_LENGTH = 120;

/** Valid packets of all kinds, to be damaged. */
function vectors(random: Random): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let i = 0; i < 60; i++)
    out.push(randomCompound(random, Object.keys(kinds)).bytes.slice(0, MAX_LENGTH));
  for (let i = 0; i < 60; i++) {
    const extensions = Array.from({ length: randomInt(random, 5) }, (_, k) => ({
      id: 1 + k + (i % 7 === 0 ? 14 : 0),
      data: k === 0 ? asciiBytes("v") : new Uint8Array(1 + randomInt(random, 8)),
    }));
    const payload = new Uint8Array(randomInt(random, 40)).map(() => randomInt(random, 256));
    const payloadType = 96 + (i % 3);
    out.push(
      buildRtp({ payloadType, marker: false, seq: i, timestamp: i, ssrc: i % 4, payload, extensions }),
    );
  }
  return out;
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

describe("hostile packets", () => {
  it(`survives ${ROUNDS} random and damaged ones, and never points outside of them`, () => {
    const random = seededRandom(0xf022);
    const seeds = vectors(random);
    const demux = demuxer();
    const reader = new ExtensionReader();
    const unwrapper = new RtxUnwrapper();
    const association = { primarySsrc: 1, primaryPayloadType: 96, repairedRidId: 3, ridId: 2 };
    const v = emptyRtpView();
    const again = emptyRtpView();
    const scratch = new Uint8Array(2 * MAX_LENGTH);
    const seen = { rtp: 0, routed: 0, restored: 0, rtcp: 0, understood: 0, malformed: 0 };
    let outside = 0;

    for (let round = 0; round < ROUNDS; round++) {
      const seed = seeds[round % seeds.length] ?? scratch;
      let length = seed.length;
      scratch.set(seed);
      for (let k = 1 + (round & 3); k > 0; k--)
        scratch[randomInt(random, Math.min(length, 48))] = random() * 256;
      if (round % 5 === 0) length = randomInt(random, length + 1);
      else if (round % 97 === 0) for (let i = 1; i < length; i++) scratch[i] = random() * 256;
      const b = scratch.subarray(0, length);

      if (isRtcp(b)) {
        const { packets, malformed } = parseRtcp(b);
        seen.rtcp++;
        seen.understood += packets.length;
        seen.malformed += malformed;
        // Every entry of a result is paid for by at least one octet.
        if (packets.length * 4 > length || malformed * 4 > length + 4) outside++;
        continue;
      }
      if (!parseRtp(b, v)) continue;
      seen.rtp++;
      if (v.payloadOffset > v.payloadEnd || v.payloadEnd + v.padding !== length) outside++;
      if (v.extOffset + v.extLength > v.payloadOffset) outside++;
      reader.begin(v);
      while (reader.next()) if (reader.offset + reader.length > v.extOffset + v.extLength) outside++;
      const route = demux.route(v);
      if (typeof route === "string") continue;
      seen.routed++;
      if (route.role !== "rtx" || !unwrapper.unwrap(v, association)) continue;
      seen.restored++;
      if (!parseRtp(v.buf, again) || again.seq !== v.seq || again.payloadEnd !== v.payloadEnd) outside++;
    }

    expect(outside).toBe(0);
    // The run is worth something only if all paths were taken often.
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(ROUNDS / 200);
  }, 30_000);
});
