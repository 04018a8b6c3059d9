import { WebSocket } from "ws";
import { Backoff } from "../../core/backoff.ts";
import { RoomtapError } from "../../core/fault.ts";
import type { Cancel, Description } from "../../core/room.ts";
import { proxied } from "../../net/proxy-agent.ts";
import { type JanusMessage, MAX_MESSAGE, parseJanus, type RoomData } from "./messages.ts";

const HANDSHAKE_MS = 10_000;
/** An answer that has not come by now does not come. */
const REQUEST_MS = 10_000;
/** A session that nobody uses ends after 60 s. */
const KEEPALIVE_MS = 20_000;
/** A server that does not answer the keepalive is gone. */
const ANSWER_MS = 8000;
/** A server that does not come back within this time ends the session. */
const GIVE_UP_MS = 300_000;
const HEALTHY_MS = 5000;

/** Codes of the server's core. */
const UNAUTHORIZED = 403;
const UNKNOWN_SESSION = 458;

/** What a client tells its owner. */
export type JanusEvents = {
  /** Said by the server of its own accord, of one of our handles. */
  readonly onMessage: (m: JanusMessage) => void;
  /** What was said cannot be read. */
  readonly onMalformed: () => void;
  readonly onLost: (detail: string) => void;
  /** The signalling is back. `claimed`: with all handles; otherwise there are none. */
  readonly onBack: (claimed: boolean) => void;
  readonly onEnded: (error: RoomtapError) => void;
};

/** Where, and who. */
export type JanusClientOptions = JanusEvents & {
  readonly url: string;
  /** For people. */
  readonly shown: string;
  /** Goes into every request. */
  readonly token?: string;
  /** The same, of servers that want one of all clients; absent: the token, as a server looks at the one it knows. */
  readonly apiSecret?: string;
  readonly insecure?: boolean;
  readonly random: () => number;
  /** Milliseconds of the first and the longest wait before coming back. */
  readonly backoff: { readonly baseMs: number; readonly capMs: number };
};

/** What the plugin answered. */
export type PluginReply = { readonly data: RoomData; readonly jsep?: Description };

type Waiting = {
  readonly onReply: (m: JanusMessage) => void;
  readonly onFailure: (error: RoomtapError) => void;
  /** An acknowledgement is all the answer there is. */
  readonly ack: boolean;
  readonly timer: NodeJS.Timeout;
};

/**
 * A session with a Janus server over one WebSocket at a time. A lost one is made anew, and the session claimed; a server that
 * does not know it any more gets a new session.
 */
export class JanusClient {
  readonly #o: JanusClientOptions;
  readonly #backoff: Backoff;
  readonly #waiting = new Map<string, Waiting>();
  #socket: WebSocket | undefined;
  #session: number | undefined;
  #next = 1;
  #timer: NodeJS.Timeout | undefined;
  #keepalive: NodeJS.Timeout | undefined;
  #lostSince: number | undefined;
  #upSince = 0;
  #closed = false;

  constructor(o: JanusClientOptions) {
    this.#o = o;
    this.#backoff = new Backoff({ ...o.backoff, random: o.random });
  }

  /** Connects and makes a session. Rejects with a RoomtapError. Never retries. */
  async open(signal: Cancel): Promise<void> {
    const abort = () => this.#socket?.terminate();
    if (signal.aborted) throw cancelled();
    signal.addEventListener("abort", abort, { once: true });
    try {
      await this.#connect();
    } catch (error) {
      throw signal.aborted ? cancelled() : error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** A new handle of the VideoRoom. Rejects with a RoomtapError. */
  async attach(): Promise<number> {
    const m = await this.#request({ janus: "attach", plugin: "janus.plugin.videoroom" }, false);
    if (m.id === undefined) throw protocolError(this.#o.shown, "a handle without an id");
    return m.id;
  }

  /** Asks the plugin. Resolves with what it says in the end, errors of the room included. */
  async message(handle: number, body: object, jsep?: Description): Promise<PluginReply> {
    const m = await this.#request(
      { janus: "message", handle_id: handle, body, ...(jsep ? { jsep } : {}) },
      false,
    );
    if (!m.data) throw protocolError(this.#o.shown, "an answer without content");
    return { data: m.data, ...(m.jsep ? { jsep: m.jsep } : {}) };
  }

  /** Tells of a local candidate, or that there are no more. */
  trickle(handle: number, candidate: object): void {
    void this.#request({ janus: "trickle", handle_id: handle, candidate }, true).catch(() => undefined);
  }

  /** Lets go of a handle. Never rejects. */
  async detach(handle: number): Promise<void> {
    await this.#request({ janus: "detach", handle_id: handle }, false).catch(() => undefined);
  }

  /** Ends the session. Resolves when the socket is closed, after a second at most. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#keepalive);
    const socket = this.#socket;
    if (!socket || socket.readyState === WebSocket.CLOSED) return;
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    const hurry = setTimeout(() => socket.terminate(), 1000);
    if (socket.readyState === WebSocket.OPEN && this.#session !== undefined) {
      await Promise.race([this.#request({ janus: "destroy" }, false).catch(() => undefined), closed]);
    }
    socket.close();
    await closed;
    clearTimeout(hurry);
  }

  async #connect(): Promise<void> {
    const socket = await this.#openSocket();
    const before = this.#session;
    try {
      if (before !== undefined) {
        try {
          await this.#request({ janus: "claim" }, false);
          this.#up();
          return this.#o.onBack(true);
        } catch (error) {
          if (!(error instanceof JanusError) || error.janusCode !== UNKNOWN_SESSION) throw error;
          this.#session = undefined;
        }
      }
      const { id } = await this.#request({ janus: "create" }, false);
      if (id === undefined) throw protocolError(this.#o.shown, "a session without an id");
      this.#session = id;
      this.#up();
      if (before !== undefined) this.#o.onBack(false);
    } catch (error) {
      socket.terminate();
      throw error;
    }
  }

  #up(): void {
    this.#lostSince = undefined;
    this.#upSince = performance.now();
    clearInterval(this.#keepalive);
    this.#keepalive = setInterval(() => {
      const socket = this.#socket;
      const silent = setTimeout(() => socket?.terminate(), ANSWER_MS);
      this.#request({ janus: "keepalive" }, true)
        .catch(() => undefined)
        .finally(() => clearTimeout(silent));
    }, KEEPALIVE_MS);
  }

  #openSocket(): Promise<WebSocket> {
    const { url, shown, insecure } = this.#o;
    return new Promise((resolve, reject) => {
      let failure: RoomtapError | undefined;
      let open = false;
      const socket = new WebSocket(url, "janus-protocol", {
        ...proxied(url),
        handshakeTimeout: HANDSHAKE_MS,
        maxPayload: MAX_MESSAGE,
        followRedirects: false,
        ...(insecure ? { rejectUnauthorized: false } : {}),
      });
      this.#socket = socket;
      socket.on("open", () => {
        open = true;
        resolve(socket);
      });
      socket.on("unexpected-response", (_, response) => {
        failure = refusedByHttp(response.statusCode ?? 0, shown);
        response.destroy();
        socket.terminate();
      });
      socket.on("message", (data, binary) => this.#onText(binary ? "" : data.toString()));
      socket.on("error", (error) => {
        failure ??= unreachable(error, shown);
      });
      socket.on("close", () => {
        for (const w of this.#waiting.values()) w.onFailure(signalLost(shown));
        if (!open) reject(failure ?? protocolError(shown, "no WebSocket"));
        else if (socket === this.#socket) this.#onClosed();
      });
    });
  }

  #onText(text: string): void {
    const m = parseJanus(text);
    if (!m) {
      this.#o.onMalformed();
      return;
    }
    const waiting = m.transaction === undefined ? undefined : this.#waiting.get(m.transaction);
    // An acknowledgement may come after the answer itself.
    if (m.type === "ack") {
      if (waiting?.ack) waiting.onReply(m);
    } else if (waiting) waiting.onReply(m);
    else if (m.type === "timeout") this.#socket?.terminate();
    else if (m.sender !== undefined) this.#o.onMessage(m);
  }

  #onClosed(): void {
    clearInterval(this.#keepalive);
    // While coming back, whoever tries sees it.
    if (this.#closed || this.#lostSince !== undefined || this.#session === undefined) return;
    this.#lostSince = performance.now();
    if (this.#lostSince - this.#upSince > HEALTHY_MS) this.#backoff.reset();
    this.#o.onLost(`${this.#o.shown} closed the connection`);
    this.#retry();
  }

  #retry(): void {
    if (this.#closed) return;
    if (performance.now() - (this.#lostSince ?? 0) > GIVE_UP_MS) {
      this.#o.onEnded(new RoomtapError("signal-closed", `${this.#o.shown} did not come back`));
      return;
    }
    this.#timer = setTimeout(() => {
      this.#connect().catch((error: unknown) => {
        if (this.#closed) return;
        if (error instanceof RoomtapError && error.code === "auth") this.#o.onEnded(error);
        else this.#retry();
      });
    }, this.#backoff.next());
  }

  #request(body: object, ack: boolean): Promise<JanusMessage> {
    const { token, apiSecret = token, shown } = this.#o;
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      if (socket?.readyState !== WebSocket.OPEN) return reject(signalLost(shown));
      const transaction = `r${this.#next++}`;
      const settle = () => {
        clearTimeout(timer);
        this.#waiting.delete(transaction);
      };
      const timer = setTimeout(() => {
        settle();
        reject(
          new RoomtapError("signal-refused", `${shown} does not answer`, { hint: "is it a Janus server?" }),
        );
      }, REQUEST_MS);
      this.#waiting.set(transaction, {
        ack,
        timer,
        onReply: (m) => {
          settle();
          if (m.error) reject(new JanusError(m.error, shown));
          else resolve(m);
        },
        onFailure: (error) => {
          settle();
          reject(error);
        },
      });
      socket.send(
        JSON.stringify({
          ...body,
          transaction,
          ...(this.#session === undefined ? {} : { session_id: this.#session }),
          ...(token === undefined ? {} : { token }),
          ...(apiSecret === undefined ? {} : { apisecret: apiSecret }),
        }),
      );
    });
  }
}

/** What the server's core refused. */
class JanusError extends RoomtapError {
  readonly janusCode: number;

  constructor({ code, text }: { code: number; text: string }, shown: string) {
    const auth = code === UNAUTHORIZED;
    super(auth ? "auth" : "signal-refused", `${shown} refused: ${text} (${code})`, {
      hint: auth
        ? "pass the server's token with --token, and its API secret with --api-secret"
        : "is it a Janus server with VideoRoom?",
    });
    this.janusCode = code;
  }
}

function cancelled(): RoomtapError {
  return new RoomtapError("signal-closed", "joining the room was cancelled");
}

function signalLost(shown: string): RoomtapError {
  return new RoomtapError("signal-closed", `the connection to ${shown} was lost`, {
    hint: "is the server up, and does it let this machine in? its log may say why",
  });
}

function protocolError(shown: string, what: string): RoomtapError {
  return new RoomtapError("signal-protocol", `${shown} answered with ${what}`, {
    hint: "is it the WebSocket of a Janus server?",
  });
}

function refusedByHttp(status: number, shown: string): RoomtapError {
  const auth = status === 401 || status === 403;
  return new RoomtapError(
    auth ? "auth" : "signal-refused",
    `${shown} answered with HTTP ${status}, not with a WebSocket`,
    {
      hint: "the address is that of Janus' WebSocket transport, usually port 8188 or 8989",
    },
  );
}

function unreachable(error: Error, shown: string): RoomtapError {
  const code = "code" in error ? String(error.code) : "";
  const certificate = code.includes("CERT") || code.includes("ISSUER");
  const text =
    code === "ECONNREFUSED"
      ? `nothing listens at ${shown}`
      : certificate
        ? `the certificate of ${shown} is not trusted`
        : `cannot connect to ${shown}: ${error.message || code}`;
  return new RoomtapError("signal-refused", text, {
    hint: certificate
      ? "accept any with --insecure, where that is what you want"
      : "Janus' WebSocket transport usually has port 8188, with TLS 8989",
    cause: error,
  });
}
