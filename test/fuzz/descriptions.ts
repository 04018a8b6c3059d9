import { type Random, randomInt, seededRandom } from "../../src/core/random.ts";
import { parseCandidate } from "../../src/core/sdp/candidate.ts";
import { parseSdp } from "../../src/core/sdp/parse.ts";
import { recorded } from "../core/sdp/corpus.ts";
import * as odd from "../core/sdp/odd.cases.ts";
import { describeBody, negotiator, talker } from "../support/sdp-shapes.ts";
import { type FuzzTarget, pick } from "./target.ts";

const ANSWER_EVERY = 10;

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

/**
 * Each description as it is, and thinned out many times over: half a dozen lines of it, beside its first m-lines
 * and the ICE and DTLS parameters without which nothing is read. Whole ones are slow to read and mostly alike.
 */
function descriptionSeeds(): string[][] {
  const whole = [...Object.values(odd.readable), ...recorded.values()].map((sdp) => sdp.split(/\r?\n/));
  return whole.flatMap((all, n) => {
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
}

/** A few random changes to a handful of a seed's lines: swapped, doubled, dropped, cut, or with a piece of junk. */
function mutateLines(random: Random, seeds: readonly string[][]): string {
  const lines = [...pick(random, seeds)];
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
        lines[i] = line.slice(0, at) + pick(random, junk) + line.slice(at + randomInt(random, 3));
        break;
      case 4:
        lines[i] = pick(random, pick(random, seeds));
        break;
      default:
        lines[i] = line.replace(/\d+/, String(randomInt(random, 0x1_0000)));
    }
  }
  return lines.join("\r\n");
}

/** Session descriptions, read, answered and applied; every answer of ours can be read. */
export const descriptionTarget: FuzzTarget = {
  name: "signalling/description",
  start(random) {
    const seeds = descriptionSeeds();
    const session = { ours: negotiator(), left: 0 };
    let readable = 0;
    let input = "";
    return {
      round() {
        input = mutateLines(random, seeds);
        const remote = parseSdp(input);
        if (!remote) return false;
        readable++;
        if (readable % ANSWER_EVERY !== 0) return true;
        // A few descriptions in a row hit the same connection, as offers and as answers.
        if (session.left-- === 0) {
          session.ours = negotiator(readable);
          session.left = randomInt(random, 4);
        }
        if (random() < 0.3) {
          session.ours.createOffer(talker);
          session.ours.applyAnswer(remote);
        }
        const answer = session.ours.acceptOffer(remote, talker);
        if (answer.media.length !== remote.media.length) throw new Error("the answer lacks m-lines");
        if (answer.bundle.length === 0) return true;
        const sdp = describeBody(answer, "active");
        if (!parseSdp(sdp)) throw new Error(`our answer cannot be read: ${sdp}`);
        session.ours.createOffer(talker);
        return true;
      },
      last: () => input,
    };
  },
};

/** Trickled candidates. */
export const candidateTarget: FuzzTarget = {
  name: "signalling/candidate",
  start(random) {
    const line =
      "candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 10.0.0.1 rport 9 generation 0";
    let input = "";
    return {
      round() {
        const at = randomInt(random, line.length);
        input = line.slice(0, at) + pick(random, junk) + line.slice(at + randomInt(random, 4));
        const c = parseCandidate(input);
        if (c && !(c.port >= 0 && c.port <= 65_535)) throw new Error(`port ${c.port}`);
        return c !== undefined;
      },
      last: () => input,
    };
  },
};
