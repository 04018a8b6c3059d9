import { describe, expect, test } from "vitest";
import { conceal } from "../../../src/sinks/push/secrets.ts";
import { addressOf, type Target } from "../../../src/sinks/push/target.ts";

const rtmp = (url: string): Target => ({ kind: "rtmp", url });

test.each([
  ["rtmp://host/app/s3cr3t", "rtmp://host/app/***"],
  ["rtmps://host:444/app/instance/s3cr3t?sign=abcdef", "rtmps://host:444/app/instance/***"],
  ["rtmp://[::1]:1935/app/s3cr3t", "rtmp://[::1]:1935/app/***"],
  ["rtmp://host/s3cr3t", "rtmp://host/***"],
  ["rtmp://me:s3cr3t@host/app/key", "rtmp://***@host/app/***"],
])("%s is shown as %s", (url, shown) => {
  expect(conceal(rtmp(url)).shown).toBe(shown);
});

test("addresses of SRT and RTSP, and files, show what is no secret", () => {
  expect(conceal({ kind: "srt", url: "srt://host:9000?mode=caller&passphrase=s3cr3t-s3cr3t" }).shown).toBe(
    "srt://host:9000?***",
  );
  expect(conceal({ kind: "rtsp", url: "rtsp://me:s3cr3t@host/path/name" }).shown).toBe(
    "rtsp://***@host/path/name",
  );
  expect(conceal({ kind: "file", url: "/tmp/a.mp4" }).shown).toBe("/tmp/a.mp4");
});

describe("what programs and servers say", () => {
  const url = "rtmp://host/app/live_123_abcDEF?sign=top%2Fsecret&x=ab";
  const { redact } = conceal(rtmp(url));

  test.each([
    `[rtmp] cannot open ${url}: Input/output error`,
    "Cannot open 'rtmp://host/app/live_123_abcDEF'",
    "rtmp://host:1935/app/live_123_abcDEF?x=ab",
    "stream live_123_abcDEF is published already",
    "sign top/secret is wrong",
    "sign top%2Fsecret is wrong",
  ])("%s", (text) => {
    const out = redact(text);
    expect(out).not.toMatch(/live_123|abcDEF|top|secret|x=ab/);
    expect(out).toContain("***");
  });

  test("is else left as it is", () => {
    expect(redact("Connection refused by host, app: about to try")).toBe(
      "Connection refused by host, app: about to try",
    );
  });

  test("users, passwords and hidden parameters go, known ones of SRT stay", () => {
    const rtsp = conceal({ kind: "rtsp", url: "rtsp://camera7:pa%20ss@host/x" });
    expect(rtsp.redact("user camera7 with pa ss or pa%20ss")).toBe("user *** with *** or ***");
    const srt = conceal({
      kind: "srt",
      url: "srt://h:1?mode=caller&streamid=publish:abc&passphrase=0123456789",
    });
    expect(srt.redact("mode caller, publish:abc, 0123456789")).toBe("mode caller, ***, ***");
  });
});

test.each([
  ["rtmp", "http://host/app/key"],
  ["rtmp", "s3cr3t"],
  ["rtmp", "rtmp:///app/key"],
  ["rtmp", "rtmp://host:99999/app/key"],
  ["rtmp", "rtmp://host/app/key with space"],
  ["srt", "rtmp://host/app/key"],
  ["rtsp", "rtsp://"],
] as const)("--%s %s cannot be used, and the error does not repeat it", (kind, url) => {
  const refusal = () => addressOf(kind, url);
  expect(refusal).toThrowError(expect.objectContaining({ code: "usage" }));
  try {
    refusal();
  } catch (error) {
    expect(String(error)).not.toContain(url);
  }
});

test("an address is taken apart as it stands", () => {
  expect(addressOf("rtmp", "RTMPS://u:p:q@[2001:db8::1]:8443/a/b?x=1&flag&y=a=b")).toEqual({
    scheme: "rtmps",
    user: "u",
    password: "p:q",
    host: "2001:db8::1",
    port: 8443,
    path: "/a/b",
    query: [
      ["x", "1"],
      ["flag", ""],
      ["y", "a=b"],
    ],
  });
});
