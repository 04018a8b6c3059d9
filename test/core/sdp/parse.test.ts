import { describe, expect, test } from "vitest";
import { parseSdp } from "../../../src/core/sdp/parse.ts";
import { writeSdp } from "../../../src/core/sdp/write.ts";
import { kept, read, recorded } from "./corpus.ts";
import * as odd from "./odd.cases.ts";

describe("a browser's description", () => {
  test("is among the recordings in every shape", () => {
    expect(recorded.size).toBeGreaterThanOrEqual(35);
  });

  test.each([...recorded])("%s says the same after it was read and written", (_, sdp) => {
    const d = read(sdp);
    expect(kept(read(writeSdp(kept(d))))).toEqual(kept(d));
  });

  test.each([...recorded])(
    "%s is readable or refused when cut after any line, and never throws",
    (_, sdp) => {
      const lines = sdp.split("\r\n");
      let readable = 0;
      for (let n = 0; n <= lines.length; n++) {
        const d = parseSdp(lines.slice(0, n).join("\r\n"));
        if (d) readable++;
        if (d) expect(d.media.length).toBeGreaterThan(0);
      }
      expect(readable).toBeGreaterThan(0);
      expect(readable).toBeLessThan(lines.length);
    },
  );

  test("names what a recorder needs to know", () => {
    const [audio, video] = read(recorded.get("page-audio-video-1") ?? "").media;
    expect(audio?.codecs[0]).toEqual({
      payloadType: 111,
      name: "opus",
      clockRate: 48000,
      channels: 2,
      fmtp: "minptime=10;useinbandfec=1",
      feedback: ["transport-cc"],
    });
    expect(audio?.msid?.stream).toMatch(/^\S+$/);
    expect(video?.ssrcGroups.map((g) => [g.semantics, g.ssrcs.length])).toEqual([["FID", 2]]);
    expect([...(video?.ssrcs.keys() ?? [])]).toEqual(video?.ssrcGroups[0]?.ssrcs);
    expect(video?.codecs.find((c) => c.payloadType === 97)).toMatchObject({ name: "rtx", fmtp: "apt=96" });
    expect(read(recorded.get("page-simulcast-1") ?? "").media[1]?.rids.map((r) => r.id)).toEqual([
      "q",
      "h",
      "f",
    ]);
  });
});

describe("an odd description", () => {
  test.each(Object.entries(odd.readable))("%s says the same after it was read and written", (_, sdp) => {
    const d = read(sdp);
    expect(kept(read(writeSdp(kept(d))))).toEqual(kept(d));
  });

  test("with line feeds alone reads like one with CRLF", () => {
    expect(parseSdp(odd.lineFeedOnly)).toEqual(read(odd.plain));
  });

  test("without mids names its m-lines by their place, past names that are taken", () => {
    expect(read(odd.noMids).media.map((m) => m.mid)).toEqual(["0", "1"]);
    const second = odd.noMids.replace(/(m=video[^\r]*\r\n)/, "$1a=mid:0\r\n");
    expect(read(second).media.map((m) => m.mid)).toEqual(["1", "0"]);
  });

  test("with wildcard feedback gives it to every payload type", () => {
    expect(read(odd.wildcardFeedback).media[0]?.codecs.map((c) => c.feedback)).toEqual([
      ["nack", "nack pli", "goog-remb"],
      ["nack", "nack pli"],
    ]);
  });

  test("may say ICE, keys, direction and extensions once for all m-lines", () => {
    const d = read(odd.sessionLevel);
    expect(d.transport).toMatchObject({ ufrag: "abcd", iceLite: true, setup: "actpass" });
    expect(d.transport.fingerprint).toMatch(/^sha-512 0f:/);
    expect(d.media.map((m) => m.direction)).toEqual(["sendonly", "recvonly"]);
    expect(d.media.map((m) => m.extensions)).toEqual(
      Array(2).fill([{ id: 3, uri: "urn:ietf:params:rtp-hdrext:sdes:mid" }]),
    );
  });

  test("with ICE above and the DTLS role below has both", () => {
    expect(read(odd.setupOnMediaOnly).transport.setup).toBe("active");
  });

  test("with a bundle-only m-line does not take it for a refused one", () => {
    expect(read(odd.bundleOnly).media.map((m) => [m.port, m.bundleOnly])).toEqual([
      [9, false],
      [0, true],
      [0, false],
    ]);
  });

  test("with a removed first m-line takes ICE from the first in use", () => {
    expect(read(odd.staleFirst).transport.ufrag).toBe("abcd");
  });

  test("of several fingerprints gives the SHA-256", () => {
    const two = odd.plain.replace("a=fingerprint", "a=fingerprint:sha-1 AA:BB\r\na=fingerprint");
    expect(read(two).transport.fingerprint).toMatch(/^sha-256 AB:/);
  });

  test("with numbers out of bounds keeps only those within", () => {
    const d = read(odd.badNumbers);
    expect(d.version).toBe(0);
    expect(d.media[0]?.codecs.map((c) => c.payloadType)).toEqual([96]);
    expect(d.media[0]?.extensions).toEqual([]);
    expect([...(d.media[0]?.ssrcs.keys() ?? [])]).toEqual([0xffffffff]);
    expect(d.media[0]?.ssrcGroups).toEqual([{ semantics: "FID", ssrcs: [1] }]);
    expect(d.media[1]).toMatchObject({ sctpPort: 5000 });
    expect(d.media[1]?.maxMessageSize).toBeUndefined();
  });

  test("with payload types of RFC 3551 needs no rtpmap for them", () => {
    const d = read(odd.plain.replace("SAVPF 111", "SAVPF 0 8 34"));
    expect(d.media[0]?.codecs.map((c) => `${c.payloadType} ${c.name}/${c.clockRate}`)).toEqual([
      "0 PCMU/8000",
      "8 PCMA/8000",
    ]);
  });

  test.each(Object.entries(odd.unreadable))("with %s is refused", (_, sdp) => {
    expect(parseSdp(sdp)).toBeUndefined();
  });

  test("with twenty thousand feedback lines is read in good time", () => {
    const formats = Array.from({ length: 20_000 }, () => "96").join(" ");
    const flood =
      odd.wildcardFeedback.replace("96 98", `96 98 ${formats}`) + "a=rtcp-fb:* nack\r\n".repeat(19_000);
    const start = performance.now();
    expect(parseSdp(flood)?.media[0]?.codecs.length).toBe(2);
    expect(performance.now() - start).toBeLessThan(1000);
  });
});
