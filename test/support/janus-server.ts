import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import type { PlacedFrame } from "../../src/core/media/received-track.ts";
import { seededRandom } from "../../src/core/random.ts";
import type { Description, LocalTrack } from "../../src/core/room.ts";
import { PeerHost } from "../../src/peer/host.ts";
import type { PeerLink } from "../../src/peer/link.ts";
import { Pump } from "../../src/peer/pump.ts";
import { clipSender } from "./clip.ts";
import type { FakeNetwork } from "./fake-transport.ts";

type Fields = Record<string, unknown>;
type Handle = {
  readonly id: number;
  seat?: number;
  subscriber?: boolean;
  link?: PeerLink;
  streams: Fields[];
};
type Session = { readonly id: number; readonly handles: Map<number, Handle>; socket: WebSocket | undefined };

/** A publisher that the test puts into the room. */
export type FakePublisher = { readonly id: number; readonly display: string };

/** A Janus with one VideoRoom, over the fake network. Publishers in it send the clip: sound and picture each. */
export class FakeJanus {
  readonly requests: Fields[] = [];
  readonly frames: PlacedFrame[] = [];
  readonly publishers: FakePublisher[] = [];
  pin: string | undefined;
  /** Sessions outlive their WebSocket. */
  reclaims = true;
  /** Answers of the plugin in the place of the proper one, by request; used up. */
  readonly script: Record<string, Fields[]> = {};
  readonly #sessions = new Map<number, Session>();
  readonly #http: Server;
  readonly #sockets = new WebSocketServer({ noServer: true, handleProtocols: () => "janus-protocol" });
  readonly #host: PeerHost;
  #next = 100;

  constructor(net: FakeNetwork) {
    this.#host = new PeerHost({
      transports: net.factory,
      pump: new Pump(),
      random: seededRandom(78),
      cname: "janus",
      maxBitrate: 1_000_000,
      sender: (_, media, now) => clipSender(media, now),
      onFrame: (_, __, frame) => this.frames.push(frame),
      log: () => undefined,
    });
    this.#http = createServer();
    this.#http.on("upgrade", (request, socket, head) =>
      this.#sockets.handleUpgrade(request, socket, head, (ws) => {
        ws.on("message", (data) => {
          // An answer to an offer of a connection that was ended meanwhile.
          this.#message(ws, JSON.parse(String(data))).catch(() => undefined);
        });
        ws.on("close", () => this.#lost(ws));
      }),
    );
  }

  async open(): Promise<this> {
    await new Promise<void>((resolve) => {
      this.#http.listen(0, "127.0.0.1", resolve);
    });
    return this;
  }

  get address(): string {
    return `janus+ws://127.0.0.1:${(this.#http.address() as AddressInfo).port}/1234`;
  }

  /** Requests of the plugin of this name. */
  of(request: string): Fields[] {
    return this.requests.filter((r) => fields(r.body).request === request);
  }

  /** How many seats are taken. */
  get seats(): number {
    const handles = [...this.#sessions.values()].flatMap((s) => [...s.handles.values()]);
    return handles.filter((h) => h.seat !== undefined).length;
  }

  /** Somebody begins to publish. */
  come(p: FakePublisher): void {
    this.publishers.push(p);
    this.tell({ publishers: [describe(p)] });
  }

  /** Somebody stops, and leaves. */
  go(id: number): void {
    this.publishers.splice(
      this.publishers.findIndex((p) => p.id === id),
      1,
    );
    this.tell({ unpublished: id });
    this.tell({ leaving: id });
  }

  /** Says something to everybody with a seat. */
  tell(data: Fields, kind = "event"): void {
    for (const s of this.#sessions.values())
      for (const h of s.handles.values())
        if (h.seat !== undefined) this.#event(s, h, { videoroom: kind, ...data });
  }

  /** Breaks all WebSockets. */
  cut(): void {
    for (const ws of this.#sockets.clients) ws.terminate();
  }

  /** The connections that there are, ended by the server. */
  hangUp(): void {
    for (const s of this.#sessions.values())
      for (const h of s.handles.values()) {
        if (h.link) this.#send(s, { janus: "hangup", sender: h.id, reason: "ICE failed" });
        h.link?.close();
        delete h.link;
      }
  }

  async close(): Promise<void> {
    this.cut();
    this.#sockets.close();
    await new Promise((resolve) => {
      this.#http.close(resolve);
    });
    await this.#host.close();
  }

  #lost(ws: WebSocket): void {
    for (const s of this.#sessions.values()) {
      if (s.socket !== ws) continue;
      s.socket = undefined;
      if (!this.reclaims) this.#end(s);
    }
  }

  #end(s: Session): void {
    for (const h of s.handles.values()) h.link?.close();
    this.#sessions.delete(s.id);
  }

  async #message(ws: WebSocket, m: Fields): Promise<void> {
    this.requests.push(m);
    const reply = (more: Fields) => ws.send(JSON.stringify({ transaction: m.transaction, ...more }));
    if (m.janus === "create") {
      const s: Session = { id: this.#next++, handles: new Map(), socket: ws };
      this.#sessions.set(s.id, s);
      return reply({ janus: "success", data: { id: s.id } });
    }
    const s = this.#sessions.get(Number(m.session_id));
    if (!s) return reply({ janus: "error", error: { code: 458, reason: "No such session" } });
    s.socket = ws;
    const h = s.handles.get(Number(m.handle_id));
    switch (m.janus) {
      case "attach": {
        const made: Handle = { id: this.#next++, streams: [] };
        s.handles.set(made.id, made);
        return reply({ janus: "success", data: { id: made.id } });
      }
      case "message":
        if (h) await this.#plugin(s, h, m, reply);
        return;
      case "trickle": {
        const candidate = fields(m.candidate);
        if (typeof candidate.candidate === "string")
          h?.link?.addCandidate({ candidate: candidate.candidate });
        return reply({ janus: "ack" });
      }
      case "detach":
        h?.link?.close();
        s.handles.delete(Number(m.handle_id));
        return reply({ janus: "success" });
      case "destroy":
        this.#end(s);
        return reply({ janus: "success" });
      default:
        return reply({ janus: m.janus === "claim" ? "success" : "ack" });
    }
  }

  async #plugin(s: Session, h: Handle, m: Fields, reply: (more: Fields) => void): Promise<void> {
    const body = fields(m.body);
    const request = String(body.request);
    const answer = (data: Fields, jsep?: Description) =>
      reply({ janus: "event", sender: h.id, plugindata: { data }, ...(jsep ? { jsep } : {}) });
    const scripted = this.script[request]?.shift();
    if (scripted) return answer({ videoroom: "event", ...scripted });
    const jsep = m.jsep as Description | undefined;
    if (request === "join" && this.pin !== undefined && body.pin !== this.pin)
      return answer({ videoroom: "event", error_code: 433, error: "Unauthorized (wrong pin)" });
    if (request === "join" && body.ptype === "publisher") {
      h.seat = this.#next++;
      const publishers = this.publishers.map(describe);
      return answer({ videoroom: "joined", id: h.seat, private_id: 7, publishers, attendees: [] });
    }
    if (request === "join" || request === "update") {
      const offer = await this.#offer(h, body);
      // The acknowledgement may come late.
      answer({ videoroom: request === "join" ? "attached" : "updated", streams: h.streams }, offer);
      return reply({ janus: "ack" });
    }
    if (request === "start" && jsep) {
      await h.link?.answer(jsep);
      return answer({ videoroom: "event", started: "ok" });
    }
    if (request === "publish" && jsep) {
      h.link = this.#host.link({ peerId: "bot", iceServers: [] });
      const plan = { send: [], receive: { audio: 1, video: 1 }, data: false };
      const made = await h.link.accept(jsep, plan);
      this.#candidates(s, h);
      return answer({ videoroom: "event", configured: "ok" }, made.answer);
    }
    answer({ videoroom: "event", configured: "ok" });
  }

  /** Lines whose stream is gone are used again, as Janus does. */
  async #offer(h: Handle, body: Fields): Promise<Description> {
    const same = (a: Fields, b: Fields) => a.feed_id === b.feed && a.feed_mid === b.mid;
    const gone = list(body.unsubscribe);
    h.streams = h.streams.map((x) =>
      gone.some((g) => same(x, g)) ? { mid: x.mid, type: x.type, active: false } : x,
    );
    for (const { feed, mid } of [...list(body.streams), ...list(body.subscribe)]) {
      const type = mid === "0" ? "audio" : "video";
      const free = h.streams.findIndex((x) => x.type === type && !x.active);
      const at = free < 0 ? h.streams.length : free;
      h.streams[at] = { mid: String(at), type, active: true, feed_id: feed, feed_mid: mid };
    }
    h.link ??= this.#host.link({ peerId: "bot", iceServers: [] });
    const send = h.streams.map(
      (x, i): LocalTrack => ({
        ...{ id: `line-${i}`, kind: x.type === "audio" ? "audio" : "video", source: "camera" },
        codec: x.type === "audio" ? "opus" : "vp8",
      }),
    );
    const active = send.filter((_, i) => h.streams[i]?.active);
    return await h.link.offer({ send: active, receive: { audio: 0, video: 0 }, data: false });
  }

  #candidates(s: Session, h: Handle): void {
    h.link?.onCandidate(({ candidate }) =>
      this.#send(s, {
        janus: "trickle",
        sender: h.id,
        candidate: { candidate: `a=${candidate}`, sdpMLineIndex: 0 },
      }),
    );
  }

  #event(s: Session, h: Handle, data: Fields): void {
    this.#send(s, { janus: "event", sender: h.id, plugindata: { data } });
  }

  #send(s: Session, m: Fields): void {
    s.socket?.send(JSON.stringify({ session_id: s.id, ...m }));
  }
}

function describe({ id, display }: FakePublisher): Fields {
  const streams = [
    { type: "audio", mid: "0" },
    { type: "video", mid: "1" },
  ];
  return { id, display, streams };
}

function fields(v: unknown): Fields {
  return typeof v === "object" && v !== null ? (v as Fields) : {};
}

function list(v: unknown): Fields[] {
  return Array.isArray(v) ? v.map(fields) : [];
}
