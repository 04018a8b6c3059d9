import {
  createServer,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import type { PlacedFrame } from "../../src/core/media/received-track.ts";
import { seededRandom } from "../../src/core/random.ts";
import type { LocalTrack } from "../../src/core/room.ts";
import { defaultCapabilities } from "../../src/core/sdp/capabilities.ts";
import { PeerHost } from "../../src/peer/host.ts";
import type { PeerLink } from "../../src/peer/link.ts";
import { Pump } from "../../src/peer/pump.ts";
import { clipSender } from "./clip.ts";
import type { FakeNetwork } from "./fake-transport.ts";

type Method = "OPTIONS" | "POST" | "PATCH" | "DELETE";

/** A request that came. */
export type WhipRequest = {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
};

/** A reply that a test puts in the place of the proper one. */
export type ScriptedReply = {
  readonly status: number;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string;
  /** Begin an answer, and never end it. */
  readonly hang?: boolean;
};

/** What kind of endpoint it is; WHIP unless something else is said. */
export type WhipServerOptions = {
  /** What it sends; with this alone it is a WHEP endpoint. */
  readonly sends?: readonly LocalTrack[];
  /** Takes offers as JSON. */
  readonly json?: boolean;
  /** Answers an offer with one of its own. */
  readonly counter?: boolean;
};

/**
 * A WHIP endpoint (or one that is like it) at every path, over the fake network: proper answers, unless a script has
 * others, which are used up in order.
 */
export class WhipServer {
  readonly requests: WhipRequest[] = [];
  readonly frames: PlacedFrame[] = [];
  readonly links: PeerLink[] = [];
  /** By method: what is answered next. */
  readonly script: Partial<Record<Method, ScriptedReply[]>> = {};
  /** Headers of proper answers to an offer. */
  created: Pick<OutgoingHttpHeaders, "etag" | "link" | "location"> = { etag: '"1"' };
  /** What becomes of a proper answer before it is sent. */
  rewrite: (sdp: string) => string = (sdp) => sdp;
  readonly #server: Server;
  readonly #host: PeerHost;
  readonly #o: WhipServerOptions;
  #port = 0;

  constructor(
    net: FakeNetwork,
    codecs: readonly string[] = ["opus", "VP8", "H264"],
    o: WhipServerOptions = {},
  ) {
    this.#o = o;
    this.#host = new PeerHost({
      transports: net.factory,
      pump: new Pump(),
      random: seededRandom(77),
      cname: "server",
      maxBitrate: 1_000_000,
      capabilities: defaultCapabilities.filter((c) => codecs.includes(c.name)),
      sender: (_, media, now) => clipSender(media, now),
      onFrame: (_, __, frame) => this.frames.push(frame),
      log: () => undefined,
    });
    this.#server = createServer((request, response) => {
      let body = "";
      request.setEncoding("utf8").on("data", (text) => {
        body += text;
      });
      request.on("end", () => {
        const { method = "", url: path = "", headers } = request;
        this.requests.push({ method, path, headers, body });
        this.#answer(method, path, body, response).catch(() => response.writeHead(400).end());
      });
    });
  }

  /** Listens, on the port it had before where it listened already. */
  async open(): Promise<this> {
    await new Promise<void>((resolve) => {
      this.#server.listen(this.#port, "127.0.0.1", resolve);
    });
    this.#port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  get host(): string {
    return `127.0.0.1:${this.#port}`;
  }

  get address(): string {
    const { json, sends } = this.#o;
    const dialect = json ? "offer" : sends ? "whep" : "whip";
    return `${dialect}+http://${this.host}/live/secret-key`;
  }

  /** Requests of a method. */
  of(method: string): WhipRequest[] {
    return this.requests.filter((r) => r.method === method);
  }

  /** Stops listening; connections of media go on. */
  async away(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }

  async close(): Promise<void> {
    if (this.#server.listening) await this.away();
    await this.#host.close();
  }

  async #answer(method: string, path: string, body: string, response: ServerResponse): Promise<void> {
    const scripted = this.script[method as Method]?.shift();
    if (scripted) {
      response.writeHead(scripted.status, scripted.headers);
      if (scripted.hang) response.write("v=0");
      else response.end(scripted.body ?? "");
      return;
    }
    if (method === "DELETE") {
      const link = this.links[Number(path.split("/").at(-1))];
      response.writeHead(link ? 200 : 404).end();
      link?.close();
      return;
    }
    if (method === "PATCH") {
      const sdp = body.startsWith("v=0");
      if (sdp) await this.links[Number(path.split("/").at(-1))]?.answer({ type: "answer", sdp: body });
      response.writeHead(204).end();
      return;
    }
    if (method !== "POST") {
      response.writeHead(405).end();
      return;
    }
    const { json, counter, sends } = this.#o;
    const link = this.#host.link({ peerId: "bot", iceServers: [] });
    this.links.push(link);
    const plan = { send: sends ?? [], receive: { audio: 1, video: 1 }, data: false };
    const offer: unknown = json ? JSON.parse(body).sdp : body;
    if (counter) await link.offer({ ...plan, receive: { audio: 0, video: 0 } });
    else await link.accept({ type: "offer", sdp: String(offer) }, plan);
    const { sdp } = await link.localReady(1000);
    const said = this.rewrite(sdp);
    if (json) {
      response.writeHead(200, { "content-type": "application/json; charset=utf-8" });
      response.end(JSON.stringify({ sdp: said, type: "answer" }));
      return;
    }
    response
      .writeHead(counter ? 406 : 201, {
        "content-type": "application/sdp",
        location: `../sessions/${this.links.length - 1}`,
        ...this.created,
      })
      .end(said);
  }
}
