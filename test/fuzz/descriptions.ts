import { randomInt } from "../../src/core/random.ts";
import { parseCandidate } from "../../src/core/sdp/candidate.ts";
import { parseSdp } from "../../src/core/sdp/parse.ts";
import { recorded, stacks } from "../core/sdp/corpus.ts";
import * as odd from "../core/sdp/odd.cases.ts";
import { roundTrip } from "../core/sdp/round-trip.ts";
import { junk, mutateLines, thinned } from "../support/sdp-mutations.ts";
import { describeBody, negotiator, talker } from "../support/sdp-shapes.ts";
import { type FuzzTarget, pick } from "./target.ts";

const ANSWER_EVERY = 10;

const whole = () => [...Object.values(odd.readable), ...recorded.values(), ...stacks.values()];

/** Session descriptions, read, answered and applied; every answer of ours can be read. */
export const descriptionTarget: FuzzTarget = {
  name: "signalling/description",
  start(random) {
    const seeds = thinned(whole());
    const session = { ours: negotiator(), left: 0 };
    let readable = 0;
    let input = "";
    return {
      round() {
        input = mutateLines(random, seeds);
        const remote = parseSdp(input);
        if (!remote) return false;
        readable++;
        if (readable % ANSWER_EVERY !== 0) return true;
        // A few descriptions in a row hit the same connection, as offers and as answers.
        if (session.left-- === 0) {
          session.ours = negotiator(readable);
          session.left = randomInt(random, 4);
        }
        if (random() < 0.3) {
          session.ours.createOffer(talker);
          session.ours.applyAnswer(remote);
        }
        const answer = session.ours.acceptOffer(remote, talker);
        if (answer.media.length !== remote.media.length) throw new Error("the answer lacks m-lines");
        if (answer.bundle.length === 0) return true;
        const sdp = describeBody(answer, "active");
        if (!parseSdp(sdp)) throw new Error(`our answer cannot be read: ${sdp}`);
        session.ours.createOffer(talker);
        return true;
      },
      last: () => input,
    };
  },
};

/** Session descriptions of all stacks, read and written: what can be read says the same when we wrote it. */
export const sdpTarget: FuzzTarget = {
  name: "sdp",
  start(random) {
    const seeds = thinned(whole());
    let input = "";
    return {
      round() {
        input = mutateLines(random, seeds);
        const complaint = roundTrip(input);
        if (complaint !== undefined && complaint !== "unreadable") throw new Error(complaint);
        return complaint === undefined;
      },
      last: () => input,
    };
  },
};

/** Trickled candidates. */
export const candidateTarget: FuzzTarget = {
  name: "signalling/candidate",
  start(random) {
    const line =
      "candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 10.0.0.1 rport 9 generation 0";
    let input = "";
    return {
      round() {
        const at = randomInt(random, line.length);
        input = line.slice(0, at) + pick(random, junk) + line.slice(at + randomInt(random, 4));
        const c = parseCandidate(input);
        if (c && !(c.port >= 0 && c.port <= 65_535)) throw new Error(`port ${c.port}`);
        return c !== undefined;
      },
      last: () => input,
    };
  },
};
