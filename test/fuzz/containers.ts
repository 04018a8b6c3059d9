import { MatroskaReader } from "../../src/core/containers/matroska/reader.ts";
import { MatroskaScanner } from "../../src/core/containers/matroska/scan.ts";
import { RtpDumpReader } from "../../src/core/containers/rtpdump/reader.ts";
import { putRtpDumpPacket, rtpDumpHeader, rtpDumpSize } from "../../src/core/containers/rtpdump/writer.ts";
import { millis, wallMillis } from "../../src/core/time.ts";
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

/** A dump of packets, in pieces of any size. */
export const rtpDumpTarget: FuzzTarget = {
  name: "container/rtpdump",
  start(random) {
    const whole = dump();
    let input: Uint8Array = new Uint8Array(0);
    return {
      round() {
        input = mutate(random, whole, whole, MAX);
        const reader = new RtpDumpReader();
        let octets = 0;
        let last = 0;
        for (let at = 0; at <= input.length; ) {
          const end = at + 1 + Math.floor(random() * 400);
          if (at < input.length) reader.push(input.subarray(at, end));
          if (end > input.length) reader.end();
          at = end;
          for (let p = reader.next(); p; p = reader.next()) {
            octets += p.bytes.length;
            if (p.at < last) throw new Error("time goes back");
            last = p.at;
          }
        }
        if (octets > input.length) throw new Error("more came out than went in");
        return octets > 0;
      },
      last: () => toHex(input),
    };
  },
};

function dump(): Uint8Array {
  const header = rtpDumpHeader(wallMillis(1.7e12));
  const sizes = [20, 4, 300, 1200, 60, 12];
  const out = new Uint8Array(sizes.reduce((n, size) => n + rtpDumpSize(new Uint8Array(size)), header.length));
  out.set(header);
  let at = header.length;
  for (const [i, size] of sizes.entries()) {
    const packet = new Uint8Array(size).fill(i + 1);
    putRtpDumpPacket(out, at, packet, i % 2 === 1, millis(20 * i));
    at += rtpDumpSize(packet);
  }
  return out;
}
