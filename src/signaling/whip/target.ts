import { type HttpTarget, parseHttpTarget } from "../http/target.ts";

/** Where a WHIP endpoint is: `whip+http(s)://host/path`. Throws a RoomtapError `usage`; see `parseHttpTarget`. */
export function parseWhipTarget(address: string): HttpTarget {
  return parseHttpTarget(address, "whip", "WHIP");
}
