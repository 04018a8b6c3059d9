import { expect, it } from "vitest";
import { avcDecoderConfig } from "../../../src/core/codecs/h264-avcc.ts";
import { parsePpsIds, parseSps } from "../../../src/core/codecs/h264-sps.ts";
import { codecs } from "../../../src/core/codecs/registry.ts";
import { randomInt, seededRandom } from "../../../src/core/random.ts";
import { h264Cases, sets } from "./h264.cases.ts";
import { opusCases } from "./opus.cases.ts";
import { vp8Cases } from "./vp8.cases.ts";

const ROUNDS = 1_000_000;

it(`${ROUNDS} random and mutated payloads never make a parser throw or invent sizes`, () => {
  const random = seededRandom(0x5eed);
  const seeds = [...vp8Cases, ...h264Cases, ...opusCases]
    .flatMap((c) => c.payloads)
    .concat(Object.values(sets));
  const depacketizers = codecs.map((c) => c.depacketizer());
  const noise = Uint8Array.from({ length: 65_536 }, () => randomInt(random, 256));
  const scratch = new Uint8Array(128);
  let joined = 0;
  for (let i = 0; i < ROUNDS; i++) {
    const seed = i % 2 === 0 ? seeds[randomInt(random, seeds.length)] : undefined;
    let p: Uint8Array;
    if (seed) {
      scratch.set(seed);
      p = scratch.subarray(0, random() < 0.5 ? seed.length : randomInt(random, seed.length + 1));
      if (p.length > 0) p[randomInt(random, p.length)] = randomInt(random, 256);
    } else {
      const from = randomInt(random, 65_536 - 64);
      p = noise.subarray(from, from + randomInt(random, 64));
    }
    const depacketizer = depacketizers[i % depacketizers.length];
    if (depacketizer?.inspect(p) && depacketizer.join([p, p])) joined++;
    if (i % 3 === 0) {
      const sps = parseSps(p);
      if (sps && !(sps.width > 0 && sps.width <= 16_384 && sps.height > 0 && sps.height <= 16_384)) {
        expect.fail(`size ${sps.width}x${sps.height}`);
      }
      parsePpsIds(p);
      avcDecoderConfig([p], [p]);
    }
  }
  expect(joined).toBeGreaterThan(ROUNDS / 10);
});
