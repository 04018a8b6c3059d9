import { MatroskaReader } from "../../src/core/containers/matroska/reader.ts";
import { MatroskaScanner } from "../../src/core/containers/matroska/scan.ts";
import { writeFile } from "../support/matroska.ts";
import { type FuzzTarget, mutate, toHex } from "./target.ts";

const MAX = 3000;

/** Matroska as it is read back for repair, in pieces of any size. */
export const matroskaTarget: FuzzTarget = {
  name: "container/matroska",
  start(random) {
    const whole = writeFile(1).file.bytes;
    const torn = writeFile(1, { finish: false }).file.bytes;
    let input: Uint8Array = new Uint8Array(0);
    return {
      round() {
        const from = random() < 0.5 ? whole : torn;
        const at = random() < 0.5 ? 0 : Math.floor(random() * from.length);
        // The beginning makes it Matroska; what follows may be anything.
        const head = from.subarray(0, 200);
        const body = mutate(random, from.subarray(at), from, MAX);
        input = new Uint8Array(head.length + body.length);
        input.set(random() < 0.3 ? mutate(random, head, body, head.length) : head);
        input.set(body, head.length);
        const cut = Math.floor(random() * input.length);
        const reader = new MatroskaReader();
        const events = [...reader.push(input.subarray(0, cut)), ...reader.push(input.subarray(cut))];
        const scanner = new MatroskaScanner();
        scanner.push(input.slice());
        const scan = scanner.result();
        if (scan && scan.length > input.length) throw new Error("the scan claims more than there is");
        return events.length > 1;
      },
      last: () => toHex(input),
    };
  },
};
