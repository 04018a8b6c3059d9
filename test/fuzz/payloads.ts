import { av1DecoderConfig } from "../../src/core/codecs/av1-config.ts";
import { parseAv1Sequence } from "../../src/core/codecs/av1-sequence.ts";
import { avcDecoderConfig } from "../../src/core/codecs/h264-avcc.ts";
import { parsePpsIds, parseSps } from "../../src/core/codecs/h264-sps.ts";
import { hevcDecoderConfig } from "../../src/core/codecs/h265-hvcc.ts";
import { parseH265Sps } from "../../src/core/codecs/h265-sps.ts";
import { h265Syntax } from "../../src/core/codecs/h265-syntax.ts";
import { codecs } from "../../src/core/codecs/registry.ts";
import { av1Sequences } from "../core/codecs/av1.cases.ts";
import { sets } from "../core/codecs/h264.cases.ts";
import { h265Sets } from "../core/codecs/h265.cases.ts";
import { codecFmtp, codecTables } from "../core/codecs/tables.ts";
import { type FuzzTarget, mutate, noise, pick, toHex } from "./target.ts";

const MAX = 192;
/** No picture is larger, whatever a header claims. */
const MAX_SIDE = 65_536;
/** Frames are joined from this many payloads at most. */
const MAX_PARTS = 4;

/** Every depacketizer, with payloads of its own and of the others. */
export const payloadTargets: readonly FuzzTarget[] = codecs.map((codec) => ({
  name: `payload/${codec.name}`,
  start(random) {
    const own = (codecTables[codec.name] ?? []).flatMap((c) => c.payloads);
    const foreign = Object.values(codecTables).flatMap((t) => t.flatMap((c) => c.payloads));
    const depacketizer = codec.depacketizer(codecFmtp[codec.name]);
    const parts: Uint8Array[] = [];
    let input: Uint8Array = new Uint8Array(0);
    return {
      round() {
        const dice = random();
        if (dice < 0.05) input = noise(random, 64);
        else input = mutate(random, pick(random, dice < 0.15 ? foreign : own), pick(random, own), MAX);
        const info = depacketizer.inspect(input);
        if (!info) return false;
        if (info.start && parts.length > 0 && random() < 0.5) parts.length = 0;
        parts.push(input);
        const frame = depacketizer.join(parts);
        if (parts.length >= MAX_PARTS || frame) parts.length = 0;
        if (!frame) return false;
        // Superframe indexes, size fields and parameter sets remembered from before are all that is added.
        if (frame.data.length > 64 * MAX * MAX_PARTS) throw new Error(`${frame.data.length} octets came out`);
        checkSize(frame.width, frame.height);
        if (codec.kind === "audio" && !((frame.duration ?? 0) >= 0)) throw new Error("no duration");
        return true;
      },
      last: () => toHex(input),
    };
  },
}));

/** Parameter sets on their own: they come by signalling as well. */
export const parameterSetTargets: readonly FuzzTarget[] = [
  parameterSetTarget("h264", Object.values(sets), (input) => {
    parsePpsIds(input);
    avcDecoderConfig([input], [input]);
    return parseSps(input);
  }),
  parameterSetTarget("h265", Object.values(h265Sets), (input) => {
    hevcDecoderConfig({ vps: [input], sps: [input], pps: [input] });
    h265Syntax.parseSet(input);
    return parseH265Sps(input);
  }),
  parameterSetTarget(
    "av1",
    Object.values(av1Sequences).map((s) => s.obu),
    (input) => {
      av1DecoderConfig(input);
      return parseAv1Sequence(input, 2);
    },
  ),
];

function parameterSetTarget(
  codec: string,
  seeds: readonly Uint8Array[],
  read: (input: Uint8Array) => { readonly width: number; readonly height: number } | undefined,
): FuzzTarget {
  return {
    name: `parameter-sets/${codec}`,
    start(random) {
      let input: Uint8Array = new Uint8Array(0);
      return {
        round() {
          input = mutate(random, pick(random, seeds), pick(random, seeds), MAX);
          const sps = read(input);
          if (sps) checkSize(sps.width, sps.height);
          return sps !== undefined;
        },
        last: () => toHex(input),
      };
    },
  };
}

function checkSize(width: number | undefined, height: number | undefined): void {
  for (const side of [width, height]) {
    if (side !== undefined && !(side > 0 && side <= MAX_SIDE)) throw new Error(`size ${width}x${height}`);
  }
}
