import { describe, expect, test } from "vitest";
import { seededRandom } from "../../src/core/random.ts";
import {
  candidatesOf,
  clientOffer,
  isComplete,
  parseFragment,
  refusesAll,
  trickleFragment,
  withoutCandidates,
} from "../../src/signaling/http/fragment.ts";
import { parseLinks } from "../../src/signaling/http/link-header.ts";
import {
  iceServersOf,
  isDescription,
  mayCarryToken,
  problemOf,
  refusal,
  retryAfterMs,
} from "../../src/signaling/http/replies.ts";
import { parseWhipTarget } from "../../src/signaling/whip/target.ts";
import { whipWords } from "../../src/signaling/whip/words.ts";

const sdp = [
  "v=0",
  "o=- 1 1 IN IP4 127.0.0.1",
  "a=group:BUNDLE 0 1",
  "m=audio 9 UDP/TLS/RTP/SAVPF 111",
  "a=mid:0",
  "a=rtcp-mux",
  "a=ice-ufrag:abcd",
  "a=ice-pwd:secretsecretsecretsecret",
  "a=setup:actpass",
  "a=candidate:1 1 UDP 1 192.0.2.1 5000 typ host",
  "a=candidate:2 1 UDP 1 192.0.2.2 5000 typ host",
  "m=video 9 UDP/TLS/RTP/SAVPF 96",
  "a=mid:1",
  "a=rtcp-mux",
  "a=rtcp-rsize",
  "a=ice-ufrag:abcd",
  "a=setup:actpass",
  "",
].join("\r\n");

describe("the address of a WHIP endpoint", () => {
  test("is the server's own behind whip+, and shown without what may be a key", () => {
    const t = parseWhipTarget("whip+https://media.example.com:8443/app/KEY?token=1#x");
    expect(t).toEqual({
      url: new URL("https://media.example.com:8443/app/KEY?token=1"),
      shown: "media.example.com:8443",
    });
  });

  test("may carry a user and a password, which go into a header", () => {
    const t = parseWhipTarget("whip+http://ann:p%40ss@h/x");
    expect([t.url.href, t.basic]).toEqual([
      "http://h/x",
      `Basic ${Buffer.from("ann:p@ss").toString("base64")}`,
    ]);
  });

  test.each(["whip://h/x", "whip+ftp://h/x", "whip+http://", "whip+http:// h", "http://h", ""])(
    "%j is none, and the error does not repeat it",
    (address) => {
      expect(() => parseWhipTarget(address)).toThrow("the WHIP address is not a URL");
    },
  );
});

describe("an offer", () => {
  test("says that we begin DTLS, and that RTCP has no port of its own, in every section", () => {
    const offer = clientOffer(sdp);
    expect(offer.match(/^a=setup:active\r$/gm)).toHaveLength(2);
    expect(offer.match(/^a=rtcp-mux-only\r$/gm)).toHaveLength(2);
    expect(offer).not.toContain("actpass");
    expect(offer.match(/rtcp-rsize/g)).toHaveLength(1);
  });

  test("lists its candidates, and is complete when it says so", () => {
    expect(candidatesOf(sdp)).toHaveLength(2);
    expect([isComplete(sdp), isComplete(`${sdp}a=end-of-candidates\r\n`)]).toEqual([false, true]);
  });
});

describe("a fragment for trickle ICE", () => {
  test("has the first section's names, and what the server was not told", () => {
    const known = new Set(candidatesOf(sdp).slice(0, 1));
    expect(trickleFragment(`${sdp}a=end-of-candidates\r\n`, known)?.split("\r\n")).toEqual([
      "a=group:BUNDLE 0 1",
      "m=audio 9 UDP/TLS/RTP/SAVPF 111",
      "a=mid:0",
      "a=ice-ufrag:abcd",
      "a=ice-pwd:secretsecretsecretsecret",
      "a=candidate:2 1 UDP 1 192.0.2.2 5000 typ host",
      "a=end-of-candidates",
      "",
    ]);
  });

  test("is not made of nothing new", () => {
    expect(trickleFragment(sdp, new Set(candidatesOf(sdp)))).toBeUndefined();
  });
});

describe("Link headers", () => {
  test("name ICE servers, several in one, with their credentials", () => {
    const link =
      '<stun:stun.example.net>; rel="ice-server", <turn:turn.example.net?transport=udp>; rel="ice-server"; ' +
      'username="us,er"; credential="a\\"b;c<d"; credential-type="password", <https://x/y>; rel="urn:ietf:params:whip:ext:z"';
    expect(iceServersOf(link)).toEqual([
      { urls: ["stun:stun.example.net"] },
      { urls: ["turn:turn.example.net?transport=udp"], username: "us,er", credential: 'a"b;c<d' },
    ]);
  });

  test("may be percent-encoded, and in any case", () => {
    expect(iceServersOf("<turns%3Ah%3A443%3Ftransport%3Dtcp>;REL=ICE-SERVER")).toEqual([
      { urls: ["turns:h:443?transport=tcp"] },
    ]);
  });

  test.each([
    "<turn:h:70000>; rel=ice-server",
    "<http://h>; rel=ice-server",
    "<stun:a b>; rel=ice-server",
    "<stun:h>",
  ])("%j names none", (link) => {
    expect(iceServersOf(link)).toEqual([]);
  });

  test("of noise end somewhere, without a throw", () => {
    const random = seededRandom(5);
    const alphabet = '<>;,="\\ rel=ice-server stun:h';
    for (let i = 0; i < 20_000; i++) {
      let text = "";
      for (let n = 0; n < 40; n++) text += alphabet[Math.floor(random() * alphabet.length)];
      expect(parseLinks(text).length).toBeLessThanOrEqual(40);
    }
    expect(parseLinks("<a>,".repeat(5000))).toHaveLength(64);
  });
});

describe("Retry-After", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  test.each([
    ["7", 7000],
    ["0", 0],
    ["100000", 60_000],
    ["Thu, 01 Jan 2026 00:00:05 GMT", 5000],
    ["Thu, 01 Jan 2015 00:00:05 GMT", 0],
    ["soon", undefined],
    ["-1x", undefined],
    [undefined, undefined],
  ])("%j is %j ms", (value, ms) => {
    expect(retryAfterMs(value, now)).toBe(ms);
  });
});

describe("a description without candidates", () => {
  test("is the same in everything else", () => {
    const bare = withoutCandidates(`${sdp}a=end-of-candidates\r\n`);
    expect(bare.split("\r\n")).toEqual(sdp.split("\r\n").filter((line) => !line.startsWith("a=candidate:")));
    expect(withoutCandidates("v=0\na=candidate:1 x\na=mid:0")).toBe("v=0\na=mid:0");
  });
});

describe("a fragment", () => {
  test("says candidates and whose they are", () => {
    const text = trickleFragment(sdp, new Set()) ?? "";
    expect(parseFragment(text)).toEqual({
      ufrag: "abcd",
      candidates: candidatesOf(sdp).map((line) => line.slice(2)),
    });
    expect(parseFragment("a=end-of-candidates\r\n")).toEqual({ ufrag: undefined, candidates: [] });
  });

  test.each(["", "{}", "v=0\r\n", "a=candidate:1\r\n".repeat(65)])("%j is none", (text) => {
    expect(parseFragment(text)).toBeUndefined();
  });
});

describe("an answer", () => {
  test.each([
    ["v=0\r\n", "application/sdp", true],
    ["v=0\n", "Application/SDP; charset=utf-8", true],
    ["v=0\r\n", undefined, true],
    ["v=0\r\n", "text/html", false],
    ["<html>", "application/sdp", false],
    ["", undefined, false],
  ])("%j of type %j: %j", (body, type, is) => {
    expect(isDescription(body, type)).toBe(is);
  });

  test("that refuses every stream is told apart", () => {
    const refused = "v=0\r\nm=audio 0 UDP/TLS/RTP/SAVPF 111\r\nm=video 0 UDP/TLS/RTP/SAVPF 96\r\n";
    expect([refused, sdp, "v=0\r\n"].map(refusesAll)).toEqual([true, false, false]);
  });

  test.each([
    ['{"title":"Bad","detail":"no \\u001b[31mcodec"}', "application/problem+json", "no [31mcodec"],
    ['{"error":"path is busy"}', "application/json; charset=utf-8", "path is busy"],
    ["not\nnow", "text/plain", "not now"],
    ["<html>", "text/html", undefined],
    ["{", "application/json", undefined],
    ["null", "application/json", undefined],
    ['{"detail":7}', "application/json", undefined],
    ["x".repeat(500), "text/plain", "x".repeat(120)],
  ])("of refusal says %j (%s) to people as %j", (body, type, said) => {
    expect(problemOf(body, type)).toBe(said);
  });

  test.each([
    [401, "auth", "wants other credentials (401)"],
    [403, "auth", "does not let us publish (403)"],
    [404, "signal-refused", "has no WHIP endpoint there (404)"],
    [405, "signal-refused", "takes no offers there (405)"],
    [406, "signal-refused", "does not take this offer (406)"],
    [415, "signal-refused", "does not read our offer there (415)"],
    [422, "signal-refused", "cannot do what the offer asks for (422)"],
    [503, "signal-refused", "cannot do it now (503)"],
    [302, "signal-protocol", "did not answer as WHIP servers do (302)"],
    [418, "signal-protocol", "did not answer as WHIP servers do (418)"],
  ])("%d is %s: it %s", (status, code, words) => {
    const e = refusal(status, "h:1", undefined, whipWords);
    expect([e.code, e.message, e.exitCode]).toEqual([code, `h:1 ${words}`, 3]);
    expect(e.hint).toBeTruthy();
  });
});

describe("a token", () => {
  test.each([
    ["http://h/a", "http://h/b", true],
    ["http://h/a", "https://h/a", true],
    ["https://h/a", "http://h/a", false],
    ["https://h/a", "https://other/a", false],
    ["https://h/a", "https://h:8443/a", false],
    ["http://h:80/a", "http://h/a", true],
    ["http://h:8080/a", "https://h/a", false],
    ["https://h.example/a", "https://h.example.evil/a", false],
  ])("given for %s follows to %s: %j", (from, to, may) => {
    expect(mayCarryToken(new URL(from), new URL(to))).toBe(may);
  });
});
