import { RoomtapError } from "../../core/fault.ts";
import type { RoomAdapter } from "../../core/room.ts";
import { CallSession, type CallTiming, type Dial, GATHER_MS, usualTiming } from "../http/call-session.ts";
import { HttpEndpoint } from "../http/endpoint.ts";
import { refusesAll } from "../http/fragment.ts";
import { JSON_TYPE } from "../http/replies.ts";
import { httpLabel, parseHttpTarget } from "../http/target.ts";
import { jsonOffer, parseJsonDescription } from "./messages.ts";
import { offerWords } from "./words.ts";

/** Servers that take an offer as JSON and answer it: to publish to, and to receive from. */
export function offerAdapter(
  random: () => number = Math.random,
  timing: CallTiming = usualTiming,
): RoomAdapter {
  return {
    schemes: ["offer+http", "offer+https"],
    label: (address) => httpLabel(address, "offer", "offer"),
    join: async (host, address, wish, signal) => {
      const target = parseHttpTarget(address, "offer", "offer");
      if (wish.publish.length === 0 && !wish.receive)
        throw new RoomtapError("usage", "there is nothing to send, and nothing is to be received");
      const { token, insecure } = wish;
      const endpoint = new HttpEndpoint({ target, words: offerWords, token, insecure });
      const session = new CallSession({ host, endpoint, wish, dial: call(endpoint), random, timing });
      await session.join(signal);
      return session;
    },
  };
}

function call(endpoint: HttpEndpoint): Dial {
  return async ({ open, plan, signal, mustGoOn }) => {
    const link = open();
    await link.offer(plan);
    // There is no later: what is found after this is of no use.
    const { sdp } = await link.localReady(GATHER_MS);
    mustGoOn();
    // As it is: aiortc refuses an offer that does not leave the DTLS role to the answerer (RFC 8842 section 5.2).
    const offer = { type: JSON_TYPE, body: jsonOffer(sdp) };
    const { reply, url } = await endpoint.post(offer, [200, 201], signal);
    const answer = parseJsonDescription(reply.body, "answer");
    if (!answer) throw endpoint.unreadable("an answer", url);
    return refusesAll(answer.sdp) ? [] : link.answer(answer);
  };
}
