import { expect, it } from "vitest";
import { codecs } from "../../../src/core/codecs/registry.ts";
import { FrameAssembler } from "../../../src/core/media/assembler.ts";
import { randomInt, seededRandom } from "../../../src/core/random.ts";
import { millis } from "../../../src/core/time.ts";
import { h264Cases } from "../codecs/h264.cases.ts";
import { opusCases } from "../codecs/opus.cases.ts";
import { vp8Cases } from "../codecs/vp8.cases.ts";

const payloads = [...vp8Cases, ...h264Cases, ...opusCases].flatMap((c) => c.payloads);

it.each(codecs.map((c) => [c.name, c] as const))(
  "hostile %s packets keep the order and the deadlines",
  (_, codec) => {
    const random = seededRandom(7);
    let frames = 0;
    for (let round = 0; round < 200; round++) {
      const a = new FrameAssembler({ codec, onLoss: round % 2 === 0 ? "gate" : "keep", holdMs: 50 });
      let seq = 65_536;
      let now = millis(0);
      let lastOut = 0;
      const drain = () => {
        for (let f = a.poll(now); f; f = a.poll(now)) {
          frames++;
          if (f.firstSeq <= lastOut || f.lastSeq < f.firstSeq) expect.fail(`out of order at ${f.firstSeq}`);
          lastOut = f.lastSeq;
        }
        if (a.deadline !== undefined && a.deadline <= now) expect.fail(`stuck at ${now}`);
      };
      for (let i = 0; i < 200; i++) {
        const dice = random();
        seq += dice < 0.9 ? 1 : dice < 0.98 ? randomInt(random, 9) - 4 : randomInt(random, 9000) - 3000;
        now = millis(now + randomInt(random, 10));
        const payload = payloads[randomInt(random, payloads.length)] ?? new Uint8Array(0);
        const rtpTime = 3000 * Math.floor(seq / (1 + randomInt(random, 3)));
        a.push({ extSeq: seq, rtpTime, marker: random() < 0.4, payload, arrival: now }, now);
        if (random() < 0.02) a.giveUp(seq - randomInt(random, 20));
        drain();
        if (a.deadline !== undefined && random() < 0.3) {
          now = a.deadline;
          drain();
        }
      }
      a.flush();
      drain();
      expect(a.deadline).toBeUndefined();
    }
    expect(frames).toBeGreaterThan(1000);
  },
);
