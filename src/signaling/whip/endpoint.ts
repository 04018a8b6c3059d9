import { RoomtapError } from "../../core/fault.ts";
import type { IceServer } from "../../core/room.ts";
import { exchange, type HttpReply, type HttpRequest } from "./http.ts";
import {
  FRAGMENT_TYPE,
  iceServersOf,
  isDescription,
  mayCarryToken,
  problemOf,
  refusal,
  retryAfterMs,
  SDP_TYPE,
} from "./messages.ts";
import type { WhipTarget } from "./target.ts";

/** A server has this long for an answer: some gather candidates first. */
const ANSWER_MS = 15_000;
const OPTIONS_MS = 2000;
const DELETE_MS = 1500;
const MAX_REDIRECTS = 5;

/** How an endpoint is talked to. */
export type EndpointOptions = {
  readonly target: WhipTarget;
  /** Bearer token (RFC 6750); goes before what the address says. */
  readonly token?: string | undefined;
  readonly insecure?: boolean | undefined;
};

/** What a server made of our offer. */
export type Created = { readonly answer: string; readonly resource: WhipResource };

/** The server takes no offer now: worth another one, no sooner than after `afterMs` where it says so. */
export class TryLater extends RoomtapError {
  readonly afterMs: number | undefined;

  constructor(error: RoomtapError, afterMs: number | undefined) {
    super(error.code, error.message, {
      cause: error,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
    this.afterMs = afterMs;
  }
}

/** A WHIP endpoint (RFC 9725) as a client talks to it. */
export class WhipEndpoint {
  readonly #o: EndpointOptions;
  readonly #secret: string | undefined;
  #ice: readonly IceServer[] = [];

  constructor(o: EndpointOptions) {
    this.#o = o;
    // An empty token is what an unset variable of a shell script leaves.
    this.#secret = o.token ? `Bearer ${o.token}` : o.target.basic;
  }

  /** ICE servers that it named last. */
  get iceServers(): readonly IceServer[] {
    return this.#ice;
  }

  /**
   * Asks for ICE servers before there is an offer: an agent that begins without them cannot take them later. Many
   * servers do not answer this; never rejects.
   */
  async options(signal: AbortSignal): Promise<void> {
    const { target, insecure } = this.#o;
    try {
      const reply = await exchange({
        method: "OPTIONS",
        url: target.url,
        timeoutMs: OPTIONS_MS,
        headers: this.authorization(target.url),
        signal,
        ...(insecure === undefined ? {} : { insecure }),
      });
      if (reply.status < 300) this.#learn(reply);
    } catch {
      // The offer will tell what is wrong.
    }
  }

  /**
   * Posts an offer. Rejects with a RoomtapError: `TryLater`, `auth`, `signal-refused`, `signal-protocol`; none has a
   * secret in it.
   */
  async post(offer: string, signal: AbortSignal): Promise<Created> {
    let { url } = this.#o.target;
    for (let i = 0; i <= MAX_REDIRECTS; i++) {
      const reply = await this.send("POST", url, { "content-type": SDP_TYPE }, offer, ANSWER_MS, signal);
      const location = reply.header("location");
      if (reply.status === 307 || reply.status === 308) {
        url = resolved(location, url);
        continue;
      }
      if (reply.status !== 201 && reply.status !== 200) throw this.#refused(reply, url);
      if (!isDescription(reply.body, reply.header("content-type")))
        throw new RoomtapError("signal-protocol", `${url.host} answers with something that is not SDP`, {
          hint: "is it the address of a WHIP endpoint, and not that of a page?",
        });
      this.#learn(reply);
      const resource = location === undefined ? undefined : resolved(location, url);
      return { answer: reply.body, resource: new WhipResource(this, resource, reply.header("etag")) };
    }
    throw new RoomtapError("signal-protocol", `${this.#o.target.shown} sends us from place to place`, {
      hint: "check the address of the endpoint",
    });
  }

  /** One request; the token goes with it where it may. */
  send(
    method: HttpRequest["method"],
    url: URL,
    headers: Readonly<Record<string, string>>,
    body: string | undefined,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<HttpReply> {
    const { insecure } = this.#o;
    return exchange({
      method,
      url,
      headers: { ...headers, ...this.authorization(url) },
      timeoutMs,
      ...(body === undefined ? {} : { body }),
      ...(insecure === undefined ? {} : { insecure }),
      ...(signal ? { signal } : {}),
    });
  }

  /** The header for an address: none for a host that the token was not given for. */
  authorization(to: URL): Record<string, string> {
    return this.#secret !== undefined && mayCarryToken(this.#o.target.url, to)
      ? { authorization: this.#secret }
      : {};
  }

  #learn(reply: HttpReply): void {
    const found = iceServersOf(reply.header("link") ?? "");
    if (found.length > 0) this.#ice = found;
  }

  #refused(reply: HttpReply, url: URL): RoomtapError {
    const { target, token } = this.#o;
    const said = problemOf(reply.body, reply.header("content-type"));
    const harmless = token ? said?.replaceAll(token, "***") : said;
    const error = refusal(reply.status, url.host, harmless);
    if (error.code === "auth" && this.#secret !== undefined && !mayCarryToken(target.url, url))
      return new RoomtapError("auth", `${error.message}; ${target.shown} sent us there`, {
        hint: "a token is not given to another host: use the address it redirects to",
      });
    const later = reply.status === 429 || reply.status >= 500;
    return later ? new TryLater(error, retryAfterMs(reply.header("retry-after"), Date.now())) : error;
  }
}

/** The session that an endpoint made for us. */
export class WhipResource {
  readonly #endpoint: WhipEndpoint;
  readonly #url: URL | undefined;
  readonly #etag: string | undefined;
  #deleted: Promise<void> | undefined;

  constructor(endpoint: WhipEndpoint, url: URL | undefined, etag: string | undefined) {
    this.#endpoint = endpoint;
    this.#url = url;
    this.#etag = etag;
  }

  /** Adds candidates. False: the server does not take them. */
  async trickle(fragment: string): Promise<boolean> {
    if (!this.#url || this.#deleted !== undefined) return false;
    const match = this.#etag === undefined ? {} : { "if-match": this.#etag };
    const headers = { "content-type": FRAGMENT_TYPE, ...match };
    try {
      const { status } = await this.#endpoint.send("PATCH", this.#url, headers, fragment, ANSWER_MS);
      return status >= 200 && status < 300;
    } catch {
      return false;
    }
  }

  /** Ends the session, within 1.5 s. Idempotent, never rejects. */
  delete(): Promise<void> {
    this.#deleted ??= this.#delete();
    return this.#deleted;
  }

  async #delete(): Promise<void> {
    if (!this.#url) return;
    try {
      await this.#endpoint.send("DELETE", this.#url, {}, undefined, DELETE_MS);
    } catch {
      // A server that is gone has no session of ours.
    }
  }
}

/** An address that a server gave, relative to where it was asked. Throws a RoomtapError `signal-protocol`. */
function resolved(location: string | undefined, base: URL): URL {
  const url =
    location !== undefined && URL.canParse(location, base.href) ? new URL(location, base) : undefined;
  if (url?.protocol === "http:" || url?.protocol === "https:") return url;
  throw new RoomtapError("signal-protocol", `${base.host} sends us to no valid place`, {
    hint: "check the address of the endpoint",
  });
}
