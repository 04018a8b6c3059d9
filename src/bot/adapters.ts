import { RoomtapError } from "../core/fault.ts";
import type { RoomAdapter } from "../core/room.ts";
import { roomAdapter } from "../signaling/room/adapter.ts";
import { whipAdapter } from "../signaling/whip/adapter.ts";

/** Every signalling dialect, in the order the README lists them. A new one is added here. */
const adapters: readonly RoomAdapter[] = [roomAdapter(), whipAdapter()];

/** Schemes of room addresses that can be joined. */
export const roomSchemes: readonly string[] = adapters.flatMap((a) => a.schemes);

/** The adapter for a room address. Throws a RoomtapError `room-scheme` or `usage`. */
export function adapterFor(room: string): RoomAdapter {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(room)?.[1]?.toLowerCase();
  const hint = `write it like ws://127.0.0.1:8080/my-room; known schemes: ${roomSchemes.join(", ")}`;
  if (scheme === undefined) throw new RoomtapError("usage", "the room address has no scheme", { hint });
  const adapter = adapters.find((a) => a.schemes.includes(scheme));
  if (!adapter) throw new RoomtapError("room-scheme", `no adapter joins ${scheme}: rooms`, { hint });
  return adapter;
}
