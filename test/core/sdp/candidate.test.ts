import { expect, test } from "vitest";
import { bareCandidate, parseCandidate } from "../../../src/core/sdp/candidate.ts";

const line = "candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 10.0.0.1 rport 9";

test("a candidate is read with and without a=", () => {
  const expected = {
    foundation: "842163049",
    component: 1,
    protocol: "udp",
    priority: 1677729535,
    address: "203.0.113.7",
    port: 46154,
    type: "srflx",
  };
  expect(parseCandidate(line)).toEqual(expected);
  expect(parseCandidate(`a=${line}\r\n`)).toEqual(expected);
  expect(bareCandidate(`a=${line}`)).toBe(line);
  expect(bareCandidate(line)).toBe(line);
});

test.each([
  ["an IPv6 address", "candidate:1 1 UDP 2122 2001:db8::1 5000 typ host", "2001:db8::1"],
  [
    "a hidden address",
    "candidate:1 1 udp 2122 5e0f5c1c-2d6e-4a52.local 5000 typ host",
    "5e0f5c1c-2d6e-4a52.local",
  ],
  ["TCP", "candidate:1 1 TCP 2122 192.0.2.1 9 typ host tcptype active", "192.0.2.1"],
])("a candidate with %s is read", (_, text, address) => {
  expect(parseCandidate(text)?.address).toBe(address);
});

test.each([
  ["nothing", ""],
  ["another type", line.replace("srflx", "magic")],
  ["another protocol", line.replace("udp", "sctp")],
  ["a port past the last", line.replace("46154", "65536")],
  ["a missing field", line.replace(" 203.0.113.7", "")],
  ["a second line", `${line.replace(" raddr", "\r\na=x raddr")}`],
  ["no end", `${line} ${"x".repeat(1024)}`],
])("a candidate with %s is refused", (_, text) => {
  expect(parseCandidate(text)).toBeUndefined();
});
