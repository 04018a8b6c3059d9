import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { RoomtapError } from "../core/fault.ts";
import type { RoomAdapter } from "../core/room.ts";
import { listenAdapter } from "../signaling/listen/adapter.ts";
import { liveKitAdapter } from "../signaling/livekit/adapter.ts";
import { manualAdapter } from "../signaling/manual/adapter.ts";
import { offerAdapter } from "../signaling/offer/adapter.ts";
import { roomAdapter } from "../signaling/room/adapter.ts";
import { whepAdapter } from "../signaling/whep/adapter.ts";
import { whipAdapter } from "../signaling/whip/adapter.ts";

/** Every signalling dialect, in the order the README lists them. A new one is added here. */
const adapters: readonly RoomAdapter[] = [
  roomAdapter(),
  manualAdapter(),
  whipAdapter(),
  whepAdapter(),
  offerAdapter(),
  liveKitAdapter(),
  listenAdapter(),
];

/** Schemes of room addresses that can be joined. */
export const roomSchemes: readonly string[] = adapters.flatMap((a) => a.schemes);

/**
 * The adapter for a room address; `plugin`: path of a module that exports one as `adapter`. Rejects with a RoomtapError
 * `room-scheme` or `usage`.
 */
export async function adapterFor(room: string, plugin?: string): Promise<RoomAdapter> {
  const known = plugin === undefined ? adapters : [await load(plugin)];
  const schemes = known.flatMap((a) => a.schemes);
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(room)?.[1]?.toLowerCase();
  const hint = `write it like ws://127.0.0.1:8080/my-room; known schemes: ${schemes.join(", ")}`;
  if (scheme === undefined) throw new RoomtapError("usage", "the room address has no scheme", { hint });
  const adapter = known.find((a) => a.schemes.includes(scheme));
  if (!adapter) throw new RoomtapError("room-scheme", `no adapter joins ${scheme}: rooms`, { hint });
  return adapter;
}

async function load(plugin: string): Promise<RoomAdapter> {
  const hint = "a plugin is a module with: export const adapter = { schemes: [...], join(...) {...} }";
  let module: { readonly adapter?: unknown };
  try {
    module = await import(pathToFileURL(resolve(plugin)).href);
  } catch (cause) {
    const why = cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : String(cause);
    throw new RoomtapError("usage", `the plugin ${plugin} cannot be loaded: ${why}`, { hint, cause });
  }
  const { adapter } = module;
  if (isAdapter(adapter)) return adapter;
  throw new RoomtapError("usage", `${plugin} exports no adapter`, { hint });
}

function isAdapter(v: unknown): v is RoomAdapter {
  if (typeof v !== "object" || v === null) return false;
  const { schemes, join } = v as { schemes?: unknown; join?: unknown };
  return Array.isArray(schemes) && schemes.every((s) => typeof s === "string") && typeof join === "function";
}
