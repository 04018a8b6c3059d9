import { opusHead, opusPacketDuration } from "../../src/core/codecs/opus-packet.ts";
import { CRC_AT, oggCrc } from "../../src/core/containers/ogg/crc.ts";
import { OggOpusReader } from "../../src/core/containers/ogg/opus-reader.ts";
import { OggOpusWriter } from "../../src/core/containers/ogg/opus-writer.ts";
import { oggPageLength, putLittle } from "../../src/core/containers/ogg/page.ts";
import { OggReader } from "../../src/core/containers/ogg/reader.ts";
import { type FuzzTarget, mutate, toHex } from "./target.ts";

const MAX = 3000;

/** Opus in Ogg, in pieces of any size; mostly with checksums that are right again after the change. */
export const oggTarget: FuzzTarget = {
  name: "container/ogg",
  start(random) {
    const whole = file();
    let input: Uint8Array = new Uint8Array(0);
    return {
      round() {
        input = mutate(random, whole, whole, MAX);
        if (random() < 0.7) for (let at = 0; at < input.length; at = sealed(input, at));
        const cut = Math.floor(random() * input.length);
        const pages = new OggReader();
        const packets = [...pages.push(input.subarray(0, cut)), ...pages.push(input.subarray(cut))];
        const octets = packets.reduce((n, p) => n + p.data.length, 0);
        if (octets + pages.damaged + pages.pending > input.length)
          throw new Error("more came out than went in");
        const opus = new OggOpusReader(opusPacketDuration);
        const events = [...opus.push(input.subarray(0, cut)), ...opus.push(input.subarray(cut))];
        for (const e of events) {
          if (e.t !== "packet") continue;
          if (!Number.isFinite(e.at) || e.kept < 0 || e.kept > e.samples) throw new Error("impossible times");
        }
        return events.length > 2;
      },
      last: () => toHex(input),
    };
  },
};

/** Writes the checksum of the page at `at`, if there is one; the place behind it, or of the next octet. */
function sealed(b: Uint8Array, at: number): number {
  const length = oggPageLength(b, at);
  if (length === undefined || length === 0 || at + length > b.length) return at + 1;
  putLittle(b, at + CRC_AT, oggCrc(b.subarray(at, at + length)), 4);
  return at + length;
}

/** Two streams, one of six channels with comments. */
function file(): Uint8Array {
  const mapping = { streams: 4, coupled: 2, channelMapping: [0, 4, 1, 2, 3, 5] };
  const a = new OggOpusWriter({ head: opusHead({ channels: 2, preSkip: 312 }), serial: 1, tags: {} });
  const six = opusHead({ channels: 6, mapping });
  const b = new OggOpusWriter({ head: six, serial: 2, tags: { TITLE: "a", DATE: "b" } });
  const pages = [a.first(), b.first(), ...a.tags(), ...b.tags()];
  for (let i = 0; i < 120; i++) {
    const packet = new Uint8Array(1 + (i % 9) * (i === 70 ? 120 : 1)).fill(i);
    packet[0] = 0xfc;
    pages.push(...a.packet(packet, 960), ...b.packet(packet, 960));
  }
  pages.push(a.finish(100), b.finish());
  const out = new Uint8Array(pages.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of pages) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}
