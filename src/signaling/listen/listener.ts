import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { type Exposure, listen, makeServer } from "../../net/listen.ts";

/** A request, read whole. */
export type CallerRequest = {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly header: (name: string) => string | undefined;
  /** Undefined: it was too large to be read. */
  readonly body: string | undefined;
};

/** What is answered. */
export type CallerReply = {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
};

/** Octets of a request: descriptions of browsers have ten thousand. */
const MAX_BODY = 128 * 1024;
const MAX_CONNECTIONS = 200;
const HEADERS_MS = 10_000;
const REQUEST_MS = 15_000;
/** For the last answers, when it closes. */
const LAST_MS = 500;

/** An HTTP server that hands on requests which were read whole. */
export class Listener {
  readonly #server: Server;
  /** Where it is, with a `/` at the end. */
  readonly url: string;

  private constructor(server: Server, url: string) {
    this.#server = server;
    this.url = url;
  }

  /** Listens. `handle` must not reject. Rejects with a RoomtapError `usage`. The caller closes it. */
  static async open(o: {
    readonly host: Exposure["host"];
    readonly port: number;
    /** PEM texts. */
    readonly tls?: { readonly cert: string; readonly key: string };
    readonly handle: (request: CallerRequest) => Promise<CallerReply>;
  }): Promise<Listener> {
    const server = await makeServer(o.tls, o.host);
    server.maxConnections = MAX_CONNECTIONS;
    server.headersTimeout = HEADERS_MS;
    server.requestTimeout = REQUEST_MS;
    server.on("request", (request, response) => {
      void serve(request, response, o.handle);
    });
    const { url } = await listen(server, { host: o.host, port: o.port, tls: o.tls !== undefined });
    return new Listener(server, url);
  }

  /** Listens no more; answers that are under way get there. Idempotent. */
  close(): void {
    this.#server.close();
    this.#server.closeIdleConnections();
    setTimeout(() => this.#server.closeAllConnections(), LAST_MS).unref();
  }
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  handle: (request: CallerRequest) => Promise<CallerReply>,
): Promise<void> {
  const body = await bodyOf(request);
  // Cut off: nobody waits for an answer.
  if (body !== undefined && !request.complete) return;
  const { method = "", url = "" } = request;
  const reply = await handle({
    method,
    target: url,
    header: (name) => request.headersDistinct[name]?.[0],
    body,
  });
  const text = reply.body ?? "";
  response.writeHead(reply.status, {
    "content-length": String(Buffer.byteLength(text)),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    // The rest of a body that is too large is not waited for.
    ...(body === undefined ? { connection: "close" } : {}),
    ...reply.headers,
  });
  response.end(text);
}

/** The whole body; undefined: there is too much of it. Of a request that was cut off it is empty. */
function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size <= MAX_BODY) chunks.push(chunk);
      else resolve(undefined);
    });
    request.on("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
    request.on("error", () => resolve(""));
    request.on("close", () => resolve(""));
  });
}
