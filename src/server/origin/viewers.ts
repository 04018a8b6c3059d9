import { createHmac, randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { tokenCheck } from "../../net/access.ts";

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
    return cookiesOf(req).some(this.#isCookie) ? "yes" : "no";
  }

  /** Header of the answer to a fresh viewer's request. */
  cookieHeader(req: IncomingMessage): string {
    return `${cookieName(req)}=${this.#cookie}; Path=/; HttpOnly; SameSite=Strict${this.#secure ? "; Secure" : ""}`;
  }
}

/** Cookies know hosts and no ports (RFC 6265 section 8.5): every origin on a host needs a name of its own. */
function cookieName(req: IncomingMessage): string {
  return `roomtap_viewer_${req.socket.localPort ?? 0}`;
}

/** Several of one name may come, of other paths or older. */
function cookiesOf(req: IncomingMessage): string[] {
  const name = cookieName(req);
  return (req.headers.cookie ?? "").split(";").flatMap((pair) => {
    const at = pair.indexOf("=");
    return pair.slice(0, at).trim() === name ? [pair.slice(at + 1).trim()] : [];
  });
}
