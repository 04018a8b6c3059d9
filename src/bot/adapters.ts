import { RoomtapError } from "../core/fault.ts";
import type { RoomAdapter } from "../core/room.ts";
import { galeneAdapter } from "../signaling/galene/adapter.ts";
import { janusAdapter } from "../signaling/janus/adapter.ts";
import { listenAdapter } from "../signaling/listen/adapter.ts";
import { liveKitAdapter } from "../signaling/livekit/adapter.ts";
import { manualAdapter } from "../signaling/manual/adapter.ts";
import { offerAdapter } from "../signaling/offer/adapter.ts";
import { roomAdapter } from "../signaling/room/adapter.ts";
import { whepAdapter } from "../signaling/whep/adapter.ts";
import { whipAdapter } from "../signaling/whip/adapter.ts";
import { loadPlugin } from "./plugin.ts";

/** Every signalling dialect, in the order the README lists them. A new one is added here. */
const adapters: readonly RoomAdapter[] = [
  roomAdapter(),
  manualAdapter(),
  whipAdapter(),
  whepAdapter(),
  offerAdapter(),
  janusAdapter(),
  liveKitAdapter(),
  galeneAdapter(),
  listenAdapter(),
];

/** Schemes of room addresses that can be joined. */
export const roomSchemes: readonly string[] = adapters.flatMap((a) => a.schemes);

/**
 * The adapter for a room address; `plugin`: path of a module that exports one as `adapter`. Rejects with a RoomtapError
 * `room-scheme` or `usage`.
 */
export async function adapterFor(room: string, plugin?: string): Promise<RoomAdapter> {
  const known = plugin === undefined ? adapters : [await loadPlugin(plugin)];
  const schemes = known.flatMap((a) => a.schemes);
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(room)?.[1]?.toLowerCase();
  const hint = `write it like ws://127.0.0.1:8080/my-room; known schemes: ${schemes.join(", ")}`;
  if (scheme === undefined) throw new RoomtapError("usage", "the room address has no scheme", { hint });
  const adapter = known.find((a) => a.schemes.includes(scheme));
  if (!adapter) throw new RoomtapError("room-scheme", `no adapter joins ${scheme}: rooms`, { hint });
  return adapter;
}
