import type {
  Cancel,
  Courier,
  JoinWish,
  NetworkWish,
  RoomAccess,
  RoomSession,
  RtcHost,
} from "../core/room.ts";
import { adapterFor } from "./adapters.ts";

/** Where a room is, who we are there, and how it lets us in. Plain data: it travels to the media process. */
export type RoomCall = {
  /** Room address. */
  readonly room: string;
  /** Our name in the room. */
  readonly name: string;
  readonly access: RoomAccess;
  readonly network?: NetworkWish;
  /** Module with an adapter of somebody else's; absent: one of ours. */
  readonly plugin?: string;
};

/** What every command that takes a room is given besides its address. */
export type RoomOptions = RoomAccess & {
  /** Room address, like `ws://127.0.0.1:8080/standup`. */
  readonly room: string;
  /** Our name in the room. */
  readonly name?: string;
  /** Path of a module with an adapter of somebody else's. */
  readonly plugin?: string;
  /** How connections are made. */
  readonly network?: NetworkWish;
  /** Who carries descriptions to the other side of a room without a server (`manual:`). */
  readonly courier?: Courier;
};

/** The call that options describe. `name`: where they have none. */
export function roomCall(o: RoomOptions, name: string): RoomCall {
  const { token, pin, apiKey, apiSecret, insecure, layer, listen } = o;
  return {
    room: o.room,
    name: o.name ?? name,
    access: {
      ...(token === undefined ? {} : { token }),
      ...(pin === undefined ? {} : { pin }),
      ...(apiKey === undefined ? {} : { apiKey }),
      ...(apiSecret === undefined ? {} : { apiSecret }),
      ...(insecure === undefined ? {} : { insecure }),
      ...(layer === undefined ? {} : { layer }),
      ...(listen === undefined ? {} : { listen }),
    },
    ...(o.network === undefined ? {} : { network: o.network }),
    ...(o.plugin === undefined ? {} : { plugin: o.plugin }),
  };
}

/** Joins. Rejects with a RoomtapError. */
export async function joinRoom(
  host: RtcHost,
  call: RoomCall,
  wish: Pick<JoinWish, "recorder" | "publish" | "receive" | "wants" | "courier">,
  signal: Cancel,
): Promise<RoomSession> {
  const adapter = await adapterFor(call.room, call.plugin);
  return adapter.join(host, call.room, { ...call.access, name: call.name, ...wish }, signal);
}

/** Whether there is an adapter for it at all. Rejects with a RoomtapError. */
export async function checkRoom(o: Pick<RoomOptions, "room" | "plugin">): Promise<void> {
  await adapterFor(o.room, o.plugin);
}

/** The address as manifests and messages may have it. */
export async function roomLabel(call: RoomCall): Promise<string> {
  const adapter = await adapterFor(call.room, call.plugin);
  return adapter.label?.(call.room) ?? call.room.replace(/[?#].*$/, "");
}
