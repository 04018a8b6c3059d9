import { type LinkState, type LocalTrack, PeerLink } from "./peer-link.ts";
import type { Muted, Peer, ServerMessage, Source, Welcome } from "./protocol.ts";
import { type EndReason, Signalling } from "./signalling.ts";

/** Who watches the room. Called in the order of events. */
export interface MeshView {
  joined(resumed: boolean): void;
  peerJoined(peer: Peer): void;
  peerLeft(peer: Peer): void;
  peerMuted(id: string, muted: Muted): void;
  peerTracks(id: string, tracks: ReadonlyMap<Source, MediaStreamTrack>): void;
  peerState(id: string, state: LinkState): void;
  signallingLost(): void;
  ended(reason: EndReason): void;
}

/** What to join, and as whom. */
export type MeshOptions = {
  room: string;
  name: string;
  token: string | undefined;
  codec: string | undefined;
  local: ReadonlyMap<Source, LocalTrack>;
  muted: Muted;
  view: MeshView;
};

/** A server that has just started knows nobody: those who are missing have this long to come back as well. */
const RETURN_MS = 20_000;

/** A room as this page sees it: one connection to every other peer. */
export class Mesh {
  readonly #o: MeshOptions;
  readonly #local: Map<Source, LocalTrack>;
  readonly #signalling: Signalling;
  readonly #peers = new Map<string, { peer: Peer; link: PeerLink }>();
  /** Peers whose media goes on though the server does not know them, by id: timers of their removal. */
  readonly #missing = new Map<string, number>();
  #self = "";
  #ice: RTCIceServer[] = [];
  #muted: Muted;

  constructor(o: MeshOptions) {
    this.#o = o;
    this.#local = new Map(o.local);
    this.#muted = o.muted;
    this.#signalling = new Signalling({
      room: o.room,
      name: o.name,
      token: o.token,
      publish: o.local.size > 0,
      onWelcome: (welcome, resumed) => this.#enter(welcome, resumed),
      onMessage: (message) => this.#hear(message),
      onLost: () => o.view.signallingLost(),
      onEnded: (reason) => {
        this.#forgetAll();
        o.view.ended(reason);
      },
    });
  }

  /** Links to all peers, by peer id. */
  get links(): ReadonlyMap<string, { peer: Peer; link: PeerLink }> {
    return this.#peers;
  }

  /** Sends a track to everybody, or stops sending it (undefined). */
  setTrack(source: Source, local: LocalTrack | undefined): void {
    if (local) this.#local.set(source, local);
    else this.#local.delete(source);
    for (const { link } of this.#peers.values()) link.setTrack(source, local);
  }

  setMuted(muted: Muted): void {
    this.#muted = muted;
    this.#signalling.send({ t: "state", muted });
  }

  leave(): void {
    this.#forgetAll();
    this.#signalling.leave();
  }

  #enter(welcome: Welcome, resumed: boolean): void {
    this.#ice = welcome.ice;
    if (!resumed) this.#forgetAll();
    this.#self = welcome.you;
    const present = new Set(welcome.peers.map((peer) => peer.id));
    for (const { peer, link } of [...this.#peers.values()]) {
      if (present.has(peer.id)) this.#found(peer.id);
      else if (link.pc?.connectionState === "connected") this.#miss(peer);
      else this.#remove(peer);
    }
    this.#o.view.joined(resumed);
    for (const peer of welcome.peers) {
      if (!this.#peers.has(peer.id)) this.#add(peer).connect();
      if (peer.muted) this.#o.view.peerMuted(peer.id, peer.muted);
    }
    this.#signalling.send({ t: "state", muted: this.#muted });
  }

  #hear(message: Exclude<ServerMessage, Welcome>): void {
    switch (message.t) {
      case "peer-joined":
        // The same id again is the same person at a server that has just started: the link went on.
        this.#found(message.peer.id);
        if (!this.#peers.has(message.peer.id)) this.#add(message.peer);
        break;
      case "peer-left":
        this.#remove(message.peer);
        break;
      case "signal":
        this.#peers.get(message.from)?.link.receive(message.data);
        break;
      case "ice":
        this.#ice = message.ice;
        break;
      case "state":
        if (this.#peers.has(message.from)) this.#o.view.peerMuted(message.from, message.muted);
    }
  }

  #add(peer: Peer): PeerLink {
    const link = new PeerLink({
      self: this.#self,
      peer,
      codec: this.#o.codec,
      ice: () => this.#ice,
      local: () => this.#local,
      send: (data) => this.#signalling.send({ t: "signal", to: peer.id, data }),
      onTracks: (tracks) => this.#o.view.peerTracks(peer.id, tracks),
      onState: (state) => this.#o.view.peerState(peer.id, state),
    });
    this.#peers.set(peer.id, { peer, link });
    this.#o.view.peerJoined(peer);
    return link;
  }

  #miss(peer: Peer): void {
    if (this.#missing.has(peer.id)) return;
    this.#missing.set(
      peer.id,
      window.setTimeout(() => this.#remove(peer), RETURN_MS),
    );
  }

  #found(id: string): void {
    window.clearTimeout(this.#missing.get(id));
    this.#missing.delete(id);
  }

  #remove(peer: Peer): void {
    this.#found(peer.id);
    const known = this.#peers.get(peer.id);
    if (!known) return;
    this.#peers.delete(peer.id);
    known.link.close();
    this.#o.view.peerLeft(known.peer);
  }

  #forgetAll(): void {
    for (const { peer } of [...this.#peers.values()]) this.#remove(peer);
  }
}
