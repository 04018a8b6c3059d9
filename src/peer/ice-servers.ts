import { RoomtapError } from "../core/fault.ts";

/** A server in the object form of the ICE agent; a raw user name inside a URL would silently gather nothing. */
export type NativeIceServer = {
  hostname: string;
  port: number;
  username?: string;
  password?: string;
  relayType?: "TurnUdp";
};

/**
 * Translates W3C ICE servers (URLs of RFC 7064 and RFC 7065). Only what the agent can use is kept: STUN, and
 * TURN over UDP. Throws a RoomtapError `usage` on a malformed URL.
 */
export function nativeIceServers(
  servers: readonly { urls: readonly string[]; username?: string; credential?: string }[],
): (string | NativeIceServer)[] {
  const out: (string | NativeIceServer)[] = [];
  for (const server of servers) {
    for (const url of server.urls) {
      const m =
        /^(stuns?|turns?):(\[[0-9A-Fa-f:.]+\]|[^:?\s[\]/@#]+)(?::(\d{1,5}))?(?:\?transport=(udp|tcp))?$/i.exec(
          url,
        );
      const port = m?.[3] === undefined ? 3478 : Number(m[3]);
      if (!m?.[2] || port < 1 || port > 65_535) {
        throw new RoomtapError(
          "usage",
          `not an ICE server address: ${url.replace(/[^\x20-\x7e]/g, "?").slice(0, 80)}`,
          {
            hint: "write stun:host:3478 or turn:host:3478?transport=udp",
          },
        );
      }
      const scheme = m[1]?.toLowerCase();
      const hostname = m[2].replace(/^\[|\]$/g, "");
      if (scheme === "stun") out.push(`stun:${m[2]}:${port}`);
      if (scheme === "turn" && m[4]?.toLowerCase() !== "tcp") {
        out.push({
          hostname,
          port,
          relayType: "TurnUdp",
          ...(server.username === undefined ? {} : { username: server.username }),
          ...(server.credential === undefined ? {} : { password: server.credential }),
        });
      }
    }
  }
  return out;
}
