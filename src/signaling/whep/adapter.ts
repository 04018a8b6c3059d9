import { RoomtapError } from "../../core/fault.ts";
import type { RemoteMedia, RoomAdapter } from "../../core/room.ts";
import {
  type Attempt,
  CallSession,
  type CallTiming,
  GATHER_MS,
  offerOf,
  usualTiming,
} from "../http/call-session.ts";
import { HttpEndpoint, type Posted } from "../http/endpoint.ts";
import { candidatesOf, clientOffer, isComplete, refusesAll } from "../http/fragment.ts";
import { isDescription, SDP_TYPE } from "../http/replies.ts";
import { httpLabel, parseHttpTarget } from "../http/target.ts";
import { trickle } from "../http/trickle.ts";
import { whepWords } from "./words.ts";

/** WHEP endpoints (draft-ietf-wish-whep): receiving from a server with one HTTP request, or two. */
export function whepAdapter(
  random: () => number = Math.random,
  timing: CallTiming = usualTiming,
): RoomAdapter {
  return {
    schemes: ["whep+http", "whep+https"],
    label: (address) => httpLabel(address, "whep", "WHEP"),
    join: async (host, address, wish, signal) => {
      const target = parseHttpTarget(address, "whep", "WHEP");
      if (wish.publish.length > 0)
        throw new RoomtapError("usage", "a WHEP endpoint only sends media", {
          hint: "to publish to a server, use another of its addresses: whip+https://...",
        });
      const { token, insecure } = wish;
      const endpoint = new HttpEndpoint({ target, words: whepWords, token, insecure });
      const dial = (attempt: Attempt) => receiveFrom(endpoint, attempt);
      const session = new CallSession({ host, endpoint, wish, dial, random, timing });
      await session.join(signal);
      return session;
    },
  };
}

async function receiveFrom(endpoint: HttpEndpoint, a: Attempt): Promise<readonly RemoteMedia[]> {
  const link = a.open();
  const sdp = await offerOf(link, a);
  a.mustGoOn();
  const body = clientOffer(sdp);
  const posted = await endpoint.post({ type: SDP_TYPE, body }, [200, 201, 406], a.signal);
  const { reply, url } = posted;
  const described = isDescription(reply.body, reply.header("content-type"));
  if (reply.status === 406) {
    if (!described) throw endpoint.refused(posted);
    return answerTo(endpoint, posted, a);
  }
  if (!described) throw endpoint.unreadable("SDP", url);
  const resource = endpoint.resource(posted);
  a.hold(resource);
  if (refusesAll(reply.body)) return [];
  const media = await link.answer({ type: "answer", sdp: reply.body });
  if (!isComplete(sdp)) trickle({ link, resource, known: candidatesOf(sdp) });
  return media;
}

/** The server makes an offer of its own: our connection has made one, and cannot answer another's. */
async function answerTo(
  endpoint: HttpEndpoint,
  counter: Posted,
  a: Attempt,
): Promise<readonly RemoteMedia[]> {
  const resource = endpoint.resource(counter);
  a.hold(resource);
  const link = a.open();
  const { media } = await link.accept({ type: "offer", sdp: counter.reply.body }, a.plan);
  const { sdp } = await link.localReady(GATHER_MS);
  a.mustGoOn();
  const reply = await resource.patch(SDP_TYPE, sdp, a.signal);
  if (reply.status < 200 || reply.status >= 300)
    throw endpoint.refused({ reply, url: resource.url ?? counter.url });
  if (!isComplete(sdp)) trickle({ link, resource, known: candidatesOf(sdp) });
  return media;
}
