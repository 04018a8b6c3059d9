import { describe, expect, test } from "vitest";
import type { LinkPlan } from "../../../src/core/room.ts";
import type { NegotiatedMedia } from "../../../src/core/sdp/negotiated.ts";
import type { Negotiator } from "../../../src/core/sdp/negotiator.ts";
import { describeBody, negotiator, plan, publisher, recorder, talker } from "../../support/sdp-shapes.ts";
import { read } from "./corpus.ts";

/** One full exchange over text. Both sides then agree, which this checks. */
function exchange(from: Negotiator, fromPlan: LinkPlan, to: Negotiator, toPlan: LinkPlan): void {
  const offer = read(describeBody(from.createOffer(fromPlan), "actpass"));
  const answer = read(describeBody(to.acceptOffer(offer, toPlan), "active"));
  expect(from.applyAnswer(answer)).toBe(true);
  expectAgreement(from, to);
}

/** What one gives the other takes: on the same m-line, payload types, SSRCs and extensions. */
function expectAgreement(a: Negotiator, b: Negotiator): void {
  expect(a.media.map((m) => m.mid)).toEqual(b.media.map((m) => m.mid));
  for (const [i, mine] of a.media.entries()) {
    const other = b.media[i];
    if (!other) throw new Error("a has more m-lines than b");
    for (const [giver, taker] of [
      [mine, other],
      [other, mine],
    ] as const) {
      expect(taker.receiving).toBe(giver.send !== undefined);
      if (giver.send) expectTaken(giver.send, taker);
    }
    expect([...mine.extensions].sort()).toEqual([...other.extensions].sort());
    expect(payloads(mine)).toEqual(payloads(other));
  }
}

/** Each side lists its payloads in the order of the other's description. */
const payloads = (m: NegotiatedMedia) => m.payloads.map((p) => `${p.payloadType} ${p.codec} ${p.apt}`).sort();

function expectTaken(send: NonNullable<NegotiatedMedia["send"]>, taker: NegotiatedMedia): void {
  expect(taker.payloads.find((p) => p.payloadType === send.payload.payloadType)?.codec).toBe(
    send.payload.codec,
  );
  const known = taker.remoteSsrcs.find((s) => s.ssrc === send.ssrc);
  expect(known?.rtx).toBe(send.rtx?.ssrc);
  expect(known?.cname).toBeDefined();
  expect(taker.remoteMsid?.track).toBe(send.track.id);
}

/** Ids of the tracks that this side sends, m-line by m-line. */
const sent = (n: Negotiator) => n.media.map((m) => m.send?.track.id ?? "-");
const both = () => [negotiator(1, "one"), negotiator(2, "two")] as const;

describe("a recorder and a publisher", () => {
  test("agree when the publisher offers", () => {
    const [give, take] = both();
    exchange(give, publisher, take, recorder);
    expect(sent(give)).toEqual(["mic", "cam"]);
    expect(sent(take)).toEqual(["-", "-"]);
  });

  test("agree when the recorder offers, also with lines to spare", () => {
    const [give, take] = both();
    exchange(take, recorder, give, publisher);
    expect(sent(give)).toEqual(["mic", "cam", "-"]);
    expect(take.media.map((m) => m.receiving)).toEqual([true, true, false]);
  });

  test("agree on a stream that comes later: it is unsent, and a re-offer carries it", () => {
    for (const recorderOffers of [true, false]) {
      const [give, take] = both();
      if (recorderOffers) exchange(take, plan([], 1, 1), give, publisher);
      else exchange(give, publisher, take, recorder);
      const before = give.media.map((m) => m.send);
      const more = plan(["mic", "cam", "screen"]);
      expect(give.unsent(more).map((t) => t.id)).toEqual(["screen"]);
      exchange(give, more, take, recorder);
      expect(give.unsent(more)).toEqual([]);
      expect(sent(give)).toEqual(["mic", "cam", "screen"]);
      expect(give.media.slice(0, 2).map((m) => m.send)).toEqual(before);
    }
  });

  test("agree on a stream that fills a line to spare without a new m-line", () => {
    const [give, take] = both();
    exchange(take, recorder, give, publisher);
    exchange(take, recorder, give, plan(["mic", "cam", "screen"]));
    expect(sent(give)).toEqual(["mic", "cam", "screen"]);
  });

  test("carry data where both want it, and only then", () => {
    for (const [a, b, data] of [
      [true, true, true],
      [true, false, false],
      [false, true, false],
    ] as const) {
      const [one, two] = both();
      exchange(one, plan(["mic"], 0, 0, a), two, plan([], 1, 1, b));
      expect([one.hasData, two.hasData]).toEqual([data, data]);
      exchange(two, plan([], 1, 1, true), one, plan(["mic"], 0, 0, true));
      expect([one.hasData, two.hasData]).toEqual([data, data]);
    }
  });
});

describe("two talkers", () => {
  test("share one m-line per kind in either order", () => {
    const [one, two] = both();
    exchange(one, talker, two, talker);
    expect([sent(one), sent(two)]).toEqual([
      ["mic", "cam"],
      ["mic", "cam"],
    ]);
  });

  test("keep payload types, SSRCs and mids over many re-offers from both sides", () => {
    const [one, two] = both();
    exchange(one, talker, two, talker);
    const told = () =>
      [one, two].map((n) => n.media.map((m) => ({ mid: m.mid, send: m.send, payloads: payloads(m) })));
    const first = told();
    for (let i = 0; i < 6; i++) {
      if (i % 2 === 0) exchange(two, talker, one, talker);
      else exchange(one, talker, two, talker);
      expect(told()).toEqual(first);
    }
  });

  test("leave a stream out and take it back, whoever offers", () => {
    for (const oneOffers of [true, false]) {
      const [one, two] = both();
      const say = (wish: LinkPlan) =>
        oneOffers ? exchange(one, wish, two, talker) : exchange(two, talker, one, wish);
      say(talker);
      const before = one.media[1]?.send;
      say(plan(["mic"], 1, 1));
      expect(sent(one)).toEqual(["mic", "-"]);
      expect(two.media.map((m) => m.receiving)).toEqual([true, false]);
      expect(one.unsent(talker).map((t) => t.id)).toEqual(["cam"]);
      say(talker);
      expect(sent(one)).toEqual(["mic", "cam"]);
      expect(one.media[1]?.send).toEqual(before);
    }
  });

  test("put another stream on the m-line of one that was left out, with SSRCs of its own", () => {
    const [one, two] = both();
    exchange(one, talker, two, talker);
    const before = one.media[1]?.send?.ssrc;
    exchange(two, talker, one, plan(["mic", "screen"], 1, 1));
    expect(sent(one)).toEqual(["mic", "screen"]);
    expect(one.media[1]?.send?.ssrc).not.toBe(before);
  });
});

describe("offers that cross", () => {
  test("the polite side drops its own, answers, and offers again what is still unsent", () => {
    const [polite, impolite] = both();
    polite.createOffer(plan(["mic", "cam", "screen"], 1, 1));
    const offer = read(describeBody(impolite.createOffer(talker), "actpass"));
    // The impolite side ignores the offer that came; the polite one takes this and forgets its own.
    const wish = plan(["mic", "cam", "screen"], 1, 1);
    const answer = read(describeBody(polite.acceptOffer(offer, wish), "active"));
    expect(polite.pending).toBe(false);
    expect(impolite.applyAnswer(answer)).toBe(true);
    expectAgreement(polite, impolite);
    expect(polite.unsent(wish).map((t) => t.id)).toEqual(["screen"]);
    exchange(polite, wish, impolite, talker);
    expect(sent(polite)).toEqual(["mic", "cam", "screen"]);
    expect(sent(impolite)).toEqual(["mic", "cam", "-"]);
  });

  test("an answer to a dropped offer is refused", () => {
    const [one, two] = both();
    const answer = read(
      describeBody(two.acceptOffer(read(describeBody(one.createOffer(talker), "actpass")), talker), "active"),
    );
    one.rollback();
    expect(one.applyAnswer(answer)).toBe(false);
    expect(one.media).toEqual([]);
  });

  test("a dropped re-offer leaves what was agreed before as it was", () => {
    const [one, two] = both();
    exchange(one, talker, two, talker);
    const before = one.media;
    one.createOffer(plan(["mic"], 1, 1));
    expect(one.media).toEqual(before);
    one.rollback();
    expect(one.media).toEqual(before);
    expect(one.unsent(talker)).toEqual([]);
    exchange(two, talker, one, talker);
    expect(sent(one)).toEqual(["mic", "cam"]);
  });
});

describe("an m-line removed by the other side", () => {
  /** The offer with one m-line taken out, as a browser does when its transceiver is stopped. */
  const removed = (n: Negotiator, wish: LinkPlan, mid: string) => {
    const body = n.createOffer(wish);
    const media = body.media.map((m) => (m.mid === mid ? { ...m, port: 0 } : m));
    return read(describeBody({ bundle: body.bundle.filter((b) => b !== mid), media }, "actpass"));
  };

  test("frees our stream for a new m-line, and stays where it was", () => {
    const [page, ours] = both();
    exchange(page, talker, ours, talker);
    const answer = ours.acceptOffer(removed(page, talker, "1"), talker);
    page.rollback();
    expect(answer.media.map((m) => m.port)).toEqual([9, 0]);
    expect(answer.bundle).toEqual(["0"]);
    expect(ours.unsent(talker).map((t) => t.id)).toEqual(["cam"]);
    const again = ours.createOffer(talker);
    expect(again.media.map((m) => m.port)).toEqual([9, 0, 9]);
    expect(new Set(again.media.map((m) => m.mid)).size).toBe(3);
    expect(again.media[2]?.msid?.track).toBe("cam");
  });
});
