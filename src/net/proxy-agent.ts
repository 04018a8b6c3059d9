import { Agent, type AgentOptions } from "node:https";
import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { type HttpProxy, proxyFor, throughProxy } from "./proxy.ts";

/** What Node hands to an agent that makes connections of its own. */
type Wanted = { readonly host?: string; readonly port?: number | string; readonly servername?: string };

type Made = (error: Error | null, stream?: Duplex) => void;

/** Goes through a tunnel, whatever the scheme: an agent for `http`, `https` and WebSockets. */
class TunnelAgent extends Agent {
  readonly #proxy: HttpProxy;
  readonly #secure: boolean;

  constructor(proxy: HttpProxy, secure: boolean, o: AgentOptions) {
    super(o);
    this.#proxy = proxy;
    this.#secure = secure;
    // Node holds the agent's scheme against the request's.
    Object.assign(this, { protocol: secure ? "https:" : "http:" });
  }

  override createConnection(wanted: Wanted, made: Made): undefined {
    const { host = "localhost", port = this.#secure ? 443 : 80 } = wanted;
    throughProxy(this.#proxy, host, Number(port)).then(
      (socket) => {
        if (!this.#secure) {
          made(null, socket);
          return;
        }
        // A name goes into SNI (RFC 6066); an address must not.
        const servername = isIP(host) === 0 ? { servername: wanted.servername || host } : {};
        made(null, connectTls({ ...wanted, port: Number(port), ...servername, socket }));
      },
      (error: Error) => made(error),
    );
    return undefined;
  }
}

/**
 * What `http`, `https` and `ws` need to go through the proxy of the environment; empty where the way is direct. Throws a
 * RoomtapError `usage` where the environment names none that could be used.
 */
export function proxied(url: string): { agent?: Agent } {
  const { protocol, hostname } = new URL(url);
  const proxy = proxyFor(hostname.replace(/^\[|\]$/g, ""));
  const secure = protocol === "https:" || protocol === "wss:";
  return proxy === undefined ? {} : { agent: new TunnelAgent(proxy, secure, { keepAlive: false }) };
}
