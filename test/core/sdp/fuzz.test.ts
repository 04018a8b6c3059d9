import { expect, test } from "vitest";
import { type Random, randomInt, seededRandom } from "../../../src/core/random.ts";
import { parseCandidate } from "../../../src/core/sdp/candidate.ts";
import { parseSdp } from "../../../src/core/sdp/parse.ts";
import { describeBody, negotiator, talker } from "../../support/sdp-shapes.ts";
import { recorded } from "./corpus.ts";
import * as odd from "./odd.cases.ts";

const whole = [...Object.values(odd.readable), ...recorded.values()].map((sdp) => sdp.split(/\r?\n/));

/**
 * Each description as it is, and thinned out many times over: half a dozen lines of it, beside its first m-lines
 * and the ICE and DTLS parameters without which nothing is read. Whole ones are slow to read and mostly alike.
 */
const seeds = whole.flatMap((all, n) => {
  const random = seededRandom(n);
  const mLines = all.map((l, i) => (l.startsWith("m=") ? i : -1)).filter((i) => i >= 0);
  const [second = all.length, third = all.length] = mLines.slice(1);
  const thin = () =>
    all.slice(0, third).filter((l, i) => {
      const needed =
        /^(v=|m=|a=(group|mid|rtcp-mux))/.test(l) || (i < second && /^a=(ice-[up]|finger)/.test(l));
      return needed || random() < 6 / third;
    });
  return [all, ...Array.from({ length: 100 }, thin)];
});

/** Descriptions tried: about two seconds on a slow core; ROOMTAP_FUZZ=100 tries a hundred times as many. */
const FACTOR = Number(process.env.ROOMTAP_FUZZ ?? 1);
const ROUNDS = 60_000 * FACTOR;
const ANSWER_EVERY = 10;

const pick = <T>(random: Random, list: readonly T[]): T | undefined => list[randomInt(random, list.length)];

const junk = [
  "",
  ":",
  "=",
  "*",
  "0",
  "-1",
  "65536",
  "4294967296",
  "1e99",
  "NaN",
  "\0",
  "\uffff",
  "a=",
  "m=",
  " ",
  "/",
];

/** A few random changes to a handful of a seed's lines: swapped, doubled, dropped, cut, or with a piece of junk. */
function mutate(random: Random): string {
  const lines = [...(pick(random, seeds) ?? [])];
  for (let n = 1 + randomInt(random, 4); n > 0; n--) {
    const i = randomInt(random, lines.length);
    const line = lines[i] ?? "";
    const at = randomInt(random, line.length + 1);
    switch (randomInt(random, 6)) {
      case 0:
        lines.splice(i, 1);
        break;
      case 1:
        lines.splice(randomInt(random, lines.length), 0, line);
        break;
      case 2:
        lines[i] = line.slice(0, at);
        break;
      case 3:
        lines[i] = line.slice(0, at) + (pick(random, junk) ?? "") + line.slice(at + randomInt(random, 3));
        break;
      case 4:
        lines[i] = pick(random, pick(random, seeds) ?? []) ?? "";
        break;
      default:
        lines[i] = line.replace(/\d+/, String(randomInt(random, 0x1_0000)));
    }
  }
  return lines.join("\r\n");
}

test(
  "no mutated description makes reading, answering or applying throw, and every answer can be read",
  () => {
    const random = seededRandom(20_240_601);
    const session = { ours: negotiator(), left: 0 };
    let readable = 0;
    let applied = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const remote = parseSdp(mutate(random));
      if (!remote) continue;
      readable++;
      if (readable % ANSWER_EVERY !== 0) continue;
      // A few descriptions in a row hit the same connection, as offers and as answers.
      if (session.left-- === 0) {
        session.ours = negotiator(round);
        session.left = randomInt(random, 4);
      }
      if (random() < 0.3) {
        session.ours.createOffer(talker);
        if (session.ours.applyAnswer(remote)) applied++;
      }
      const answer = session.ours.acceptOffer(remote, talker);
      expect(answer.media.length).toBe(remote.media.length);
      if (answer.bundle.length === 0) continue;
      if (!parseSdp(describeBody(answer, "active"))) throw new Error(describeBody(answer, "active"));
      session.ours.createOffer(talker);
    }
    expect(readable).toBeGreaterThan(ROUNDS / 4);
    expect(applied).toBeGreaterThan(10);
  },
  10_000 * FACTOR,
);

test("no mutated candidate line makes reading throw", () => {
  const random = seededRandom(7);
  const line =
    "candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 10.0.0.1 rport 9 generation 0";
  let readable = 0;
  for (let i = 0; i < 20_000; i++) {
    const at = randomInt(random, line.length);
    const c = parseCandidate(
      line.slice(0, at) + (pick(random, junk) ?? "") + line.slice(at + randomInt(random, 4)),
    );
    if (!c) continue;
    readable++;
    expect(c.port).toBeLessThanOrEqual(65_535);
  }
  expect(readable).toBeGreaterThan(1000);
});
