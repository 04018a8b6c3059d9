import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { RoomtapError } from "../../core/fault.ts";
import { proxied } from "../../net/proxy-agent.ts";

/** One request. */
export type HttpRequest = {
  readonly method: "GET" | "OPTIONS" | "POST" | "PATCH" | "DELETE";
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** From the beginning to the last octet of the answer, milliseconds. */
  readonly timeoutMs: number;
  /** Accept any TLS certificate. */
  readonly insecure?: boolean;
  readonly signal?: AbortSignal;
};

/** What came back. */
export type HttpReply = {
  readonly status: number;
  /** Value of a header; several of a name are joined by commas. */
  readonly header: (name: string) => string | undefined;
  readonly body: string;
};

/** Octets of an answer: a description has a few thousand. */
const MAX_BODY = 256 * 1024;

/**
 * One request and its answer, on a connection of its own; redirects are answers like others. Rejects with a RoomtapError
 * `signal-refused` (no connection, no answer in time) or `signal-protocol` (too much of one); no message has more of
 * the address than its host.
 */
export function exchange(o: HttpRequest): Promise<HttpReply> {
  return new Promise((resolve, reject) => {
    const send = o.url.protocol === "https:" ? httpsRequest : httpRequest;
    const fail = (error: RoomtapError) => {
      reject(error);
      request.destroy();
    };
    const length = o.body === undefined ? {} : { "content-length": String(Buffer.byteLength(o.body)) };
    const request = send(
      o.url,
      {
        method: o.method,
        headers: { ...o.headers, ...length },
        agent: false,
        ...proxied(o.url.href),
        ...(o.insecure === undefined ? {} : { rejectUnauthorized: !o.insecure }),
      },
      (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on("data", (chunk: Buffer) => {
          size += chunk.length;
          if (size > MAX_BODY) fail(tooMuch(o.url));
          else chunks.push(chunk);
        });
        response.on("end", () => resolve(replyOf(response, Buffer.concat(chunks))));
        response.on("error", (cause) => fail(unreachable(o.url, cause)));
      },
    );
    const timer = setTimeout(() => fail(tooSlow(o)), o.timeoutMs);
    const abort = () => fail(new RoomtapError("signal-closed", "joining was cancelled"));
    request.on("error", (cause) => fail(unreachable(o.url, cause)));
    request.on("close", () => {
      clearTimeout(timer);
      o.signal?.removeEventListener("abort", abort);
    });
    if (o.signal?.aborted) abort();
    else o.signal?.addEventListener("abort", abort, { once: true });
    request.end(o.body);
  });
}

function replyOf(response: IncomingMessage, body: Buffer): HttpReply {
  return {
    status: response.statusCode ?? 0,
    header: (name) => response.headersDistinct[name]?.join(", "),
    body: body.toString("utf8"),
  };
}

function tooMuch(url: URL): RoomtapError {
  return new RoomtapError("signal-protocol", `${url.host} answers with more than a description`, {
    hint: "is it the right address, and not that of a page?",
  });
}

function tooSlow({ url, timeoutMs }: HttpRequest): RoomtapError {
  return new RoomtapError("signal-refused", `${url.host} did not answer within ${timeoutMs / 1000} s`, {
    hint: "is the server busy, or is something else listening there?",
  });
}

const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ALTNAME/;

function unreachable(url: URL, cause: Error): RoomtapError {
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : cause.message;
  if (CERTIFICATE.test(code))
    return new RoomtapError("signal-refused", `the TLS certificate of ${url.host} is not trusted (${code})`, {
      hint: "if you trust the server anyway, add --insecure",
      cause,
    });
  if (code.startsWith("HPE_") || code === "EPROTO") {
    const other = url.protocol === "https:" ? "http" : "https";
    return new RoomtapError(
      "signal-protocol",
      `what answers at ${url.host} does not speak ${url.protocol.slice(0, -1)}`,
      {
        hint: `is it the right port? or try ${other}: in place of ${url.protocol}`,
        cause,
      },
    );
  }
  return new RoomtapError("signal-refused", `cannot reach ${url.host} (${code})`, {
    hint: "is the server running, and are host and port right?",
    cause,
  });
}
