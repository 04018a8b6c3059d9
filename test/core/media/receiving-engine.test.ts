import { beforeAll, describe, expect, test } from "vitest";
import { FaultCounter } from "../../../src/core/fault.ts";
import { ConnectionReceiver } from "../../../src/core/media/connection-receiver.ts";
import { ReceivingEngine, TICK_MS } from "../../../src/core/media/receiving-engine.ts";
import { Netem } from "../../../src/core/net-emulator.ts";
import { randomInt, seededRandom } from "../../../src/core/random.ts";
import { type Millis, millis } from "../../../src/core/time.ts";
import { clipSender } from "../../support/clip.ts";
import { networkProfiles } from "../../support/netem.ts";
import { agreedMedia } from "../../support/virtual-session.ts";

type Input =
  | { readonly t: "packet"; readonly at: number; readonly link: string; readonly bytes: Uint8Array }
  | { readonly t: "stall"; readonly at: number; readonly lagMs: number }
  | { readonly t: "close"; readonly at: number; readonly link: string };

const LINKS = ["a", "b", "c"];
const SECONDS = 4;

/** Everything that comes out, in order and with the time it was due. */
class Output {
  readonly log: string[] = [];
  readonly engine: ReceivingEngine;
  readonly #reply: (link: string, rtcp: Uint8Array, now: Millis) => void;

  constructor(reply: (link: string, rtcp: Uint8Array, now: Millis) => void = () => undefined) {
    this.#reply = reply;
    this.engine = new ReceivingEngine({
      onFrame: (link, mid, f) =>
        this.log.push(`${link}/${mid} ${f.rtpTime} at ${f.local} ${f.data.length} lost ${f.lostBefore}`),
      onRtcp: (link, data, now) => this.#reply(link, data, now),
      onTick: (at) => this.log.push(`tick ${at}`),
    });
    for (const [i, link] of LINKS.entries()) {
      const random = seededRandom(i);
      const faults = new FaultCounter();
      this.engine.open(
        link,
        new ConnectionReceiver({ random, cname: "x", maxBitrate: 1e6, faults }),
        millis(0),
      );
      this.engine.configure(link, agreedMedia(i).ours, millis(0));
    }
  }

  feed(i: Input): void {
    const at = millis(i.at);
    if (i.t === "packet") this.engine.packet(i.link, i.bytes.slice(), at);
    else if (i.t === "close") this.engine.close(i.link, at);
    else this.engine.stall(i.lagMs, at);
  }
}

/** What came in during a call of three people over a bad network, one of whom leaves. */
function callInputs(): Input[] {
  const inputs: Input[] = [];
  const net = (seed: number) => new Netem<Uint8Array>(networkProfiles.bursty, seededRandom(seed));
  const people = LINKS.map((link, i) => ({
    link,
    sender: clipSender(agreedMedia(i).theirs, millis(0)),
    there: net(i),
    back: net(10 + i),
  }));
  const out = new Output((link, rtcp, now) =>
    people.find((p) => p.link === link)?.back.push({ item: rtcp, bytes: rtcp.length }, now),
  );
  const take = (i: Input) => {
    inputs.push(i);
    out.feed(i);
  };
  for (let t = 0; t < SECONDS * 1000; t++) {
    const now = millis(t);
    if (t === 2500) take({ t: "close", at: t, link: "a" });
    if (t % 700 === 699) take({ t: "stall", at: t, lagMs: 40 });
    for (const p of people) {
      for (let b = p.back.poll(now); b; b = p.back.poll(now)) p.sender.onRtcp(b, now);
      for (let b = p.sender.poll(now); b; b = p.sender.poll(now))
        p.there.push({ item: b.slice(), bytes: b.length }, now);
      for (let b = p.there.poll(now); b; b = p.there.poll(now))
        take({ t: "packet", at: t, link: p.link, bytes: b });
    }
    out.engine.advance(now);
  }
  return inputs;
}

/** Feeds the inputs, looking at the engine between them as `look` likes. */
function play(
  inputs: readonly Input[],
  look: (engine: ReceivingEngine, from: number, to: number) => void,
): string[] {
  const rtcp: string[] = [];
  const out = new Output((link, b, now) => rtcp.push(`${link} ${now} ${b.join()}`));
  let last = 0;
  for (const i of inputs) {
    look(out.engine, last, i.t === "stall" ? i.at - i.lagMs : i.at);
    out.feed(i);
    last = i.at;
  }
  for (const link of LINKS) out.engine.close(link, millis(SECONDS * 1000));
  out.engine.settle(millis(SECONDS * 1000));
  return [...out.log, ...rtcp.sort()];
}

let inputs: Input[];
let never: string[];
beforeAll(() => {
  inputs = callInputs();
  never = play(inputs, () => undefined);
});

describe("what comes out of the receivers does not depend on when anyone looks", () => {
  test("there is something to compare: frames of everyone, repairs, ticks", () => {
    for (const link of LINKS) {
      expect(never.filter((l) => l.startsWith(`${link}/1 `)).length).toBeGreaterThan(30);
      expect(never.filter((l) => l.startsWith(`${link} `)).length).toBeGreaterThan(30);
    }
    expect(never.filter((l) => l.startsWith("tick"))).toHaveLength((SECONDS * 1000) / TICK_MS - 1);
  });

  test("at every deadline", () => {
    const punctual = play(inputs, (engine, _, to) => {
      for (let d = engine.deadline; d !== undefined && d <= to; d = engine.deadline) engine.advance(d);
    });
    expect(punctual).toEqual(never);
  });

  test("every millisecond", () => {
    const always = play(inputs, (engine, from, to) => {
      for (let t = from; t <= to; t++) engine.advance(millis(t));
    });
    expect(always).toEqual(never);
  });

  test.each([1, 2, 3])("at random times, seed %d", (seed) => {
    const random = seededRandom(seed);
    const sometimes = play(inputs, (engine, from, to) => {
      for (let t = from; t <= to; t += randomInt(random, 30)) if (random() < 0.5) engine.advance(millis(t));
      // Whoever reads the counters changes nothing either.
      for (const link of LINKS) if (random() < 0.2) engine.receiver(link)?.statistics(millis(to));
    });
    expect(sometimes).toEqual(never);
  });

  test("packets of several links in one millisecond may come in any order", () => {
    const random = seededRandom(9);
    const shuffled = [...inputs];
    for (let i = shuffled.length - 1; i > 0; i--) {
      const [a, b] = [shuffled[i - 1], shuffled[i]];
      const swappable = a?.t === "packet" && b?.t === "packet" && a.at === b.at && a.link !== b.link;
      if (swappable && random() < 0.5) [shuffled[i - 1], shuffled[i]] = [b, a];
    }
    expect(shuffled).not.toEqual(inputs);
    expect(play(shuffled, () => undefined)).toEqual(never);
  });
});

describe("the engine", () => {
  test("runs a receiver that is always due at most once a millisecond", () => {
    let polls = 0;
    const stuck = Object.assign(Object.create(ConnectionReceiver.prototype), {
      push: () => undefined,
      poll: () => {
        polls++;
        return undefined;
      },
    }) as ConnectionReceiver;
    Object.defineProperty(stuck, "deadline", { get: () => millis(0) });
    const engine = new ReceivingEngine({ onFrame: () => undefined, onRtcp: () => undefined });
    engine.open("x", stuck, millis(0));
    engine.packet("x", new Uint8Array(1), millis(0));
    engine.advance(millis(50));
    engine.advance(millis(50));
    expect(polls).toBe(51);
    expect(engine.deadline).toBe(51);
  });

  test("ignores packets of links that are not open", () => {
    const engine = new ReceivingEngine({ onFrame: () => undefined, onRtcp: () => undefined });
    engine.packet("nobody", new Uint8Array(20), millis(5));
    engine.close("nobody", millis(6));
    expect(engine.deadline).toBeUndefined();
  });
});
