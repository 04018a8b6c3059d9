import type { Manifest } from "../recorder/manifest.ts";
import { type Cast, type Clip, castOf, type Member } from "./cast.ts";
import { floorOf, type Turn } from "./floor.ts";
import { type SceneLayout, Seating, type SeatTile, sameTiles } from "./seating.ts";
import { type Span, spanAt } from "./spans.ts";

/** A tile of a scene. */
export type Tile = SeatTile<Member, Clip>;

/** What is to be seen from a time on, until the next scene. */
export type Scene = { readonly fromMs: number; readonly tiles: readonly Tile[] };

/** A composition: what is where when. Times are the session's. */
export type Plan = Span & {
  readonly scenes: readonly Scene[];
  readonly sounds: readonly Clip[];
  readonly members: readonly Member[];
};

/** What to plan. */
export type PlanOptions = {
  readonly layout: SceneLayout;
  readonly width: number;
  readonly height: number;
  /** What of the session is wanted. */
  readonly part: Span;
  /** Pixels left free at the top. */
  readonly top: number;
};

/** More tiles than this are too small to see anybody on. */
const MAX_TILES = 49;
/** Screens that are shown at a time, the latest ones. */
const MAX_SCREENS = 2;

/** Plans a composition of pictures and sound. */
export function planComposition(
  manifest: Pick<Manifest, "participants" | "files" | "events">,
  o: PlanOptions,
): Plan {
  const cast = castOf(manifest, o.part);
  const director = new Director(cast, o);
  return { ...o.part, ...cast, scenes: director.scenes() };
}

/** When anything may change. */
function cutsOf({ members }: Cast, turns: readonly Turn[], part: Span): number[] {
  const spans = members.flatMap((m) => [m.present, m.camera, m.screen, m.dark, m.muted, m.speaking].flat());
  const times = [...spans.flatMap((s) => [s.fromMs, s.toMs]), ...turns.map((t) => t.atMs)];
  const inside = times.filter((t) => t > part.fromMs && t < part.toMs);
  return [...new Set([part.fromMs, ...inside])].toSorted((a, b) => a - b);
}

/** Goes through the session. */
class Director {
  readonly #cast: Cast;
  readonly #o: PlanOptions;
  readonly #seating: Seating<Member, Clip>;

  constructor(cast: Cast, o: PlanOptions) {
    this.#cast = cast;
    this.#o = o;
    this.#seating = new Seating({ ...o, most: MAX_TILES });
  }

  scenes(): Scene[] {
    const turns = this.#o.layout === "speaker" ? floorOf(this.#cast.members, this.#o.part) : [];
    const out: Scene[] = [];
    let turn = 0;
    let speaker: string | undefined;
    for (const atMs of cutsOf(this.#cast, turns, this.#o.part)) {
      for (let next = turns[turn]; next && next.atMs <= atMs; next = turns[++turn]) speaker = next.id;
      const scene = { fromMs: atMs, tiles: this.#tiles(atMs, speaker) };
      const last = out.at(-1);
      if (!last || !sameTiles(last.tiles, scene.tiles)) out.push(scene);
    }
    return out;
  }

  #tiles(atMs: number, speaker: string | undefined): Tile[] {
    const present = this.#cast.members.filter((m) => spanAt(m.present, atMs));
    const screens = present
      .flatMap((member) => {
        const clip = clipAt(member.screen, atMs);
        return clip ? [{ member, what: "screen" as const, clip, speaking: false, muted: false }] : [];
      })
      .toSorted((a, b) => b.clip.fromMs - a.clip.fromMs)
      .slice(0, MAX_SCREENS);
    const looks = present.map((member) => ({
      member,
      what: "camera" as const,
      clip: spanAt(member.dark, atMs) ? undefined : clipAt(member.camera, atMs),
      speaking: spanAt(member.speaking, atMs) !== undefined,
      muted: spanAt(member.muted, atMs) !== undefined,
    }));
    return this.#seating.tiles(looks, screens, speaker);
  }
}

/** The latest of the clips that a time is in: after a reconnect two may overlap. */
function clipAt(clips: readonly Clip[], atMs: number): Clip | undefined {
  return clips.findLast((c) => c.fromMs <= atMs && atMs < c.toMs);
}
