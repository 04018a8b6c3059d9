import { RoomtapError } from "../../core/fault.ts";

/** A room's or a feed's id: servers with `string_ids` have texts. */
export type JanusId = number | string;

/** Where a room of a Janus server is. */
export type JanusTarget = {
  /** Address of the WebSocket transport. */
  readonly url: string;
  readonly room: JanusId;
  /** Password of the room that stands in the address. */
  readonly pin?: string;
  /** For people: host, port and room. */
  readonly shown: string;
};

const HINT = "write it like janus+ws://127.0.0.1:8188/1234";

/**
 * Reads `janus+ws(s)://host:port/ROOM`, with `?pin=` where the room has one. What stands before the room is the path of the
 * WebSocket, for servers behind a proxy. Throws a RoomtapError `usage`, which does not repeat the address.
 */
export function parseJanusTarget(address: string): JanusTarget {
  const m = /^janus\+(wss?:\/\/\S+)$/i.exec(address.trim());
  let url: URL;
  try {
    url = new URL(m?.[1] ?? "");
  } catch (cause) {
    throw new RoomtapError("usage", "the Janus address is not a URL", { hint: HINT, cause });
  }
  const segments = url.pathname.split("/").filter((s) => s !== "");
  const room = decoded(segments.pop());
  if (room === undefined) {
    throw new RoomtapError("usage", "the Janus address names no room", { hint: HINT });
  }
  const pin = url.searchParams.get("pin");
  return {
    url: `${url.protocol}//${url.host}/${segments.join("/")}`,
    room: idOf(room),
    shown: `${url.host}/${room}`,
    ...(pin === null ? {} : { pin }),
  };
}

/** What looks like a number is one, unless the server says otherwise. */
function idOf(room: string): JanusId {
  return /^\d{1,16}$/.test(room) && Number.isSafeInteger(Number(room)) ? Number(room) : room;
}

function decoded(segment: string | undefined): string | undefined {
  try {
    return segment === undefined ? undefined : decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
