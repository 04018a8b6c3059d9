import { createHmac, randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { tokenCheck } from "../access.ts";

const COOKIE = "roomtap_viewer";

/** How a viewer came in. `fresh`: with the secret in the address, which a cookie is to replace. */
export type Admission = "no" | "yes" | "fresh";

/**
 * Who may watch. The secret comes as a bearer token, or once in the address (`?token=`); a cookie that is worth nothing
 * elsewhere stands for it from then on, so that it is not in every address.
 */
export class Viewers {
  readonly #token: string | undefined;
  readonly #secure: boolean;
  readonly #isToken: (given: string | undefined) => boolean;
  readonly #isCookie: (given: string | undefined) => boolean;
  readonly #cookie: string;

  /** `secure`: the cookie is sent over TLS alone. */
  constructor(token: string | undefined, secure: boolean) {
    this.#token = token;
    this.#secure = secure;
    this.#cookie = createHmac("sha256", randomBytes(32))
      .update(token ?? "")
      .digest("base64url");
    this.#isToken = tokenCheck(token);
    this.#isCookie = tokenCheck(this.#cookie);
  }

  admit(req: IncomingMessage, query: URLSearchParams): Admission {
    if (this.#token === undefined) return "yes";
    const bearer = /^Bearer (.+)$/i.exec(req.headers.authorization ?? "")?.[1];
    if (bearer !== undefined && this.#isToken(bearer)) return "yes";
    if (this.#isToken(query.get("token") ?? undefined)) return "fresh";
    return this.#isCookie(cookieOf(req)) ? "yes" : "no";
  }

  /** Header of an answer to a fresh viewer. */
  get cookieHeader(): string {
    return `${COOKIE}=${this.#cookie}; Path=/; HttpOnly; SameSite=Strict${this.#secure ? "; Secure" : ""}`;
  }
}

function cookieOf(req: IncomingMessage): string | undefined {
  const pairs = (req.headers.cookie ?? "").split(";").map((p) => p.trim().split("="));
  return pairs.find(([name]) => name === COOKIE)?.[1];
}
