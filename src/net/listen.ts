import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { RoomtapError } from "../core/fault.ts";
import { bracketed, isLoopback } from "./access.ts";
import { type Certificate, selfSignedCertificate } from "./certificate.ts";

/** Characters of a token; rooms take no longer ones. */
const MAX_TOKEN = 512;

/** Whom a server is open to. */
export type Exposure = {
  /** Address to bind. */
  readonly host: string;
  /** Secret that everybody gives. */
  readonly token?: string;
  /** Allows an address other than loopback without a token. */
  readonly public?: boolean;
};

/** Throws a RoomtapError `usage`, with this hint, where a server would be open to the network by mistake. */
export function checkExposure({ host, token, public: open }: Exposure, hint: string): void {
  if (!isLoopback(host) && token === undefined && open !== true)
    throw new RoomtapError("usage", `serving on ${host} lets anybody on the network in`, { hint });
  if (token !== undefined && (token.length === 0 || token.length > MAX_TOKEN))
    throw new RoomtapError("usage", `the token must have 1 to ${MAX_TOKEN} characters`);
}

/** A server that does not listen yet. Throws a RoomtapError `usage` for a certificate that cannot be used. */
export async function makeServer(
  tls: Certificate | "self-signed" | undefined,
  host: string,
): Promise<Server> {
  if (tls === undefined) return createServer();
  const { cert, key } = tls === "self-signed" ? await selfSignedCertificate(host) : tls;
  try {
    return createTlsServer({ cert, key });
  } catch (cause) {
    throw new RoomtapError("usage", "the certificate and key do not fit", {
      hint: "both must be PEM, and the key must belong to the certificate",
      cause,
    });
  }
}

/**
 * Binds a server. Returns the port, and the address with a trailing slash, which names this machine even where it is
 * bound to every address. Rejects with a RoomtapError `usage`.
 */
export async function listen(
  server: Server,
  o: { readonly host: string; readonly port: number; readonly tls: boolean },
): Promise<{ readonly port: number; readonly url: string }> {
  const { host } = o;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => reject(listenError(cause, host, o.port)));
    server.listen({ host, port: o.port }, resolve);
  });
  const at = server.address();
  const port = typeof at === "object" && at !== null ? at.port : o.port;
  const name = host === "0.0.0.0" || host === "::" ? "localhost" : bracketed(host);
  return { port, url: `http${o.tls ? "s" : ""}://${name}:${port}/` };
}

function listenError(cause: Error, host: string, port: number): RoomtapError {
  const code = "code" in cause ? cause.code : undefined;
  if (code === "EADDRINUSE") {
    return new RoomtapError("usage", `port ${port} on ${host} is in use`, {
      hint: "choose another port, or 0 for any free one",
      cause,
    });
  }
  if (code === "EACCES") {
    return new RoomtapError("usage", `port ${port} needs more rights`, {
      hint: "ports below 1024 are reserved; choose a higher one",
      cause,
    });
  }
  return new RoomtapError("usage", `cannot listen on ${host} port ${port}: ${cause.message}`, {
    hint: "choose an address of this machine with --host: 127.0.0.1, or 0.0.0.0 for all of them",
    cause,
  });
}
