import { describe, expect, it } from "vitest";
import { randomInt, seededRandom } from "../../src/core/random.ts";
import {
  isPolite,
  limits,
  parseClientMessage,
  parseServerMessage,
} from "../../src/signaling/room/messages.ts";
import { cleanName, roomName } from "../../src/signaling/room/names.ts";

const client = (m: unknown) => parseClientMessage(JSON.stringify(m));
const server = (m: unknown) => parseServerMessage(JSON.stringify(m));
const join = { t: "join", v: 1, room: "daily", name: "Ann", caps: { recorder: true } };
const offer = { type: "offer", sdp: "v=0\r\n" };

describe("messages from clients", () => {
  it("reads a join and ignores fields it does not know", () => {
    expect(client({ ...join, caps: { recorder: true, fly: 1 }, extra: "x" })).toEqual({
      t: "join",
      v: 1,
      room: "daily",
      name: "Ann",
      caps: { recorder: true, publish: false },
    });
    expect(client({ ...join, token: "secret", rejoin: "again" })).toMatchObject({
      token: "secret",
      rejoin: "again",
    });
  });

  it.each([
    ["another version", { ...join, v: 2 }],
    ["no version", { ...join, v: undefined }],
    ["a room with a slash", { ...join, room: "../etc" }],
    ["an empty room", { ...join, room: "" }],
    ["a name that is no string", { ...join, name: { toString: 1 } }],
    ["a token that is no string", { ...join, token: 7 }],
    ["a token beyond the bound", { ...join, token: "x".repeat(limits.token + 1) }],
    ["an empty rejoin token", { ...join, rejoin: "" }],
    ["a signal to nobody", { t: "signal", data: { bye: true } }],
    ["a signal of nothing", { t: "signal", to: "a", data: {} }],
    [
      "a description of a kind that does not travel",
      { t: "signal", to: "a", data: { sdp: { type: "pranswer", sdp: "v=0" } } },
    ],
    [
      "a description beyond the bound",
      { t: "signal", to: "a", data: { sdp: { type: "offer", sdp: "x".repeat(limits.sdp + 1) } } },
    ],
    [
      "a candidate that would add SDP lines",
      { t: "signal", to: "a", data: { candidate: { candidate: "x\r\na=setup:active" } } },
    ],
    [
      "too many named m-lines",
      {
        t: "signal",
        to: "a",
        data: {
          sdp: offer,
          media: Object.fromEntries(Array.from({ length: limits.mediaEntries + 1 }, (_, i) => [i, "camera"])),
        },
      },
    ],
    [
      "a link name beyond the bound",
      { t: "signal", to: "a", data: { bye: true, link: "x".repeat(limits.id + 1) } },
    ],
    ["half a state", { t: "state", muted: { audio: true } }],
    ["an unknown kind", { t: "shout" }],
    ["an array", []],
    ["null", null],
    ["a number", 5],
  ])("refuses %s", (_, m) => {
    expect(client(m)).toBeUndefined();
  });

  it("reads descriptions with the sources they name, and forgets sources it does not know", () => {
    const data = { link: "l1", sdp: offer, media: { 0: "microphone", 1: "screen", 2: "hologram" } };
    expect(client({ t: "signal", to: "a", data, from: "forged" })).toEqual({
      t: "signal",
      to: "a",
      data: { link: "l1", sdp: offer, media: { 0: "microphone", 1: "screen" } },
    });
  });

  it("keeps a mid called __proto__ an ordinary key", () => {
    const m = parseClientMessage(
      '{"t":"signal","to":"a","data":{"sdp":{"type":"offer","sdp":"v=0"},"media":{"__proto__":"camera"}}}',
    );
    expect(m).toHaveProperty("data.media");
    expect(JSON.stringify(m)).toContain('"__proto__":"camera"');
  });

  it("reads candidates, with null for what is not there", () => {
    expect(
      client({
        t: "signal",
        to: "a",
        data: { candidate: { candidate: "", sdpMid: null, sdpMLineIndex: 0 } },
      }),
    ).toEqual({ t: "signal", to: "a", data: { candidate: { candidate: "", sdpMLineIndex: 0 } } });
    expect(
      client({
        t: "signal",
        to: "a",
        data: { candidate: { candidate: "c", sdpMid: "1", sdpMLineIndex: -1 } },
      }),
    ).toEqual({ t: "signal", to: "a", data: { candidate: { candidate: "c", sdpMid: "1" } } });
  });

  it("refuses text that is not JSON or beyond the bound", () => {
    expect(parseClientMessage("{")).toBeUndefined();
    expect(parseClientMessage("")).toBeUndefined();
    const padded = JSON.stringify({ t: "ping", pad: "x".repeat(limits.clientMessage) });
    expect(parseClientMessage(padded)).toBeUndefined();
  });

  it("never throws on mutated messages, and what it accepts survives the way back", () => {
    const random = seededRandom(7);
    const seeds = [
      JSON.stringify({ ...join, token: "t", rejoin: "r" }),
      JSON.stringify({ t: "signal", to: "b", data: { link: "l", sdp: offer, media: { 0: "camera" } } }),
      JSON.stringify({ t: "signal", to: "b", data: { candidate: { candidate: "c", sdpMid: "0" } } }),
      JSON.stringify({ t: "state", muted: { audio: true, video: false } }),
    ];
    const bits = ['"', "{", "}", "[", "]", ",", ":", "null", "true", "1e999", "\\u0000", "t", "0"];
    let accepted = 0;
    for (let i = 0; i < 8000; i++) {
      let text = seeds[randomInt(random, seeds.length)] ?? "";
      for (let n = randomInt(random, 3); n > 0; n--) {
        const at = randomInt(random, text.length + 1);
        const bit = bits[randomInt(random, bits.length)] ?? "";
        text = text.slice(0, at) + bit + text.slice(at + randomInt(random, 2));
      }
      const m = parseClientMessage(text);
      if (m === undefined) continue;
      accepted++;
      expect(parseClientMessage(JSON.stringify(m))).toEqual(m);
    }
    expect(accepted).toBeGreaterThan(500);
  });
});

describe("messages from the server", () => {
  const welcome = { t: "welcome", you: "a", peers: [], ice: [], ttl: 60, rejoin: "r" };

  it("reads a welcome", () => {
    const peers = [{ id: "b", name: "Bob", recorder: false, muted: { audio: true, video: false } }];
    const ice = [{ urls: "stun:127.0.0.1:3478" }, { urls: ["turn:h"], username: "u", credential: "c" }];
    expect(server({ ...welcome, peers, ice })).toEqual({
      ...welcome,
      peers,
      ice: [{ urls: ["stun:127.0.0.1:3478"] }, ice[1]],
    });
  });

  it.each([
    ["no id", { ...welcome, you: undefined }],
    ["no rejoin token", { ...welcome, rejoin: "" }],
    ["peers that are no list", { ...welcome, peers: { length: 1 } }],
    ["a peer without an id", { ...welcome, peers: [{ name: "x" }] }],
    ["an ICE server of another scheme", { ...welcome, ice: [{ urls: ["http://10.0.0.1/"] }] }],
    ["too many ICE servers", { ...welcome, ice: Array(limits.iceServers + 1).fill({ urls: ["stun:h"] }) }],
  ])("refuses a welcome with %s", (_, m) => {
    expect(server(m)).toBeUndefined();
  });

  it("reads presence, signals and errors", () => {
    const peer = { id: "b", name: "Bob", recorder: true };
    expect(server({ t: "peer-joined", peer })).toEqual({ t: "peer-joined", peer });
    expect(server({ t: "peer-left", peer, reason: "lost" })).toEqual({
      t: "peer-left",
      peer,
      reason: "lost",
    });
    expect(server({ t: "peer-left", peer })).toEqual({ t: "peer-left", peer, reason: "left" });
    expect(server({ t: "signal", from: "b", data: { bye: true } })).toMatchObject({ from: "b" });
    expect(server({ t: "state", from: "b", muted: { audio: true, video: true } })).toMatchObject({
      from: "b",
    });
    expect(server({ t: "error", code: "new-kind" })).toEqual({ t: "error", code: "new-kind", message: "" });
    expect(server({ t: "signal", data: { bye: true } })).toBeUndefined();
  });

  it("cleans the names of peers", () => {
    const peer = { id: "b", name: "Bob\u202egnp.exe\n", recorder: false };
    expect(server({ t: "peer-joined", peer })).toEqual({
      t: "peer-joined",
      peer: { ...peer, name: "Bob gnp.exe" },
    });
  });
});

describe("names", () => {
  it.each([
    ["Zoë 👩‍👩‍👧", "Zoë 👩‍👩‍👧"],
    ["  a \u0000\u001b[31m  b ", "a [31m b"],
    ["\u2066ab\u2069\u200b", "ab"],
    ["\ud800x", "x"],
    ["\u202e\u0007", ""],
    ["🎥".repeat(80), "🎥".repeat(64)],
  ])("cleans %j", (raw, clean) => {
    expect(cleanName(raw)).toBe(clean);
  });

  it.each(["daily", "Straße_1.a~b-c", "会議", "a".repeat(64)])("accepts the room %j", (name) => {
    expect(roomName(name)).toBe(name);
  });

  it.each(["", ".", "..", "a b", "a/b", "a\u0000", "<b>", "a".repeat(65), "%2e", "\u202ea"])(
    "refuses the room %j",
    (name) => {
      expect(roomName(name)).toBeUndefined();
    },
  );

  it("takes both spellings of an accent for the same room", () => {
    expect(roomName("cafe\u0301")).toBe(roomName("caf\u00e9"));
  });
});

it("makes exactly one side of a pair polite", () => {
  expect(isPolite("b", "a")).toBe(true);
  expect(isPolite("a", "b")).toBe(false);
});
