import { BufferSource, EncodedPacketSink, Input, MATROSKA, WEBM } from "mediabunny";
import { opusHead } from "../../src/core/codecs/opus-packet.ts";
import { type MatroskaEvent, MatroskaReader } from "../../src/core/containers/matroska/reader.ts";
import type { MatroskaTrack } from "../../src/core/containers/matroska/track.ts";
import { type FilePatch, MatroskaWriter } from "../../src/core/containers/matroska/writer.ts";
import { randomInt, seededRandom } from "../../src/core/random.ts";

/** A VP8 track of 640x360, number 1. */
export const videoTrack: MatroskaTrack & { kind: "video" } = {
  number: 1,
  kind: "video",
  codecId: "V_VP8",
  width: 640,
  height: 360,
  defaultDurationNs: 33_333_333,
};

/** An Opus track, number 2. */
export const audioTrack: MatroskaTrack & { kind: "audio" } = {
  number: 2,
  kind: "audio",
  codecId: "A_OPUS",
  codecPrivate: opusHead({ channels: 2 }),
  sampleRate: 48_000,
  channels: 2,
  seekPreRollNs: 80_000_000,
};

/** A file in memory that takes patches like a disk does. */
export class MemoryFile {
  bytes = new Uint8Array(0);

  apply(patches: readonly FilePatch[]): void {
    for (const p of patches) {
      const end = p.at + p.bytes.length;
      if (end > this.bytes.length) {
        const grown = new Uint8Array(end);
        grown.set(this.bytes);
        this.bytes = grown;
      }
      this.bytes.set(p.bytes, p.at);
    }
  }
}

/** VP8 frames and Opus packets that carry a number and nothing that could be decoded. */
export const keyframe = (n: number) =>
  Uint8Array.of(0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01, n & 0xff, n >> 8);
export const delta = (n: number) => Uint8Array.of(0x11, 0, 0, n & 0xff, n >> 8, 7);
export const sound = (n: number) => Uint8Array.of(0xfc, n & 0xff, n >> 8, 1, 2, 3);

/** Writes `seconds` of 25 frames and 50 packets a second with a keyframe every two seconds. */
export function writeFile(seconds: number, o: { tracks?: MatroskaTrack[]; finish?: boolean } = {}) {
  const file = new MemoryFile();
  const tracks = o.tracks ?? [videoTrack, audioTrack];
  const has = (number: number) => tracks.some((t) => t.number === number);
  const writer = new MatroskaWriter(has(1) ? "webm" : "matroska", tracks);
  file.apply([writer.header()]);
  for (let t = 0; t < seconds * 1000; t += 20) {
    if (has(2)) file.apply(writer.block(2, t, 20, true, sound(t / 20)));
    if (has(1) && t % 40 === 0) {
      const n = t / 40;
      file.apply(writer.block(1, t, 40, n % 50 === 0, n % 50 === 0 ? keyframe(n) : delta(n)));
    }
  }
  if (o.finish !== false) file.apply(writer.finish());
  return { file, writer };
}

/** Everything in a file, as an independent reader sees it. */
export async function readBack(bytes: Uint8Array) {
  const input = new Input({ formats: [WEBM, MATROSKA], source: new BufferSource(bytes) });
  const tracks = [];
  for (const t of await input.getTracks()) {
    const packets = [];
    for await (const p of new EncodedPacketSink(t).packets()) packets.push(p);
    tracks.push({ track: t, packets });
  }
  return { input, tracks, duration: await input.computeDuration() };
}

/** Everything in a file, as our reader sees it when the file comes in pieces of 1 to `piece` octets. */
export function readEvents(bytes: Uint8Array, random = seededRandom(1), piece = 4096): MatroskaEvent[] {
  const reader = new MatroskaReader();
  const out: MatroskaEvent[] = [];
  for (let at = 0; at < bytes.length; ) {
    const n = 1 + randomInt(random, piece);
    out.push(...reader.push(bytes.slice(at, at + n)));
    at += n;
  }
  return [...out, ...reader.end()];
}

/** The blocks among events. */
export const blocksOf = (list: readonly MatroskaEvent[]) => list.filter((e) => e.t === "block");
