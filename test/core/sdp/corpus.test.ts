import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../src/core/random.ts";
import type { SessionDescription } from "../../../src/core/sdp/description.ts";
import { parseSdp } from "../../../src/core/sdp/parse.ts";
import { mutateLines, thinned } from "../../support/sdp-mutations.ts";
import { describeBody, negotiator, publisher, recorder } from "../../support/sdp-shapes.ts";
import { read, recorded, stacks } from "./corpus.ts";
import { roundTrip } from "./round-trip.ts";

const MUTATIONS = 4000;

type Expected = {
  /** Kind, direction and codecs of each m-line. */
  readonly says: readonly string[];
  readonly setup: string;
  /** Candidates of the agent that speaks for the bundle. */
  readonly candidates: number;
  readonly iceLite?: true;
  /** Of an offer: m-lines that a recorder receives on, and that a publisher sends on. */
  readonly answer?: readonly [receives: number, sends: number];
};

const offers = { setup: "actpass" } as const;
const answers = { setup: "active" } as const;

const expected: Readonly<Record<string, Expected>> = {
  "aiortc-offer": {
    ...{ ...offers, candidates: 2, answer: [2, 2] },
    says: ["audio sendrecv opus pcmu pcma", "video sendrecv vp8 rtx h264", "application sendrecv"],
  },
  "aiortc-answer": {
    ...{ ...answers, candidates: 2 },
    says: ["audio recvonly opus pcmu pcma", "video sendrecv vp8 rtx h264", "application sendrecv"],
  },
  "firefox-offer": {
    ...{ ...offers, candidates: 14, answer: [2, 2] },
    says: [
      "audio sendrecv opus g722 pcmu pcma telephone-event",
      "video sendrecv vp8 rtx vp9 av1 ulpfec red",
      "application sendrecv",
    ],
  },
  "firefox-answer": {
    ...{ ...answers, candidates: 4 },
    says: [
      "audio recvonly opus g722 pcmu pcma telephone-event",
      "video recvonly vp8 rtx vp9 av1 ulpfec red",
      "application sendrecv",
    ],
  },
  "firefox-simulcast": {
    ...{ ...offers, candidates: 8, answer: [1, 0] },
    says: ["video sendonly vp8 rtx vp9 av1 ulpfec red"],
  },
  "gstreamer-offer": {
    ...{ ...offers, candidates: 9, answer: [2, 2] },
    says: ["video sendrecv vp8", "audio sendrecv opus"],
  },
  "janus-publish-answer": {
    ...{ ...answers, candidates: 1 },
    says: ["audio recvonly opus", "video recvonly vp8 rtx"],
  },
  "janus-subscribe-offer": {
    ...{ ...offers, candidates: 1, answer: [2, 0] },
    says: ["audio sendonly opus", "video sendonly vp8 rtx", "video refused"],
  },
  "livekit-subscriber-offer": {
    ...{ ...offers, candidates: 0, answer: [2, 2] },
    says: ["application sendrecv", "audio sendrecv opus red", "video sendrecv vp8 rtx"],
  },
  "mediasoup-offer": {
    ...{ ...offers, iceLite: true, candidates: 2, answer: [2, 0] },
    says: ["audio sendonly opus", "video sendonly vp8 rtx", "application sendrecv"],
  },
  "pion-offer": {
    ...{ ...offers, candidates: 4, answer: [2, 2] },
    says: [
      "video sendrecv vp8 rtx h264 h265 av1 vp9",
      "audio sendrecv opus g722 pcmu pcma",
      "application sendrecv",
    ],
  },
  "pion-answer": {
    ...{ ...answers, candidates: 4 },
    says: [
      "video recvonly vp8 rtx h264 h265 av1 vp9",
      "audio recvonly opus g722 pcmu pcma",
      "application sendrecv",
    ],
  },
  "rfc8829-form-offer": {
    ...{ ...offers, candidates: 2, answer: [2, 2] },
    says: ["audio sendrecv opus pcmu pcma telephone-event", "video sendrecv vp8 h264 rtx"],
  },
  "rfc8853-form-offer": {
    ...{ ...offers, candidates: 0, answer: [3, 0] },
    says: ["audio sendrecv g722", "video sendrecv h264 rtx", "video sendonly vp8"],
  },
  "safari-offer": {
    ...{ ...offers, candidates: 2, answer: [2, 2] },
    says: [
      "audio sendrecv opus red g722 pcmu pcma cn telephone-event",
      "video sendrecv h264 rtx h265 vp8 red ulpfec",
    ],
  },
};

function says(d: SessionDescription): string[] {
  return d.media.map((m) => {
    if (m.port === 0 && !m.bundleOnly) return `${m.kind} refused`;
    return [m.kind, m.direction, ...new Set(m.codecs.map((c) => c.name.toLowerCase()))].join(" ");
  });
}

describe("the description of another stack", () => {
  test("is known here, each with what it says", () => {
    expect([...stacks.keys()]).toEqual(Object.keys(expected).sort());
  });

  test.each([...stacks])("%s is read for what it says, and answered", (name, sdp) => {
    const d = read(sdp);
    const { setup, iceLite, candidates } = d.transport;
    expect({ says: says(d), setup, iceLite, candidates: candidates.length }).toEqual({
      says: expected[name]?.says,
      setup: expected[name]?.setup,
      iceLite: expected[name]?.iceLite === true,
      candidates: expected[name]?.candidates,
    });
    const wanted = expected[name]?.answer;
    if (!wanted) return;
    const got = [recorder, publisher].map((plan) => {
      const ours = negotiator();
      const answer = read(describeBody(ours.acceptOffer(d, plan), "active"));
      expect(answer.media.map((m) => [m.kind, m.mid, m.protocol])).toEqual(
        d.media.map((m) => [m.kind, m.mid, m.protocol]),
      );
      return ours.media.filter((m) => (plan === recorder ? m.receiving : m.send)).length;
    });
    expect(got).toEqual(wanted);
  });

  test.each([...stacks])("%s says the same after it was read and written", (_, sdp) => {
    expect(roundTrip(sdp)).toBeUndefined();
  });

  test.each([...stacks])("%s is readable or refused when cut after any line", (_, sdp) => {
    const lines = sdp.split(/\r?\n/);
    for (let n = 0; n < lines.length; n++) parseSdp(lines.slice(0, n).join("\r\n"));
  });

  test("still says the same when it was read and written after any damage that left it readable", () => {
    const random = seededRandom(6);
    const seeds = thinned([...stacks.values(), ...recorded.values()]);
    let readable = 0;
    for (let i = 0; i < MUTATIONS; i++) {
      const sdp = mutateLines(random, seeds);
      const complaint = roundTrip(sdp);
      if (complaint === undefined) readable++;
      else if (complaint !== "unreadable") throw new Error(`${complaint}\n--- from:\n${sdp}`);
    }
    expect(readable).toBeGreaterThan(MUTATIONS / 2);
  });

  test("keeps its data channel in the form it has", () => {
    const answer = (name: string) =>
      describeBody(
        negotiator().acceptOffer(read(stacks.get(name) ?? ""), { ...recorder, data: true }),
        "active",
      );
    expect(answer("aiortc-offer")).toMatch(
      /m=application 9 DTLS\/SCTP 5000\r\n(?:.*\r\n)*a=sctpmap:5000 webrtc/,
    );
    expect(answer("pion-offer")).toMatch(/m=application 9 UDP\/DTLS\/SCTP webrtc-datachannel\r\n/);
  });
});
