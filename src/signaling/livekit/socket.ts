import type { IncomingMessage } from "node:http";
import { type RawData, WebSocket } from "ws";
import { RoomtapError } from "../../core/fault.ts";
import type { Cancel } from "../../core/room.ts";
import { proxied } from "../../net/proxy-agent.ts";
import { TryLater } from "../http/endpoint.ts";
import { retryAfterMs } from "../http/replies.ts";
import { type JoinInfo, parseServerMessage, type ServerMessage } from "./messages.ts";
import { refusal, unreachable } from "./refusals.ts";
import { ping, plainPing } from "./requests.ts";

/** From the first packet to the first message. */
const JOIN_MS = 10_000;
/** Descriptions of large rooms; more than this is no server's. */
const MAX_MESSAGE = 4 * 1024 * 1024;
/** Octets of the words that come with a refusal. */
const MAX_BODY = 4096;
/** Where the server says nothing of pings. */
const PING_MS = 5000;
const SILENCE_MS = 15_000;
/** What the server gets to take our good-bye. */
const CLOSE_MS = 1000;

/** One signalling connection. */
export type SocketOptions = {
  readonly url: URL;
  readonly shown: string;
  readonly token: string;
  readonly insecure: boolean;
  /** What comes after the join. */
  readonly onMessage: (m: ServerMessage) => void;
  readonly onMalformed: () => void;
  /** The connection ended, and not because of `close`. Called once, and only after `open` resolved. */
  readonly onLost: (detail: string) => void;
};

/** The WebSocket of one join: requests out, messages in, pings both ways. */
export class LiveKitSocket {
  readonly #o: SocketOptions;
  #socket: WebSocket | undefined;
  #join: JoinInfo | undefined;
  #ping: NodeJS.Timeout | undefined;
  /** What came behind the join, until `release`. */
  #held: ServerMessage[] | undefined = [];
  #heardAt = 0;
  #rttMs = 0;
  #pingedAt = 0;
  /** The connection ended before `release`. */
  #lostBy: string | undefined;
  #closed = false;

  constructor(o: SocketOptions) {
    this.#o = o;
  }

  /**
   * Connects; resolves with the server's first message. What follows it is handed out from `release` on. Rejects with a
   * RoomtapError: `auth`, `room-full`, `signal-refused`, `signal-protocol`, `signal-closed` (cancelled).
   */
  open(signal: Cancel): Promise<JoinInfo> {
    const { url, shown, token, insecure } = this.#o;
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url, {
        ...proxied(url.href),
        headers: { authorization: `Bearer ${token}` },
        handshakeTimeout: JOIN_MS,
        maxPayload: MAX_MESSAGE,
        rejectUnauthorized: !insecure,
      });
      this.#socket = socket;
      let failure: RoomtapError | undefined;
      const fail = (error: RoomtapError) => {
        failure ??= error;
        socket.terminate();
      };
      const abort = () => fail(new RoomtapError("signal-closed", "joining was cancelled"));
      const timer = setTimeout(() => fail(silent(shown)), JOIN_MS);
      const settled = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", abort);
      };
      socket.on("unexpected-response", (_request, response) => {
        void firstOctets(response).then((said) => {
          const error = refusal({ status: response.statusCode ?? 0, said, token, shown });
          const afterMs = retryAfterMs(response.headers["retry-after"], Date.now());
          fail(afterMs === undefined ? error : new TryLater(error, afterMs));
        });
      });
      socket.on("error", (error) => fail(unreachable(error, this.#o.url)));
      socket.on("message", (data, binary) => {
        const message = binary ? parseServerMessage(octetsOf(data)) : undefined;
        this.#heardAt = performance.now();
        if (message === undefined && this.#join) this.#o.onMalformed();
        else if (message === undefined) fail(stranger(shown));
        else if (this.#join) this.#onMessage(message);
        else if (message.t === "join") {
          settled();
          this.#join = message.join;
          this.#startPings(message.join);
          resolve(message.join);
        } else if (message.t === "leave") fail(new RoomtapError("signal-refused", `${shown} sent us away`));
      });
      socket.on("close", (code) => {
        settled();
        clearInterval(this.#ping);
        if (!this.#join) reject(failure ?? stranger(shown));
        else this.#lost(`${shown} closed the connection (${code})`);
      });
      if (signal.aborted) abort();
      else signal.addEventListener("abort", abort, { once: true });
    });
  }

  /** The join is dealt with: from now on its owner hears the rest. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const message of held) this.#onMessage(message);
    if (this.#lostBy !== undefined) this.#lost(this.#lostBy);
  }

  send(octets: Uint8Array): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(octets);
  }

  /** Closes; what was sent before goes out. Resolves when it is done, after a second at most. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#ping);
    const socket = this.#socket;
    if (!socket || socket.readyState === WebSocket.CLOSED) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => socket.terminate(), CLOSE_MS);
      socket.once("close", () => {
        clearTimeout(timer);
        resolve();
      });
      socket.close();
    });
  }

  #onMessage(message: ServerMessage): void {
    if (this.#closed) return;
    if (this.#held) this.#held.push(message);
    else if (message.t === "pong") this.#rttMs = Math.round(performance.now() - this.#pingedAt);
    else this.#o.onMessage(message);
  }

  #lost(detail: string): void {
    if (this.#closed) return;
    if (this.#held) this.#lostBy = detail;
    else {
      this.#closed = true;
      this.#o.onLost(detail);
    }
  }

  #startPings(join: JoinInfo): void {
    const silenceMs = join.pingTimeoutMs || SILENCE_MS;
    this.#ping = setInterval(() => {
      if (performance.now() - this.#heardAt > silenceMs) {
        this.#socket?.terminate();
        return;
      }
      const now = Date.now();
      this.#pingedAt = performance.now();
      this.send(plainPing(now));
      this.send(ping(now, this.#rttMs));
    }, join.pingIntervalMs || PING_MS);
  }
}

function octetsOf(data: RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}

async function firstOctets(response: IncomingMessage): Promise<string> {
  let said = "";
  try {
    for await (const chunk of response) {
      said += String(chunk);
      if (said.length > MAX_BODY) break;
    }
  } catch {
    // What came until then has to do.
  }
  response.destroy();
  return said.slice(0, MAX_BODY);
}

function silent(shown: string): RoomtapError {
  return new RoomtapError("signal-refused", `${shown} did not let us in within ${JOIN_MS / 1000} s`, {
    hint: "is the server busy, or is something else listening there?",
  });
}

function stranger(shown: string): RoomtapError {
  return new RoomtapError("signal-protocol", `${shown} does not speak as LiveKit servers do`, {
    hint: "is it the address of a LiveKit server?",
  });
}
