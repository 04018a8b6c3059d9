import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import type { PlacedFrame } from "../../src/core/media/received-track.ts";
import { seededRandom } from "../../src/core/random.ts";
import type { LocalTrack } from "../../src/core/room.ts";
import { PeerHost } from "../../src/peer/host.ts";
import type { PeerLink } from "../../src/peer/link.ts";
import { Pump } from "../../src/peer/pump.ts";
import { clipSender } from "./clip.ts";
import type { FakeNetwork } from "./fake-transport.ts";

/** A message of the protocol, in either direction. */
export type GaleneMessage = { readonly type: string; readonly [field: string]: unknown };

const tracks: readonly LocalTrack[] = [
  { id: "mic", kind: "audio", source: "microphone", codec: "opus" },
  { id: "cam", kind: "video", source: "camera", codec: "vp8" },
];

/**
 * A server with one group, `talk`, over the fake network: it lets in who has the password, takes what is published, and
 * offers a stream of one more person, Ann, to whoever asks. What it does otherwise, tests do by hand.
 */
export class FakeGalene {
  /** Everything that came, in order. */
  readonly received: GaleneMessage[] = [];
  readonly frames: PlacedFrame[] = [];
  /** Streams by id, ours and the bot's. */
  readonly links = new Map<string, PeerLink>();
  password = "";
  permissions: readonly string[] = ["present"];
  /** Replaces the group's status. */
  status: ((host: string) => object | string) | undefined;
  /** In the place of letting somebody in. */
  refusal: GaleneMessage | undefined;
  version: readonly string[] = ["2"];
  readonly #http: Server;
  readonly #sockets = new Set<WebSocket>();
  readonly #host: PeerHost;
  #port = 0;
  #streams = 0;

  constructor(net: FakeNetwork) {
    this.#host = new PeerHost({
      transports: net.factory,
      pump: new Pump(),
      random: seededRandom(41),
      cname: "galene",
      maxBitrate: 1_000_000,
      sender: (_, media, now) => clipSender(media, now),
      onFrame: (_, __, frame) => this.frames.push(frame),
      log: () => undefined,
    });
    this.#http = createServer((request, response) => {
      if (request.url !== "/group/talk/.status") {
        response.writeHead(404).end("<html>");
        return;
      }
      const usual = {
        name: "talk",
        location: `http://${this.host}/group/talk/`,
        endpoint: `ws://${this.host}/ws`,
      };
      const body = this.status?.(this.host) ?? usual;
      response.end(typeof body === "string" ? body : JSON.stringify(body));
    });
    const sockets = new WebSocketServer({ server: this.#http, path: "/ws" });
    sockets.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      socket.on("message", (data) => {
        const m = JSON.parse(String(data)) as GaleneMessage;
        this.received.push(m);
        // Streams may be over while they are agreed on.
        this.#on(m, socket).catch(() => undefined);
      });
    });
  }

  /** Listens, on the port it had before where it listened already. */
  async open(): Promise<this> {
    await new Promise<void>((resolve) => {
      this.#http.listen(this.#port, "127.0.0.1", resolve);
    });
    this.#port = (this.#http.address() as AddressInfo).port;
    return this;
  }

  get host(): string {
    return `127.0.0.1:${this.#port}`;
  }

  get address(): string {
    return `galene+http://${this.host}/group/talk/`;
  }

  /** Seats that are taken. */
  get seats(): number {
    return this.#sockets.size;
  }

  of(type: string): GaleneMessage[] {
    return this.received.filter((m) => m.type === type);
  }

  /** Says something to everybody. */
  say(m: GaleneMessage): void {
    for (const socket of this.#sockets) socket.send(JSON.stringify(m));
  }

  /** Cuts every WebSocket; its streams end with it. */
  cut(): void {
    for (const socket of this.#sockets) socket.terminate();
    for (const id of [...this.links.keys()]) this.#forget(id);
  }

  /** Stops listening as well. */
  async away(): Promise<void> {
    this.cut();
    this.#http.closeAllConnections();
    await new Promise((resolve) => {
      this.#http.close(resolve);
    });
  }

  async close(): Promise<void> {
    if (this.#http.listening) await this.away();
    await this.#host.close();
  }

  /** Offers a stream of Ann's to everybody. Returns its id. */
  async stream(label = "camera", replace?: string): Promise<string> {
    const id = `down-${++this.#streams}`;
    const link = this.#host.link({ peerId: "bot", iceServers: [] });
    this.links.set(id, link);
    await link.offer({ send: tracks, receive: { audio: 0, video: 0 }, data: false });
    const { sdp } = await link.localReady(1000);
    if (replace !== undefined) this.#forget(replace);
    const owner = { source: "ann", username: "Ann" };
    this.say({ type: "offer", id, label, ...owner, sdp, ...(replace === undefined ? {} : { replace }) });
    return id;
  }

  /** The owner takes a stream back. */
  end(id: string): void {
    this.#forget(id);
    this.say({ type: "close", id });
  }

  async #on(m: GaleneMessage, socket: WebSocket): Promise<void> {
    const say = (answer: GaleneMessage) => socket.send(JSON.stringify(answer));
    const id = String(m.id ?? "");
    switch (m.type) {
      case "handshake":
        say({ type: "handshake", version: this.version });
        break;
      case "join":
        if (m.kind === "join") this.#join(m, say);
        break;
      case "request":
        if (this.links.size === 0) await this.stream();
        break;
      case "answer":
        // Of those whom a stream was offered to, the first one has it.
        if (this.links.get(id)?.signalingState === "have-local-offer")
          await this.links.get(id)?.answer({ type: "answer", sdp: String(m.sdp) });
        break;
      case "offer": {
        if (typeof m.replace === "string") this.#forget(m.replace);
        const link = this.#host.link({ peerId: "bot", iceServers: [] });
        this.links.set(id, link);
        const plan = { send: [], receive: { audio: 1, video: 1 }, data: false };
        await link.accept({ type: "offer", sdp: String(m.sdp) }, plan);
        const { sdp } = await link.localReady(1000);
        say({ type: "answer", id, sdp });
        break;
      }
      case "ice":
        this.links.get(id)?.addCandidate(m.candidate as { candidate: string });
        break;
      case "close":
        this.#forget(id);
        break;
      case "abort":
        this.#forget(id);
        say({ type: "close", id });
        break;
      default:
    }
  }

  #join(m: GaleneMessage, say: (m: GaleneMessage) => void): void {
    const stranger = (m.password ?? m.token ?? "") !== this.password;
    const unknown = { type: "joined", kind: "fail", value: "not authorised" };
    const refusal = this.refusal ?? (stranger ? unknown : undefined);
    if (refusal) {
      say(refusal);
      return;
    }
    say({ type: "user", kind: "add", id: "ann", username: "Ann" });
    say({ type: "joined", kind: "join", group: "talk", permissions: this.permissions });
    say({ type: "chathistory", kind: "", source: "ann", value: "hello" });
  }

  #forget(id: string): void {
    this.links.get(id)?.close();
    this.links.delete(id);
  }
}
