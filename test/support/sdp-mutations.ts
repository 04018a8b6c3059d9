import { type Random, randomInt, seededRandom } from "../../src/core/random.ts";
import { pick } from "../fuzz/target.ts";

/** Pieces that parsers have stumbled over. */
export const junk = [
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
export function thinned(descriptions: readonly string[]): string[][] {
  const whole = descriptions.map((sdp) => sdp.split(/\r?\n/));
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
export function mutateLines(random: Random, seeds: readonly string[][]): string {
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
