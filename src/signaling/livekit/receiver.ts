import type { IceCandidate, IceServer, Link, RemoteMedia, RtcHost } from "../../core/room.ts";
import { type SdpMessage, Target } from "./messages.ts";
import { SERVER } from "./names.ts";
import { describe, trickle } from "./requests.ts";

/** Where a track arrives. */
export type Place = { readonly linkId: string; readonly mid: string };

/** What a connection needs from its seat. */
export type ConnectionOptions = {
  readonly host: RtcHost;
  readonly iceServers: readonly IceServer[];
  readonly send: (octets: Uint8Array) => void;
  /** Called with the state that the connection came to; see `Link`. */
  readonly onState: (state: Link["state"]) => void;
};

/** More of a kind than any server sends. */
const MANY = 1000;

/**
 * The connection on which the server sends, of the older dialect: the server offers, and offers again whenever tracks
 * come or go. We are in the room once it is up with its data channels.
 */
export class Receiver {
  readonly #send: (octets: Uint8Array) => void;
  readonly #link: Link;
  readonly #receive: boolean;
  #places: ReadonlyMap<string, Place> = new Map();

  /** `receive`: take media; without it there are only the data channels. Throws what `RtcHost.link` throws. */
  constructor(o: ConnectionOptions & { readonly receive: boolean }) {
    this.#send = o.send;
    this.#receive = o.receive;
    this.#link = o.host.link({ peerId: SERVER, iceServers: o.iceServers });
    this.#link.onState(o.onState);
    this.#link.onCandidate((c) => this.#send(trickle(c, Target.subscriber)));
  }

  get state(): Link["state"] {
    return this.#link.state;
  }

  /** By track SID. */
  get places(): ReadonlyMap<string, Place> {
    return this.#places;
  }

  /** Answers an offer. Rejects with a RoomtapError `negotiation` or `ice-restart`. */
  async accept(offer: SdpMessage): Promise<void> {
    const count = this.#receive ? MANY : 0;
    const { answer, media } = await this.#link.accept(
      { type: "offer", sdp: offer.sdp },
      { send: [], receive: { audio: count, video: count }, data: true },
    );
    this.#send(describe(answer, offer.id));
    this.#places = placesOf(this.#link.id, media, offer.tracks);
  }

  addCandidate(c: IceCandidate): void {
    this.#link.addCandidate(c);
  }

  close(): void {
    this.#places = new Map();
    this.#link.close();
  }
}

/** Where tracks arrive, by SID. `tracks`: the server's word for it, by mid; older servers only have the a=msid. */
export function placesOf(
  linkId: string,
  media: readonly RemoteMedia[],
  tracks: ReadonlyMap<string, string>,
): Map<string, Place> {
  const places = new Map<string, Place>();
  for (const { mid, sending, msid } of media) {
    const sid = tracks.get(mid) ?? msid?.track;
    if (sending && sid !== undefined) places.set(sid, { linkId, mid });
  }
  return places;
}
