import { describe, expect, it } from "vitest";
import { hostAllowed, isLoopback, originAllowed, tokenCheck } from "../../src/net/access.ts";

const loopback = { host: "127.0.0.1", allowOrigins: ["https://meet.example.com"] };
const open = { host: "0.0.0.0", allowOrigins: [] };

it.each(["127.0.0.1", "127.8.9.1", "localhost", "LOCALHOST", "::1"])("%s is loopback", (host) => {
  expect(isLoopback(host)).toBe(true);
});

it.each(["0.0.0.0", "::", "127.0.0.1.evil.example", "10.0.0.1", "localhost.evil.example"])(
  "%s is not loopback",
  (host) => {
    expect(isLoopback(host)).toBe(false);
  },
);

describe("Host", () => {
  it.each([
    "localhost:8080",
    "127.0.0.1",
    "[::1]:9",
    "LocalHost",
    "meet.example.com",
    "meet.example.com:443",
  ])("answers to %s on loopback", (host) => {
    expect(hostAllowed(host, loopback)).toBe(true);
  });

  it.each([
    "evil.example",
    "127.0.0.1.evil.example:8080",
    "localhost@evil.example",
    "localhost/evil",
    "evil.example#localhost",
    "",
    undefined,
    "a b",
  ])("refuses %j on loopback", (host) => {
    expect(hostAllowed(host, loopback)).toBe(false);
  });

  it("answers to any name elsewhere, where the token keeps strangers out", () => {
    expect(hostAllowed("rooms.example.com", open)).toBe(true);
    expect(hostAllowed(undefined, open)).toBe(false);
  });
});

describe("Origin", () => {
  it.each([
    [undefined, "localhost:8080"],
    ["http://localhost:8080", "localhost:8080"],
    ["https://meet.example.com", "localhost:8080"],
    ["https://rooms.example.com", "rooms.example.com"],
    ["https://rooms.example.com", "rooms.example.com:443"],
  ])("lets %j in at %j", (origin, host) => {
    expect(originAllowed(origin, host, loopback)).toBe(true);
  });

  it.each([
    ["null", "localhost:8080"],
    ["http://evil.example", "localhost:8080"],
    ["http://localhost:9090", "localhost:8080"],
    ["http://localhost", "localhost:8080"],
    ["https://meet.example.com.evil.example", "localhost:8080"],
    ["http://meet.example.com", "localhost:8080"],
    ["file://", "localhost:8080"],
    ["http://evil.example", undefined],
  ])("keeps %j out at %j", (origin, host) => {
    expect(originAllowed(origin, host, loopback)).toBe(false);
  });

  it("lets any origin in with a star", () => {
    expect(originAllowed("null", "h", { host: "h", allowOrigins: ["*"] })).toBe(true);
  });
});

it("takes exactly the right token", () => {
  const check = tokenCheck("s3cret");
  expect(check("s3cret")).toBe(true);
  for (const wrong of ["s3cre", "s3cret ", "", "S3cret", undefined]) expect(check(wrong)).toBe(false);
  expect(tokenCheck(undefined)(undefined)).toBe(true);
});
