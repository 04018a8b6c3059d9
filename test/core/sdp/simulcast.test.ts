import { describe, expect, test } from "vitest";
import type { MediaSection } from "../../../src/core/sdp/description.ts";
import { parseSdp } from "../../../src/core/sdp/parse.ts";
import { acceptLayers, takenLayers } from "../../../src/core/sdp/simulcast.ts";
import { describeBody, localTrack, negotiator, plan, publisher, recorder } from "../../support/sdp-shapes.ts";
import { pageOffers, read, recorded } from "./corpus.ts";

/** The video section of a browser's offer without layers, and what its layers are to say. */
function offer(lines: readonly string[]): MediaSection {
  const sdp = recorded.get("page-video-only-1")?.replace(/a=ssrc.*\r\n/g, "");
  const video = read(`${sdp}${lines.join("\r\n")}\r\n`).media[0];
  if (!video) throw new Error("an offer without video");
  return video;
}

/** What is taken of an offer with these lines, where VP8 (96) and H.264 (102) are taken. */
function taken(...lines: string[]): [rids: string[], simulcast: string | undefined] {
  const video = offer(lines);
  const { rids, simulcast } = acceptLayers(
    video,
    [96, 102].map((payloadType) => ({ payloadType, name: "x", clockRate: 90_000, fmtp: "", feedback: [] })),
  );
  return [rids.map((r) => `${r.id} ${r.direction} ${r.params}`.trim()), simulcast];
}

const sent = (ids: string) => ids.split(" ").map((id) => `a=rid:${id} send`);

describe("what an answer takes of offered layers", () => {
  test("every layer, as browsers write them", () => {
    expect(taken(...sent("q h f"), "a=simulcast:send q;h;f")).toEqual([
      ["q recv", "h recv", "f recv"],
      "recv q;h;f",
    ]);
  });

  test("layers in the order of a=simulcast, and only those that a=rid declares", () => {
    expect(taken(...sent("a b c"), "a=simulcast:send c;x;a")).toEqual([["c recv", "a recv"], "recv c;a"]);
  });

  test("what is paused as paused", () => {
    expect(taken(...sent("a b"), "a=simulcast:send a;~b")[1]).toBe("recv a;~b");
  });

  test("the first alternative of each stream that fits", () => {
    const lines = ["a=rid:1 send pt=127", "a=rid:2 send pt=96", ...sent("3 4")];
    expect(taken(...lines, "a=simulcast:send 1,2;3,~4")).toEqual([["2 recv pt=96", "3 recv"], "recv 2;3"]);
  });

  test("payload types that the answer has, and no layer without any", () => {
    const lines = [
      "a=rid:a send pt=96,98,102;max-width=1280",
      "a=rid:b send pt=98",
      "a=rid:c send max-fps=15",
    ];
    expect(taken(...lines, "a=simulcast:send a;b;c")).toEqual([
      ["a recv pt=96,102;max-width=1280", "c recv max-fps=15"],
      "recv a;c",
    ]);
  });

  test("no layer with a restriction that nobody knows, or that depends on another", () => {
    const lines = ["a=rid:a send max-width=320;max-joy=3", "a=rid:b send depend=c", "a=rid:c send"];
    expect(taken(...lines, "a=simulcast:send a;b;c")).toEqual([["c recv"], "recv c"]);
  });

  test("the sending side where both directions are offered, in either order", () => {
    const rids = [...sent("a b"), "a=rid:r recv"];
    expect(taken(...rids, "a=simulcast:recv r send a;b")[1]).toBe("recv a;b");
    expect(taken(...rids, "a=simulcast:send a;b recv r")[1]).toBe("recv a;b");
  });

  test("layers as Firefox wrote them before the RFC, in the same words", () => {
    expect(taken(...sent("hi lo"), "a=simulcast: send rid=hi;lo")).toEqual([
      ["hi recv", "lo recv"],
      "recv rid=hi;lo",
    ]);
  });

  test("a restricted stream that is no simulcast", () => {
    expect(taken("a=rid:one send pt=96")).toEqual([["one recv pt=96"], undefined]);
  });

  test("nothing twice, and nothing that is no name", () => {
    expect(taken(...sent("a a"), "a=simulcast:send a;a;;~;a!b,a;~~a")).toEqual([["a recv"], "recv a"]);
    expect(taken(...sent("a"), "a=simulcast:send")).toEqual([[], undefined]);
    expect(taken("a=rid:a send pt=127", "a=simulcast:send a")).toEqual([[], undefined]);
  });

  test("no more than sixteen", () => {
    const ids = Array.from({ length: 40 }, (_, i) => `l${i}`);
    expect(taken(...sent(ids.join(" ")), `a=simulcast:send ${ids.join(";")}`)[0]).toHaveLength(16);
    expect(taken(...sent(ids.join(" ")))[0]).toHaveLength(16);
  });
});

describe("a negotiated m-line with layers", () => {
  test("knows the RIDs that will come, and our answer is readable", () => {
    const ours = negotiator();
    const body = ours.acceptOffer(pageOffers("simulcast")[0] ?? read(""), recorder);
    expect(ours.media[1]?.remoteRids).toEqual(["q", "h", "f"]);
    const text = describeBody(body, "passive");
    expect(text).toContain("a=rid:q recv\r\na=rid:h recv\r\na=rid:f recv\r\na=simulcast:recv q;h;f\r\n");
    expect(parseSdp(text)?.media[1]?.extensions.map((e) => e.uri)).toEqual(
      expect.arrayContaining([
        "urn:ietf:params:rtp-hdrext:sdes:mid",
        "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
        "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
      ]),
    );
  });

  test("does not expect RIDs that were refused", () => {
    const sdp = recorded.get("page-simulcast-1")?.replace("a=rid:h send", "a=rid:h send pt=18");
    const ours = negotiator();
    ours.acceptOffer(read(sdp ?? ""), recorder);
    expect(ours.media[1]?.remoteRids).toEqual(["q", "f"]);
  });

  test("knows three SSRCs with their repairs where a page grouped them by hand", () => {
    const lines = [10, 20, 30].flatMap((ssrc) => [
      `a=ssrc-group:FID ${ssrc} ${ssrc + 1}`,
      `a=ssrc:${ssrc} cname:c`,
      `a=ssrc:${ssrc + 1} cname:c`,
    ]);
    const sdp = recorded.get("page-video-only-1")?.replace(/a=ssrc.*\r\n/g, "");
    const ours = negotiator();
    const body = ours.acceptOffer(
      read(`${sdp}a=ssrc-group:SIM 10 20 30\r\n${lines.join("\r\n")}\r\n`),
      recorder,
    );
    expect(ours.media[0]?.remoteSsrcs).toEqual(
      [10, 20, 30].map((ssrc) => ({ ssrc, rtx: ssrc + 1, cname: "c" })),
    );
    expect(ours.media[0]?.remoteRids).toEqual([]);
    expect(body.media[0]?.simulcast).toBeUndefined();
    expect(body.media[0]?.ssrcGroups).toEqual([]);
  });
});

describe("our own layers", () => {
  const layered = { ...publisher, send: [{ ...localTrack("cam"), layers: ["q", "h", "f"] }] };

  test("are offered by RID and agreed as far as the answer takes them", () => {
    const ours = negotiator();
    const text = describeBody(ours.createOffer(layered), "actpass");
    expect(text).toContain("a=rid:q send\r\na=rid:h send\r\na=rid:f send\r\na=simulcast:send q;h;f\r\n");
    expect(text).not.toContain("a=ssrc");
    const theirs = negotiator(2);
    expect(ours.applyAnswer(read(describeBody(theirs.acceptOffer(read(text), recorder), "active")))).toBe(
      true,
    );
    expect(theirs.media[0]?.remoteRids).toEqual(["q", "h", "f"]);
    const send = ours.media[0]?.send;
    expect(send?.layers?.map((l) => l.rid)).toEqual(["q", "h", "f"]);
    const ssrcs = send?.layers?.flatMap((l) => [l.ssrc, l.rtx?.ssrc]);
    expect(new Set(ssrcs).size).toBe(6);
    expect(send?.layers?.[0]?.rtx?.payloadType).toBe(97);
  });

  test("give way to one stream when the answer has no simulcast", () => {
    const ours = negotiator();
    const text = describeBody(ours.createOffer(layered), "actpass").replace(/a=(rid|simulcast):.*\r\n/g, "");
    const answer = negotiator(2).acceptOffer(read(text), recorder);
    expect(ours.applyAnswer(read(describeBody(answer, "active")))).toBe(true);
    expect(ours.media[0]?.send).toMatchObject({ ssrc: expect.any(Number), payload: { codec: "vp8" } });
    expect(ours.media[0]?.send?.layers).toBeUndefined();
  });

  test("are sent as far as the other side takes them, and not while it pauses them", () => {
    const answer = (...lines: string[]) => takenLayers(offer(lines), ["q", "h", "f"]);
    expect(answer("a=rid:q recv", "a=rid:f recv", "a=simulcast:recv f;q;h")).toEqual(["q", "f"]);
    expect(answer("a=rid:q recv", "a=rid:f recv", "a=simulcast:recv q;~f")).toEqual(["q"]);
    expect(answer("a=rid:q recv")).toEqual([]);
    expect(answer("a=rid:q send", "a=simulcast:recv q")).toEqual([]);
  });

  test("are one stream where the other side offers", () => {
    const ours = negotiator();
    const offered = negotiator(2).createOffer(plan([], 0, 1));
    ours.acceptOffer(read(describeBody(offered, "actpass")), layered);
    expect(ours.media[0]?.send?.layers).toBeUndefined();
    expect(ours.media[0]?.send?.ssrc).toBeGreaterThan(0);
  });
});
