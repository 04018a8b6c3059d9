import { describe, expect, test } from "vitest";
import { FaultCounter } from "../../../src/core/fault.ts";
import { ConnectionReceiver } from "../../../src/core/media/connection-receiver.ts";
import type { PlacedDigit, PlacedFrame } from "../../../src/core/media/received-track.ts";
import { seededRandom } from "../../../src/core/random.ts";
import { buildRtp } from "../../../src/core/rtp/packet.ts";
import { buildRed } from "../../../src/core/rtp/red.ts";
import type { NegotiatedMedia } from "../../../src/core/sdp/negotiated.ts";
import { millis } from "../../../src/core/time.ts";

const payload = (payloadType: number, codec: string, clockRate: number, fmtp = "") => ({
  payloadType,
  codec,
  clockRate,
  fmtp,
  feedback: [],
});
const audio: NegotiatedMedia = {
  mid: "0",
  kind: "audio",
  receiving: true,
  payloads: [
    payload(111, "opus", 48_000),
    payload(63, "red", 48_000, "111/111"),
    payload(0, "pcmu", 8000),
    payload(13, "cn", 8000),
    payload(110, "telephone-event", 48_000, "0-15"),
    payload(126, "telephone-event", 8000, "0-15"),
  ],
  extensions: new Map(),
  remoteSsrcs: [],
  remoteRids: [],
  rtcpRsize: false,
};

/** An Opus packet of 20 ms that carries its number. */
const opus = (n: number) => Uint8Array.of(0xfc, n & 0xff, n >> 8);

class Listener {
  readonly receiver: ConnectionReceiver;
  readonly frames: PlacedFrame[] = [];
  readonly digits: PlacedDigit[] = [];
  readonly faults = new FaultCounter();
  #now = 0;

  constructor() {
    const o = { random: seededRandom(1), cname: "r", maxBitrate: 1e6, faults: this.faults };
    this.receiver = new ConnectionReceiver(o);
    this.receiver.configure([audio]);
  }

  /** A packet of 20 ms number `n`, at its time. */
  hear(n: number, payloadType: number, data: Uint8Array, timestamp = n * 960): void {
    const packet = { ssrc: 1, payloadType, seq: 100 + n, timestamp, marker: false, payload: data };
    this.receiver.push(buildRtp(packet), millis(1000 + n * 20));
    this.run(1000 + n * 20);
  }

  run(until: number): void {
    this.#now = until;
    for (let out = this.receiver.poll(millis(until)); out; out = this.receiver.poll(millis(until))) {
      if (out.t === "frame") this.frames.push(out.frame);
      else if (out.t === "digit") this.digits.push(out.digit);
    }
  }

  end(): this {
    this.receiver.flush(millis(this.#now));
    this.run(this.#now);
    return this;
  }

  get numbers(): number[] {
    return this.frames.map((f) => (f.data[1] ?? 0) | ((f.data[2] ?? 0) << 8));
  }
}

describe("sound with redundancy", () => {
  /** Every packet repeats the `copies` before it. */
  const red = (n: number, copies: number) =>
    buildRed(
      111,
      opus(n),
      Array.from({ length: Math.min(n, copies) }, (_, k) => Math.min(n, copies) - k).map((back) => ({
        offset: 960 * back,
        payload: opus(n - back),
      })),
    );
  const all = Array.from({ length: 60 }, (_, n) => n);

  test.each([0, 1, 2])("with %d copies in each packet every packet comes out once", (copies) => {
    const l = new Listener();
    for (const n of all) l.hear(n, 63, red(n, copies));
    expect(l.end().numbers).toEqual(all);
    expect(l.frames.every((f) => f.codec === "opus" && f.duration === 20_000)).toBe(true);
    const times = l.frames.map((f) => f.local - (l.frames[0]?.local ?? 0));
    expect(times).toEqual(all.map((n) => 20 * n));
  });

  test("two in a row that are lost come back with the next, in their places, and count as recovered", () => {
    const l = new Listener();
    const lost = [10, 20, 21, 40, 41];
    for (const n of all) if (!lost.includes(n)) l.hear(n, 63, red(n, 2));
    expect(l.end().numbers).toEqual(all);
    expect(l.frames.map((f) => f.rtpTime - (l.frames[0]?.rtpTime ?? 0))).toEqual(all.map((n) => 960 * n));
    const [track] = l.receiver.statistics(millis(0)).tracks;
    expect(track?.ledger).toMatchObject({ expected: 60, received: 55, recovered: 5, lost: 0, pending: 0 });
  });

  test("three in a row are one too many for two copies, and what is missing is known", () => {
    const l = new Listener();
    for (const n of all) if (n < 30 || n > 32) l.hear(n, 63, red(n, 2));
    expect(l.end().numbers).toEqual(all.filter((n) => n !== 30));
    expect(l.frames.find((f) => f.lostBefore > 0)?.lostBefore).toBe(1);
    const [track] = l.receiver.statistics(millis(0)).tracks;
    expect(track?.ledger).toMatchObject({ expected: 60, recovered: 2, lost: 1 });
  });

  test("an original that comes after its copy changes nothing", () => {
    const l = new Listener();
    for (const n of all) if (n !== 10) l.hear(n, 63, red(n, 2));
    l.hear(10, 63, red(10, 2));
    expect(l.end().numbers).toEqual(all);
  });

  test("a sender may change to redundancy and back in the middle of the stream", () => {
    const l = new Listener();
    for (const n of all)
      if (n % 20 < 10) l.hear(n, 111, opus(n));
      else l.hear(n, 63, red(n, 1));
    expect(l.end().numbers).toEqual(all);
  });

  test("what is no RED is counted, and disturbs nothing", () => {
    const l = new Listener();
    for (const n of all) l.hear(n, 63, n === 30 ? Uint8Array.of(0xef) : red(n, 0));
    expect(l.end().numbers).toEqual(all.filter((n) => n !== 30));
    expect(l.faults.of("payload-malformed")).toBeGreaterThan(0);
  });
});

describe("payload types that are no sound", () => {
  test("comfort noise is neither a frame nor a loss", () => {
    const l = new Listener();
    const voice = (n: number) => Uint8Array.of(0x55, n & 0xff, n >> 8, ...new Uint8Array(157));
    for (let n = 0; n < 60; n++)
      l.hear(n, n % 10 === 5 ? 13 : 0, n % 10 === 5 ? Uint8Array.of(70) : voice(n), n * 160);
    l.end();
    expect(l.frames).toHaveLength(54);
    expect(l.frames.every((f) => f.codec === "pcmu" && f.duration === 20_000 && f.lostBefore === 0)).toBe(
      true,
    );
    const [track] = l.receiver.statistics(millis(0)).tracks;
    expect(track?.ledger).toMatchObject({ expected: 60, received: 60, lost: 0 });
  });

  test("a key that is pressed is an event at its time, and the sound around it stays whole", () => {
    const l = new Listener();
    for (let n = 0; n < 60; n++) {
      const held = n - 20;
      const key = held >= 0 && held < 8;
      const end = held >= 5;
      const duration = 960 * (Math.min(held, 5) + 1);
      // All packets of a key have the timestamp at which it began.
      if (key) l.hear(n, 110, Uint8Array.of(7, end ? 0x8a : 10, duration >> 8, duration & 0xff), 20 * 960);
      else l.hear(n, 111, opus(n));
    }
    l.end();
    expect(l.digits).toHaveLength(1);
    expect(l.digits[0]).toMatchObject({ digit: "7", durationMs: 120 });
    const at = (l.digits[0]?.local ?? 0) - (l.frames[0]?.local ?? 0);
    expect(Math.abs(at - 400)).toBeLessThan(5);
    expect(l.numbers).toEqual([...Array.from({ length: 60 }, (_, n) => n)].filter((n) => n < 20 || n >= 28));
    expect(l.frames.every((f) => f.lostBefore === 0)).toBe(true);
  });
});

test("sound that changes to a codec with another clock goes on", () => {
  const l = new Listener();
  for (let n = 0; n < 40; n++) l.hear(n, 111, opus(n));
  for (let n = 40; n < 80; n++) l.hear(n, 0, new Uint8Array(160).fill(n), n * 160);
  l.end();
  expect(l.frames.map((f) => f.codec)).toEqual([
    ...new Array<string>(40).fill("opus"),
    ...new Array<string>(40).fill("pcmu"),
  ]);
});
