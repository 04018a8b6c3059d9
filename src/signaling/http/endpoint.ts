import { RoomtapError } from "../../core/fault.ts";
import type { IceServer } from "../../core/room.ts";
import {
  FRAGMENT_TYPE,
  iceServersOf,
  mayCarryToken,
  problemOf,
  refusal,
  retryAfterMs,
  type Wording,
} from "./replies.ts";
import { exchange, type HttpReply, type HttpRequest } from "./request.ts";
import type { HttpTarget } from "./target.ts";

/** A server has this long for an answer: some gather candidates first. */
const ANSWER_MS = 15_000;
const OPTIONS_MS = 2000;
const DELETE_MS = 1500;
const MAX_REDIRECTS = 5;

/** How an endpoint is talked to. */
export type EndpointOptions = {
  readonly target: HttpTarget;
  readonly words: Wording;
  /** Bearer token (RFC 6750); goes before what the address says. */
  readonly token?: string | undefined;
  readonly insecure?: boolean | undefined;
};

/** A reply, and the place that gave it. */
export type Posted = { readonly reply: HttpReply; readonly url: URL };

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

/** An endpoint that takes offers, as a client talks to it. */
export class HttpEndpoint {
  readonly #o: EndpointOptions;
  readonly #secret: string | undefined;
  #ice: readonly IceServer[] = [];

  constructor(o: EndpointOptions) {
    this.#o = o;
    // An empty token is what an unset variable of a shell script leaves.
    this.#secret = o.token ? `Bearer ${o.token}` : o.target.basic;
  }

  get target(): HttpTarget {
    return this.#o.target;
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
   * Posts an offer, and follows it where it is redirected to. `takes`: statuses that are an answer. Rejects with a
   * RoomtapError: `TryLater`, `auth`, `signal-refused`, `signal-protocol`; none has a secret in it.
   */
  async post(
    offer: { readonly type: string; readonly body: string },
    takes: readonly number[],
    signal: AbortSignal,
  ): Promise<Posted> {
    const headers = { "content-type": offer.type };
    let { url } = this.#o.target;
    for (let i = 0; i <= MAX_REDIRECTS; i++) {
      const reply = await this.send("POST", url, headers, offer.body, ANSWER_MS, signal);
      if (reply.status === 307 || reply.status === 308) {
        url = this.#resolved(reply.header("location"), url);
        continue;
      }
      if (!takes.includes(reply.status)) throw this.refused({ reply, url });
      this.#learn(reply);
      return { reply, url };
    }
    throw new RoomtapError("signal-protocol", `${this.#o.target.shown} sends us from place to place`, {
      hint: "check the address of the endpoint",
    });
  }

  /** The session that a reply names. Throws a RoomtapError `signal-protocol` for an address that is none. */
  resource({ reply, url }: Posted): HttpResource {
    const location = reply.header("location");
    const at = location === undefined ? undefined : this.#resolved(location, url);
    return new HttpResource(this, at, reply.header("etag"));
  }

  /** One request; the token goes with it where it may. */
  send(
    method: HttpRequest["method"],
    url: URL,
    headers: Readonly<Record<string, string>>,
    body: string | undefined,
    timeoutMs = ANSWER_MS,
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

  /** What a reply that is none of the wanted ones means. */
  refused({ reply, url }: Posted): RoomtapError {
    const { target, token, words } = this.#o;
    const said = problemOf(reply.body, reply.header("content-type"));
    const harmless = token ? said?.replaceAll(token, "***") : said;
    const error = refusal(reply.status, url.host, harmless, words);
    if (error.code === "auth" && this.#secret !== undefined && !mayCarryToken(target.url, url))
      return new RoomtapError("auth", `${error.message}; ${target.shown} sent us there`, {
        hint: "a token is not given to another host: use the address it redirects to",
      });
    const later = reply.status === 429 || reply.status >= 500;
    return later ? new TryLater(error, retryAfterMs(reply.header("retry-after"), Date.now())) : error;
  }

  /** The reply has another body than was asked for. `what`: like `SDP`. */
  unreadable(what: string, url: URL): RoomtapError {
    return new RoomtapError("signal-protocol", `${url.host} answers with something that is not ${what}`, {
      hint: `is it the address of a ${this.#o.words.name} endpoint, and not that of a page?`,
    });
  }

  #learn(reply: HttpReply): void {
    const found = iceServersOf(reply.header("link") ?? "");
    if (found.length > 0) this.#ice = found;
  }

  /** An address that a server gave, relative to where it was asked. */
  #resolved(location: string | undefined, base: URL): URL {
    const url =
      location !== undefined && URL.canParse(location, base.href) ? new URL(location, base) : undefined;
    if (url?.protocol === "http:" || url?.protocol === "https:") return url;
    throw new RoomtapError("signal-protocol", `${base.host} sends us to no valid place`, {
      hint: "check the address of the endpoint",
    });
  }
}

/** The session that an endpoint made for us. */
export class HttpResource {
  readonly #endpoint: HttpEndpoint;
  readonly #url: URL | undefined;
  readonly #etag: string | undefined;
  #deleted: Promise<void> | undefined;

  constructor(endpoint: HttpEndpoint, url: URL | undefined, etag: string | undefined) {
    this.#endpoint = endpoint;
    this.#url = url;
    this.#etag = etag;
  }

  /** Where it is; undefined: the server did not say. */
  get url(): URL | undefined {
    return this.#url;
  }

  /** Changes it. Rejects like `HttpEndpoint.post`, for want of an address with `signal-protocol`. */
  async patch(type: string, body: string, signal?: AbortSignal): Promise<HttpReply> {
    if (!this.#url || this.#deleted !== undefined)
      throw new RoomtapError("signal-protocol", `${this.#endpoint.target.shown} made no session of ours`);
    const match = this.#etag === undefined ? {} : { "if-match": this.#etag };
    const headers = { "content-type": type, ...match };
    return this.#endpoint.send("PATCH", this.#url, headers, body, ANSWER_MS, signal);
  }

  /** Adds candidates. False: the server does not take them. */
  async trickle(fragment: string): Promise<boolean> {
    try {
      const { status } = await this.patch(FRAGMENT_TYPE, fragment);
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
