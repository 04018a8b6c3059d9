import { deflateSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { randomInt, seededRandom } from "../../src/core/random.ts";
import { readBlob, writeBlob } from "../../src/signaling/manual/blob.ts";
import { parseManualTarget } from "../../src/signaling/manual/target.ts";
import { recorded } from "../core/sdp/corpus.ts";

const sdp = recorded.get("page-audio-video-1") ?? "";
const offer = { type: "offer" as const, sdp, name: "Ann" };
const packed = (value: unknown) => deflateSync(JSON.stringify(value)).toString("base64url");

describe("a description carried by hand", () => {
  it("says the same in every form", () => {
    expect(readBlob(writeBlob(offer, "blob"))).toEqual({ t: "whole", form: "blob", ...offer });
    expect(readBlob(writeBlob(offer, "json"))).toEqual({ t: "whole", form: "json", type: "offer", sdp });
    expect(readBlob(writeBlob(offer, "sdp"))).toMatchObject({ t: "whole", form: "sdp", type: "offer" });
    const answer = sdp.replaceAll("setup:actpass", "setup:active");
    expect(readBlob(answer)).toMatchObject({ t: "whole", form: "sdp", type: undefined });
  });

  it("as a blob is one line that needs no quotes", () => {
    const blob = writeBlob(offer, "blob");
    expect(blob).toMatch(/^[\w-]+$/);
    expect(blob.length).toBeLessThan(4000);
  });

  it("is found with quotes, white space, line breaks, padding or its scheme around it", () => {
    const blob = writeBlob(offer, "blob");
    const broken = blob.replace(/.{76}/g, "$&\n");
    const standard = Buffer.from(blob, "base64url").toString("base64");
    for (const text of [` ${blob}\n`, `"${blob}"`, `\`${blob}\``, `manual:${blob}`, broken, standard])
      expect(readBlob(text)).toMatchObject({ t: "whole", ...offer });
  });

  it("is found inside of a message", () => {
    const text = JSON.stringify({ from: "ann", sdp: { type: "offer", sdp } }, null, 2);
    expect(readBlob(text)).toEqual({ t: "whole", form: "json", type: "offer", sdp });
  });

  it("is known to be cut off, wherever that happens", () => {
    const blob = writeBlob(offer, "blob");
    for (let n = 0; n < blob.length - 1; n += 7) expect(readBlob(blob.slice(0, n)).t).toBe("part");
    expect(readBlob('{"type":"offer",').t).toBe("part");
  });

  it("is known to be damaged", () => {
    const blob = writeBlob(offer, "blob");
    const random = seededRandom(4);
    for (let i = 0; i < 300; i++) {
      const at = 4 + randomInt(random, blob.length - 8);
      const other = blob[at] === "A" ? "B" : "A";
      const reading = readBlob(blob.slice(0, at) + other + blob.slice(at + 1));
      expect(reading.t).not.toBe("whole");
    }
  });

  it.each([
    ["hello", /neither a blob nor SDP/],
    ["<!doctype html>", /neither/],
    ["each", /neither/],
    ["{}", /no session description/],
    ["{nonsense}", /JSON/],
    ['{"type":"pranswer","sdp":"v=0"}', /no session description/],
    ['{"type":"offer","sdp":7}', /no session description/],
    ['{"type":"offer","sdp":null}', /no session description/],
    [packed({ v: 2, type: "offer", sdp: "v=0" }), /newer version/],
    [packed("x"), /no session description/],
    [packed(null), /no session description/],
    ["e".repeat(600 * 1024), /too much/],
    [deflateSync(Buffer.alloc(20_000_000)).toString("base64url"), /damaged/],
  ])("%.40s is none", (text, why) => {
    expect(readBlob(text)).toEqual({ t: "wrong", why: expect.stringMatching(why) });
  });
});

describe("a manual: address", () => {
  it("may have an offer, a file, a form and STUN servers", () => {
    expect(parseManualTarget("manual:")).toEqual({ iceServers: [] });
    expect(parseManualTarget("MANUAL:eJabc")).toEqual({ text: "eJabc", iceServers: [] });
    expect(parseManualTarget("manual:@a/b.txt?as=json")).toEqual({
      ...{ file: "a/b.txt", form: "json", iceServers: [] },
    });
    expect(parseManualTarget("manual:?ice=stun:stun.example.org:3478&as=sdp")).toEqual({
      ...{ form: "sdp", iceServers: [{ urls: ["stun:stun.example.org:3478"] }] },
    });
  });

  it.each(["manual:?as=xml", "manual:?ice=turn:example.org", "manual:?room=1"])(
    "%s is refused",
    (address) => {
      expect(() => parseManualTarget(address)).toThrow(expect.objectContaining({ code: "usage" }));
    },
  );
});
