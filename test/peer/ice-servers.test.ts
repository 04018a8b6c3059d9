import { describe, expect, it } from "vitest";
import { nativeIceServers } from "../../src/peer/ice-servers.ts";

const of = (...urls: string[]) => nativeIceServers([{ urls, username: "u", credential: "p:@/" }]);

describe("ICE servers for the agent", () => {
  it.each([
    ["stun:stun.example.org", ["stun:stun.example.org:3478"]],
    ["stun:192.0.2.1:19302", ["stun:192.0.2.1:19302"]],
    ["stun:[2001:db8::1]:3479", ["stun:[2001:db8::1]:3479"]],
    ["STUN:h", ["stun:h:3478"]],
    ["stuns:stun.example.org", []],
    ["turns:turn.example.org:5349", []],
    ["turn:turn.example.org?transport=TCP", []],
  ])("takes %s as %j", (url, wanted) => {
    expect(of(url)).toEqual(wanted);
  });

  it.each([
    ["turn:turn.example.org", "turn.example.org", 3478],
    ["turn:turn.example.org:80?transport=udp", "turn.example.org", 80],
    ["turn:[2001:db8::2]:3480", "2001:db8::2", 3480],
  ])("gives the secrets of %s apart from its address", (url, hostname, port) => {
    expect(of(url)).toEqual([{ hostname, port, relayType: "TurnUdp", username: "u", password: "p:@/" }]);
  });

  it("keeps the order over several servers and leaves out secrets that are not there", () => {
    const servers = nativeIceServers([{ urls: ["turn:a", "stun:b"] }, { urls: [] }, { urls: ["stun:c:1"] }]);
    expect(servers).toEqual([{ hostname: "a", port: 3478, relayType: "TurnUdp" }, "stun:b:3478", "stun:c:1"]);
  });

  it.each([
    "",
    "http://h",
    "stun:",
    "stun://h",
    "stun:h:0",
    "stun:h:65536",
    "stun:h:123456",
    "turn:u:p@h:3478",
    "turn:h?transport=sctp",
    "stun:h\r\na=x",
    "stun:[2001:db8::1",
  ])("refuses %j as a mistake of whoever wrote it", (url) => {
    expect(() => of(url)).toThrow(expect.objectContaining({ code: "usage", hint: expect.any(String) }));
  });

  it("shows no control characters of a bad address", () => {
    expect(() => of("stun:\u001b[2J\nh")).toThrow(/^not an ICE server address: stun:\?\[2J\?h$/);
  });
});
