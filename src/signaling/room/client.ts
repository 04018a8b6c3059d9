import { WebSocket } from "ws";
import { Backoff } from "../../core/backoff.ts";
import { type ErrorCode, RoomtapError } from "../../core/fault.ts";
import type { Cancel, EndReason } from "../../core/room.ts";
import {
  type ClientMessage,
  CloseCode,
  limits,
  PROTOCOL_VERSION,
  parseServerMessage,
  type ServerMessage,
  type WelcomeMessage,
} from "./messages.ts";
import type { RoomTarget } from "./target.ts";

const HANDSHAKE_MS = 10_000;
/** The server answers pings; a line silent for longer than this is dead. */
const PING_MS = 10_000;
const SILENCE_MS = 25_000;
/** Signalling that does not come back within this time ends the session. */
const GIVE_UP_MS = 300_000;

/** What the client tells its owner, in order. */
export type ClientEvent =
  | { readonly t: "message"; readonly message: Exclude<ServerMessage, WelcomeMessage> }
  /** Joined again; `resumed`: with the same id, so that peers kept their connections. */
  | { readonly t: "rejoined"; readonly welcome: WelcomeMessage; readonly resumed: boolean }
  | { readonly t: "lost"; readonly detail: string }
  | { readonly t: "malformed" }
  | { readonly t: "ended"; readonly reason: EndReason; readonly error: RoomtapError };

/** Who joins. */
export type ClientOptions = {
  readonly target: RoomTarget;
  readonly name: string;
  readonly token?: string;
  readonly insecure?: boolean;
  readonly caps: { readonly recorder: boolean; readonly publish: boolean };
  readonly random: () => number;
  readonly onEvent: (event: ClientEvent) => void;
};

/** A seat in a room: one WebSocket at a time, taken up again with the rejoin token after a loss. */
export class RoomClient {
  readonly #o: ClientOptions;
  readonly #backoff: Backoff;
  #socket: WebSocket | undefined;
  #rejoin: string | undefined;
  #you = "";
  #left = false;
  #timer: NodeJS.Timeout | undefined;
  #ping: NodeJS.Timeout | undefined;
  #lastHeard = 0;
  #lostSince: number | undefined;

  constructor(o: ClientOptions) {
    this.#o = o;
    this.#backoff = new Backoff({ baseMs: 300, capMs: 2000, random: o.random });
  }

  /** Joins; rejects with a RoomtapError when the server cannot be reached or refuses. Never retries. */
  async join(signal: Cancel): Promise<WelcomeMessage> {
    const abort = () => this.#socket?.terminate();
    signal.addEventListener("abort", abort, { once: true });
    try {
      return await this.#connect();
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** Sends a message; dropped while the signalling is down (the peers' state is rebuilt on rejoin). */
  send(message: ClientMessage): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** Leaves for good. Resolves when the socket is closed, after 1 s at most. */
  async leave(): Promise<void> {
    this.#left = true;
    clearTimeout(this.#timer);
    clearInterval(this.#ping);
    const socket = this.#socket;
    if (!socket || socket.readyState === WebSocket.CLOSED) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        socket.terminate();
        resolve();
      }, 1000);
      socket.once("close", () => {
        clearTimeout(timer);
        resolve();
      });
      socket.close(CloseCode.left);
    });
  }

  #connect(): Promise<WelcomeMessage> {
    return new Promise((resolve, reject) => {
      const { target, token } = this.#o;
      const secret = token ?? target.token;
      let refusal: { code: string; message: string } | undefined;
      let welcomed = false;
      let failure: RoomtapError | undefined;
      const socket = new WebSocket(target.socketUrl, {
        handshakeTimeout: HANDSHAKE_MS,
        maxPayload: limits.serverMessage,
        ...(this.#o.insecure ? { rejectUnauthorized: false } : {}),
      });
      this.#socket = socket;
      const welcomeTimer = setTimeout(() => socket.terminate(), HANDSHAKE_MS);
      socket.on("open", () => {
        this.send({
          t: "join",
          v: PROTOCOL_VERSION,
          room: target.room,
          name: this.#o.name,
          caps: this.#o.caps,
          ...(secret === undefined ? {} : { token: secret }),
          ...(this.#rejoin === undefined ? {} : { rejoin: this.#rejoin }),
        });
      });
      socket.on("unexpected-response", (_request, response) => {
        failure = refusedByHttp(response.statusCode ?? 0, target.socketUrl);
        response.destroy();
        socket.terminate();
      });
      socket.on("message", (data, binary) => {
        this.#lastHeard = Date.now();
        const message = binary ? undefined : parseServerMessage(data.toString());
        if (!message) this.#o.onEvent({ t: "malformed" });
        else if (message.t === "error") refusal = message;
        else if (message.t === "welcome") {
          if (welcomed) return;
          welcomed = true;
          clearTimeout(welcomeTimer);
          this.#welcomed(message);
          resolve(message);
        } else if (welcomed) this.#o.onEvent({ t: "message", message });
      });
      socket.on("error", (error) => {
        failure ??= unreachable(error, target.socketUrl);
      });
      socket.on("close", (code) => {
        clearTimeout(welcomeTimer);
        clearInterval(this.#ping);
        const closed = closedBy(code, refusal);
        if (!welcomed) reject(failure ?? closed?.error ?? notARoomServer(target.socketUrl));
        else this.#onClosed(code, closed);
      });
    });
  }

  #welcomed(w: WelcomeMessage): void {
    this.#you = w.you;
    this.#rejoin = w.rejoin;
    this.#lostSince = undefined;
    this.#backoff.reset();
    this.#ping = setInterval(() => {
      if (Date.now() - this.#lastHeard > SILENCE_MS) this.#socket?.terminate();
      else this.send({ t: "ping" });
    }, PING_MS);
  }

  #onClosed(code: number, closed: Closed | undefined): void {
    if (this.#left) return;
    if (closed?.final) {
      this.#o.onEvent({ t: "ended", reason: closed.reason, error: closed.error });
      return;
    }
    this.#lostSince ??= Date.now();
    this.#o.onEvent({ t: "lost", detail: `the room server closed the connection (${code})` });
    this.#retry();
  }

  #retry(): void {
    if (Date.now() - (this.#lostSince ?? Date.now()) > GIVE_UP_MS) {
      const error = new RoomtapError("signal-closed", "the room server did not come back");
      this.#o.onEvent({ t: "ended", reason: "error", error });
      return;
    }
    this.#timer = setTimeout(() => {
      const before = this.#you;
      this.#connect().then(
        (welcome) => this.#o.onEvent({ t: "rejoined", welcome, resumed: welcome.you === before }),
        (error: unknown) => {
          if (this.#left) return;
          const refused = error instanceof RoomtapError && (error.code === "auth" || error.code === "kicked");
          if (refused)
            this.#o.onEvent({ t: "ended", reason: error.code === "auth" ? "auth" : "kicked", error });
          else this.#retry();
        },
      );
    }, this.#backoff.next());
  }
}

type Closed = { final: boolean; reason: EndReason; error: RoomtapError };

function closedBy(code: number, refusal: { code: string; message: string } | undefined): Closed | undefined {
  const say = refusal?.message;
  const end = (
    final: boolean,
    reason: EndReason,
    errorCode: ErrorCode,
    text: string,
    hint?: string,
  ): Closed => ({
    final,
    reason,
    error: new RoomtapError(errorCode, say || text, hint === undefined ? {} : { hint }),
  });
  switch (code) {
    case CloseCode.kicked:
      return end(true, "kicked", "kicked", "we were removed from the room");
    case CloseCode.roomFull:
      return end(
        true,
        "room-full",
        "room-full",
        "the room is full",
        "ask the host for a seat, or raise the server's limits",
      );
    case CloseCode.auth:
      return end(true, "auth", "auth", "the room needs a token", "pass it with --token or ROOMTAP_TOKEN");
    case CloseCode.replaced:
      return end(true, "replaced", "signal-closed", "another connection took our seat in the room");
    case CloseCode.protocol:
      return end(false, "error", "signal-protocol", "the room server refused our messages");
    case CloseCode.shutdown:
      return end(false, "room-closed", "signal-closed", "the room server shut down");
    default:
      return undefined;
  }
}

function refusedByHttp(status: number, url: string): RoomtapError {
  const code = status === 401 || status === 403 ? "auth" : "signal-refused";
  return new RoomtapError(code, `${hostOf(url)} answered with HTTP ${status}, not with a room`, {
    hint: code === "auth" ? "pass a token with --token" : "is this the address of a roomtap server?",
  });
}

function unreachable(error: Error, url: string): RoomtapError {
  const code = "code" in error ? String(error.code) : "";
  const host = hostOf(url);
  if (code === "ECONNREFUSED") {
    return new RoomtapError("signal-refused", `nothing listens at ${host}`, {
      hint: "start a room server there with: roomtap serve",
      cause: error,
    });
  }
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") {
    return new RoomtapError("signal-refused", `the host of ${host} is not known`, {
      hint: "check the address for a typing error",
      cause: error,
    });
  }
  if (code === "DEPTH_ZERO_SELF_SIGNED_CERT" || code.includes("CERT") || code.includes("ISSUER")) {
    return new RoomtapError("signal-refused", `the certificate of ${host} is not trusted`, {
      hint: "for a server started with --self-signed pass --insecure",
      cause: error,
    });
  }
  return new RoomtapError("signal-refused", `cannot connect to ${host}: ${error.message}`, {
    hint: "check the address, and that it is the address of a roomtap server",
    cause: error,
  });
}

function notARoomServer(url: string): RoomtapError {
  return new RoomtapError("signal-refused", `${hostOf(url)} closed the connection without a welcome`, {
    hint: "is this the address of a roomtap server?",
  });
}

function hostOf(url: string): string {
  return new URL(url).host;
}
