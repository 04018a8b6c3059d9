import { describe, expect, it } from "vitest";
import { parseServerMessage, parseStatus, words } from "../../src/signaling/galene/messages.ts";
import { parseGaleneTarget } from "../../src/signaling/galene/target.ts";

const read = (m: unknown) => parseServerMessage(JSON.stringify(m));

describe("a message of a Galene server", () => {
  it("is read for what concerns a bot", () => {
    expect(read({ type: "handshake", version: ["2"] })).toEqual({ t: "handshake", versions: ["2"] });
    expect(read({ type: "user", kind: "add", id: "a", username: "Ann", permissions: [] })).toEqual({
      ...{ t: "user", kind: "add", id: "a", username: "Ann" },
    });
    expect(read({ type: "ice", id: "s", candidate: { candidate: "candidate:1", sdpMid: "0" } })).toEqual({
      ...{ t: "ice", id: "s", candidate: { candidate: "candidate:1", mid: "0" } },
    });
    const rtcConfiguration = {
      iceServers: [
        { urls: ["turn:t.example:443?transport=tcp", "javascript:1"], username: "u", credential: "c" },
        { urls: "stun:s.example" },
        { urls: ["nonsense"] },
        7,
      ],
    };
    expect(
      read({ type: "joined", kind: "join", permissions: ["present", 1], rtcConfiguration }),
    ).toMatchObject({
      permissions: ["present"],
      iceServers: [
        { urls: ["turn:t.example:443?transport=tcp"], username: "u", credential: "c" },
        { urls: ["stun:s.example"] },
      ],
    });
  });

  it("of other people means nothing", () => {
    const kicked = { type: "usermessage", kind: "kicked", value: "x" };
    expect(read(kicked)).toEqual({ t: "other" });
    expect(read({ ...kicked, privileged: true, source: "op" })).toEqual({ t: "other" });
    expect(read({ ...kicked, privileged: true })).toEqual({ t: "notice", kind: "kicked", value: "x" });
    expect(read({ type: "chat", value: "hi" })).toEqual({ t: "other" });
  });

  it.each([
    "",
    "[]",
    "null",
    "{",
    '{"type":7}',
    '{"type":"offer","id":"x"}',
    '{"type":"offer","sdp":"v=0"}',
    '{"type":"ice","id":"x","candidate":null}',
    '{"type":"user","kind":"spy","id":"x"}',
    '{"type":"joined","kind":"?"}',
    `{"type":"close","id":"${"x".repeat(300)}"}`,
  ])("%.40s is none", (text) => {
    expect(parseServerMessage(text)).toBeUndefined();
  });

  it("has words fit for a terminal", () => {
    expect(words("a\u001b[2J\r\nb\u202e c")).toBe("a [2J b c");
  });

  it("that is a group's status names its endpoint", () => {
    expect(parseStatus('{"name":"a","endpoint":"ws://h/ws"}')).toEqual({
      endpoint: "ws://h/ws",
      authServer: false,
    });
    for (const text of ["", "<html>", "{}", '{"name":"a"}', '{"endpoint":"ws://h"}'])
      expect(parseStatus(text)).toBeUndefined();
  });
});

describe("a Galene address", () => {
  it.each([
    ["galene+https://h.example/group/talk/", "https://h.example/group/talk/", "talk", "h.example/talk"],
    ["galene+http://h:8443/group/a/b", "http://h:8443/group/a/b/", "a/b", "h:8443/a/b"],
    ["galene+http://h/group/caf%C3%A9/#x", "http://h/group/caf%C3%A9/", "café", "h/café"],
  ])("%s is read", (address, location, group, shown) => {
    const target = parseGaleneTarget(address);
    expect([target.location.href, target.group, target.shown]).toEqual([location, group, shown]);
  });

  it("may bring a token along, as portals do", () => {
    expect(parseGaleneTarget("galene+https://h/group/talk/?token=abc").token).toBe("abc");
  });

  it.each([
    "galene+https://h/",
    "galene+https://h/group/",
    "galene+https://h/group/.x/",
    "galene+https://h/group/a/.status",
    "galene+https://h/group/a%2F..%2Fb/",
    "galene+https://h/group/%zz/",
    "galene+ftp://h/group/a/",
    "galene:talk",
  ])("%s is refused without being repeated", (address) => {
    expect(() => parseGaleneTarget(address)).toThrow(
      expect.objectContaining({ code: "usage", message: "the Galene address is not that of a group" }),
    );
  });
});
