import { RoomtapError } from "../../core/fault.ts";
import type { RoomAdapter } from "../../core/room.ts";
import { CallSession, type CallTiming, type Dial, offerOf, usualTiming } from "../http/call-session.ts";
import { HttpEndpoint } from "../http/endpoint.ts";
import { candidatesOf, clientOffer, isComplete, refusesAll } from "../http/fragment.ts";
import { isDescription, SDP_TYPE } from "../http/replies.ts";
import { httpLabel } from "../http/target.ts";
import { trickle } from "../http/trickle.ts";
import { parseWhipTarget } from "./target.ts";
import { whipWords } from "./words.ts";

/** WHIP endpoints (RFC 9725): publishing to a server with one HTTP request. */
export function whipAdapter(
  random: () => number = Math.random,
  timing: CallTiming = usualTiming,
): RoomAdapter {
  return {
    schemes: ["whip+http", "whip+https"],
    label: (address) => httpLabel(address, "whip", "WHIP"),
    join: async (host, address, wish, signal) => {
      const target = parseWhipTarget(address);
      if (wish.publish.length === 0)
        throw new RoomtapError("usage", "a WHIP endpoint only takes media, and there is none to publish", {
          hint: "to receive from a server, use another of its addresses: whep+https://...",
        });
      const { token, insecure } = wish;
      const endpoint = new HttpEndpoint({ target, words: whipWords, token, insecure });
      const dial = publishTo(endpoint);
      const session = new CallSession({ host, endpoint, wish, dial, random, timing });
      await session.join(signal);
      return session;
    },
  };
}

function publishTo(endpoint: HttpEndpoint): Dial {
  return async (attempt) => {
    const { hold, signal } = attempt;
    const link = attempt.open();
    const sdp = await offerOf(link, attempt);
    attempt.mustGoOn();
    const posted = await endpoint.post({ type: SDP_TYPE, body: clientOffer(sdp) }, [200, 201], signal);
    const { reply, url } = posted;
    if (!isDescription(reply.body, reply.header("content-type"))) throw endpoint.unreadable("SDP", url);
    const resource = endpoint.resource(posted);
    hold(resource);
    if (refusesAll(reply.body)) return [];
    const media = await link.answer({ type: "answer", sdp: reply.body });
    if (!isComplete(sdp)) trickle({ link, resource, known: candidatesOf(sdp) });
    return media;
  };
}
