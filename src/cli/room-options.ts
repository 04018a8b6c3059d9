import { readFileSync } from "node:fs";
import { type Command, Option } from "commander";
import type { RoomOptions } from "../bot/join.ts";
import { RoomtapError } from "../core/fault.ts";
import type { LayerWish, ListenWish } from "../core/room.ts";
import { addNetworkOptions, type NetworkFlags, networkWish } from "./network-options.ts";

/** What the shared options say. */
export type RoomFlags = NetworkFlags & {
  name: string;
  token?: string;
  pin?: string;
  apiKey?: string;
  apiSecret?: string;
  layer?: LayerWish;
  plugin?: string;
  listenToken?: string;
  tlsCert?: string;
  tlsKey?: string;
  public?: boolean;
  once?: boolean;
};

/** The `<room>` argument's text. */
export const roomArgument = "room address, like ws://host:port/ROOM, or the link of its page; see below";

/** Kinds of addresses, for the end of a command's help. */
export const roomHelp = `
Rooms:
  ws://HOST/ROOM  wss://HOST/ROOM       Roomtap's own server, or the link of the room's page
  manual:  manual:BLOB  manual:@FILE    no server: descriptions are copied and pasted, one each way
  whip+http://...  whip+https://...     a WHIP endpoint, to publish
  whep+http://...  whep+https://...     a WHEP endpoint, to receive
  offer+http://... offer+https://...    a server that takes an offer as JSON, as aiortc's examples do
  whip-listen://HOST:PORT/PATH          we are the endpoint: OBS, GStreamer, browsers publish to us
  offer-listen://HOST:PORT/PATH         the same for offers as JSON; publish serves media to callers
  janus+ws://...   janus+wss://...      a VideoRoom of a Janus server: janus+ws://HOST:8188/ROOM
  livekit+ws://... livekit+wss://...    a room of a LiveKit server: livekit+wss://HOST/ROOM
  galene+http://.. galene+https://..    a group of a Galene server: galene+https://HOST/group/NAME/`;

/** Adds the options with which every command that takes a room is let in. `name`: ours in the room. */
export function addRoomOptions(command: Command, name: string): Command {
  command
    .optionsGroup("Room:")
    .addOption(new Option("--name <name>", "our name in the room").default(name).env("ROOMTAP_NAME"))
    .addOption(
      new Option("--token <token>", "secret of the room or the server, or a token of it").env(
        "ROOMTAP_TOKEN",
      ),
    )
    .addOption(new Option("--pin <pin>", "password of the room").env("ROOMTAP_PIN"))
    .addOption(
      new Option("--api-key <key>", "key of a server that takes tokens its users sign").env(
        "LIVEKIT_API_KEY",
      ),
    )
    .addOption(new Option("--api-secret <secret>", "the key's secret").env("LIVEKIT_API_SECRET"))
    .option("--insecure", "accept any TLS certificate of the room server")
    .addOption(
      new Option("--layer <layer>", "which simulcast layer to receive").choices([
        "high",
        "medium",
        "low",
        "auto",
      ]),
    )
    .option("--plugin <file>", "module with an adapter for other kinds of rooms")
    .optionsGroup("Rooms that we are the server of (...-listen://):")
    .addOption(
      new Option("--listen-token <token>", "secret that callers give as a bearer token").env(
        "ROOMTAP_LISTEN_TOKEN",
      ),
    )
    .option("--tls-cert <file>", "certificate (PEM), for callers by TLS")
    .option("--tls-key <file>", "its private key (PEM)")
    .option("--once", "end with the first caller");
  // A command that serves something else has its own, with the same meaning.
  if (!command.options.some((o) => o.long === "--public")) {
    command.option("--public", "let anybody call from other machines, without a token");
  }
  return addNetworkOptions(command).optionsGroup("General:");
}

/** What the flags say of a room. Throws a RoomtapError `usage` on files that cannot be read. */
export function roomOptions(room: string, f: RoomFlags): RoomOptions {
  const { token, pin, apiKey, apiSecret, insecure, layer, plugin } = f;
  const listen = listenWish(f);
  const network = networkWish(f);
  return {
    room,
    name: f.name,
    ...(token === undefined ? {} : { token }),
    ...(pin === undefined ? {} : { pin }),
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(apiSecret === undefined ? {} : { apiSecret }),
    ...(insecure === undefined ? {} : { insecure }),
    ...(layer === undefined ? {} : { layer }),
    ...(plugin === undefined ? {} : { plugin }),
    ...(Object.keys(listen).length === 0 ? {} : { listen }),
    ...(network === undefined ? {} : { network }),
  };
}

function listenWish(f: RoomFlags): ListenWish {
  if ((f.tlsCert === undefined) !== (f.tlsKey === undefined)) {
    throw new RoomtapError("usage", "a certificate and its key go together", {
      hint: "give --tls-cert and --tls-key",
    });
  }
  return {
    ...(f.listenToken === undefined ? {} : { token: f.listenToken }),
    ...(f.tlsCert === undefined ? {} : { certificate: read(f.tlsCert, "--tls-cert") }),
    ...(f.tlsKey === undefined ? {} : { key: read(f.tlsKey, "--tls-key") }),
    ...(f.public ? { public: true } : {}),
    ...(f.once ? { once: true } : {}),
  };
}

function read(path: string, flag: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new RoomtapError("usage", `cannot read ${path}`, { hint: `check the path of ${flag}`, cause });
  }
}
