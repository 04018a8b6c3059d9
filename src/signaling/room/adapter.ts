import type {
  Cancel,
  IceServer,
  JoinWish,
  LinkPlan,
  Peer,
  RoomAdapter,
  RoomEvent,
  RoomSession,
  RtcHost,
} from "../../core/room.ts";
import { EventQueue } from "../event-queue.ts";
import { type ClientEvent, RoomClient } from "./client.ts";
import { MeshPeer } from "./mesh-peer.ts";
import type { ServerMessage, WelcomeMessage } from "./messages.ts";
import { parseRoomTarget } from "./target.ts";

/** A server that has just started knows nobody: those who are missing have this long to come back as well. */
const RETURN_MS = 20_000;

/** Rooms of Roomtap's own server: a mesh of peers, signalled over one WebSocket. */
export function roomAdapter(random: () => number = Math.random): RoomAdapter {
  return {
    schemes: ["ws", "wss", "http", "https"],
    join: async (host, target, wish, signal) => {
      const session = new MeshSession(host, target, wish, random);
      await session.join(signal);
      return session;
    },
  };
}

class MeshSession implements RoomSession {
  readonly events = new EventQueue<RoomEvent>();
  readonly #host: RtcHost;
  readonly #wish: JoinWish;
  readonly #random: () => number;
  readonly #client: RoomClient;
  readonly #plan: LinkPlan;
  readonly #peers = new Map<string, { info: Peer; mesh: MeshPeer | undefined }>();
  /** Peers whose media goes on though the server does not know them; they are given up at the end of the time. */
  readonly #missing = new Map<string, NodeJS.Timeout>();
  #signalling = true;
  #self = "";
  #ice: readonly IceServer[] = [];
  #left: Promise<void> | undefined;

  constructor(host: RtcHost, target: string, wish: JoinWish, random: () => number) {
    this.#host = host;
    this.#wish = wish;
    this.#random = random;
    const receive = wish.receive ? 1 : 0;
    this.#plan = { send: wish.publish, receive: { audio: receive, video: receive }, data: true };
    this.#client = new RoomClient({
      target: parseRoomTarget(target),
      name: wish.name,
      caps: { recorder: wish.recorder, publish: wish.publish.length > 0 },
      random,
      onEvent: (event) => this.#onEvent(event),
      ...(wish.token === undefined ? {} : { token: wish.token }),
      ...(wish.insecure === undefined ? {} : { insecure: wish.insecure }),
    });
  }

  join(signal: Cancel): Promise<void> {
    return this.#client.join(signal);
  }

  leave(): Promise<void> {
    this.#left ??= (async () => {
      this.#forgetMissing();
      for (const { mesh } of this.#peers.values()) mesh?.close(true);
      await this.#client.leave();
      this.events.push({ t: "ended", reason: "left" });
      this.events.end();
    })();
    return this.#left;
  }

  #onEvent(e: ClientEvent): void {
    // Between our leave and the close of the socket the others go on talking.
    if (this.#left !== undefined) return;
    switch (e.t) {
      case "joined":
        this.#enter(e.welcome);
        break;
      case "message":
        this.#onMessage(e.message);
        break;
      case "malformed":
        this.#host.fault("signal-malformed");
        break;
      case "lost":
        this.#signalling = false;
        this.events.push({ t: "signalling", op: "lost", detail: e.detail });
        break;
      case "rejoined":
        this.#signalling = true;
        this.events.push({ t: "signalling", op: "restored" });
        if (!e.resumed) for (const id of [...this.#peers.keys()]) this.#removePeer(id);
        this.#enter(e.welcome);
        break;
      case "ended":
        this.#forgetMissing();
        for (const { mesh } of this.#peers.values()) mesh?.close(false);
        this.events.push({ t: "ended", reason: e.reason, error: e.error });
        this.events.end();
    }
  }

  /** Follows a welcome: the newcomer offers to everyone it finds. */
  #enter(w: WelcomeMessage): void {
    this.#self = w.you;
    this.#ice = w.ice;
    const present = new Set(w.peers.map((p) => p.id));
    for (const [id, { mesh }] of [...this.#peers]) {
      if (present.has(id)) this.#found(id);
      else if (mesh?.connected) this.#miss(id);
      else this.#removePeer(id);
    }
    for (const peer of w.peers) {
      const known = this.#peers.get(peer.id);
      if (known) known.mesh?.revive();
      else this.#addPeer(peer)?.connect();
    }
  }

  /** The server does not know a peer that we have a connection with. */
  #miss(id: string): void {
    if (this.#missing.has(id)) return;
    this.#missing.set(
      id,
      setTimeout(() => this.#removePeer(id), RETURN_MS),
    );
  }

  #found(id: string): void {
    clearTimeout(this.#missing.get(id));
    this.#missing.delete(id);
  }

  #forgetMissing(): void {
    for (const id of [...this.#missing.keys()]) this.#found(id);
  }

  #onMessage(m: Exclude<ServerMessage, WelcomeMessage>): void {
    switch (m.t) {
      case "peer-joined":
        // The same id again is the same person with a new socket: its connections went on.
        this.#found(m.peer.id);
        if (!this.#peers.has(m.peer.id)) this.#addPeer(m.peer);
        break;
      case "peer-left":
        this.#removePeer(m.peer.id);
        break;
      case "signal": {
        const mesh = this.#peers.get(m.from)?.mesh;
        if (mesh) void mesh.onSignal(m.data);
        else this.#host.fault("signal-unexpected");
        break;
      }
      case "ice":
        this.#ice = m.ice;
        break;
      default:
    }
  }

  #addPeer(info: Peer): MeshPeer | undefined {
    // Two that only listen have nothing to tell each other.
    const idle = info.recorder && this.#wish.publish.length === 0;
    const mesh = idle
      ? undefined
      : new MeshPeer({
          host: this.#host,
          self: this.#self,
          peer: info,
          plan: this.#plan,
          iceServers: () => this.#ice,
          random: this.#random,
          send: (data) => this.#client.send({ t: "signal", to: info.id, data }),
          signalling: () => this.#signalling,
          emit: (event) => this.events.push(event),
        });
    this.#peers.set(info.id, { info, mesh });
    this.events.push({ t: "peer", op: "join", peer: info });
    return mesh;
  }

  #removePeer(id: string): void {
    const peer = this.#peers.get(id);
    if (!peer) return;
    this.#peers.delete(id);
    this.#found(id);
    peer.mesh?.close(false);
    this.events.push({ t: "peer", op: "leave", peer: peer.info });
  }
}
