import { describe, expect, it } from "vitest";
import type { Codec } from "../../../src/core/codecs/codec.ts";
import { h264 } from "../../../src/core/codecs/h264.ts";
import { opus } from "../../../src/core/codecs/opus.ts";
import { vp8 } from "../../../src/core/codecs/vp8.ts";
import type { AssembledFrame, MediaPacket } from "../../../src/core/media/assembled-frame.ts";
import { FrameAssembler } from "../../../src/core/media/assembler.ts";
import { seededRandom } from "../../../src/core/random.ts";
import { Netem, type NetworkName, networkProfiles } from "../../support/netem.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { h264Frame, opusPacket, Sender, vp8Frame } from "./stream.ts";

const SEEDS = 12;
const FRAMES = 60;
const KEYFRAME_EVERY = 12;
const HOLD_MS = 1000;
/** A lost packet is delivered this long after it was sent, as by a retransmission. */
const REPAIR_MS = 400;

type Sent = {
  readonly data: Uint8Array;
  readonly keyframe: boolean;
  readonly packets: readonly MediaPacket[];
};
type Run = {
  readonly out: readonly { frame: AssembledFrame; at: number }[];
  /** Sequence numbers that reached the assembler. */
  readonly arrived: ReadonlySet<number>;
  readonly assembler: FrameAssembler;
};

const intervalMs = (codec: Codec) => (codec.kind === "audio" ? 20 : 33);

/** A stream whose sequence numbers wrap in the middle on the wire. */
function stream(codec: Codec): Sent[] {
  const sender = new Sender(codec, { seq: 2 * 65_536 - 80 });
  return Array.from({ length: FRAMES }, (_, n) => {
    const keyframe = codec.kind === "audio" || n % KEYFRAME_EVERY === 0;
    const make = codec === vp8 ? vp8Frame : codec === h264 ? h264Frame : opusPacket;
    const data = make(n, keyframe, 400 + 2100 * (n % 3));
    return { data, keyframe, packets: sender.frame(data, keyframe) };
  });
}

/** Sends the stream through the network. The very first packet always arrives at once. */
function run(codec: Codec, sent: readonly Sent[], network: NetworkName, seed: number, repair: boolean): Run {
  const clock = new VirtualClock();
  const assembler = new FrameAssembler({ codec, holdMs: HOLD_MS });
  const out: { frame: AssembledFrame; at: number }[] = [];
  const arrived = new Set<number>();
  const push = clock.attach(assembler, (frame, at) => out.push({ frame, at }));
  const deliver = (p: MediaPacket) => {
    arrived.add(p.extSeq);
    push({ ...p, arrival: clock.now });
  };
  const netem = new Netem<MediaPacket>(networkProfiles[network], seededRandom(seed));
  const send = clock.attach(netem, deliver);
  for (const [n, { packets }] of sent.entries()) {
    for (const p of packets) {
      const at = n * intervalMs(codec);
      clock.at(at, () => {
        if (p === sent[0]?.packets[0]) deliver(p);
        send({ item: p, bytes: p.payload.length + 40 });
      });
      if (repair) clock.at(at + REPAIR_MS, () => (arrived.has(p.extSeq) ? undefined : deliver(p)));
    }
  }
  clock.runUntil(FRAMES * intervalMs(codec) + 3 * HOLD_MS);
  assembler.flush();
  for (let f = assembler.poll(clock.now); f; f = assembler.poll(clock.now))
    out.push({ frame: f, at: clock.now });
  return { out, arrived, assembler };
}

/** Frames that must come out: whole, and with everything they refer to. */
function decodable(codec: Codec, sent: readonly Sent[], arrived: ReadonlySet<number>): number[] {
  const out: number[] = [];
  let previous = false;
  let knowsSets = false;
  for (const [n, f] of sent.entries()) {
    const whole = f.packets.every((p) => arrived.has(p.extSeq));
    // The parameter sets of an H.264 keyframe are in its first packet, and may be known from before.
    const slicesWhole = codec === h264 && knowsSets && f.packets.slice(1).every((p) => arrived.has(p.extSeq));
    previous = f.keyframe ? whole || slicesWhole : whole && previous;
    if (codec.kind === "audio") previous = whole;
    if (f.keyframe && whole) knowsSets = true;
    if (previous) out.push(n);
  }
  return out;
}

const equal = (a: Uint8Array | undefined, b: Uint8Array | undefined) => a && b && Buffer.compare(a, b) === 0;

describe.each([vp8, h264, opus].map((c) => [c.name, c] as const))("%s", (_, codec) => {
  const sent = stream(codec);
  const byTime = new Map(sent.map((f, n) => [f.packets[0]?.rtpTime, n]));
  const numbers = (r: Run) => r.out.map(({ frame }) => byTime.get(frame.rtpTime) ?? -1);

  describe.each(Object.keys(networkProfiles) as NetworkName[])("over a network that is %s", (network) => {
    it("gives back every frame when lost packets come again within the hold", () => {
      let repaired = 0;
      for (let seed = 1; seed <= SEEDS; seed++) {
        const r = run(codec, sent, network, seed, true);
        expect(numbers(r)).toEqual(sent.map((_f, n) => n));
        const same = r.out.every(
          ({ frame }, n) => equal(frame.data, sent[n]?.data) && frame.lostBefore === 0,
        );
        if (!same) expect.fail(`seed ${seed}: a frame changed`);
        const { abandonedFrames, gatedFrames, lostPackets } = r.assembler.stats;
        expect(abandonedFrames + gatedFrames + lostPackets).toBe(0);
        repaired += r.out.filter(({ frame, at }) => at - frame.arrival > 100).length;
      }
      if (network === "lossy") expect(repaired).toBeGreaterThan(SEEDS);
    });

    it("without that, gives exactly the frames that can be decoded, in order and in time", () => {
      let missing = 0;
      for (let seed = 1; seed <= SEEDS; seed++) {
        const r = run(codec, sent, network, 1000 + seed, false);
        const got = numbers(r);
        expect(got).toEqual(decodable(codec, sent, r.arrived));
        for (const { frame, at } of r.out) {
          const original = sent[byTime.get(frame.rtpTime) ?? -1];
          if (!equal(frame.data, original?.data)) expect.fail(`seed ${seed}: a frame changed`);
          if (at - frame.arrival > HOLD_MS + 100) expect.fail(`seed ${seed}: held ${at - frame.arrival} ms`);
        }
        missing += FRAMES - got.length;
      }
      if (network === "lossy" || network === "bursty") expect(missing).toBeGreaterThan(SEEDS);
      if (network === "clean" || network === "reordering") expect(missing).toBe(0);
    });
  });
});
