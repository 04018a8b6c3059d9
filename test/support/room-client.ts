import { WebSocket } from "ws";
import {
  type ClientMessage,
  PROTOCOL_VERSION,
  parseServerMessage,
  type ServerMessage,
  type WelcomeMessage,
} from "../../src/signaling/room/messages.ts";

/** How a connection ended. */
export type Closed = { readonly code: number; readonly reason: string };

/** A bare client of the room server: sends what it is told, keeps what it hears, in order. */
export class RoomClient {
  readonly #ws: WebSocket;
  readonly #inbox: ServerMessage[] = [];
  #waiting: (() => void) | undefined;
  /** Settles when the connection is over. */
  readonly closed: Promise<Closed>;

  private constructor(ws: WebSocket) {
    this.#ws = ws;
    this.closed = new Promise((resolve) => {
      ws.on("close", (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    ws.on("error", () => {});
    ws.on("message", (data) => {
      const message = parseServerMessage(String(data));
      if (message === undefined) throw new Error(`the server sent something malformed: ${String(data)}`);
      this.#inbox.push(message);
      this.#waiting?.();
    });
  }

  /** Opens a WebSocket; rejects with the HTTP status in the message when it is refused. */
  static async open(url: string, headers: Record<string, string> = {}): Promise<RoomClient> {
    const ws = new WebSocket(url, { headers, rejectUnauthorized: false });
    const client = new RoomClient(ws);
    await new Promise<void>((resolve, reject) => {
      ws.once("open", resolve);
      ws.once("unexpected-response", (_, res) => {
        reject(new Error(`HTTP ${res.statusCode}`));
        ws.terminate();
      });
    });
    return client;
  }

  /** Opens and joins. */
  static async join(
    url: string,
    o: { room?: string; name?: string; recorder?: boolean; token?: string; rejoin?: string } = {},
  ): Promise<RoomClient & { readonly welcome: WelcomeMessage }> {
    const client = await RoomClient.open(url);
    client.sendJoin(o);
    return Object.assign(client, { welcome: await client.next("welcome") });
  }

  sendJoin(o: { room?: string; name?: string; recorder?: boolean; token?: string; rejoin?: string }): void {
    const { room = "test", name = "Ann", recorder = false, ...secrets } = o;
    this.send({ t: "join", v: PROTOCOL_VERSION, room, name, caps: { recorder, publish: true }, ...secrets });
  }

  send(message: ClientMessage): void {
    this.sendRaw(JSON.stringify(message));
  }

  sendRaw(data: string | Buffer): void {
    this.#ws.send(data);
  }

  /** The next message, which must be of this kind. */
  async next<T extends ServerMessage["t"]>(t: T): Promise<Extract<ServerMessage, { t: T }>> {
    const message = await this.#shift();
    if (message.t !== t) throw new Error(`expected ${t}, got ${JSON.stringify(message)}`);
    return message as Extract<ServerMessage, { t: T }>;
  }

  /** The next message of this kind; others before it are dropped. */
  async nextOf<T extends ServerMessage["t"]>(t: T): Promise<Extract<ServerMessage, { t: T }>> {
    for (;;) {
      const message = await this.#shift();
      if (message.t === t) return message as Extract<ServerMessage, { t: T }>;
    }
  }

  /** Resolves once the server has handled all that was sent; nothing but the answer may arrive meanwhile. */
  async settled(): Promise<void> {
    this.send({ t: "ping" });
    await this.next("pong");
  }

  /** Stops reading from the socket, like a stuck program. */
  stopReading(): void {
    this.#ws.pause();
  }

  /** Closes properly: this peer leaves. */
  leave(): void {
    this.#ws.close(1000);
  }

  /** Cuts the connection as a dying network does, as far as the server can tell. */
  cut(): void {
    this.#ws.terminate();
  }

  async #shift(): Promise<ServerMessage> {
    for (;;) {
      const message = this.#inbox.shift();
      if (message) return message;
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
  }
}
