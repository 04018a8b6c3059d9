import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { randomInt, seededRandom } from "../../src/core/random.ts";
import type { JoinWish, LocalTrack } from "../../src/core/room.ts";
import { parseServerMessage } from "../../src/signaling/livekit/messages.ts";
import { endingOf, refusal } from "../../src/signaling/livekit/refusals.ts";
import {
  addTrack,
  chooseQuality,
  describe as describeSdp,
  leave,
  ping,
  subscribe,
  trickle,
} from "../../src/signaling/livekit/requests.ts";
import { liveKitLabel, parseLiveKitTarget } from "../../src/signaling/livekit/target.ts";
import { passFor, signToken } from "../../src/signaling/livekit/token.ts";
import { ProtoMessage, ProtoWriter } from "../../src/signaling/livekit/wire.ts";

const hex = (octets: Uint8Array) => Buffer.from(octets).toString("hex");
const octets = (text: string) => new Uint8Array(Buffer.from(text, "hex"));
const w = () => new ProtoWriter();

describe("the wire format", () => {
  test("is that of the documentation's examples", () => {
    expect(hex(w().int(1, 150).finish())).toBe("089601");
    expect(hex(w().string(2, "testing").finish())).toBe("120774657374696e67");
    expect(hex(w().message(3, w().int(1, 150)).finish())).toBe("1a03089601");
    expect(ProtoMessage.read(octets("1a03089601")).message(3)?.int(1)).toBe(150);
  });

  test("keeps integers up to 2^53, and skips what has another type", () => {
    const big = 2 ** 53 - 1;
    // Field 2 is a double, field 3 a float: nothing here reads them.
    const m = ProtoMessage.read(
      Buffer.concat([
        w().int(1, big).finish(),
        octets("110000000000000000"),
        octets("1d00000000"),
        w().bool(4, true).finish(),
      ]),
    );
    expect([m.int(1), m.int(2), m.bool(4), m.string(1), m.whole]).toEqual([big, 0, true, "", true]);
  });

  test.each([
    ["a varint without an end", "08ffffffffffffffffffff01"],
    ["a length beyond the end", "0a0561"],
    ["a group", "0b0c"],
    ["field number 0", "0001"],
    ["half a double", "11000000"],
  ])("refuses %s", (_, text) => {
    expect(ProtoMessage.read(octets(text)).whole).toBe(false);
  });

  test("refuses a message whose inner message is broken", () => {
    const m = w()
      .bytes(5, w().bytes(1, octets("0a05")).finish())
      .finish();
    expect(parseServerMessage(m)).toBeUndefined();
  });
});

const track = (sid: string, type: number, source: number) =>
  w().string(1, sid).int(2, type).int(9, source).string(3, "x");
const joinMessage = w()
  .message(
    1,
    w()
      .message(1, w().string(2, "demo"))
      .message(2, w().string(1, "PA_me").string(2, "me").message(11, w().bool(1, true)))
      .message(
        3,
        w()
          .string(1, "PA_a")
          .string(2, "ann")
          .string(9, "Ann")
          .int(3, 2)
          .message(4, track("TR_1", 0, 2).bool(4, true))
          .message(4, track("TR_2", 1, 1)),
      )
      .message(5, w().strings(1, ["stun:a", "turn:b"]).string(2, "u").string(3, "c"))
      .int(10, 15)
      .int(11, 5)
      .message(12, w().string(2, "1.13.5")),
  )
  .finish();

describe("what a server says", () => {
  test("begins with who is there and what we may do", () => {
    const m = parseServerMessage(joinMessage);
    expect(m).toMatchObject({
      t: "join",
      join: {
        self: { identity: "me" },
        may: { subscribe: true, publish: false },
        others: [
          {
            identity: "ann",
            name: "Ann",
            gone: false,
            tracks: [
              { sid: "TR_1", muted: true },
              { sid: "TR_2", type: 1, source: 1, muted: false, encrypted: false },
            ],
          },
        ],
        iceServers: [{ urls: ["stun:a", "turn:b"], username: "u", credential: "c" }],
        pingTimeoutMs: 15_000,
        pingIntervalMs: 5000,
        serverVersion: "1.13.5",
      },
    });
  });

  test("of descriptions, candidates, layers and the end is read", () => {
    const say = (no: number, m: ProtoWriter) => parseServerMessage(w().message(no, m).finish());
    const sdp = w()
      .string(1, "offer")
      .string(2, "v=0")
      .int(3, 7)
      .message(4, w().string(1, "0").string(2, "TR_1"));
    expect(say(3, sdp)).toEqual({ t: "offer", sdp: "v=0", id: 7, tracks: new Map([["0", "TR_1"]]) });
    const init = JSON.stringify({ candidate: "candidate:1", sdpMid: "0", sdpMLineIndex: 0 });
    expect(say(4, w().string(1, init).int(2, 1))).toEqual({
      t: "trickle",
      target: 1,
      candidate: { candidate: "candidate:1", mid: "0", index: 0 },
    });
    expect(say(4, w().string(1, "null").bool(3, true))).toEqual({
      t: "trickle",
      target: 0,
      candidate: undefined,
    });
    const quality = (q: number, on: boolean) => w().int(1, q).bool(2, on);
    const codec = w().string(1, "video/VP8").message(2, quality(0, true)).message(2, quality(2, false));
    expect(say(14, w().string(1, "TR_1").message(3, codec))).toEqual({
      t: "wanted",
      sid: "TR_1",
      codecs: [{ codec: "vp8", qualities: [0] }],
    });
    expect(say(14, w().string(1, "TR_1").message(2, quality(1, true)))).toEqual({
      t: "wanted",
      sid: "TR_1",
      codecs: [{ codec: "", qualities: [1] }],
    });
    expect(say(8, w().int(2, 2))).toEqual({ t: "leave", reason: 2, action: 0, mayReturn: false });
    expect(say(22, w().int(2, 2).string(3, "no\u001b[2Jway"))).toEqual({
      t: "refused",
      reason: 2,
      words: "no [2Jway",
    });
    expect(say(99, w())).toEqual({ t: "other" });
    expect(parseServerMessage(w().string(16, "fresh").finish())).toEqual({ t: "token", token: "fresh" });
  });

  test("may be anything: five thousand mutations throw nothing", () => {
    const random = seededRandom(5);
    let read = 0;
    for (let i = 0; i < 5_000; i++) {
      const m = Uint8Array.from(joinMessage);
      for (let n = 1 + randomInt(random, 4); n > 0; n--)
        m[randomInt(random, m.length)] = randomInt(random, 256);
      const cut = random() < 0.3 ? m.subarray(0, randomInt(random, m.length)) : m;
      if (parseServerMessage(cut)) read++;
    }
    expect(read).toBeGreaterThan(100);
    expect(read).toBeLessThan(5_000);
  });
});

describe("what we say", () => {
  const read = (o: Uint8Array) => ProtoMessage.read(o);

  test("names a simulcast track, its layers and their qualities", () => {
    const cam: LocalTrack = {
      id: "cam",
      kind: "video",
      source: "screen",
      codec: "vp8",
      layers: ["q", "h", "f"],
    };
    const m = read(addTrack(cam)).message(4);
    expect([m?.string(1), m?.int(3), m?.int(8)]).toEqual(["cam", 1, 3]);
    const layers = (x: ProtoMessage | undefined, no: number) =>
      x?.messages(no).map((l) => [l.string(7), l.int(1), l.int(6)]);
    const expected = [
      ["q", 0, 0],
      ["h", 1, 1],
      ["f", 2, 2],
    ];
    expect(layers(m, 9)).toEqual(expected);
    expect(layers(m?.message(10), 4)).toEqual(expected);
    expect(m?.message(10)?.string(2)).toBe("cam");
  });

  test("has the numbers of the protocol", () => {
    const kinds = [
      describeSdp({ type: "offer", sdp: "v=0" }, 1),
      describeSdp({ type: "answer", sdp: "v=0" }, 4),
      trickle({ candidate: "c", mid: "1" }, 1),
      subscribe(["a", "b"], true),
      chooseQuality(["a"], 1),
      leave(),
      ping(1, 2),
    ];
    expect(kinds.map((o) => read(o).numbers[0])).toEqual([1, 2, 3, 6, 7, 8, 16]);
    expect(
      read(subscribe(["a", "b"], true))
        .message(6)
        ?.strings(1),
    ).toEqual(["a", "b"]);
    expect(
      read(chooseQuality(["a"], 1))
        .message(7)
        ?.int(4),
    ).toBe(1);
    expect(
      JSON.parse(
        read(trickle({ candidate: "c", mid: "1" }, 1))
          .message(3)
          ?.string(1) ?? "",
      ),
    ).toEqual({ candidate: "c", sdpMid: "1", sdpMLineIndex: 0 });
  });
});

describe("an address", () => {
  test("names server and room; its token is no part of what is shown", () => {
    expect(parseLiveKitTarget("livekit+wss://lk.example.com/sub/My%20Room?token=abc")).toMatchObject({
      room: "My Room",
      shown: "lk.example.com",
      token: "abc",
      base: new URL("wss://lk.example.com/sub/"),
    });
    expect(liveKitLabel("livekit+wss://u:p@lk.example.com/r?token=abc#x")).toBe(
      "livekit+wss://lk.example.com/r",
    );
  });

  test.each([
    "livekit+ws://host",
    "livekit+ws://host/",
    "livekit+ws://",
    "livekit+http://host/r",
    "livekit+ws://host/%zz",
  ])("%s is refused", (address) => {
    expect(() => parseLiveKitTarget(address)).toThrow(expect.objectContaining({ code: "usage" }));
  });
});

const target = parseLiveKitTarget("livekit+ws://h/demo");
const wish = (o: Partial<JoinWish>): JoinWish => ({
  name: "bot",
  recorder: false,
  publish: [],
  receive: true,
  ...o,
});
const claimsOf = (token: string) =>
  JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
const tokenFor = (room: string) =>
  signToken({
    apiKey: "k",
    apiSecret: "s",
    identity: "i",
    name: "n",
    nowS: 1000,
    grants: { room, publish: false, subscribe: true, recorder: true },
  });

describe("a token", () => {
  test("is signed with the secret, and hides a recorder", () => {
    const token = tokenFor("demo");
    const [head, body, signature] = token.split(".");
    expect(signature).toBe(createHmac("sha256", "s").update(`${head}.${body}`).digest("base64url"));
    expect(claimsOf(token)).toEqual({
      iss: "k",
      sub: "i",
      name: "n",
      nbf: 940,
      exp: 4600,
      video: {
        roomJoin: true,
        room: "demo",
        canPublish: false,
        canPublishData: false,
        canSubscribe: true,
        hidden: true,
        recorder: true,
      },
    });
  });

  test("that is given goes before key and secret", () => {
    const token = tokenFor("demo");
    expect(passFor(target, wish({ token, apiKey: "k", apiSecret: "s" })).token()).toBe(token);
    expect(
      claimsOf(passFor(target, wish({ apiKey: "k", apiSecret: "s", token: "" })).token("me")),
    ).toMatchObject({ sub: "me", name: "bot", video: { canPublish: false, canSubscribe: true } });
  });

  test.each([
    [
      "of another room",
      wish({ token: tokenFor("other") }),
      "usage",
      "the token is for another room than demo",
    ],
    ["that is none", wish({ token: "swordfish" }), "auth", "the token is no access token of LiveKit"],
    ["that is missing", wish({ apiKey: "k" }), "auth", "h wants a token, and there is none"],
  ])("%s is refused", (_, w, code, message) => {
    expect(() => passFor(target, w)).toThrow(expect.objectContaining({ code, message }));
  });
});

describe("a refusal", () => {
  const of = (status: number, said: string, token = "aaaaaaaa.bbbbbbbb.cccccccc") =>
    refusal({ status, said, token, shown: "h" });

  test("repeats the server's words without our token", () => {
    const e = of(401, "invalid token: aaaaaaaa.bbbbbbbb.cccccccc, error: token is expired (exp)");
    expect([e.code, e.message]).toEqual([
      "auth",
      "h does not let us in (401: invalid token: error: token is expired (exp))",
    ]);
  });

  test("has a code and a hint for every status", () => {
    expect(of(503, "").code).toBe("signal-refused");
    expect(of(404, "requested room does not exist").message).toBe(
      "h has no such room or is no LiveKit server (404: requested room does not exist)",
    );
    expect(of(403, "room has exceeded its max participants").code).toBe("room-full");
    expect(of(302, "").message).toContain("our token goes nowhere else");
    expect(of(200, "<!DOCTYPE html><html><h1>Hi").message).toBe(
      "h answers with a page and not with a room (200)",
    );
  });

  test("after joining ends the session, unless it is the server's own trouble", () => {
    const end = (reason: number, action = 0, mayReturn = false) =>
      endingOf({ t: "leave", reason, action, mayReturn }, "h")?.reason;
    expect([end(2), end(4), end(5), end(10), end(0), end(1)]).toEqual([
      "replaced",
      "kicked",
      "room-closed",
      "room-closed",
      "kicked",
      "kicked",
    ]);
    expect([end(3), end(7), end(14), end(0, 2), end(0, 0, true)]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });
});
