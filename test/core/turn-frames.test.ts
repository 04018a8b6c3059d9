import { describe, expect, it } from "vitest";
import { seededRandom } from "../../src/core/random.ts";
import { frameForStream, TurnDeframer } from "../../src/core/turn-frames.ts";

/** A STUN message of this type with so many octets of attributes. */
function stun(type: number, attributes: readonly number[] = []): Uint8Array {
  const id = Array.from({ length: 12 }, (_, i) => i);
  const length = [attributes.length >> 8, attributes.length & 0xff];
  return Uint8Array.from([type >> 8, type & 0xff, ...length, 0x21, 0x12, 0xa4, 0x42, ...id, ...attributes]);
}

function channel(octets: number): Uint8Array {
  return Uint8Array.from([
    0x40,
    0,
    octets >> 8,
    octets & 0xff,
    ...Array.from({ length: octets }, (_, i) => i & 0xff),
  ]);
}

describe("what a TURN server gets and sends on a stream", () => {
  it("is the agent's datagrams, with ChannelData padded to four octets", () => {
    expect(frameForStream(stun(1, [1, 2, 3, 4]))).toHaveLength(24);
    expect(frameForStream(channel(5))).toHaveLength(12);
    const padded = new Uint8Array(12);
    padded.set(channel(5));
    expect(frameForStream(padded)).toEqual(padded);
  });

  it.each([
    ["nothing", new Uint8Array(0)],
    ["half a message", stun(1, [1, 2, 3, 4]).subarray(0, 22)],
    ["more than a message", Uint8Array.from([...stun(1), 0])],
    ["ChannelData cut short", channel(9).subarray(0, 10)],
    ["a packet of RTP", Uint8Array.from([0x80, 96, 0, 1])],
  ])("is never %s", (_, datagram) => {
    expect(frameForStream(datagram)).toBeUndefined();
  });

  it("comes out as it went in, however the stream is cut", () => {
    const random = seededRandom(7);
    const sent = Array.from({ length: 500 }, () => {
      const n = Math.floor(random() * 1300);
      return random() < 0.2 ? stun(0x0103, Array(4 * (n % 30)).fill(n & 0xff)) : channel(n);
    });
    const octets = sent.flatMap((d) => [...(frameForStream(d) ?? [])]);
    const deframer = new TurnDeframer();
    const got: Uint8Array[] = [];
    for (let at = 0; at < octets.length; ) {
      const n = 1 + Math.floor(random() ** 3 * 5000);
      got.push(...deframer.push(Uint8Array.from(octets.slice(at, at + n))));
      at += n;
    }
    expect(got).toEqual(sent);
    expect(deframer.broken).toBe(false);
  });

  it("gives nothing more after something that is no frame", () => {
    const deframer = new TurnDeframer();
    const garbage = Uint8Array.from([0xff, 1, 2, 3]);
    expect(deframer.push(Uint8Array.from([...channel(4), ...garbage, ...channel(4)]))).toEqual([channel(4)]);
    expect([deframer.broken, deframer.push(channel(4))]).toEqual([true, []]);
  });

  it("is bounded by what a frame can be, whatever comes", () => {
    const random = seededRandom(8);
    for (let i = 0; i < 3000; i++) {
      const deframer = new TurnDeframer();
      for (let k = 0; k < 5; k++) {
        const octets = Uint8Array.from({ length: 40 }, () => Math.floor(random() * 256));
        for (const d of deframer.push(octets)) expect(d.length).toBeLessThan(65_600);
      }
    }
  });
});
