import { describe, expect, test } from "vitest";
import type { LocalTrack } from "../../../src/core/room.ts";
import type { SessionDescription } from "../../../src/core/sdp/description.ts";
import type { DescriptionBody, Negotiator } from "../../../src/core/sdp/negotiator.ts";
import {
  describeBody,
  negotiator,
  ownShapes,
  plan,
  publisher,
  recorder,
  talker,
} from "../../support/sdp-shapes.ts";
import { pageAnswers, pageOffers, read } from "./corpus.ts";
import { bundleOnly } from "./odd.cases.ts";

const shapeOf = (body: DescriptionBody) =>
  body.media.map((m) => `${m.kind} ${m.port === 0 ? "-" : m.direction}`);

/** What is agreed, in few words: "0 audio both", "1 video take", "2 video give", "3 audio none". */
const agreed = (n: Negotiator) =>
  n.media.map((m) => {
    const way = m.send ? (m.receiving ? "both" : "give") : m.receiving ? "take" : "none";
    return `${m.mid} ${m.kind} ${way}`;
  });

/** Offers of one shape, each completed with Chromium's recorded answer. */
function exchange(name: string): { ours: Negotiator; offers: DescriptionBody[]; agreements: string[][] } {
  const shape = ownShapes.find((s) => s.name === name);
  if (!shape) throw new Error(`no shape ${name}`);
  const ours = negotiator();
  const answers = pageAnswers(name);
  const offers: DescriptionBody[] = [];
  const agreements: string[][] = [];
  for (const [i, wish] of shape.plans.entries()) {
    offers.push(ours.createOffer(wish));
    expect(ours.pending).toBe(true);
    const answer = answers[i];
    expect(answer && ours.applyAnswer(answer)).toBe(true);
    expect(ours.pending).toBe(false);
    agreements.push(agreed(ours));
  }
  return { ours, offers, agreements };
}

describe("our offer", () => {
  test("names H.264 by the profile that is sent, and so does what is agreed, where the other side takes it", () => {
    const main = { ...publisher.send.find((t) => t.kind === "video"), codec: "h264", profile: "4d401f" };
    const wish = { ...publisher, send: [main as LocalTrack] };
    const typeWith = (refuse: RegExp) => {
      const ours = negotiator();
      const offer = read(describeBody(ours.createOffer(wish), "actpass"));
      const [video] = offer.media;
      expect(video?.codecs[0]?.fmtp).toContain("profile-level-id=4d0034");
      const codecs = video?.codecs.filter((c) => !refuse.test(c.fmtp)) ?? [];
      const media = video ? [{ ...video, codecs, direction: "recvonly" as const }] : [];
      expect(ours.applyAnswer({ ...offer, media })).toBe(true);
      return ours.media[0]?.send?.payload.fmtp;
    };
    expect(typeWith(/none/)).toContain("profile-level-id=4d0034");
    expect(typeWith(/4d0034/)).toContain("profile-level-id=42e034");
  });

  test.each(ownShapes)(
    "of $name numbers its m-lines, and no number means two things in a bundle",
    (shape) => {
      const ours = negotiator();
      const offer = read(describeBody(ours.createOffer(shape.plans[0] ?? recorder), "actpass"));
      expect(offer.bundle).toEqual(offer.media.map((m) => m.mid));
      const codecs = offer.media.flatMap((m) =>
        m.codecs.map((c) => [c.payloadType, `${c.name} ${c.fmtp}`] as const),
      );
      const extensions = offer.media.flatMap((m) => m.extensions.map((e) => [e.id, e.uri] as const));
      expect(new Set(codecs.map(String)).size).toBe(new Map(codecs).size);
      expect(new Set(extensions.map(String)).size).toBe(new Map(extensions).size);
      for (const [id] of extensions) expect(id).toBeLessThanOrEqual(14);
      for (const m of offer.media) if (m.kind !== "application") expect(m.rtcpMux).toBe(true);
    },
  );

  test("does not ask for H.265, which is only taken from others", () => {
    for (const wish of [recorder, talker, publisher]) {
      const names = negotiator()
        .createOffer(wish)
        .media.flatMap((m) => m.codecs.map((c) => c.name));
      expect(names).not.toContain("H265");
      expect(names).toContain("VP8");
    }
  });

  test("asks for VP9 and AV1 behind VP8 and H.264, with retransmissions", () => {
    const codecs = negotiator().createOffer(recorder).media[1]?.codecs ?? [];
    const names = codecs.map((c) => c.name).filter((name) => name !== "rtx");
    expect([...new Set(names)]).toEqual(["VP8", "H264", "VP9", "AV1"]);
    for (const name of ["VP9", "AV1"]) {
      const codec = codecs.find((c) => c.name === name);
      expect(codec?.fmtp).toMatch(/\bprofile(-id)?=0\b/);
      expect(codecs.some((c) => c.name === "rtx" && c.fmtp === `apt=${codec?.payloadType}`)).toBe(true);
    }
  });

  test("asks for as many streams as the plan takes, on the m-lines that send first", () => {
    expect(shapeOf(negotiator().createOffer(recorder))).toEqual([
      "audio recvonly",
      "video recvonly",
      "video recvonly",
    ]);
    expect(shapeOf(negotiator().createOffer(plan(["mic", "cam", "screen"], 1, 1)))).toEqual([
      "audio sendrecv",
      "video sendrecv",
      "video sendonly",
    ]);
    expect(shapeOf(negotiator().createOffer(plan(["cam"], 2, 0, true)))).toEqual([
      "video sendonly",
      "audio recvonly",
      "audio recvonly",
      "application sendrecv",
    ]);
  });

  test("names of a send-only stream nothing but its codec, and its SSRCs", () => {
    const video = negotiator().createOffer(publisher).media[1];
    expect(video?.codecs.map((c) => c.name)).toEqual(["VP8", "rtx"]);
    expect(video?.ssrcGroups).toEqual([{ semantics: "FID", ssrcs: [...(video?.ssrcs.keys() ?? [])] }]);
    expect(video?.msid).toEqual({ stream: "roomtap", track: "cam" });
  });

  test("puts the codec that is sent first where it also takes others", () => {
    const video = negotiator().createOffer(plan(["h264"], 0, 1)).media[0];
    expect(video?.codecs[0]).toMatchObject({ name: "H264", fmtp: expect.stringContaining("42e034") });
    expect(video?.codecs.map((c) => c.name)).toContain("VP8");
  });

  test("that was not answered is made anew with the same payload types", () => {
    const ours = negotiator();
    const first = ours.createOffer(talker);
    ours.rollback();
    expect(ours.pending).toBe(false);
    const second = ours.createOffer(talker);
    expect(second.media.map((m) => m.codecs)).toEqual(first.media.map((m) => m.codecs));
    expect(new Set([...first.bundle, ...second.bundle]).size).toBe(4);
  });
});

describe("Chromium's answer to our offer", () => {
  test.each([
    ["recorder", [["0 audio take", "1 video take", "2 video take"]]],
    ["recorder-data", [["0 audio take", "1 video take"]]],
    ["publisher", [["0 audio give", "1 video give"]]],
    ["talker", [["0 audio both", "1 video both"]]],
    ["video-only", [["0 video give"]]],
    ["h264", [["0 video give"]]],
    ["unwanted", [["0 audio none", "1 video none", "2 video none"]]],
    [
      "screen-later",
      [
        ["0 audio give", "1 video give"],
        ["0 audio give", "1 video give", "2 video give"],
      ],
    ],
    [
      "camera-off-and-on",
      [
        ["0 audio give", "1 video give"],
        ["0 audio give", "1 video none"],
        ["0 audio give", "1 video give"],
      ],
    ],
    [
      "screen-in-place-of-camera",
      [
        ["0 audio give", "1 video give"],
        ["0 audio give", "1 video none", "2 video give"],
      ],
    ],
    [
      "grows",
      [
        ["0 audio take", "1 video take"],
        ["0 audio take", "1 video take", "2 audio both", "3 video take", "4 video take"],
      ],
    ],
    [
      "stopped-by-page",
      [
        ["0 audio give", "1 video none"],
        ["0 audio give", "1 video none"],
      ],
    ],
  ])("completes %s", (name, expected) => {
    expect(exchange(name).agreements).toEqual(expected);
  });

  test("is tested for every shape of offer", () => {
    for (const shape of ownShapes) expect(pageAnswers(shape.name)).toHaveLength(shape.plans.length);
  });

  test("agrees on data only where it was offered", () => {
    expect(exchange("recorder-data").ours.hasData).toBe(true);
    expect(exchange("recorder").ours.hasData).toBe(false);
  });

  test("gives each sending m-line its payload, its retransmissions and its feedback", () => {
    const [audio, video] = exchange("talker").ours.media;
    expect(audio?.send?.payload).toMatchObject({ codec: "opus", payloadType: 111, clockRate: 48000 });
    expect(video?.send).toMatchObject({
      payload: { codec: "vp8", payloadType: 96 },
      rtx: { payloadType: 97 },
    });
    expect(video?.send?.payload.feedback).toEqual([
      "goog-remb",
      "transport-cc",
      "ccm fir",
      "nack",
      "nack pli",
    ]);
    expect(video?.remoteSsrcs).toEqual([
      { ssrc: expect.any(Number), rtx: expect.any(Number), cname: expect.any(String) },
    ]);
    expect(video?.rtcpRsize).toBe(true);
    expect(audio?.remoteMsid?.track).toMatch(/./);
  });

  test("lets a later offer keep every payload type, SSRC, mid and extension id", () => {
    for (const name of ["screen-later", "camera-off-and-on", "grows"]) {
      const [first, ...later] = exchange(name).offers;
      for (const offer of later) {
        for (const [i, before] of (first?.media ?? []).entries()) {
          expect({ ...offer.media[i], direction: "" }).toEqual({ ...before, direction: "" });
        }
      }
    }
  });
});

describe("an answer that does not fit", () => {
  const answerTo = (change: (a: SessionDescription) => SessionDescription) => {
    const ours = negotiator();
    ours.createOffer(talker);
    const answer = pageAnswers("talker")[0] ?? read("");
    return { ours, ok: ours.applyAnswer(change(answer)) };
  };

  test("is refused without an offer, or with another number of m-lines, and changes nothing", () => {
    expect(negotiator().applyAnswer(pageAnswers("talker")[0] ?? read(""))).toBe(false);
    const { ours, ok } = answerTo((a) => ({ ...a, media: a.media.slice(1) }));
    expect([ok, ours.pending, ours.media]).toEqual([false, true, []]);
  });

  test("counts as a refusal where kinds differ", () => {
    const { ours, ok } = answerTo((a) => ({ ...a, media: [...a.media].reverse() }));
    expect([ok, ours.media]).toEqual([true, []]);
  });

  test("cannot bring a refused m-line back, and we do not ask for it again", () => {
    const ours = negotiator();
    const [answer] = pageAnswers("talker");
    if (!answer) throw new Error("no recording");
    const refusing = {
      ...answer,
      media: answer.media.map((m) => (m.kind === "video" ? { ...m, port: 0 } : m)),
    };
    ours.createOffer(publisher);
    expect(ours.applyAnswer(refusing)).toBe(true);
    expect(ours.unsent(publisher)).toEqual([]);
    const again = ours.createOffer(publisher);
    expect(shapeOf(again)).toEqual(["audio sendonly", "video -"]);
    expect(again.bundle).toEqual(["0"]);
    expect(ours.applyAnswer(answer)).toBe(true);
    expect(agreed(ours)).toEqual(["0 audio give"]);
  });

  test("sends nothing on a codec that was not answered", () => {
    const withoutVp8 = (a: SessionDescription): SessionDescription => ({
      ...a,
      media: a.media.map((m) => ({ ...m, codecs: m.codecs.filter((c) => c.name !== "VP8") })),
    });
    const { ours } = answerTo(withoutVp8);
    expect(agreed(ours)).toEqual(["0 audio both", "1 video take"]);
  });
});

describe("numbers in use by the other side", () => {
  test("are kept in our offers for m-lines that we add", () => {
    const ours = negotiator();
    const wish = plan(["mic", "cam", "h264"], 1, 1);
    const offer = pageOffers("audio-video")[0] ?? read("");
    ours.acceptOffer(offer, wish);
    const added = ours.createOffer(wish).media[2];
    const theirs = new Map(offer.media.flatMap((m) => m.codecs.map((c) => [c.payloadType, c.name])));
    expect(added?.codecs.length).toBeGreaterThan(0);
    for (const c of added?.codecs ?? []) expect(theirs.get(c.payloadType) ?? c.name).toBe(c.name);
    const ids = new Map(offer.media.flatMap((m) => m.extensions.map((e) => [e.id, e.uri])));
    for (const e of added?.extensions ?? []) {
      expect(ids.get(e.id) ?? e.uri).toBe(e.uri);
      expect(e.id).toBeLessThanOrEqual(14);
    }
  });

  test("are left alone, and others found, where ours are taken", () => {
    const ours = negotiator();
    const taken = bundleOnly.replaceAll("SAVPF 96", "SAVPF 102").replaceAll(":96 VP8", ":102 VP8");
    ours.acceptOffer(read(taken), recorder);
    const added = ours.createOffer(plan(["h264"], 1, 2)).media.at(-1);
    expect(added?.codecs[0]).toMatchObject({ name: "H264", payloadType: 96 });
  });
});
