import type { LayerWish, RtcHost } from "../../core/room.ts";
import { Quality } from "./messages.ts";
import { chooseQuality, subscribe } from "./requests.ts";
import type { Roster, RosterTrack } from "./roster.ts";

/** What we ask the server to send us: tracks, and of videos which layer. */
export class Subscriptions {
  readonly #o: SubscriptionOptions;
  /** SIDs of tracks that the server was asked for. */
  readonly #asked = new Set<string>();
  readonly #toldEncrypted = new Set<string>();
  readonly #layers = new Map<string, LayerWish>();
  #layer: LayerWish;

  constructor(o: SubscriptionOptions) {
    this.#o = o;
    this.#layer = o.layer;
  }

  /** A new session: nothing was asked for. */
  reset(): void {
    this.#asked.clear();
  }

  /** Asks for tracks that are new. */
  follow(): void {
    const { roster, host, send } = this.#o;
    for (const sid of roster.encrypted) {
      if (this.#toldEncrypted.has(sid)) continue;
      this.#toldEncrypted.add(sid);
      host.log("warn", "a track is encrypted end to end, and cannot be taken");
    }
    const fresh = roster.tracks.filter((t) => !this.#asked.has(t.sid));
    if (fresh.length === 0) return;
    const sids = fresh.map((t) => t.sid);
    for (const sid of sids) this.#asked.add(sid);
    send(subscribe(sids, true));
    this.#choose(fresh.filter((t) => this.#layerOf(t) !== "auto"));
  }

  /** See `RoomSession.prefer`. */
  prefer(layer: LayerWish, trackId?: string): void {
    if (trackId === undefined) {
      this.#layer = layer;
      this.#layers.clear();
    } else this.#layers.set(trackId, layer);
    const tracks = this.#o.roster.tracks.filter((t) => trackId === undefined || t.id === trackId);
    this.#choose(tracks.filter((t) => this.#asked.has(t.sid)));
  }

  #layerOf(t: RosterTrack): LayerWish {
    return this.#layers.get(t.id) ?? this.#layer;
  }

  #choose(tracks: readonly RosterTrack[]): void {
    for (const [layer, quality] of qualities) {
      const sids = tracks.filter((t) => t.kind === "video" && this.#layerOf(t) === layer).map((t) => t.sid);
      if (sids.length > 0) this.#o.send(chooseQuality(sids, quality));
    }
  }
}

/** What subscriptions go by. */
export type SubscriptionOptions = {
  readonly roster: Roster;
  readonly host: RtcHost;
  readonly layer: LayerWish;
  readonly send: (octets: Uint8Array) => void;
};

/** What layers are called on the wire. `auto` is the best that the path carries: so the server goes by it. */
const qualities: readonly (readonly [LayerWish, number])[] = [
  ["high", Quality.high],
  ["auto", Quality.high],
  ["medium", Quality.medium],
  ["low", Quality.low],
];
