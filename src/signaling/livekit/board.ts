import type { RemoteTrack, RoomEvent } from "../../core/room.ts";

/** A track and where it arrives now. */
export type PlacedTrack = { readonly track: RemoteTrack; readonly muted: boolean };

/** What the bot knows of tracks: turns states into events. */
export class Board {
  readonly #emit: (e: RoomEvent) => void;
  #shown = new Map<string, PlacedTrack>();

  constructor(emit: (e: RoomEvent) => void) {
    this.#emit = emit;
  }

  /** Where a track arrives, as the bot knows it. */
  placeOf(id: string): RemoteTrack | undefined {
    return this.#shown.get(id)?.track;
  }

  get tracks(): RemoteTrack[] {
    return [...this.#shown.values()].map((p) => p.track);
  }

  /** From now on there are these tracks. First go all that went: an m-line may be another track's now. */
  show(placed: readonly PlacedTrack[]): void {
    const before = this.#shown;
    this.#shown = new Map(placed.map((p) => [p.track.id, p]));
    for (const [id, { track }] of before) {
      if (!isSame(track, this.#shown.get(id)?.track)) this.#emit({ t: "track", op: "remove", track });
    }
    for (const { track, muted } of placed) {
      const old = before.get(track.id);
      const stays = isSame(track, old?.track);
      if (!stays) this.#emit({ t: "track", op: "add", track });
      const wasMuted = stays && old?.muted === true;
      if (muted !== wasMuted) this.#emit({ t: "track", op: muted ? "mute" : "unmute", track });
    }
  }
}

function isSame(a: RemoteTrack, b: RemoteTrack | undefined): boolean {
  return a.linkId === b?.linkId && a.mid === b.mid && a.kind === b.kind;
}
