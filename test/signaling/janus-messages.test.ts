import { describe, expect, test } from "vitest";
import { seededRandom } from "../../src/core/random.ts";
import { throwRefusal } from "../../src/signaling/janus/errors.ts";
import { parseJanus } from "../../src/signaling/janus/messages.ts";
import { parseJanusTarget } from "../../src/signaling/janus/target.ts";

const plugin = (data: object, more: object = {}) =>
  parseJanus(JSON.stringify({ janus: "event", sender: 7, plugindata: { plugin: "x", data }, ...more }));

describe("what Janus says", () => {
  test("joined: who publishes what, who only watches, and what ties subscriptions to us", () => {
    const m = plugin(
      {
        ...{ videoroom: "joined", room: 1234, id: 1, private_id: 99 },
        publishers: [
          {
            ...{ id: 2, display: "Ann" },
            streams: [
              { type: "audio", mid: "0", codec: "opus" },
              { type: "video", mid: "1", codec: "vp8", description: "screen" },
              { type: "video", mid: "2", disabled: true },
              { type: "data", mid: "3" },
            ],
          },
        ],
        attendees: [{ id: 3, display: "Bob" }],
      },
      { transaction: "r1" },
    );
    expect(m).toEqual({
      ...{ type: "event", transaction: "r1", sender: 7 },
      data: {
        ...{ kind: "joined", id: 1, privateId: 99 },
        publishers: [
          {
            ...{ id: 2, display: "Ann" },
            streams: [
              { mid: "0", kind: "audio" },
              { mid: "1", kind: "video", description: "screen" },
            ],
          },
        ],
        attendees: [{ id: 3, display: "Bob" }],
      },
    });
  });

  test("attached: what every m-line carries, with the offer", () => {
    const streams = [
      { mid: "0", type: "audio", active: true, feed_id: "ann", feed_mid: "a" },
      { mid: "1", type: "video", active: false },
    ];
    const m = plugin({ videoroom: "attached", streams }, { jsep: { type: "offer", sdp: "v=0\r\n" } });
    expect(m?.jsep).toEqual({ type: "offer", sdp: "v=0\r\n" });
    expect(m?.data?.streams).toEqual([
      { mid: "0", kind: "audio", active: true, feed: "ann", feedMid: "a" },
      { mid: "1", kind: "video", active: false },
    ]);
  });

  test("candidates, without the name of the line, and without an m-line where Janus gives none", () => {
    const trickle = (candidate: object) =>
      parseJanus(JSON.stringify({ janus: "trickle", sender: 1, candidate }));
    expect(
      trickle({ candidate: "a=candidate:1 1 udp 1 10.0.0.1 5 typ host", sdpMLineIndex: 0 })?.candidate,
    ).toEqual({ candidate: "candidate:1 1 udp 1 10.0.0.1 5 typ host", index: 0 });
    expect(trickle({ completed: true })?.candidate).toBeUndefined();
  });

  test("nonsense is nothing, and damaged messages never throw", () => {
    for (const text of ["", "[]", "null", "7", "{}", '{"janus":7}', "<html>"])
      expect(parseJanus(text)).toBeUndefined();
    const random = seededRandom(4);
    const whole = JSON.stringify({
      ...{ janus: "event", transaction: "r", sender: 1, jsep: { type: "offer", sdp: "v=0" } },
      plugindata: {
        data: {
          videoroom: "event",
          publishers: [{ id: 1, streams: [{ type: "audio", mid: "0" }] }],
          error_code: 1,
        },
      },
    });
    let read = 0;
    for (let i = 0; i < 5000; i++) {
      const at = Math.floor(random() * whole.length);
      const filling = ["", "0", "null", "{}", "[", '"', "-1", "1e400"][Math.floor(random() * 8)] ?? "";
      if (parseJanus(whole.slice(0, at) + filling + whole.slice(at + Math.floor(random() * 4)))) read++;
    }
    expect(read).toBeGreaterThan(100);
  });

  test.each([
    [433, "Unauthorized (wrong pin)", "auth"],
    [429, "Missing mandatory element (pin)", "auth"],
    [426, "No such room (1)", "signal-refused"],
    [432, "Maximum number of publishers (1) already reached", "room-full"],
    [430, "Video codec unavailable in this room", "negotiation"],
    [499, "Who knows", "signal-refused"],
  ])("refusal %i, %s, is %s", (code, text, expected) => {
    const { data } = plugin({ videoroom: "event", error_code: code, error: text }) ?? {};
    if (!data) throw new Error("nothing was read");
    expect(() => throwRefusal(data, "host/1")).toThrow(expect.objectContaining({ code: expected }));
  });
});

describe("addresses", () => {
  test.each([
    ["janus+ws://h:8188/1234", { url: "ws://h:8188/", room: 1234, shown: "h:8188/1234" }],
    ["janus+wss://h/proxy/janus/my%20room?pin=1", { url: "wss://h/proxy/janus", room: "my room", pin: "1" }],
    ["JANUS+WS://h:1/99999999999999999999", { room: "99999999999999999999" }],
  ])("%s", (address, expected) => expect(parseJanusTarget(address)).toMatchObject(expected));

  test.each(["janus+ws://h:8188", "janus+ws://", "janus+http://h/1", "janus+ws://h/%ff"])(
    "%s is none",
    (address) => expect(() => parseJanusTarget(address)).toThrow(expect.objectContaining({ code: "usage" })),
  );
});
