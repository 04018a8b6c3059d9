import { randomUUID } from "node:crypto";
import { WebSocket } from "ws";
import { type ErrorCode, RoomtapError } from "../../core/fault.ts";
import type { Cancel, IceServer } from "../../core/room.ts";
import { proxied } from "../../net/proxy-agent.ts";
import type { Endpoint } from "./find-endpoint.ts";
import {
  type ClientMessage,
  PROTOCOL_VERSION,
  parseServerMessage,
  type ServerMessage,
  words,
} from "./messages.ts";

/** From the first packet to being let in. */
const JOIN_MS = 10_000;
/** Descriptions of large streams; more than this is no server's. */
const MAX_MESSAGE = 1024 * 1024;
/** The server pings a silent client; we ask ourselves as well, and a line silent for longer than this is dead. */
const PING_MS = 5000;
const SILENCE_MS = 15_000;
const CLOSE_MS = 1000;

/** Who joins, and how. */
export type SeatOptions = {
  readonly endpoint: Endpoint;
  readonly name: string;
  readonly password?: string | undefined;
  readonly token?: string | undefined;
  readonly insecure: boolean;
  /** What comes; of people also before we are in. */
  readonly onMessage: (m: ServerMessage) => void;
  readonly onMalformed: () => void;
  /** The connection ended, and not because of `close`. Called once, and only after `join` resolved. */
  readonly onLost: (detail: string) => void;
};

/** What the server says when it lets us in. */
export type Joined = { readonly permissions: readonly string[]; readonly iceServers: readonly IceServer[] };

/** Our place in a group: one WebSocket. */
export class Seat {
  /** What the server and the others know us by. */
  readonly id = randomUUID();
  readonly #o: SeatOptions;
  #socket: WebSocket | undefined;
  #ping: NodeJS.Timeout | undefined;
  #heardAt = 0;
  #in = false;
  #closed = false;

  constructor(o: SeatOptions) {
    this.#o = o;
  }

  /**
   * Connects and joins. Rejects with a RoomtapError: `auth`, `room-full`, `signal-refused`, `signal-protocol`,
   * `signal-closed` (cancelled).
   */
  join(signal: Cancel): Promise<Joined> {
    const { endpoint, insecure, onLost } = this.#o;
    const { shown } = endpoint.target;
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(endpoint.socket, {
        ...proxied(endpoint.socket.href),
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
      const silent = () =>
        fail(new RoomtapError("signal-refused", `${shown} did not let us in within ${JOIN_MS / 1000} s`));
      const timer = setTimeout(silent, JOIN_MS);
      const settled = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", abort);
      };
      socket.on("open", () => {
        this.send({ type: "handshake", version: [PROTOCOL_VERSION], id: this.id });
        this.#askIn();
      });
      socket.on("error", (cause) => fail(unreachable(cause, shown)));
      socket.on("message", (data, binary) => {
        // What came in the same packet as a refusal.
        if (failure) return;
        this.#heardAt = performance.now();
        const m = binary ? undefined : parseServerMessage(data.toString());
        if (!m) {
          if (this.#in) this.#o.onMalformed();
          else fail(stranger(shown));
        } else if (m.t === "ping") this.send({ type: "pong" });
        else if (this.#in) this.#hand(m);
        else if (m.t === "joined" && m.kind === "join") {
          settled();
          this.#in = true;
          this.#watch();
          resolve({ permissions: m.permissions, iceServers: m.iceServers });
        } else {
          const error = refusal(m, shown);
          if (error) fail(error);
          // Who is there may be said before we are.
          else this.#hand(m);
        }
      });
      socket.on("close", (code) => {
        settled();
        clearInterval(this.#ping);
        if (!this.#in) reject(failure ?? stranger(shown));
        else if (!this.#closed) onLost(`${shown} closed the connection (${code})`);
        this.#closed = true;
      });
      if (signal.aborted) abort();
      else signal.addEventListener("abort", abort, { once: true });
    });
  }

  send(m: ClientMessage): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(m));
  }

  /** Leaves the group. Resolves when the server knows, after a second at most. Idempotent. */
  async close(): Promise<void> {
    const { group } = this.#o.endpoint.target;
    if (this.#in && !this.#closed) this.send({ type: "join", kind: "leave", group });
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
      socket.close(1000);
    });
  }

  #askIn(): void {
    const { endpoint, name, password, token } = this.#o;
    const { group } = endpoint.target;
    const credentials =
      token === undefined
        ? { username: name, ...(password === undefined ? {} : { password }) }
        : { username: name, token };
    this.send({ type: "join", kind: "join", group, ...credentials });
  }

  #hand(m: ServerMessage): void {
    if (!this.#closed) this.#o.onMessage(m);
  }

  #watch(): void {
    this.#ping = setInterval(() => {
      if (performance.now() - this.#heardAt > SILENCE_MS) this.#socket?.terminate();
      else this.send({ type: "ping" });
    }, PING_MS);
  }
}

/** Why we are not let in; undefined: the message says nothing of that. */
function refusal(m: ServerMessage, shown: string): RoomtapError | undefined {
  if (m.t === "handshake" && !m.versions.includes(PROTOCOL_VERSION)) {
    const theirs = m.versions.join(", ").slice(0, 20);
    return new RoomtapError("signal-protocol", `${shown} speaks version ${theirs} of the protocol`, {
      hint: `this Roomtap speaks version ${PROTOCOL_VERSION}`,
    });
  }
  if (m.t === "notice" && m.kind === "kicked")
    return new RoomtapError("kicked", `${shown}: ${words(m.value)}`);
  if (m.t === "notice" && m.kind === "error")
    return new RoomtapError("signal-refused", `${shown}: ${words(m.value)}`);
  if (m.t !== "joined" || m.kind === "change") return undefined;
  if (m.kind === "redirect")
    return new RoomtapError("signal-refused", `${shown} has moved`, {
      hint: `its new address: ${words(m.value)}`,
    });
  const [code, hint] = meaning(m.error, m.value);
  return new RoomtapError(code, `${shown} does not let us in: ${words(m.value) || "it does not say why"}`, {
    hint,
  });
}

function meaning(error: string, value: string): [code: ErrorCode, hint: string] {
  if (error === "duplicate-username")
    return ["signal-refused", "somebody of that name is there: choose another with --name"];
  if (error === "need-username") return ["auth", "it wants a name: --name"];
  if (/not authori[sz]ed/i.test(value))
    return ["auth", "check name and password: --name, --pin (or ROOMTAP_PIN), or a token: --token"];
  if (/too many|full/i.test(value))
    return ["room-full", "wait for somebody to leave, or raise the group's limit"];
  if (/locked/i.test(value)) return ["auth", "an operator of the group has to unlock it"];
  return ["signal-refused", "check the group's name, and that the group is open"];
}

const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ALTNAME/;

function unreachable(cause: Error, shown: string): RoomtapError {
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : "no WebSocket";
  if (CERTIFICATE.test(code))
    return new RoomtapError("signal-refused", `the TLS certificate of ${shown} is not trusted (${code})`, {
      hint: "if you trust the server anyway, add --insecure",
      cause,
    });
  return new RoomtapError("signal-refused", `cannot reach the group ${shown} (${code})`, {
    hint: "is the server running, and does a proxy before it carry WebSockets?",
    cause,
  });
}

function stranger(shown: string): RoomtapError {
  return new RoomtapError("signal-protocol", `${shown} does not speak as Galene servers do`, {
    hint: "is it the address of a Galene group?",
  });
}
