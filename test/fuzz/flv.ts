import { concat } from "../../src/core/bytes.ts";
import { FlvReader } from "../../src/core/containers/flv/reader.ts";
import { flvPicture, flvSound, flvStart } from "../support/flv.ts";
import { type FuzzTarget, mutate, toHex } from "./target.ts";

const MAX = 3000;

/** FLV as an encoder's pipe gives it, in two pieces. */
export const flvTarget: FuzzTarget = {
  name: "container/flv",
  start(random) {
    const sample = Uint8Array.from({ length: 200 }, (_, i) => i);
    const start = flvStart(Uint8Array.of(1, 66, 0xc0, 30, 0xff, 0xe0, 0), Uint8Array.of(0x11, 0x90));
    const tags = Array.from({ length: 8 }, (_, i) => [
      flvPicture(33 * i, sample, i === 0),
      flvSound(21 * i, sample),
    ]);
    const whole = concat([start, ...tags.flat()]);
    let input: Uint8Array = new Uint8Array(0);
    return {
      round() {
        input = mutate(random, whole, whole, MAX);
        const cut = Math.floor(random() * input.length);
        const reader = new FlvReader();
        const events = [...reader.push(input.subarray(0, cut)), ...reader.push(input.subarray(cut))];
        const octets = events.reduce((n, e) => n + e.data.length, reader.pending);
        if (octets > input.length) throw new Error("more came out than went in");
        return events.length > 2;
      },
      last: () => toHex(input),
    };
  },
};
