import { describe, expect, it } from "vitest";
import { iceUrlInWords, parseIceServer, parseIceUrl } from "../../src/core/ice-url.ts";

describe("the URL of an ICE server", () => {
  it.each([
    ["stun:stun.example.org", "stun stun.example.org 3478 udp"],
    ["stuns:stun.example.org", "stun stun.example.org 5349 tls"],
    ["turn:h", "turn h 3478 udp"],
    ["turn:h?transport=tcp", "turn h 3478 tcp"],
    ["turns:h", "turn h 5349 tls"],
    ["turns:h:443?transport=tcp", "turn h 443 tls"],
    ["TURN:[2001:db8::1]:80", "turn 2001:db8::1 80 udp"],
  ])("%s is %s", (url, wanted) => {
    const { kind, host, port, transport } = parseIceUrl(url) ?? {};
    expect(`${kind} ${host} ${port} ${transport}`).toBe(wanted);
  });

  it.each([
    "",
    "turn:",
    "turn:h:0",
    "turn:h:70000",
    "turns:h?transport=udp",
    "turn:u:p@h",
    "http://h",
    "turn:h/x",
  ])("%j is none", (url) => expect(parseIceUrl(url)).toBeUndefined());

  it("is shown without secrets, and with brackets where they belong", () => {
    const url = parseIceUrl("turns:[2001:db8::1]");
    expect(url && iceUrlInWords(url)).toBe("TURN server [2001:db8::1]:5349 by TLS");
  });
});

describe("an ICE server on a command line", () => {
  it("has its user and password before the host, percent-encoded", () => {
    expect(parseIceServer("turn:17%3Abot:a%2Fb%3D%40@h:3478?transport=tcp")).toEqual({
      ...{ urls: ["turn:h:3478?transport=tcp"], username: "17:bot", credential: "a/b=@" },
    });
    expect(parseIceServer("stun:h")).toEqual({ urls: ["stun:h"] });
  });

  it.each(["turn:u:%zz@h", "turn::p@h", "turn:u:p@", "stun:u:p@h", "turn:a:b:c@h"])("%s is none", (text) => {
    expect(parseIceServer(text)).toBeUndefined();
  });
});
