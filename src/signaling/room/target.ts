import { RoomtapError } from "../../core/fault.ts";
import { SOCKET_PATH } from "./messages.ts";
import { roomName } from "./names.ts";

/** Where a room of Roomtap's own server is. */
export type RoomTarget = { readonly socketUrl: string; readonly room: string; readonly token?: string };

/**
 * Reads a room address: `ws://host:port/ROOM`, `wss://...`, or the link of the room's web page
 * (`http://host:port/r/ROOM`). A token may stand in the query, or behind the `#` as in the page's links. Throws a RoomtapError `usage`.
 */
export function parseRoomTarget(address: string): RoomTarget {
  const hint = "write it like ws://127.0.0.1:8080/my-room, or paste the link of the room's page";
  let url: URL;
  try {
    url = new URL(address);
  } catch (cause) {
    throw new RoomtapError("usage", "the room address is not a URL", { hint, cause });
  }
  const segments = url.pathname.split("/").filter((s) => s !== "");
  const raw = url.searchParams.get("room") ?? segments.pop();
  let name: string | undefined;
  try {
    name = raw === undefined ? undefined : roomName(decodeURIComponent(raw));
  } catch {
    name = undefined;
  }
  if (name === undefined) {
    throw new RoomtapError("usage", "the room address names no room (letters, digits and _.~- only)", {
      hint,
    });
  }
  if (segments.at(-1) === "r") segments.pop();
  const secure = url.protocol === "wss:" || url.protocol === "https:";
  const base = segments.length > 0 ? `/${segments.join("/")}` : "";
  const token = url.searchParams.get("token") ?? new URLSearchParams(url.hash.slice(1)).get("token");
  return {
    socketUrl: `${secure ? "wss" : "ws"}://${url.host}${base}${SOCKET_PATH}`,
    room: name,
    ...(token ? { token } : {}),
  };
}
