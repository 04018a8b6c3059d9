import { expect, test } from "vitest";
import { h264 } from "../../../src/core/codecs/h264.ts";
import { vp8 } from "../../../src/core/codecs/vp8.ts";
import { StreamAssembler } from "../../../src/core/media/stream-assembler.ts";
import { type Random, randomInt, seededRandom } from "../../../src/core/random.ts";
import { millis } from "../../../src/core/time.ts";
import { hex } from "../codecs/hex.ts";

const vp8Key = Uint8Array.of(0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00, 7);
const vp8Delta = Uint8Array.of(0x10, 0x11, 7);
/** STAP-A of SPS (320x240), PPS and an IDR slice. */
const h264Key = hex("78 00 09 67 42 c0 0d da 05 07 e8 40 00 04 68 ce 0f 2c 00 04 65 88 84 0a");
const h264Delta = hex("41 9a 24 6c");

type Step = { seq: number; codec: typeof vp8; payload: Uint8Array };

/** Five frames of VP8, then five of H.264, one packet each. */
const change: Step[] = Array.from({ length: 10 }, (_, i) => ({
  seq: 100 + i,
  codec: i < 5 ? vp8 : h264,
  payload: i < 5 ? (i === 0 ? vp8Key : vp8Delta) : i === 5 ? h264Key : h264Delta,
}));

function feed(steps: readonly Step[], stepMs = 10) {
  const assembler = new StreamAssembler(vp8, "");
  const out: string[] = [];
  let highest = -1;
  let t = 0;
  const drain = () => {
    for (let f = assembler.poll(millis(t)); f; f = assembler.poll(millis(t)))
      out.push(`${f.codec.name} ${f.frame.firstSeq}`);
  };
  for (const s of steps) {
    t += stepMs;
    const packet = {
      extSeq: s.seq,
      rtpTime: s.seq * 3000,
      marker: true,
      payload: s.payload,
      arrival: millis(t),
    };
    assembler.push(packet, s.codec, "packetization-mode=1", s.seq > highest, millis(t));
    highest = Math.max(highest, s.seq);
    drain();
  }
  for (let d = assembler.deadline; d !== undefined; d = assembler.deadline) {
    t = d;
    drain();
  }
  return { out, assembler, t };
}

function shuffle(list: readonly Step[], random: Random): Step[] {
  const out = [...list];
  for (let i = out.length - 1; i > 0; i--) {
    const k = randomInt(random, i + 1);
    const [a, b] = [out[i], out[k]];
    if (a && b) [out[i], out[k]] = [b, a];
  }
  return out;
}

const all = change.map((s) => `${s.codec.name} ${s.seq}`);

test("a sender that changes its codec in the middle loses no frame", () => {
  const { out, assembler } = feed(change);
  expect(out).toEqual(all);
  expect(assembler.codec).toBe(h264);
  expect(assembler.stats).toMatchObject({ frames: 10, keyframes: 2, lostPackets: 0, malformedPackets: 0 });
});

test("packets overtaken around the change find their depacketizer", () => {
  for (let seed = 1; seed < 50; seed++) {
    const random = seededRandom(seed);
    const middle = shuffle(change.slice(3, 8), random);
    const { out } = feed([...change.slice(0, 3), ...middle, ...change.slice(8)]);
    expect(out).toEqual(all);
  }
});

test("what is lost right before the change holds the new codec up for a second at most", () => {
  const without = change.filter((s) => s.seq !== 104);
  const { out, t } = feed(without);
  expect(out).toEqual(all.filter((f) => f !== "vp8 104"));
  expect(t).toBeLessThanOrEqual(1000 + 60);
});

test("a flush gives out both codecs", () => {
  const assembler = new StreamAssembler(vp8, "");
  for (const s of change.filter((x) => x.seq !== 104)) {
    const packet = {
      extSeq: s.seq,
      rtpTime: s.seq * 3000,
      marker: true,
      payload: s.payload,
      arrival: millis(0),
    };
    assembler.push(packet, s.codec, "", true, millis(0));
  }
  assembler.flush();
  const out: string[] = [];
  for (let f = assembler.poll(millis(0)); f; f = assembler.poll(millis(0)))
    out.push(`${f.codec.name} ${f.frame.firstSeq}`);
  expect(out).toEqual(all.filter((f) => f !== "vp8 104"));
});
