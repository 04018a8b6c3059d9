import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { type Command, Option } from "commander";
import { RoomtapError } from "../core/fault.ts";
import { parseIceServer, parseIceUrl } from "../core/ice-url.ts";
import type { IceServer, NetworkWish } from "../core/room.ts";
import { parseDuration, shown } from "./units.ts";

/** What the options about the way to a room say. */
export type NetworkFlags = {
  ice?: IceServer[];
  iceFile?: string;
  gather?: number;
  portRange?: { begin: number; end: number };
  bind?: string;
  relayOnly?: boolean;
  insecure?: boolean;
};

const MAX_SERVERS = 16;

/** Adds the options that say how connections are made. */
export function addNetworkOptions(command: Command): Command {
  return command
    .optionsGroup("Network:")
    .addOption(
      new Option("--ice <servers>", "STUN and TURN servers, separated by commas; repeatable")
        .argParser(collectServers)
        .env("ROOMTAP_ICE"),
    )
    .option("--ice-file <file>", "a JSON file with such servers, as browsers take them (RTCIceServer)")
    .option("--gather <time>", "wait no longer than this for candidates (default: 2s)", parseGather)
    .option("--port-range <from-to>", "local UDP ports, like 40000-40100", parsePortRange)
    .option("--bind <address>", "local address to send from", parseAddress)
    .option("--relay-only", "talk to nobody but TURN servers");
}

/** What the flags say; undefined: nothing. Throws a RoomtapError `usage` on a file that is none of servers. */
export function networkWish(f: NetworkFlags): NetworkWish | undefined {
  if (f.relayOnly && f.bind !== undefined)
    throw new RoomtapError("usage", "--relay-only binds to the loopback: it does not go with --bind", {
      hint: "leave out one of them",
    });
  const iceServers = [...(f.ice ?? []), ...(f.iceFile === undefined ? [] : serversIn(f.iceFile))];
  const wish: NetworkWish = {
    ...(iceServers.length === 0 ? {} : { iceServers }),
    ...(f.gather === undefined ? {} : { gatherMs: f.gather }),
    ...(f.portRange === undefined ? {} : { portRange: f.portRange }),
    ...(f.bind === undefined ? {} : { bindAddress: f.bind }),
    ...(f.relayOnly ? { relayOnly: true } : {}),
    ...(f.insecure ? { insecure: true } : {}),
  };
  return Object.keys(wish).length === 0 ? undefined : wish;
}

function collectServers(text: string, before: IceServer[] = []): IceServer[] {
  const servers = text
    .split(",")
    .map((t) => t.trim())
    .filter((t) => t !== "")
    .map((t) => {
      const server = parseIceServer(t);
      if (server) return server;
      // Not the text itself: it may hold a password.
      throw new RoomtapError("usage", `not an ICE server address: ${shown(t.replace(/:[^@]*@/, ":...@"))}`, {
        hint: "write stun:HOST:3478, turn:USER:PASSWORD@HOST:3478?transport=tcp or turns:USER:PASSWORD@HOST:5349",
      });
    });
  const all = [...before, ...servers];
  if (all.length > MAX_SERVERS) throw new RoomtapError("usage", `more than ${MAX_SERVERS} ICE servers`);
  return all;
}

/** An array of RTCIceServer, or an object with it as `iceServers`. */
function serversIn(path: string): IceServer[] {
  const wrong = (why: string, cause?: unknown) =>
    new RoomtapError("usage", `${path} ${why}`, {
      hint: 'write [{"urls": ["turn:HOST:3478"], "username": "U", "credential": "P"}]',
      ...(cause === undefined ? {} : { cause }),
    });
  let read: unknown;
  try {
    read = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw wrong(cause instanceof SyntaxError ? "holds no JSON" : "cannot be read", cause);
  }
  const list = isObject(read) && "iceServers" in read ? read.iceServers : read;
  if (!Array.isArray(list) || list.length > MAX_SERVERS) throw wrong("holds no list of ICE servers");
  return list.map((entry: unknown, i) => {
    const e = isObject(entry) ? entry : {};
    const urls = typeof e.urls === "string" ? [e.urls] : Array.isArray(e.urls) ? e.urls : [];
    const good = urls.filter((u): u is string => typeof u === "string" && parseIceUrl(u) !== undefined);
    if (good.length === 0 || good.length !== urls.length)
      throw wrong(`has no address of a server at place ${i + 1}`);
    const { username, credential } = e;
    if (
      (username ?? "") !== (username ?? "").toString() ||
      (credential ?? "") !== (credential ?? "").toString()
    )
      throw wrong(`has a user or password that is no text at place ${i + 1}`);
    return {
      urls: good,
      ...(typeof username === "string" ? { username } : {}),
      ...(typeof credential === "string" ? { credential } : {}),
    };
  });
}

function isObject(v: unknown): v is Record<string, unknown> {
  return typeof v === "object" && v !== null && !Array.isArray(v);
}

function parseGather(text: string): number {
  const ms = parseDuration(text);
  if (ms < 50 || ms > 30_000)
    throw new RoomtapError("usage", `not a time to gather candidates: ${shown(text)}`, {
      hint: "from 50ms to 30s",
    });
  return ms;
}

function parsePortRange(text: string): { begin: number; end: number } {
  const [, begin = 0, end = 0] = (/^(\d{1,5})-(\d{1,5})$/.exec(text) ?? []).map(Number);
  if (begin < 1024 || end > 65_535 || begin > end)
    throw new RoomtapError("usage", `not a range of ports: ${shown(text)}`, {
      hint: "two numbers from 1024 to 65535, like 40000-40100",
    });
  return { begin, end };
}

function parseAddress(text: string): string {
  if (isIP(text) === 0)
    throw new RoomtapError("usage", `not an IP address: ${shown(text)}`, {
      hint: "give one of this machine's, like 192.0.2.7",
    });
  return text;
}
