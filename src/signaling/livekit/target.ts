import { RoomtapError } from "../../core/fault.ts";

/** Where a LiveKit room is. */
export type LiveKitTarget = {
  /** Where the signalling is, with a slash at the end: the dialects have their own paths below it. */
  readonly base: URL;
  readonly room: string;
  /** Two connections, one for each direction, as every server has them; or one for both. */
  readonly dialect: "dual" | "single";
  /** For people: host and port. */
  readonly shown: string;
  /** Token of the address. */
  readonly token?: string;
};

const HINT = "write it like livekit+wss://host/ROOM, or livekit+ws://127.0.0.1:7880/ROOM";

/**
 * Reads `livekit+ws(s)://host:port/ROOM`; in its query there may be a token, and `connections=1` for the newer dialect. Throws
 * a RoomtapError `usage`.
 */
export function parseLiveKitTarget(address: string): LiveKitTarget {
  const m = /^livekit\+(wss?:\/\/\S+)$/i.exec(address.trim());
  let url: URL;
  let room: string | undefined;
  try {
    url = new URL(m?.[1] ?? "");
    const last = url.pathname.split("/").at(-1);
    room = decodeURIComponent(last ?? "");
  } catch {
    throw new RoomtapError("usage", "the LiveKit address is not a URL", { hint: HINT });
  }
  if (room === "") throw new RoomtapError("usage", "the LiveKit address names no room", { hint: HINT });
  const token = url.searchParams.get("token") ?? url.searchParams.get("access_token");
  const path = url.pathname.replace(/[^/]*$/, "");
  return {
    base: new URL(`${url.protocol}//${url.host}${path}`),
    room,
    dialect: url.searchParams.get("connections") === "1" ? "single" : "dual",
    shown: url.host,
    ...(token ? { token } : {}),
  };
}

/** The address without what may be secret. */
export function liveKitLabel(address: string): string {
  return address
    .trim()
    .replace(/[?#].*$/, "")
    .replace(/\/\/[^/]*@/, "//");
}
