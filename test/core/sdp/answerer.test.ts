import { describe, expect, test } from "vitest";
import type { LinkPlan } from "../../../src/core/room.ts";
import type { MediaSection, SessionDescription } from "../../../src/core/sdp/description.ts";
import type { DescriptionBody } from "../../../src/core/sdp/negotiator.ts";
import {
  describeBody,
  negotiator,
  pageShapes,
  plan,
  publisher,
  recorder,
  talker,
} from "../../support/sdp-shapes.ts";
import { pageOffers, read } from "./corpus.ts";
import * as odd from "./odd.cases.ts";

const plans = {
  recorder,
  publisher,
  talker,
  "nothing at all": plan([]),
  "all of it": plan(["mic", "h264"], 1, 1, true),
};

const sends = (m: MediaSection | undefined) => /^send/.test(m?.direction ?? "");
const receives = (m: MediaSection | undefined) => /recv/.test(m?.direction ?? "");

/** The rules of RFC 3264, RFC 8829 section 5.3.1, RFC 8285 and RFC 9143 that every answer keeps. */
function expectLawful(offer: SessionDescription, answer: DescriptionBody): void {
  expect(answer.media.map((m) => [m.mid, m.kind])).toEqual(offer.media.map((m) => [m.mid, m.kind]));
  const inUse = answer.media.filter((m) => m.port !== 0).map((m) => m.mid);
  expect(answer.bundle).toEqual(offer.bundle.filter((mid) => inUse.includes(mid)));
  for (const [i, a] of answer.media.entries()) {
    const o = offer.media[i];
    if (!o) throw new Error("an answer with more m-lines than its offer");
    if (o.port === 0 && !o.bundleOnly) expect(a.port).toBe(0);
    if (a.port === 0 || a.kind === "application") continue;
    expect(a.bundleOnly).toBe(false);
    if (sends(a)) expect(receives(o)).toBe(true);
    if (receives(a)) expect(sends(o)).toBe(true);
    for (const c of a.codecs) {
      const theirs = o.codecs.find((t) => t.payloadType === c.payloadType);
      expect(theirs).toMatchObject({ name: c.name, clockRate: c.clockRate });
      expect(theirs?.feedback).toEqual(expect.arrayContaining([...c.feedback]));
    }
    expect(a.codecs.length).toBeGreaterThan(0);
    expect(o.extensions).toEqual(expect.arrayContaining([...a.extensions]));
    expect(o.rtcpMux || !a.rtcpMux).toBe(true);
    expect(o.rtcpRsize || !a.rtcpRsize).toBe(true);
    expect(o.extmapAllowMixed || !a.extmapAllowMixed).toBe(true);
    for (const r of a.rids) {
      expect(o.rids).toContainEqual({ ...r, direction: r.direction === "recv" ? "send" : "recv" });
    }
    expect([...a.ssrcs.keys()].filter((ssrc) => o.ssrcs.has(ssrc))).toEqual([]);
  }
}

describe.each(Object.entries(plans))("with a plan for %s", (_, wish) => {
  test.each(pageShapes.map((s) => s.name))("every answer to Chromium's %s is lawful", (shape) => {
    const ours = negotiator();
    for (const offer of pageOffers(shape)) {
      const answer = ours.acceptOffer(offer, wish);
      expectLawful(offer, answer);
      expect(read(describeBody(answer, "passive")).media).toHaveLength(offer.media.length);
      expect(ours.pending).toBe(false);
    }
  });

  test.each(Object.entries(odd.readable))("the answer to %s is lawful", (_name, sdp) => {
    const offer = read(sdp);
    expectLawful(offer, negotiator().acceptOffer(offer, wish));
  });
});

/** "kind direction" of every m-line, or "kind -" where it is refused. */
const shapeOf = (body: DescriptionBody) =>
  body.media.map((m) => `${m.kind} ${m.port === 0 ? "-" : m.direction}`);

/** Our answers to a page's offers of one shape, in few words. */
function answers(shape: string, wish: LinkPlan): string[][] {
  const ours = negotiator();
  return pageOffers(shape).map((offer) => shapeOf(ours.acceptOffer(offer, wish)));
}

describe("an answer to Chromium", () => {
  test("takes everything for a recorder", () => {
    expect(answers("audio-video", recorder)).toEqual([["audio recvonly", "video recvonly"]]);
    expect(answers("screen", recorder)).toEqual([
      ["audio recvonly", "video recvonly"],
      ["audio recvonly", "video recvonly", "video recvonly"],
    ]);
  });

  test("gives what the page wants, and takes nothing, for a publisher", () => {
    expect(answers("recvonly", publisher)).toEqual([["audio sendonly", "video sendonly"]]);
    expect(answers("audio-video", publisher)).toEqual([["audio sendonly", "video sendonly"]]);
    expect(answers("simulcast", publisher)).toEqual([["audio sendonly", "video inactive"]]);
  });

  test("goes both ways for a talker", () => {
    expect(answers("audio-video-both-ways", talker)).toEqual([["audio sendrecv", "video sendrecv"]]);
  });

  test("follows an m-line that is removed and used again", () => {
    expect(answers("removed", recorder)).toEqual([
      ["audio recvonly", "video recvonly"],
      ["audio recvonly", "video -"],
      ["audio recvonly", "video recvonly"],
    ]);
    const mids = pageOffers("removed").map((o) => o.media[1]?.mid);
    expect(mids[2]).not.toBe(mids[0]);
  });

  test("follows a pause and keeps our SSRCs through it", () => {
    const ours = negotiator();
    const bodies = pageOffers("paused").map((o) => ours.acceptOffer(o, talker));
    expect(bodies.map(shapeOf)).toEqual([
      ["audio sendrecv", "video sendrecv"],
      ["audio sendrecv", "video inactive"],
      ["audio sendrecv", "video sendrecv"],
    ]);
    const ssrcs = bodies.map((b) => [...(b.media[1]?.ssrcs.keys() ?? [])]);
    expect(ssrcs[0]).toHaveLength(2);
    expect(ssrcs[2]).toEqual(ssrcs[0]);
  });

  test("joins data only in the first description", () => {
    expect(answers("audio-video-data", plan([], 1, 1, true))).toEqual([
      ["audio recvonly", "video recvonly", "application sendrecv"],
    ]);
    expect(answers("data-refused", recorder)).toEqual([["audio recvonly", "application -"]]);
    const ours = negotiator();
    ours.acceptOffer(read(odd.plain), plan([], 1, 1, true));
    const later = pageOffers("data-refused")[0];
    if (!later) throw new Error("no recording");
    expect(shapeOf(ours.acceptOffer(later, plan([], 1, 1, true)))).toEqual([
      "audio recvonly",
      "application -",
    ]);
    expect(ours.hasData).toBe(false);
  });

  test("takes the layers of a simulcast sender, turned to recv", () => {
    const ours = negotiator();
    const video = ours.acceptOffer(pageOffers("simulcast")[0] ?? read(""), recorder).media[1];
    expect(video?.rids).toEqual(["q", "h", "f"].map((id) => ({ id, direction: "recv", params: "" })));
    expect(video?.simulcast).toBe("recv q;h;f");
    expect(ours.media[1]?.remoteRids).toEqual(["q", "h", "f"]);
  });

  test("repeats an H.264 profile and mode, and asks for more than 720p", () => {
    const offer = pageOffers("h264")[0] ?? read("");
    const codecs =
      negotiator()
        .acceptOffer(offer, recorder)
        .media[0]?.codecs.filter((c) => c.name === "H264") ?? [];
    expect(codecs.length).toBeGreaterThanOrEqual(4);
    for (const c of codecs) {
      const theirs = offer.media[0]?.codecs.find((t) => t.payloadType === c.payloadType)?.fmtp ?? "";
      expect(c.fmtp).toMatch(/profile-level-id=[0-9a-f]{4}34/);
      expect(c.fmtp.replace(/34$/, "1f")).toBe(theirs);
    }
  });

  test("leaves out H.264 in interleaved mode, with its retransmissions", () => {
    const offer = read(
      odd.h265First.replaceAll("H265", "H264").replace("fmtp:51 level-id=93", "fmtp:51 packetization-mode=2"),
    );
    const codecs = negotiator().acceptOffer(offer, recorder).media[0]?.codecs;
    expect(codecs?.map((c) => c.payloadType)).toEqual([49, 96, 50, 97]);
  });

  test("takes VP9 and AV1 in profile 0, said or not, as the offer describes it", () => {
    const codecs = (sdp: string) =>
      negotiator()
        .acceptOffer(read(sdp), recorder)
        .media[0]?.codecs.map((c) => [c.payloadType, c.name, c.fmtp]);
    const vp8 = [
      [96, "VP8", ""],
      [97, "rtx", "apt=96"],
    ];
    const of = (name: string) => odd.h265First.replaceAll("H265", name);
    expect(codecs(of("VP9").replace("profile-id=1", "profile-id=0"))).toEqual([
      [49, "VP9", "level-id=180;profile-id=0;tier-flag=0;tx-mode=SRST"],
      vp8[0],
      [50, "rtx", "apt=49"],
      vp8[1],
    ]);
    expect(codecs(of("AV1").replace("profile-id=2", "profile=1"))).toEqual([
      [49, "AV1", "level-id=180;profile-id=1;tier-flag=0;tx-mode=SRST"],
      vp8[0],
      [50, "rtx", "apt=49"],
      vp8[1],
    ]);
  });

  test("repeats what an H.265 offer says of itself, with retransmissions, behind all other codecs", () => {
    const ours = negotiator();
    const answer = ours.acceptOffer(read(odd.h265First), recorder).media[0];
    expect(answer?.codecs.map((c) => [c.payloadType, c.name, c.fmtp])).toEqual([
      [96, "VP8", ""],
      [49, "H265", "level-id=180;profile-id=1;tier-flag=0;tx-mode=SRST"],
      [51, "H265", "level-id=93;profile-id=2;tier-flag=0;tx-mode=SRST"],
      [50, "rtx", "apt=49"],
      [52, "rtx", "apt=51"],
      [97, "rtx", "apt=96"],
    ]);
    expect(answer?.codecs[1]?.feedback).toEqual(["nack pli"]);
    const payload = ours.media[0]?.payloads.find((p) => p.payloadType === 51);
    expect(payload).toMatchObject({ codec: "h265", fmtp: expect.stringContaining("profile-id=2") });
  });

  test("agrees on retransmissions with their payload type and their SSRC", () => {
    const offer = pageOffers("audio-video")[0] ?? read("");
    const ours = negotiator();
    ours.acceptOffer(offer, talker);
    const [audio, video] = ours.media;
    expect(audio?.send?.payload).toMatchObject({ payloadType: 111, codec: "opus", channels: 2 });
    expect(audio?.send?.rtx).toBeUndefined();
    expect(video?.send?.payload).toMatchObject({ payloadType: 96, codec: "vp8" });
    expect(video?.send?.payload.feedback).toEqual(
      expect.arrayContaining(["nack", "nack pli", "transport-cc"]),
    );
    expect(video?.send?.rtx?.payloadType).toBe(97);
    const [ssrc, rtx] = [...(offer.media[1]?.ssrcs.keys() ?? [])];
    expect(video?.remoteSsrcs).toMatchObject([{ ssrc, rtx }]);
    expect(video?.payloads.find((p) => p.payloadType === 97)?.apt).toBe(96);
    expect([...(video?.extensions ?? [])]).toContainEqual([4, "urn:ietf:params:rtp-hdrext:sdes:mid"]);
  });

  test("with more m-lines than tracks leaves the others without a stream of ours", () => {
    expect(answers("many", plan(["mic", "cam"], 1, 2))[0]?.map((s) => s.split(" ")[1])).toEqual([
      ...["sendrecv", "sendrecv"],
      ...["recvonly", "recvonly"],
      ...["recvonly", "recvonly"],
    ]);
  });

  test("leaves a track unsent where no m-line can carry it", () => {
    const ours = negotiator();
    const wish = plan(["mic", "cam", "screen"], 1, 1);
    ours.acceptOffer(pageOffers("audio-video")[0] ?? read(""), wish);
    expect(ours.unsent(wish).map((t) => t.id)).toEqual(["screen"]);
    const again = ours.createOffer(wish);
    expect(shapeOf(again)).toEqual(["audio sendrecv", "video sendrecv", "video sendonly"]);
    expect(again.media[2]?.codecs.map((c) => c.payloadType)).toEqual([96, 97]);
  });
});

describe("an answer to an odd offer", () => {
  const answer = (sdp: string, wish = recorder) => negotiator().acceptOffer(read(sdp), wish);

  test("refuses what is outside the bundle, unknown or without multiplexed RTCP", () => {
    expect(shapeOf(answer(odd.strangeKinds))).toEqual(["audio recvonly", "image -", "video -", "video -"]);
  });

  test("makes no bundle where none was offered", () => {
    const body = answer(odd.noMids);
    expect(body.bundle).toEqual([]);
    expect(shapeOf(body)).toEqual(["audio recvonly", "video recvonly"]);
  });

  test("takes a bundle-only m-line and leaves a refused one", () => {
    expect(shapeOf(answer(odd.bundleOnly))).toEqual(["audio recvonly", "video recvonly", "video -"]);
  });

  test("takes layers that are offered, and does not promise layers that are asked for", () => {
    const video = answer(odd.layersBothWays).media[0];
    expect(video?.rids.map((r) => `${r.id} ${r.direction}`)).toEqual(["hi recv", "lo recv"]);
    expect(video?.simulcast).toBe("recv hi;~lo");
    expect(answer(odd.layersBothWays, publisher).media[0]?.simulcast).toBeUndefined();
  });

  test("keeps of wildcard feedback what we understand, for each payload type", () => {
    expect(answer(odd.wildcardFeedback).media[0]?.codecs.map((c) => [c.name, c.feedback])).toEqual([
      ["VP8", ["nack", "nack pli", "goog-remb"]],
      ["VP9", ["nack", "nack pli"]],
    ]);
  });
});
