import { RoomtapError } from "../core/fault.ts";
import { parseIceUrl } from "../core/ice-url.ts";
import type { IceServer } from "../core/room.ts";

/** A server in the object form of the ICE agent; a raw user name inside a URL would silently gather nothing. */
export type NativeIceServer = {
  hostname: string;
  port: number;
  username?: string;
  password?: string;
  relayType?: "TurnUdp";
};

/**
 * Translates W3C ICE servers (URLs of RFC 7064 and RFC 7065). Only what the agent can use itself is kept: STUN and TURN
 * over UDP. Throws a RoomtapError `usage` on a malformed URL.
 */
export function nativeIceServers(servers: readonly IceServer[]): (string | NativeIceServer)[] {
  const out: (string | NativeIceServer)[] = [];
  for (const { urls, username, credential } of servers) {
    for (const url of urls) {
      const parsed = parseIceUrl(url);
      if (!parsed) throw notAServer(url);
      const { kind, host, port, transport } = parsed;
      if (transport !== "udp") continue;
      if (kind === "stun") out.push(`stun:${host.includes(":") ? `[${host}]` : host}:${port}`);
      else
        out.push({
          ...{ hostname: host, port, relayType: "TurnUdp" },
          ...(username === undefined ? {} : { username }),
          ...(credential === undefined ? {} : { password: credential }),
        });
    }
  }
  return out;
}

function notAServer(url: string): RoomtapError {
  const shown = url.replace(/[^\x20-\x7e]/g, "?").slice(0, 80);
  return new RoomtapError("usage", `not an ICE server address: ${shown}`, {
    hint: "write stun:host:3478 or turn:host:3478?transport=udp",
  });
}
