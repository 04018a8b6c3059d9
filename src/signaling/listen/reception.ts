import { randomBytes } from "node:crypto";
import { RoomtapError } from "../../core/fault.ts";
import type { JoinWish, Link, LinkPlan, Peer, RoomEvent, RtcHost } from "../../core/room.ts";
import { tokenCheck } from "../../net/access.ts";
import { candidatesOf, parseFragment, ufragOf, withoutCandidates } from "../http/fragment.ts";
import { bodyType, FRAGMENT_TYPE, JSON_TYPE, SDP_TYPE } from "../http/replies.ts";
import { parseJsonDescription } from "../offer/messages.ts";
import { Caller } from "./caller.ts";
import type { CallerReply, CallerRequest } from "./listener.ts";
import { bearerOf, corsHeaders, placeOf, preflight, sessionPath, unnamed } from "./requests.ts";
import type { ListenTarget } from "./target.ts";

/** Callers at a time. */
const MAX_CALLERS = 50;
/** Candidates found in this time go into the answer; we never trickle. */
const GATHER_MS = 2000;
const RETRY_AFTER_S = 5;

/** What a reception needs. */
export type ReceptionOptions = {
  readonly host: RtcHost;
  readonly target: ListenTarget;
  readonly wish: JoinWish;
  readonly emit: (event: RoomEvent) => void;
  /** Nobody is there any more. */
  readonly onEmpty: () => void;
  readonly setupMs?: number;
  readonly maxCallers?: number;
};

/** Answers those who call: the server's side of WHIP (RFC 9725 section 4), and of JSON offers. */
export class Reception {
  readonly #o: ReceptionOptions;
  readonly #may: (token: string | undefined) => boolean;
  readonly #callers = new Map<string, Caller>();
  /** Being answered, and what they will be called. */
  readonly #links = new Map<Link, string>();
  #closed = false;

  constructor(o: ReceptionOptions) {
    this.#o = o;
    this.#may = tokenCheck(o.wish.listen?.token);
  }

  /** Never rejects. */
  async handle(request: CallerRequest): Promise<CallerReply> {
    const { listen } = this.#o.wish;
    const open = listen?.token !== undefined || listen?.public === true;
    const cors = corsHeaders(request.header("origin"), open);
    if (!cors) return { status: 403, body: "pages from elsewhere may not call here\n" };
    const reply = await this.#answer(request).catch((error: unknown) => this.#failed(error));
    return { ...reply, headers: { ...cors, ...reply.headers } };
  }

  /** Ends all calls. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const link of this.#links.keys()) link.close();
    for (const caller of [...this.#callers.values()]) caller.end();
  }

  #failed(error: unknown): CallerReply {
    if (error instanceof RoomtapError && error.code === "negotiation") {
      this.#o.host.fault("signal-malformed");
      return refusal(400, error.message);
    }
    this.#o.host.log("warn", `a call could not be answered: ${error instanceof Error ? error.message : ""}`);
    return refusal(500, "it cannot be answered");
  }

  async #answer(request: CallerRequest): Promise<CallerReply> {
    const { target } = this.#o;
    const place = placeOf(request.target, target.path);
    const { method } = request;
    if (!place || (place.t === "session" && target.dialect === "offer")) return refusal(404, "nothing here");
    const methods = place.t === "session" ? "PATCH, DELETE, OPTIONS" : "POST, OPTIONS";
    if (method === "OPTIONS")
      return { status: 204, headers: { allow: methods, ...preflight, ...this.#acceptPost() } };
    if (!methods.split(", ").includes(method))
      return { ...refusal(405, "not this way"), headers: { allow: methods } };
    if (!this.#may(bearerOf(request.header("authorization"))))
      return { ...refusal(401, "a token is wanted"), headers: { "www-authenticate": "Bearer" } };
    if (request.body === undefined) return refusal(413, "that is too much");
    if (place.t === "endpoint") return this.#call(place.name, request, request.body);
    const caller = this.#callers.get(place.id);
    if (!caller) return refusal(404, "no such session");
    if (method === "PATCH") return this.#patch(caller, request, request.body);
    caller.end();
    return { status: 200 };
  }

  /** Candidates that come late (RFC 9725 section 4.3.2); the agent cannot restart ICE. */
  #patch(caller: Caller, request: CallerRequest, body: string): CallerReply {
    if (bodyType(request.header("content-type")) !== FRAGMENT_TYPE)
      return { ...refusal(415, "not of this type"), headers: { "accept-patch": FRAGMENT_TYPE } };
    const match = request.header("if-match");
    if (match === undefined) return refusal(428, "say with If-Match which session it is");
    const fragment = parseFragment(body);
    if (!fragment) return refusal(400, "that cannot be read");
    const restart = match === "*" || match === '"*"';
    if (!restart && match !== caller.etag) return refusal(412, "that is another session");
    if (restart || !caller.trickle(fragment))
      return refusal(422, "this connection cannot be restarted: end it, and call again");
    return { status: 204 };
  }

  async #call(name: string | undefined, request: CallerRequest, body: string): Promise<CallerReply> {
    const { target, wish } = this.#o;
    const type = target.dialect === "whip" ? SDP_TYPE : JSON_TYPE;
    if (bodyType(request.header("content-type")) !== type)
      return { ...refusal(415, `offers are ${type}`), headers: this.#acceptPost() };
    const sdp = target.dialect === "whip" ? body : parseJsonDescription(body, "offer")?.sdp;
    if (sdp === undefined) return refusal(400, "that is no offer");
    const limit = wish.listen?.once ? 1 : (this.#o.maxCallers ?? MAX_CALLERS);
    // Whoever comes back before we know that it was gone takes the place of what it left.
    const before = [...this.#callers.values()].find((c) => name !== undefined && c.peer.name === name);
    const busy = this.#callers.size + this.#links.size - (before ? 1 : 0) >= limit;
    if (busy || this.#closed)
      return {
        ...refusal(503, "there is no room for another caller"),
        headers: { "retry-after": String(RETRY_AFTER_S) },
      };
    return this.#take(name, before, sdp);
  }

  async #take(name: string | undefined, before: Caller | undefined, offer: string): Promise<CallerReply> {
    const { host, wish, emit, onEmpty, setupMs } = this.#o;
    const taken = new Set([...this.#links.values(), ...[...this.#callers.values()].map((c) => c.peer.name)]);
    const role = wish.receive ? "publisher" : "viewer";
    const id = randomBytes(16).toString("hex");
    const peer: Peer = { id, name: name ?? unnamed(role, taken), recorder: false };
    const link = host.link({ peerId: id, iceServers: [] });
    this.#links.set(link, peer.name);
    try {
      const { media } = await link.accept({ type: "offer", sdp: withoutCandidates(offer) }, this.#plan(peer));
      if (!media.some((m) => m.sending || m.taking)) {
        link.close();
        return refusal(406, "there is no codec, or no direction, that both have");
      }
      const { sdp } = await link.localReady(GATHER_MS);
      before?.end();
      const over = () => {
        this.#callers.delete(id);
        if (this.#callers.size + this.#links.size === 0) onEmpty();
      };
      const ufrag = ufragOf(offer);
      const candidates = candidatesOf(offer).map((line) => line.slice(2));
      const when = setupMs === undefined ? {} : { setupMs };
      const caller = new Caller({ peer, link, media, ufrag, candidates, emit, onOver: over, ...when });
      this.#callers.set(id, caller);
      return this.#created(caller, sdp);
    } catch (error) {
      link.close();
      throw error;
    } finally {
      this.#links.delete(link);
    }
  }

  #created(caller: Caller, sdp: string): CallerReply {
    const { dialect, path } = this.#o.target;
    if (dialect === "offer")
      return {
        status: 200,
        headers: { "content-type": JSON_TYPE },
        body: JSON.stringify({ sdp, type: "answer" }),
      };
    return {
      status: 201,
      headers: {
        "content-type": SDP_TYPE,
        location: sessionPath(path, caller.peer.id),
        etag: caller.etag,
        "accept-patch": FRAGMENT_TYPE,
      },
      body: sdp,
    };
  }

  #plan({ name }: Peer): LinkPlan {
    const { wish } = this.#o;
    const wanted = (kind: "audio" | "video") => {
      const source = kind === "audio" ? "microphone" : "camera";
      return wish.receive && (wish.wants?.({ name, kind, source }) ?? true) ? 1 : 0;
    };
    return { send: wish.publish, receive: { audio: wanted("audio"), video: wanted("video") }, data: false };
  }

  #acceptPost(): Readonly<Record<string, string>> {
    return { "accept-post": this.#o.target.dialect === "whip" ? SDP_TYPE : JSON_TYPE };
  }
}

function refusal(status: number, why: string): CallerReply & { readonly headers: Record<string, string> } {
  return { status, headers: { "content-type": "text/plain; charset=utf-8" }, body: `${why}\n` };
}
