import type { Codec } from "../../src/core/codecs/codec.ts";
import { codecs } from "../../src/core/codecs/registry.ts";
import { FrameAssembler } from "../../src/core/media/assembler.ts";
import { type Random, randomInt } from "../../src/core/random.ts";
import { millis } from "../../src/core/time.ts";
import { codecFmtp, codecTables } from "../core/codecs/tables.ts";
import { type FuzzTarget, pick } from "./target.ts";

/** Packets that one assembler gets. */
const LIFE = 200;

/** Packets of any kind in any order: frames keep their order, and deadlines their word. */
export const assemblerTargets: readonly FuzzTarget[] = codecs.map((codec) => ({
  name: `assembler/${codec.name}`,
  start(random) {
    let life = new Life(codec, random, true);
    return {
      round() {
        if (life.over) life = new Life(codec, random, random() < 0.5);
        return life.step();
      },
      last: () => life.last,
    };
  },
}));

class Life {
  last = "";
  readonly #random: Random;
  readonly #assembler: FrameAssembler;
  readonly #payloads: readonly Uint8Array[];
  #left = LIFE;
  #seq = 65_536;
  #now = millis(0);
  #lastOut = 0;

  constructor(codec: Codec, random: Random, gate: boolean) {
    this.#random = random;
    this.#assembler = new FrameAssembler({
      codec,
      fmtp: codecFmtp[codec.name] ?? "",
      onLoss: gate ? "gate" : "keep",
      holdMs: 50,
    });
    const own = codecTables[codec.name] ?? [];
    this.#payloads = [...own, ...own, ...Object.values(codecTables).flat()].flatMap((c) => c.payloads);
  }

  get over(): boolean {
    return this.#left === 0;
  }

  step(): boolean {
    const random = this.#random;
    const a = this.#assembler;
    const dice = random();
    this.#seq += dice < 0.9 ? 1 : dice < 0.98 ? randomInt(random, 9) - 4 : randomInt(random, 9000) - 3000;
    this.#now = millis(this.#now + randomInt(random, 10));
    const rtpTime = 3000 * Math.floor(this.#seq / (1 + randomInt(random, 3)));
    const marker = random() < 0.4;
    this.last = `number ${this.#seq}, time ${rtpTime}, marker ${marker}, at ${this.#now} ms`;
    const payload = pick(random, this.#payloads);
    a.push({ extSeq: this.#seq, rtpTime, marker, payload, arrival: this.#now }, this.#now);
    if (random() < 0.02) a.giveUp(this.#seq - randomInt(random, 20));
    let frames = this.#drain();
    if (a.deadline !== undefined && random() < 0.3) {
      this.#now = a.deadline;
      frames += this.#drain();
    }
    if (--this.#left > 0) return frames > 0;
    a.flush();
    frames += this.#drain();
    if (a.deadline !== undefined) throw new Error("a deadline after the flush");
    return frames > 0;
  }

  #drain(): number {
    let n = 0;
    for (let f = this.#assembler.poll(this.#now); f; f = this.#assembler.poll(this.#now)) {
      n++;
      if (f.firstSeq <= this.#lastOut || f.lastSeq < f.firstSeq)
        throw new Error(`out of order at ${f.firstSeq}`);
      this.#lastOut = f.lastSeq;
    }
    const { deadline } = this.#assembler;
    if (deadline !== undefined && deadline <= this.#now) throw new Error(`stuck at ${this.#now}`);
    return n;
  }
}
