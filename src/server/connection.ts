import type { RawData, WebSocket } from "ws";
import type { Millis } from "../core/time.ts";
import {
  type ClientMessage,
  CloseCode,
  type CloseCodeValue,
  parseClientMessage,
  type RefusalCode,
  type ServerMessage,
} from "../signaling/room/messages.ts";
import { TokenBucket } from "./token-bucket.ts";

/** Bounds of one connection. */
export type ConnectionLimits = {
  /** Messages in the long run per second; ten times as many at once, for a newcomer's offers. */
  readonly messagesPerSecond: number;
  /** Bytes in the long run per second; eight times as many at once. */
  readonly bytesPerSecond: number;
  /** Most bytes that wait for a slow reader. */
  readonly maxBuffered: number;
};

/** What a connection reports. After `gone` nothing more comes. */
export interface ConnectionEvents {
  message(message: ClientMessage): void;
  /** `onPurpose`: the peer closed it, or broke the rules; it does not come back to its seat. */
  gone(onPurpose: boolean): void;
}

/** What people read in the `error` message before the close. */
const explanations: Readonly<Record<RefusalCode, string>> = {
  kicked: "removed from the room",
  "room-full": "the room is full",
  "server-full": "the server has no room left",
  auth: "the token is missing or wrong",
  malformed: "malformed or unexpected message",
  "too-fast": "too many messages",
  "too-slow": "messages are not read fast enough",
  replaced: "another connection took this seat",
  shutdown: "the server shuts down",
};

/** How long a peer may take to answer our close frame. */
const CLOSE_TIMEOUT_MS = 2000;

/** One WebSocket: parses, limits, and cuts what misbehaves. */
export class Connection {
  readonly #ws: WebSocket;
  readonly #o: ConnectionLimits;
  readonly #events: ConnectionEvents;
  readonly #now: () => Millis;
  readonly #messages: TokenBucket;
  readonly #bytes: TokenBucket;
  #over = false;
  #heard = true;
  #spoke = false;
  #checks = 0;

  constructor(ws: WebSocket, o: ConnectionLimits, events: ConnectionEvents, now: () => Millis) {
    this.#ws = ws;
    this.#o = o;
    this.#events = events;
    this.#now = now;
    const at = now();
    this.#messages = new TokenBucket({ burst: o.messagesPerSecond * 10, perSecond: o.messagesPerSecond }, at);
    this.#bytes = new TokenBucket({ burst: o.bytesPerSecond * 8, perSecond: o.bytesPerSecond }, at);
    ws.on("message", (data, isBinary) => this.#receive(data, isBinary));
    ws.on("pong", () => {
      this.#heard = true;
    });
    // Oversized and malformed frames: ws closes by itself and reports them here.
    ws.on("error", () => {});
    ws.on("close", (code) => {
      this.#end(code === CloseCode.left || code === CloseCode.shutdown || code === 1009);
    });
  }

  /** Sends a message; a reader that is too slow is cut instead, and may come back to its seat. */
  send(message: ServerMessage): void {
    if (this.#over) return;
    if (this.#ws.bufferedAmount > this.#o.maxBuffered) {
      this.#ws.terminate();
      this.#end(false);
      return;
    }
    this.#ws.send(JSON.stringify(message));
  }

  /** Says why and closes. Nothing more is reported. */
  close(code: CloseCodeValue, why: RefusalCode): void {
    if (this.#over) return;
    this.send({ t: "error", code: why, message: explanations[why] });
    this.#over = true;
    this.#ws.close(code, why);
    setTimeout(() => this.#ws.terminate(), CLOSE_TIMEOUT_MS).unref();
  }

  /**
   * Once per keepalive interval: cuts a peer that has been silent for a whole one, or has never said a word; asks
   * others for a sign of life.
   */
  checkAlive(): void {
    if (this.#over) return;
    this.#checks++;
    if (!this.#heard || (!this.#spoke && this.#checks > 1)) {
      this.#ws.terminate();
      this.#end(false);
      return;
    }
    this.#heard = false;
    this.#ws.ping();
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (this.#over) return;
    this.#heard = true;
    const now = this.#now();
    this.#spoke = true;
    // With its default binaryType, ws hands over one Buffer per message.
    const bytes = Buffer.isBuffer(data) ? data : Buffer.alloc(0);
    if (!this.#messages.take(1, now) || !this.#bytes.take(bytes.length, now)) {
      this.#reject("too-fast");
      return;
    }
    const message = isBinary ? undefined : parseClientMessage(bytes.toString("utf8"));
    if (message) this.#events.message(message);
    else this.#reject("malformed");
  }

  #reject(why: "malformed" | "too-fast"): void {
    this.close(CloseCode.protocol, why);
    this.#events.gone(true);
  }

  #end(onPurpose: boolean): void {
    if (this.#over) return;
    this.#over = true;
    this.#events.gone(onPurpose);
  }
}
