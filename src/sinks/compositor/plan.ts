import type { Manifest } from "../recorder/manifest.ts";
import { type Cast, type Clip, castOf, type Member } from "./cast.ts";
import { floorOf, type Turn } from "./floor.ts";
import { type Box, gapOf, gridBoxes, stageBoxes } from "./layout.ts";
import { type Span, spanAt } from "./spans.ts";

/** How people are arranged: all of one size, or who speaks large. */
export type SceneLayout = "grid" | "speaker";

/** A tile of a scene. */
export type Tile = Box & {
  readonly member: Member;
  readonly what: "camera" | "screen";
  /** What it shows; undefined: nothing, only who is there. */
  readonly clip: Clip | undefined;
  readonly speaking: boolean;
  readonly muted: boolean;
  /** It stands for this many more, for whom there is no room. */
  readonly more?: number;
};

type Look = Omit<Tile, keyof Box | "more">;

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

/** Goes through the session and keeps people in their places. */
class Director {
  readonly #cast: Cast;
  readonly #o: PlanOptions;
  readonly #area: Box;
  readonly #gap: number;
  /** Who is there, in the order of their places; in the speaker layout, the first is large. */
  #order: readonly Member[] = [];

  constructor(cast: Cast, o: PlanOptions) {
    this.#cast = cast;
    this.#o = o;
    this.#gap = gapOf(o.width, o.height);
    const top = o.top + this.#gap;
    this.#area = {
      x: this.#gap,
      y: top,
      width: o.width - 2 * this.#gap,
      height: o.height - top - this.#gap,
    };
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
      .flatMap((m) => {
        const clip = clipAt(m.screen, atMs);
        return clip
          ? [{ ...this.#look(m, atMs), what: "screen" as const, clip, speaking: false, muted: false }]
          : [];
      })
      .toSorted((a, b) => b.clip.fromMs - a.clip.fromMs)
      .slice(0, MAX_SCREENS);
    const stays = this.#order.filter((m) => present.includes(m));
    this.#order = [...stays, ...present.filter((m) => !stays.includes(m))];
    const people = () => this.#order.map((m) => this.#look(m, atMs));
    if (screens.length > 0) {
      const { mains, strip } = stageBoxes(screens.length, present.length, this.#area, this.#gap);
      // The last place stands for those who have none.
      this.#show(speaker, strip.length - (strip.length < present.length ? 2 : 1));
      return [...place(screens, mains), ...place(people(), strip)];
    }
    if (this.#o.layout === "speaker" && present.length > 0) {
      this.#show(speaker, 0);
      const { mains, strip } = stageBoxes(0, present.length - 1, this.#area, this.#gap);
      return [...place(people().slice(0, 1), mains), ...place(people().slice(1), strip)];
    }
    return place(people(), gridBoxes(Math.min(MAX_TILES, present.length), this.#area, this.#gap));
  }

  /** Who speaks changes places with whom is at `place`, when not seen as well already. Nobody else moves. */
  #show(speaker: string | undefined, place: number): void {
    const at = this.#order.findIndex((m) => m.id === speaker);
    const other = this.#order[place];
    const self = this.#order[at];
    if (at <= place || !self || !other) return;
    this.#order = this.#order.map((m, i) => (i === place ? self : i === at ? other : m));
  }

  #look(member: Member, atMs: number): Look {
    return {
      member,
      what: "camera",
      clip: spanAt(member.dark, atMs) ? undefined : clipAt(member.camera, atMs),
      speaking: spanAt(member.speaking, atMs) !== undefined,
      muted: spanAt(member.muted, atMs) !== undefined,
    };
  }
}

/** The latest of the clips that a time is in: after a reconnect two may overlap. */
function clipAt(clips: readonly Clip[], atMs: number): Clip | undefined {
  return clips.findLast((c) => c.fromMs <= atMs && atMs < c.toMs);
}

/** Looks into boxes; where there are more looks, the last box stands for those without one. */
function place(looks: readonly Look[], boxes: readonly Box[]): Tile[] {
  const over = looks.length - boxes.length;
  const out: Tile[] = [];
  for (const [i, { x, y, width, height }] of boxes.entries()) {
    const look = looks[i];
    if (!look) break;
    // One by one: a call of hours has a hundred thousand tiles.
    const { member, what, clip, speaking, muted } = look;
    if (over > 0 && i === boxes.length - 1)
      out.push({
        x,
        y,
        width,
        height,
        member,
        what,
        clip: undefined,
        speaking: false,
        muted,
        more: over + 1,
      });
    else out.push({ x, y, width, height, member, what, clip, speaking, muted });
  }
  return out;
}

function sameTiles(a: readonly Tile[], b: readonly Tile[]): boolean {
  return (
    a.length === b.length &&
    a.every((t, i) => {
      const o = b[i];
      return (
        o !== undefined &&
        t.member === o.member &&
        t.what === o.what &&
        t.clip === o.clip &&
        t.speaking === o.speaking &&
        t.muted === o.muted &&
        t.more === o.more &&
        sameBox(t, o)
      );
    })
  );
}

function sameBox(a: Box, b: Box): boolean {
  return a.x === b.x && a.y === b.y && a.width === b.width && a.height === b.height;
}
