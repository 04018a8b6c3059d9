import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { RoomtapError } from "../core/fault.ts";

/** An HTTP proxy that makes tunnels (RFC 9110 section 9.3.6). */
export type HttpProxy = {
  readonly host: string;
  readonly port: number;
  /** `user:password` as they are. */
  readonly credentials?: string;
};

const ANSWER_MS = 10_000;
const MAX_ANSWER = 16 * 1024;

/**
 * The proxy of the environment for a host, as other programs understand `HTTPS_PROXY` and `NO_PROXY`; undefined: none.
 * Throws a RoomtapError `usage` where the variable is no address of an HTTP proxy.
 */
export function proxyFor(host: string, env: NodeJS.ProcessEnv = process.env): HttpProxy | undefined {
  const text = env.HTTPS_PROXY || env.https_proxy;
  if (!text || excluded(host, env.NO_PROXY || env.no_proxy || "")) return undefined;
  const address = text.includes("://") ? text : `http://${text}`;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url?.protocol !== "http:" || url.hostname === "")
    throw new RoomtapError("usage", "HTTPS_PROXY is not the address of an HTTP proxy", {
      hint: "write http://host:port",
    });
  const user = decodeURIComponent(url.username);
  return {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? 80 : Number(url.port),
    ...(user === "" ? {} : { credentials: `${user}:${decodeURIComponent(url.password)}` }),
  };
}

/** Names match with all below them; `*` is everything. The loopback never goes through a proxy. */
function excluded(host: string, list: string): boolean {
  const name = host.toLowerCase();
  if (name === "localhost" || name === "::1" || /^127\./.test(name)) return true;
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .map((rule) => rule.replace(/:\d+$/, "").replace(/^\*?\./, ""))
    .some((rule) => rule === "*" || (rule !== "" && (name === rule || name.endsWith(`.${rule}`))));
}

/** A tunnel to a host; its owner destroys it. Rejects with a RoomtapError `ice-failed`, or what the socket says. */
export async function throughProxy(proxy: HttpProxy, host: string, port: number): Promise<Socket> {
  const socket = connect({ host: proxy.host, port: proxy.port, noDelay: true });
  const timer = setTimeout(() => socket.destroy(refused("does not answer")), ANSWER_MS);
  try {
    await once(socket, "connect");
    const place = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
    const login = proxy.credentials === undefined ? "" : Buffer.from(proxy.credentials).toString("base64");
    const authorization = login === "" ? "" : `Proxy-Authorization: Basic ${login}\r\n`;
    socket.write(`CONNECT ${place} HTTP/1.1\r\nHost: ${place}\r\n${authorization}\r\n`);
    await tunnelled(socket);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Reads the answer, and nothing of what follows it. */
async function tunnelled(socket: Socket): Promise<void> {
  let answer = Buffer.alloc(0);
  for (;;) {
    const octets: Buffer | null = socket.read();
    if (octets !== null) answer = Buffer.concat([answer, octets]);
    const end = answer.indexOf("\r\n\r\n");
    if (end >= 0) {
      const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(answer.toString("latin1"))?.[1] ?? 0);
      if (status === 407) throw refused("wants a user name and a password (407)");
      if (status < 200 || status > 299)
        throw refused(status === 0 ? "gives no HTTP answer" : `refuses (${status})`);
      const rest = answer.subarray(end + 4);
      if (rest.length > 0) socket.unshift(rest);
      return;
    }
    if (answer.length > MAX_ANSWER) throw refused("gives no HTTP answer");
    if (octets === null) {
      if (socket.readableEnded) throw refused("closed the connection");
      await Promise.race([once(socket, "readable"), once(socket, "end"), once(socket, "close").then(lost)]);
    }
  }
}

function lost(): never {
  throw refused("closed the connection");
}

function refused(what: string): RoomtapError {
  return new RoomtapError("ice-failed", `the HTTP proxy ${what}`);
}
