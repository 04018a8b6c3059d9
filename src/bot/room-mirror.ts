import type { Peer, RemoteTrack } from "../core/room.ts";
import type { Millis } from "../core/time.ts";
import type { RelayedFrame, RelayMessage } from "./job.ts";

/** Whoever wants to know what is in a room. */
export type RoomWatcher = {
  readonly peer: (op: "join" | "leave", peer: Peer) => void;
  readonly track: (op: "add" | "remove", track: RemoteTrack) => void;
  readonly frame: (track: RemoteTrack, frame: RelayedFrame, atMs: Millis) => void;
};

/**
 * What is in a room, as a media process tells it, over the deaths of such processes: its tracks end with it, the
 * participants stay until the next one has had the time to see them again.
 */
export class RoomMirror {
  readonly #watcher: RoomWatcher;
  readonly #peers = new Map<string, Peer>();
  readonly #tracks = new Map<string, RemoteTrack>();
  /** Those that the running process has not seen yet. */
  #stale = new Set<string>();

  constructor(watcher: RoomWatcher) {
    this.#watcher = watcher;
  }

  /** Everyone in the room but recorders. */
  get participants(): Peer[] {
    return [...this.#peers.values()].filter((p) => !p.recorder);
  }

  /** Name of somebody in the room. */
  nameOf(peerId: string): string | undefined {
    return this.#peers.get(peerId)?.name;
  }

  /** What the running process tells. */
  push(m: RelayMessage): void {
    switch (m.t) {
      case "peer":
        this.#peer(m.op, m.peer);
        break;
      case "track":
        if (m.op === "add") this.#tracks.set(m.track.id, m.track);
        else this.#tracks.delete(m.track.id);
        this.#watcher.track(m.op, m.track);
        break;
      case "frame": {
        const track = this.#tracks.get(m.trackId);
        if (track) this.#watcher.frame(track, m.frame, m.atMs);
      }
    }
  }

  /** The process ended, another one comes. */
  replaced(): void {
    for (const track of this.#tracks.values()) this.#watcher.track("remove", track);
    this.#tracks.clear();
    this.#stale = new Set(this.#peers.keys());
  }

  /** The running process knows everyone who is in the room. */
  settled(): void {
    for (const id of this.#stale) {
      const peer = this.#peers.get(id);
      this.#peers.delete(id);
      if (peer) this.#watcher.peer("leave", peer);
    }
    this.#stale.clear();
  }

  #peer(op: "join" | "leave", peer: Peer): void {
    const back = this.#stale.delete(peer.id) && op === "join";
    if (op === "join") this.#peers.set(peer.id, peer);
    else this.#peers.delete(peer.id);
    if (!back) this.#watcher.peer(op, peer);
  }
}
