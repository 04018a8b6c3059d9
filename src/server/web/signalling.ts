import type { ClientMessage, ServerMessage, Welcome } from "./protocol.ts";

/** Why there is no way back into the room. */
export type EndReason = "kicked" | "room-full" | "auth" | "protocol" | "replaced";

/** Who wants to join what, and who hears about it. */
export type SignallingOptions = {
  room: string;
  name: string;
  token: string | undefined;
  publish: boolean;
  /** `resumed`: with the same id as before, so connections to peers live on. */
  onWelcome(welcome: Welcome, resumed: boolean): void;
  onMessage(message: Exclude<ServerMessage, Welcome>): void;
  /** The connection broke and is being made again. */
  onLost(): void;
  onEnded(reason: EndReason): void;
};

const PING_MS = 10_000;
const SILENCE_MS = 25_000;
const BACKOFF_BASE_MS = 300;
/** Below the server's grace, so that several attempts fit into it. */
const BACKOFF_CAP_MS = 5000;

const endings: Record<number, EndReason> = {
  4001: "kicked",
  4002: "room-full",
  4003: "auth",
  4004: "protocol",
  4005: "replaced",
};

/** The seat in the room: one WebSocket at a time, taken up again with the rejoin token when it breaks. */
export class Signalling {
  readonly #o: SignallingOptions;
  #ws: WebSocket | undefined;
  #you = "";
  #rejoin: string | undefined;
  #attempt = 0;
  #heard = 0;
  #over = false;
  #retry: number | undefined;
  readonly #ping: number;
  readonly #wake = () => this.#retryNow();

  constructor(o: SignallingOptions) {
    this.#o = o;
    this.#ping = window.setInterval(() => this.#checkAlive(), PING_MS);
    window.addEventListener("online", this.#wake);
    this.#connect();
  }

  /** Dropped while the connection is down: the next welcome tells all that matters. */
  send(message: ClientMessage): void {
    if (this.#ws?.readyState === WebSocket.OPEN) this.#ws.send(JSON.stringify(message));
  }

  /** Leaves for good. */
  leave(): void {
    this.#stop();
    this.#ws?.close(1000);
  }

  #connect(): void {
    const { room, name, token, publish } = this.#o;
    const ws = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
    this.#ws = ws;
    this.#heard = performance.now();
    ws.onopen = () => {
      const caps = { recorder: false, publish };
      ws.send(JSON.stringify({ t: "join", v: 1, room, name, caps, token, rejoin: this.#rejoin }));
    };
    ws.onmessage = (e) => {
      this.#heard = performance.now();
      const message = JSON.parse(String(e.data)) as ServerMessage;
      if (message.t === "welcome") this.#welcome(message);
      else this.#o.onMessage(message);
    };
    ws.onclose = (e) => this.#closed(e.code);
  }

  #welcome(message: Welcome): void {
    const resumed = this.#you === message.you;
    this.#you = message.you;
    this.#rejoin = message.rejoin;
    this.#attempt = 0;
    this.#o.onWelcome(message, resumed);
  }

  #closed(code: number): void {
    if (this.#over) return;
    const ending = endings[code];
    if (ending !== undefined) {
      this.#stop();
      this.#o.onEnded(ending);
      return;
    }
    this.#o.onLost();
    // Full jitter: a room full of pages does not come back in one moment.
    const ceiling = Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** this.#attempt++);
    this.#retry = window.setTimeout(() => this.#connect(), ceiling * Math.random());
  }

  #retryNow(): void {
    if (this.#over || this.#ws?.readyState !== WebSocket.CLOSED) return;
    window.clearTimeout(this.#retry);
    this.#connect();
  }

  #checkAlive(): void {
    const ws = this.#ws;
    if (!ws || ws.readyState > WebSocket.OPEN) return;
    if (performance.now() - this.#heard < SILENCE_MS) {
      this.send({ t: "ping" });
      return;
    }
    // Closing a dead connection can take minutes; the new one does not wait for it.
    ws.onmessage = null;
    ws.onclose = null;
    ws.close();
    this.#closed(0);
  }

  #stop(): void {
    this.#over = true;
    window.clearInterval(this.#ping);
    window.clearTimeout(this.#retry);
    window.removeEventListener("online", this.#wake);
  }
}
