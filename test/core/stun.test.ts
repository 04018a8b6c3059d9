import { describe, expect, it } from "vitest";
import { seededRandom } from "../../src/core/random.ts";
import {
  readStun,
  StunAttribute,
  StunMethod,
  stunRefusal,
  writeStunRequest,
  xorAddress,
} from "../../src/core/stun.ts";

const octets = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(/\s/g, ""), "hex"));

/** RFC 5769 section 2.2: a response with an IPv4 address; and 2.3, with one of IPv6. */
const v4 = octets(`0101003c 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220
  00200008 0001a147 e112a643 00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7 80280004 c07d4c96`);
const v6 = octets(`01010048 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220
  00200014 0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9 00080014 a382954e 4be67bf1 1784c97c 8292c275
  bfe3ed41 80280004 c8fb0b4c`);

describe("a STUN message", () => {
  it.each([
    [v4, "192.0.2.1:32853"],
    [v6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"],
  ])("of RFC 5769 has its address", (message, wanted) => {
    const m = readStun(message);
    expect([m?.kind, m?.method, m && xorAddress(m, StunAttribute.xorMappedAddress)]).toEqual([
      "success",
      1,
      wanted,
    ]);
  });

  it("is written as it is read, with a length that counts its integrity", () => {
    const id = Uint8Array.from({ length: 12 }, (_, i) => i);
    let covered = new Uint8Array(0);
    const written = writeStunRequest(
      StunMethod.allocate,
      id,
      [[StunAttribute.username, octets("414243")]],
      (m) => {
        covered = m.slice();
        return new Uint8Array(20).fill(9);
      },
    );
    const m = readStun(written);
    expect([m?.kind, m?.method, m?.transaction]).toEqual(["request", 3, id]);
    expect(m?.attributes.get(StunAttribute.username)).toEqual(octets("414243"));
    expect(m?.attributes.get(StunAttribute.messageIntegrity)).toEqual(new Uint8Array(20).fill(9));
    expect([covered.length, covered[3]]).toEqual([28, written.length - 20]);
  });

  it("tells why it refuses, without control characters of a stranger's text", () => {
    const error = (value: string) =>
      readStun(
        octets(
          `0113${(value.length / 2 + 4).toString(16).padStart(4, "0")}2112a442${"00".repeat(12)}0009${(value.length / 2).toString(16).padStart(4, "0")}${value}`,
        ),
      );
    const m = error(`00000401${Buffer.from("Unauthorized").toString("hex")}`);
    expect(m && [m.kind, m.method, stunRefusal(m)]).toEqual([
      "error",
      3,
      { code: 401, reason: "Unauthorized" },
    ]);
    const odd = error("000004031b0a4142");
    expect(odd && stunRefusal(odd)).toEqual({ code: 403, reason: "??AB" });
    const short = error("00000000");
    expect(short && stunRefusal(short)).toEqual({ code: 0, reason: "" });
  });

  it("never throws, whatever comes", () => {
    const random = seededRandom(3);
    for (let i = 0; i < 20_000; i++) {
      const b = i % 2 ? v6.slice() : v4.slice();
      for (let k = 0; k < 3; k++) b[Math.floor(random() * b.length)] = Math.floor(random() * 256);
      const m = readStun(b.subarray(0, Math.floor(random() * (b.length + 1))));
      if (!m) continue;
      xorAddress(m, StunAttribute.xorMappedAddress);
      stunRefusal(m);
    }
  });
});
