import { RoomtapError } from "../core/fault.ts";
import type { RoomEvent } from "../core/room.ts";

/** What a room's end means to those in it: a failure, or words for people where it is none; undefined: we left. */
export function roomEnd(e: Extract<RoomEvent, { t: "ended" }>): RoomtapError | string | undefined {
  if (e.reason === "left") return undefined;
  if (e.reason === "room-closed") return e.error instanceof Error ? e.error.message : "the room was closed";
  return e.error instanceof RoomtapError ? e.error : new RoomtapError("signal-closed", "the room ended");
}
