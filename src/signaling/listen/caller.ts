import type { Link, Peer, RemoteMedia, RemoteTrack, RoomEvent } from "../../core/room.ts";
import type { Fragment } from "../http/fragment.ts";

/** A connection that is not up this long after the answer is given up. */
const SETUP_MS = 15_000;
/**
 * We begin checks of ours this long after the answer. Agents of libdatachannel (OBS has one) that are connected while
 * they take the answer in refuse our certificate; whoever has the answer checks us at once, and is found by that.
 */
const CHECK_AFTER_MS = 300;

/** What a caller is made with. */
export type CallerOptions = {
  readonly peer: Peer;
  readonly link: Link;
  readonly media: readonly RemoteMedia[];
  /** ICE user name of its offer. */
  readonly ufrag: string | undefined;
  /** Candidates of its offer, which the link does not know yet; without `a=`. */
  readonly candidates: readonly string[];
  readonly setupMs?: number;
  readonly emit: (event: RoomEvent) => void;
  readonly onOver: () => void;
};

/** Somebody who called and got an answer: a participant, from then until the connection ends. */
export class Caller {
  readonly peer: Peer;
  /** Of the session: what changes it says so (RFC 9725 section 4.3.1). */
  readonly etag: string;
  readonly #o: CallerOptions;
  readonly #tracks: readonly RemoteTrack[];
  readonly #setup: NodeJS.Timeout;
  readonly #checks: NodeJS.Timeout;
  #over = false;

  constructor(o: CallerOptions) {
    const { peer, link, media } = o;
    this.#o = o;
    this.peer = peer;
    this.etag = `"${peer.id}"`;
    this.#tracks = media.filter((m) => m.sending).map((m, i, all) => trackOf(o, m, all.slice(0, i)));
    o.emit({ t: "peer", op: "join", peer });
    for (const track of this.#tracks) o.emit({ t: "track", op: "add", track });
    this.#setup = setTimeout(() => this.#lost("no media path"), o.setupMs ?? SETUP_MS);
    this.#checks = setTimeout(() => this.#add(o.candidates), CHECK_AFTER_MS);
    link.onState((state) => this.#onState(state));
    this.#onState(link.state);
  }

  /** Takes candidates found after its offer. False: they are not of this connection. */
  trickle({ ufrag, candidates }: Fragment): boolean {
    if (ufrag !== undefined && this.#o.ufrag !== undefined && ufrag !== this.#o.ufrag) return false;
    this.#add(candidates);
    return true;
  }

  /** Ends it. Idempotent. */
  end(): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#setup);
    clearTimeout(this.#checks);
    const { link, peer, emit, onOver } = this.#o;
    for (const track of this.#tracks) emit({ t: "track", op: "remove", track });
    emit({ t: "peer", op: "leave", peer });
    link.close();
    onOver();
  }

  #add(candidates: readonly string[]): void {
    for (const candidate of candidates) this.#o.link.addCandidate({ candidate });
  }

  #onState(state: Link["state"]): void {
    if (this.#over) return;
    if (state === "connected") {
      clearTimeout(this.#setup);
      this.#o.emit({ t: "link", op: "up", peerId: this.peer.id });
    } else if (state === "failed") this.#lost("the connection was lost");
    else if (state === "closed") this.end();
  }

  #lost(detail: string): void {
    this.#o.emit({ t: "link", op: "down", peerId: this.peer.id, detail });
    this.end();
  }
}

/** A stream of a caller. `before`: others of it. */
function trackOf({ peer, link }: CallerOptions, m: RemoteMedia, before: readonly RemoteMedia[]): RemoteTrack {
  const source = m.kind === "audio" ? "microphone" : "camera";
  const n = 1 + before.filter((b) => b.kind === m.kind).length;
  return {
    id: `${peer.id}:${source}${n === 1 ? "" : `-${n}`}`,
    ...{ peerId: peer.id, kind: m.kind, source, linkId: link.id, mid: m.mid },
  };
}
