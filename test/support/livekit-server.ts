import { createServer, type IncomingMessage, type Server } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { seededRandom } from "../../src/core/random.ts";
import type { LocalTrack } from "../../src/core/room.ts";
import type { Certificate } from "../../src/net/certificate.ts";
import { PeerHost } from "../../src/peer/host.ts";
import type { PeerLink } from "../../src/peer/link.ts";
import { Pump } from "../../src/peer/pump.ts";
import { ProtoMessage, ProtoWriter } from "../../src/signaling/livekit/wire.ts";
import { clipSender } from "./clip.ts";
import type { FakeNetwork } from "./fake-transport.ts";

/** A participant in the room, as a test writes it. */
export type FakeParticipant = {
  readonly sid: string;
  readonly identity: string;
  readonly name?: string;
  /** 3: gone. */
  readonly state?: number;
  readonly tracks?: readonly FakeTrack[];
};

/** A track of one; type and source as on the wire. */
export type FakeTrack = {
  readonly sid: string;
  readonly type: 0 | 1;
  readonly source: number;
  readonly muted?: boolean;
  readonly encrypted?: boolean;
};

/** A request that came: the number of its kind, and the message. */
export type FakeRequest = { readonly kind: number; readonly m: ProtoMessage };

/** Kinds of requests. */
export const Request = {
  offer: 1,
  answer: 2,
  trickle: 3,
  addTrack: 4,
  subscription: 6,
  trackSetting: 7,
  leave: 8,
  ping: 16,
} as const;

const microphone: LocalTrack = { id: "", kind: "audio", source: "microphone", codec: "opus" };
const camera: LocalTrack = { id: "", kind: "video", source: "camera", codec: "vp8" };

/** One client of the fake server. */
export class FakeSession {
  readonly requests: FakeRequest[] = [];
  readonly headers: IncomingMessage["headers"];
  readonly url: URL;
  readonly socket: WebSocket;
  readonly subscriber: PeerLink;
  publisher: PeerLink | undefined;
  /** Tracks that the client takes. */
  subscribed: string[] = [];
  readonly #server: FakeLiveKit;
  /** m-lines that a client of the single connection has for us. */
  readonly #asked: [audio: number, video: number] = [1, 1];
  #offerId = 0;
  /** An offer has no answer yet; `again`: another one is due then. */
  #pending: "no" | "yes" | "again" = "no";

  constructor(server: FakeLiveKit, socket: WebSocket, request: IncomingMessage) {
    this.#server = server;
    this.socket = socket;
    this.headers = request.headers;
    this.url = new URL(request.url ?? "/", "http://fake");
    this.subscriber = server.host.link({ peerId: "subscriber", iceServers: [] });
    this.subscriber.onCandidate((c) => this.#trickle(c.candidate, 1));
    socket.on("message", (data: Buffer) => {
      // What a client says may not fit; that is its test's to find out.
      this.#onRequest(ProtoMessage.read(new Uint8Array(data))).catch(() => undefined);
    });
    socket.on("close", () => server.sessions.delete(this));
  }

  of(kind: number): ProtoMessage[] {
    return this.requests.filter((r) => r.kind === kind).map((r) => r.m);
  }

  /** Says a message of a kind. */
  say(kind: number, m: ProtoWriter): void {
    this.socket.send(new ProtoWriter().message(kind, m).finish());
  }

  /** It came by the dialect with a single connection: the client offers. */
  get single(): boolean {
    return this.url.pathname.endsWith("/v1");
  }

  /** Offers what the client takes, or asks it for an offer with that many m-lines. */
  async offer(): Promise<void> {
    if (this.single) {
      const missing = (kind: string) =>
        Math.max(
          0,
          this.#taken.filter((t) => t.kind === kind).length - this.#asked[kind === "audio" ? 0 : 1],
        );
      const [audio, video] = [missing("audio"), missing("video")];
      this.#asked[0] += audio;
      this.#asked[1] += video;
      this.say(25, new ProtoWriter().int(1, audio).int(2, video));
      return;
    }
    if (this.#pending !== "no") {
      this.#pending = "again";
      return;
    }
    this.#pending = "yes";
    const plan = { send: this.#taken, receive: { audio: 0, video: 0 }, data: true };
    const { sdp } = await this.subscriber.offer(plan);
    this.say(3, describe("offer", sdp, ++this.#offerId));
  }

  get #taken(): LocalTrack[] {
    const tracks = this.#server.participants.flatMap((p) => p.tracks ?? []);
    return this.subscribed.flatMap((sid) => {
      const track = tracks.find((t) => t.sid === sid);
      return track ? [{ ...(track.type === 0 ? microphone : camera), id: sid }] : [];
    });
  }

  /** Ends the session; see LeaveRequest. */
  leave(reason: number, action: number): void {
    this.say(8, new ProtoWriter().int(2, reason).int(3, action));
    this.socket.close();
  }

  async #onRequest(outer: ProtoMessage): Promise<void> {
    const [kind] = outer.numbers;
    const m = kind === undefined ? undefined : outer.message(kind);
    if (kind === undefined || !m) return;
    this.requests.push({ kind, m });
    switch (kind) {
      case Request.answer:
        await this.#onAnswer(m.string(2));
        break;
      case Request.offer: {
        if (this.#server.mute) break;
        const link = this.publisher ?? this.#openPublisher();
        const plan = { send: this.single ? this.#taken : [], receive: { audio: 1, video: 1 }, data: false };
        const { answer } = await link.accept({ type: "offer", sdp: m.string(2) }, plan);
        this.say(2, describe("answer", answer.sdp, m.int(3)));
        break;
      }
      case Request.trickle: {
        const init: { candidate?: string } = JSON.parse(m.string(1));
        const link = m.int(2) === 1 ? this.subscriber : this.publisher;
        link?.addCandidate({ candidate: init.candidate ?? "" });
        break;
      }
      case Request.addTrack: {
        if (this.#server.silent) break;
        const track = new ProtoWriter()
          .string(1, `TR_${m.string(1)}`)
          .int(2, m.int(3))
          .int(9, m.int(8));
        this.say(6, new ProtoWriter().string(1, m.string(1)).message(2, track));
        break;
      }
      case Request.subscription:
        if (m.bool(2)) this.subscribed.push(...m.strings(1));
        await this.offer();
        break;
      default:
    }
  }

  #openPublisher(): PeerLink {
    const link = this.#server.host.link({ peerId: "publisher", iceServers: [] });
    this.publisher = link;
    link.onCandidate((c) => this.#trickle(c.candidate, 0));
    return link;
  }

  async #onAnswer(sdp: string): Promise<void> {
    if (this.subscriber.state === "closed") return;
    await this.subscriber.answer({ type: "answer", sdp });
    const again = this.#pending === "again";
    this.#pending = "no";
    if (again) await this.offer();
  }

  #trickle(candidate: string, target: number): void {
    const init = JSON.stringify({ candidate, sdpMid: "0", sdpMLineIndex: 0 });
    this.say(4, new ProtoWriter().string(1, init).int(2, target));
  }
}

/** A LiveKit server with one room, over the fake network. */
export class FakeLiveKit {
  readonly sessions = new Set<FakeSession>();
  readonly all: FakeSession[] = [];
  /** Who is in the room besides. */
  participants: FakeParticipant[] = [];
  /** How the next connections are refused, in order. */
  readonly refusals: { status: number; body?: string; headers?: string }[] = [];
  /** The first message is this instead. */
  greeting: Uint8Array | undefined;
  /** What follows the first message at once. */
  behindJoin: Uint8Array[] = [];
  /** It does not agree to tracks. */
  silent = false;
  /** It does not answer offers. */
  mute = false;
  /** What a token allows; absent: not said. */
  may: { publish: boolean; subscribe: boolean } | undefined;
  alternativeUrl = "";
  readonly host: PeerHost;
  #server: Server | undefined;
  readonly #sockets = new WebSocketServer({ noServer: true });
  #port = 0;
  #secure = false;

  constructor(net: FakeNetwork) {
    this.host = new PeerHost({
      transports: net.factory,
      pump: new Pump(),
      random: seededRandom(55),
      cname: "sfu",
      maxBitrate: 1_000_000,
      sender: (_, media, now) => clipSender(media, now),
      onFrame: () => {
        this.frames++;
      },
      log: () => undefined,
    });
  }

  /** Frames that came from publishers. */
  frames = 0;

  /** `tls`: its certificate and key. */
  async open(tls?: Certificate): Promise<this> {
    const server = tls ? createSecureServer(tls) : createServer();
    this.#secure = tls !== undefined;
    this.#server = server;
    server.on("upgrade", (request, socket, head) => this.#onUpgrade(request, socket, head));
    await new Promise<void>((resolve) => {
      server.listen(this.#port, "127.0.0.1", resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
    return this;
  }

  get address(): string {
    return `livekit+${this.#secure ? "wss" : "ws"}://127.0.0.1:${this.#port}/demo`;
  }

  /** The last client. */
  get last(): FakeSession {
    const session = this.all.at(-1);
    if (!session) throw new Error("nobody came");
    return session;
  }

  /** Tells everybody of participants; they are in the room from now on, or gone. */
  tell(...participants: FakeParticipant[]): void {
    const m = new ProtoWriter();
    for (const p of participants) {
      this.participants = this.participants.filter((o) => o.sid !== p.sid);
      if (p.state !== 3) this.participants.push(p);
      m.message(1, participantInfo(p));
    }
    for (const s of this.sessions) s.say(5, m);
  }

  /** Breaks every signalling connection; media goes on. */
  cut(): void {
    for (const s of this.sessions) s.socket.terminate();
  }

  async close(): Promise<void> {
    this.cut();
    const server = this.#server;
    this.#server = undefined;
    server?.closeAllConnections();
    await new Promise<void>((resolve) => {
      if (server) server.close(() => resolve());
      else resolve();
    });
  }

  async shutDown(): Promise<void> {
    await this.close();
    await this.host.close();
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const refused = this.refusals.shift();
    if (refused) {
      const { status, body = "", headers = "" } = refused;
      socket.end(
        `HTTP/1.1 ${status} No\r\n${headers}content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
      );
      return;
    }
    this.#sockets.handleUpgrade(request, socket, head, (ws) => {
      const session = new FakeSession(this, ws, request);
      this.sessions.add(session);
      this.all.push(session);
      ws.send(this.greeting ?? this.#join());
      for (const message of this.behindJoin) ws.send(message);
      if (!session.single) void session.offer();
    });
  }

  #join(): Uint8Array {
    const permission = new ProtoWriter()
      .bool(1, this.may?.subscribe ?? true)
      .bool(2, this.may?.publish ?? true);
    const self = participantInfo({ sid: `PA_bot${this.all.length}`, identity: "bot-identity" }).message(
      11,
      permission,
    );
    const join = new ProtoWriter().message(2, self);
    for (const p of this.participants) join.message(3, participantInfo(p));
    join.string(7, this.alternativeUrl).int(10, 15).int(11, 5);
    return new ProtoWriter().message(1, join).finish();
  }
}

function participantInfo(p: FakeParticipant): ProtoWriter {
  const m = new ProtoWriter()
    .string(1, p.sid)
    .string(2, p.identity)
    .int(3, p.state ?? 2)
    .string(9, p.name ?? "");
  for (const t of p.tracks ?? []) {
    m.message(
      4,
      new ProtoWriter()
        .string(1, t.sid)
        .int(2, t.type)
        .bool(4, t.muted === true)
        .int(9, t.source)
        .int(16, t.encrypted ? 1 : 0),
    );
  }
  return m;
}

/** A description, with the SIDs of the tracks on its m-lines. */
function describe(type: string, sdp: string, id: number): ProtoWriter {
  const m = new ProtoWriter().string(1, type).string(2, sdp).int(3, id);
  for (const [mid, sid] of tracksByMid(sdp)) m.message(4, new ProtoWriter().string(1, mid).string(2, sid));
  return m;
}

/** What our engine's offer sends, by mid: it writes the id of a track into its a=msid. */
function tracksByMid(sdp: string): Map<string, string> {
  const out = new Map<string, string>();
  let mid = "";
  for (const line of sdp.split("\r\n")) {
    if (line.startsWith("a=mid:")) mid = line.slice(6);
    const sid = /^a=msid:\S+ (\S+)/.exec(line)?.[1];
    if (sid !== undefined) out.set(mid, sid);
  }
  return out;
}
