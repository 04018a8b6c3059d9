import { type Random, randomInt } from "../../src/core/random.ts";

/** Something that strangers' bytes go into. */
export type FuzzTarget = {
  readonly name: string;
  /** Starts afresh: a run of rounds on the same state. Each round tries one input. */
  start(random: Random): FuzzRun;
};

/** A target with its state. */
export type FuzzRun = {
  /**
   * Makes an input and feeds it in. Throws when the target does, or when what came out cannot be right. True:
   * the target made something of it; a run in which that never happens proves nothing.
   */
  round(): boolean;
  /** The input of the round before, for the report of a failure. */
  last(): string;
};

/** Numbers at which parsers have gone wrong before. */
const INTERESTING = [0, 1, 0x3f, 0x40, 0x7f, 0x80, 0xbf, 0xc0, 0xfe, 0xff];

/** Changes a few octets of `seed`, cuts it, doubles a part or puts another one behind it. At most `max` octets. */
export function mutate(random: Random, seed: Uint8Array, other: Uint8Array, max: number): Uint8Array {
  let b: Uint8Array = seed.slice(0, max);
  for (let n = 1 + randomInt(random, 4); n > 0; n--) {
    const at = randomInt(random, b.length + 1);
    switch (randomInt(random, 8)) {
      case 0:
        b = b.slice(0, at);
        break;
      case 1:
        b = joined(b.subarray(0, at), other.subarray(randomInt(random, other.length + 1)), max);
        break;
      case 2: {
        const end = Math.min(b.length, at + randomInt(random, 16));
        b = joined(b.subarray(0, end), b.subarray(at), max);
        break;
      }
      case 3:
        b = joined(b.subarray(0, at), b.subarray(Math.min(b.length, at + 1 + randomInt(random, 4))), max);
        break;
      case 4:
        if (at < b.length) b[at] = INTERESTING[randomInt(random, INTERESTING.length)] ?? 0;
        break;
      case 5:
        if (at < b.length) b[at] = (b[at] ?? 0) ^ (1 << randomInt(random, 8));
        break;
      default:
        // Headers matter most.
        if (b.length > 0) b[randomInt(random, Math.min(b.length, 24))] = randomInt(random, 256);
    }
  }
  return b;
}

/** Octets of chance, at most `max`. */
export function noise(random: Random, max: number): Uint8Array {
  const b = new Uint8Array(randomInt(random, max + 1));
  for (let i = 0; i < b.length; i++) b[i] = randomInt(random, 256);
  return b;
}

/** One of a list. */
export function pick<T>(random: Random, list: readonly T[]): T {
  const item = list[randomInt(random, list.length)];
  if (item === undefined) throw new Error("nothing to pick from");
  return item;
}

/** Hexadecimal digits, for reports. */
export function toHex(b: Uint8Array): string {
  return Array.from(b, (x) => x.toString(16).padStart(2, "0")).join("");
}

function joined(a: Uint8Array, b: Uint8Array, max: number): Uint8Array {
  const out = new Uint8Array(Math.min(max, a.length + b.length));
  out.set(a.subarray(0, out.length));
  out.set(b.subarray(0, out.length - Math.min(a.length, out.length)), Math.min(a.length, out.length));
  return out;
}
