import { createHash, randomBytes } from "node:crypto";
import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { RoomtapError } from "../core/fault.ts";
import type { IceServer, LogLevel } from "../core/room.ts";
import { type Millis, millis } from "../core/time.ts";
import { type AccessRules, hostAllowed, originAllowed, tokenCheck } from "../net/access.ts";
import type { Certificate } from "../net/certificate.ts";
import { checkExposure, listen, makeServer } from "../net/listen.ts";
import { type ClientMessage, CloseCode, limits, SOCKET_PATH } from "../signaling/room/messages.ts";
import { Connection } from "./connection.ts";
import { requestHandler } from "./http.ts";
import { defaultWebRoot, loadPage } from "./page.ts";
import { type ConnectionId, Rooms } from "./rooms.ts";

/** What the room server does, and for whom. Everything has a default. */
export type RoomServerOptions = {
  /** Address to bind; default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** Secret that every client gives on joining; at most 512 characters. */
  readonly token?: string;
  /** Allows an address other than loopback without a token. */
  readonly public?: boolean;
  readonly tls?: Certificate | "self-signed";
  /** Origins besides our own that may open rooms, like `https://meet.example.com`; `*` for any. */
  readonly allowOrigins?: readonly string[];
  /** Default 50. */
  readonly maxPeers?: number;
  /** Default 1000. */
  readonly maxRooms?: number;
  /** Connections from one address at a time; default: no bound. */
  readonly maxPerAddress?: number;
  /** Milliseconds a peer may be away before it has left; default 15 s. */
  readonly graceMs?: number;
  /** A dead connection is cut after one to two of these; default 15 s. */
  readonly keepaliveMs?: number;
  /** Messages per second from one client in the long run, ten times as many at once; default 100. */
  readonly messagesPerSecond?: number;
  /** ICE servers for a peer and the seconds for which they may be used; default none. */
  readonly ice?: (peer: string) => { readonly servers: readonly IceServer[]; readonly ttl: number };
  /** Folder of the built page; default: next to this module. */
  readonly webRoot?: string;
  /** Never gets secrets. */
  readonly log?: (level: LogLevel, message: string) => void;
};

/** Figures of a running server. `refused` counts connections turned away before a room. */
export type RoomServerStats = {
  readonly rooms: number;
  readonly peers: number;
  readonly connections: number;
  readonly refused: number;
};

/** A running room server. */
export interface RoomServer {
  /** Of the page, with a trailing slash; names this machine even when bound to every address. */
  readonly url: string;
  /** Of the WebSocket endpoint. */
  readonly wsUrl: string;
  readonly port: number;
  readonly stats: RoomServerStats;
  /** Removes a peer, which is told not to come back. */
  kick(room: string, peer: string): void;
  /** Sends everybody away (1001) and frees the port within about a second. Idempotent. */
  close(): Promise<void>;
}

const BYTES_PER_SECOND = 1024 * 1024;
const MAX_BUFFERED = 4 * 1024 * 1024;
const CLOSE_GRACE_MS = 1000;
/** Longer timers overflow in Node. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Starts a room server; the caller closes it. Rejects with code `usage` for options that do not fit together or
 * an address that cannot be bound.
 */
export async function createRoomServer(o: RoomServerOptions = {}): Promise<RoomServer> {
  const host = o.host ?? "127.0.0.1";
  checkOptions(o, host);
  const page = await loadPage(o.webRoot ?? defaultWebRoot());
  const rules: AccessRules = { host, allowOrigins: o.allowOrigins ?? [] };
  const http = await makeServer(o.tls, host);
  http.on("request", requestHandler(page, rules));
  http.headersTimeout = 10_000;
  http.requestTimeout = 15_000;
  const server = new RunningServer(o, rules, http);
  await server.listen(host, o.port ?? 0);
  if (page.size === 0) o.log?.("warn", "the web page is not built; only native peers can join");
  return server;
}

/** 96 bits: long enough that nobody finds a second key for an id. */
function peerId(room: string, key: string): string {
  return createHash("sha256").update(`${room}\n${key}`).digest("hex").slice(0, 24);
}

class RunningServer implements RoomServer {
  readonly #http: Server;
  readonly #o: RoomServerOptions;
  readonly #rules: AccessRules;
  readonly #rooms: Rooms;
  readonly #ws = new WebSocketServer({
    noServer: true,
    maxPayload: limits.clientMessage,
    perMessageDeflate: false,
    clientTracking: true,
  });
  readonly #connections = new Map<ConnectionId, Connection>();
  readonly #perAddress = new Map<string, number>();
  #nextConnection: ConnectionId = 1;
  #refused = 0;
  #performing = false;
  #wake: ReturnType<typeof setTimeout> | undefined;
  #keepalive: ReturnType<typeof setInterval> | undefined;
  #closing: Promise<void> | undefined;
  url = "";
  wsUrl = "";
  port = 0;

  constructor(o: RoomServerOptions, rules: AccessRules, http: Server) {
    this.#o = o;
    this.#rules = rules;
    this.#http = http;
    this.#rooms = new Rooms({
      maxPeers: o.maxPeers ?? 50,
      maxRooms: o.maxRooms ?? 1000,
      graceMs: o.graceMs ?? 15_000,
      peerId,
      secret: () => randomBytes(24).toString("base64url"),
      admit: tokenCheck(o.token),
      ice: o.ice ?? (() => ({ servers: [], ttl: 86_400 })),
    });
    http.on("upgrade", (req, socket, head) => this.#upgrade(req, socket, head));
  }

  get stats(): RoomServerStats {
    return {
      rooms: this.#rooms.roomCount,
      peers: this.#rooms.peerCount,
      connections: this.#connections.size,
      refused: this.#refused,
    };
  }

  async listen(host: string, port: number): Promise<void> {
    const at = await listen(this.#http, { host, port, tls: this.#o.tls !== undefined });
    this.port = at.port;
    this.url = at.url;
    this.wsUrl = `${at.url.replace(/^http/, "ws").slice(0, -1)}${SOCKET_PATH}`;
    this.#http.on("error", (e) => this.#o.log?.("error", `room server: ${e.message}`));
    this.#keepalive = setInterval(() => {
      for (const connection of this.#connections.values()) connection.checkAlive();
    }, this.#o.keepaliveMs ?? 15_000);
    this.#o.log?.("info", `room server on ${this.url}`);
  }

  kick(room: string, peer: string): void {
    this.#rooms.push({ t: "kick", room, peer }, now());
    this.#perform();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearInterval(this.#keepalive);
    clearTimeout(this.#wake);
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    for (const connection of this.#connections.values()) connection.close(CloseCode.shutdown, "shutdown");
    this.#connections.clear();
    const cut = setTimeout(() => this.#cut(), CLOSE_GRACE_MS);
    if (this.#ws.clients.size === 0) this.#cut();
    await closed;
    clearTimeout(cut);
  }

  #cut(): void {
    for (const ws of this.#ws.clients) ws.terminate();
    this.#http.closeAllConnections();
  }

  #upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    const refusal = this.#refusal(req);
    if (refusal !== undefined) {
      this.#refused++;
      this.#o.log?.("debug", `connection refused: ${refusal}`);
      socket.on("error", () => {});
      socket.end(`HTTP/1.1 ${refusal}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    this.#ws.handleUpgrade(req, socket, head, (ws) => this.#accept(ws, addressOf(req)));
  }

  /** The status line for a connection that may not be opened. */
  #refusal(req: IncomingMessage): string | undefined {
    const { host, origin } = req.headers;
    if (this.#closing !== undefined) return "503 Service Unavailable";
    if ((req.url ?? "").split("?", 1)[0] !== SOCKET_PATH) return "404 Not Found";
    if (!hostAllowed(host, this.#rules)) return "421 Misdirected Request";
    if (!originAllowed(origin, host, this.#rules)) return "403 Forbidden";
    const open = this.#perAddress.get(addressOf(req)) ?? 0;
    if (open >= (this.#o.maxPerAddress ?? Number.POSITIVE_INFINITY)) return "429 Too Many Requests";
    return undefined;
  }

  #accept(ws: WebSocket, address: string): void {
    const id = this.#nextConnection++;
    this.#perAddress.set(address, (this.#perAddress.get(address) ?? 0) + 1);
    ws.on("close", () => {
      const left = (this.#perAddress.get(address) ?? 1) - 1;
      if (left > 0) this.#perAddress.set(address, left);
      else this.#perAddress.delete(address);
    });
    const perSecond = {
      messagesPerSecond: this.#o.messagesPerSecond ?? 100,
      bytesPerSecond: BYTES_PER_SECOND,
      maxBuffered: MAX_BUFFERED,
    };
    const events = {
      message: (message: ClientMessage) => {
        this.#rooms.push({ t: "message", from: id, message }, now());
        this.#perform();
      },
      gone: (onPurpose: boolean) => {
        this.#connections.delete(id);
        this.#rooms.push({ t: "gone", from: id, onPurpose }, now());
        this.#perform();
      },
    };
    this.#connections.set(id, new Connection(ws, perSecond, events, now));
  }

  /** Does what the rooms want done. Cutting a slow reader calls back in here: the outer call goes on. */
  #perform(): void {
    if (this.#performing || this.#closing !== undefined) return;
    this.#performing = true;
    for (let out = this.#rooms.poll(now()); out !== undefined; out = this.#rooms.poll(now())) {
      if (out.t === "log") {
        this.#o.log?.("info", out.line);
        continue;
      }
      const connection = this.#connections.get(out.to);
      if (out.t === "send") connection?.send(out.message);
      else {
        this.#connections.delete(out.to);
        connection?.close(out.code, out.why);
      }
    }
    this.#performing = false;
    clearTimeout(this.#wake);
    const { deadline } = this.#rooms;
    if (deadline === undefined) return;
    this.#wake = setTimeout(() => this.#perform(), Math.min(MAX_TIMER_MS, Math.max(1, deadline - now())));
  }
}

function now(): Millis {
  return millis(performance.now());
}

function addressOf(req: IncomingMessage): string {
  return req.socket.remoteAddress ?? "";
}

function checkOptions(o: RoomServerOptions, host: string): void {
  checkExposure({ ...o, host }, "give a --token, or --public when that is what you want");
  for (const origin of o.allowOrigins ?? []) {
    if (origin !== "*" && !(URL.canParse(origin) && /^https?:/.test(origin))) {
      throw new RoomtapError("usage", `${JSON.stringify(origin)} is not an origin`, {
        hint: "an origin looks like https://meet.example.com",
      });
    }
  }
}
