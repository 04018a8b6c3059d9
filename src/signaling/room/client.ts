import { WebSocket } from "ws";
import { Backoff } from "../../core/backoff.ts";
import { type ErrorCode, RoomtapError } from "../../core/fault.ts";
import type { Cancel, EndReason } from "../../core/room.ts";
import { proxied } from "../../net/proxy-agent.ts";
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
/** An attempt to come back that hangs is made anew: TCP waits longer and longer before it tries again. */
const REJOIN_MS = 3000;
/** The server answers pings; a line silent for longer than this is dead. */
const PING_MS = 5000;
const SILENCE_MS = 12_000;
/** Signalling that does not come back within this time ends the session. */
const GIVE_UP_MS = 300_000;
/** A connection that held for this long was a good one: after it, the first retry is quick again. */
const HEALTHY_MS = 5000;
/** Signals kept while the signalling is down: enough for a few descriptions and their candidates. */
const MAX_HELD = 256;

/** What the client tells its owner, in the order in which the server said it. */
export type ClientEvent =
  | { readonly t: "joined"; readonly welcome: WelcomeMessage }
  | { readonly t: "message"; readonly message: Exclude<ServerMessage, WelcomeMessage> }
  /** Joined again; `resumed`: with the same id, so that peers know us. They may not all be back yet. */
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
  #welcomedAt = 0;
  #held: ClientMessage[] = [];

  constructor(o: ClientOptions) {
    this.#o = o;
    this.#backoff = new Backoff({ baseMs: 300, capMs: 2000, random: o.random });
  }

  /**
   * Joins: `joined` is told before this resolves. Rejects with a RoomtapError when the server cannot be reached or
   * refuses, or when cancelled. Never retries.
   */
  async join(signal: Cancel): Promise<void> {
    if (signal.aborted) throw cancelled();
    const abort = () => this.#socket?.terminate();
    signal.addEventListener("abort", abort, { once: true });
    try {
      await this.#connect();
    } catch (error) {
      throw signal.aborted ? cancelled() : error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /**
   * Sends a message. While the signalling is down it is kept, for a server that gives us our seat back; with a new
   * seat, connections are made anew and old signals mean nothing.
   */
  send(message: ClientMessage): void {
    if (this.#left) return;
    if (this.#lostSince === undefined) this.#write(message);
    else if (this.#held.length < MAX_HELD) this.#held.push(message);
  }

  #write(message: ClientMessage): void {
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

  #connect(): Promise<void> {
    return new Promise((resolve, reject) => {
      const { target, token } = this.#o;
      // An empty token is what an unset variable of a shell script leaves.
      const secret = token || target.token || undefined;
      let refusal: { code: string; message: string } | undefined;
      let welcomed = false;
      let failure: RoomtapError | undefined;
      const patience = this.#you === "" ? HANDSHAKE_MS : REJOIN_MS;
      const socket = new WebSocket(target.socketUrl, {
        ...proxied(target.socketUrl),
        handshakeTimeout: patience,
        maxPayload: limits.serverMessage,
        ...(this.#o.insecure ? { rejectUnauthorized: false } : {}),
      });
      this.#socket = socket;
      const welcomeTimer = setTimeout(() => socket.terminate(), patience);
      socket.on("open", () => {
        this.#write({
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
          resolve();
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

  /** Told at once, not when `join` resolves: the next message may be in the same packet. */
  #welcomed(w: WelcomeMessage): void {
    const before = this.#you;
    const resumed = w.you === before;
    this.#you = w.you;
    this.#rejoin = w.rejoin;
    this.#lostSince = undefined;
    this.#welcomedAt = Date.now();
    if (before === "") this.#o.onEvent({ t: "joined", welcome: w });
    else this.#o.onEvent({ t: "rejoined", welcome: w, resumed });
    const held = this.#held.splice(0);
    if (resumed) for (const message of held) this.#write(message);
    this.#ping = setInterval(() => {
      if (Date.now() - this.#lastHeard > SILENCE_MS) this.#socket?.terminate();
      else this.#write({ t: "ping" });
    }, PING_MS);
  }

  #onClosed(code: number, closed: Closed | undefined): void {
    if (this.#left) return;
    if (closed?.final) {
      this.#o.onEvent({ t: "ended", reason: closed.reason, error: closed.error });
      return;
    }
    this.#lostSince ??= Date.now();
    if (Date.now() - this.#welcomedAt > HEALTHY_MS) this.#backoff.reset();
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
      this.#connect().catch((error: unknown) => {
        if (this.#left) return;
        const reason = error instanceof RoomtapError ? finalRefusals[error.code] : undefined;
        if (error instanceof RoomtapError && reason) this.#o.onEvent({ t: "ended", reason, error });
        else this.#retry();
      });
    }, this.#backoff.next());
  }
}

/** Refusals of a rejoin that another attempt cannot change. */
const finalRefusals: Partial<Record<ErrorCode, EndReason>> = {
  auth: "auth",
  kicked: "kicked",
  "room-full": "room-full",
};

function cancelled(): RoomtapError {
  return new RoomtapError("signal-closed", "joining the room was cancelled");
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
  const scheme = url.startsWith("wss:") ? "wss" : "ws";
  // TLS to a plain server, and the other way round: both look like a broken connection.
  const mixed = (scheme === "wss" && code === "EPROTO") || (scheme === "ws" && code === "ECONNRESET");
  return new RoomtapError("signal-refused", `cannot connect to ${host}: ${reasonOf(error, code)}`, {
    hint: mixed
      ? `does that server speak ${scheme}? try ${scheme === "wss" ? "ws" : "wss"}://`
      : "check the address, and that it is the address of a roomtap server",
    cause: error,
  });
}

/** OpenSSL puts file names and numbers of its own into its messages. */
function reasonOf(error: Error, code: string): string {
  return code === "EPROTO" ? "it does not answer with TLS" : error.message || code || "no connection";
}

function notARoomServer(url: string): RoomtapError {
  return new RoomtapError("signal-refused", `${hostOf(url)} closed the connection without a welcome`, {
    hint: "is this the address of a roomtap server?",
  });
}

function hostOf(url: string): string {
  return new URL(url).host;
}
