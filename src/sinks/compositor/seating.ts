import { type Box, gapOf, gridBoxes, stageBoxes } from "./layout.ts";

/** How people are arranged: all of one size, or who speaks large. */
export type SceneLayout = "grid" | "speaker";

/** Somebody who is shown. */
export type Person = { readonly id: string; readonly name: string };

/** What is to be seen of somebody. `C`: what a picture comes from. */
export type Look<M extends Person = Person, C = unknown> = {
  readonly member: M;
  readonly what: "camera" | "screen";
  /** What it shows; undefined: nothing, only who is there. */
  readonly clip: C | undefined;
  readonly speaking: boolean;
  readonly muted: boolean;
};

/** A tile of a scene. */
export type SeatTile<M extends Person = Person, C = unknown> = Box &
  Look<M, C> & {
    /** It stands for this many more, for whom there is no room. */
    readonly more?: number;
  };

/** The picture that people are seated in. */
export type SeatingOptions = {
  readonly layout: SceneLayout;
  readonly width: number;
  readonly height: number;
  /** Pixels left free at the top. */
  readonly top: number;
  /** More people than this are not shown one by one. */
  readonly most: number;
};

/** Seats people in a picture, and keeps them in their places. */
export class Seating<M extends Person, C> {
  readonly #o: SeatingOptions;
  readonly #area: Box;
  readonly #gap: number;
  /** Who is there, in the order of their places; in the speaker layout, the first is large. */
  #order: readonly string[] = [];

  constructor(o: SeatingOptions) {
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

  /**
   * The tiles of a moment. `looks`: of everyone who is there, in the order in which they came; `screens`: those that are
   * shown large, the latest first; `speaker`: who is to be seen well.
   */
  tiles(
    looks: readonly Look<M, C>[],
    screens: readonly Look<M, C>[],
    speaker: string | undefined,
  ): SeatTile<M, C>[] {
    const byId = new Map(looks.map((l) => [l.member.id, l]));
    const stays = this.#order.filter((id) => byId.has(id));
    this.#order = [...stays, ...[...byId.keys()].filter((id) => !stays.includes(id))];
    const people = () => this.#order.flatMap((id) => byId.get(id) ?? []);
    const { most, layout } = this.#o;
    if (screens.length > 0) {
      const places = Math.min(most, looks.length);
      const { mains, strip } = stageBoxes(screens.length, places, this.#area, this.#gap);
      // The last place stands for those who have none.
      this.#show(speaker, strip.length - (strip.length < looks.length ? 2 : 1));
      return [...place(screens, mains), ...place(people(), strip)];
    }
    if (layout === "speaker" && looks.length > 0) {
      this.#show(speaker, 0);
      const { mains, strip } = stageBoxes(0, Math.min(most, looks.length) - 1, this.#area, this.#gap);
      return [...place(people().slice(0, 1), mains), ...place(people().slice(1), strip)];
    }
    // Places that stand for others are no use to who speaks.
    if (looks.length > most) this.#show(speaker, most - 2);
    return place(people(), gridBoxes(Math.min(most, looks.length), this.#area, this.#gap));
  }

  /** Who speaks changes places with whom is at `place`, when not seen as well already. Nobody else moves. */
  #show(speaker: string | undefined, place: number): void {
    const at = speaker === undefined ? -1 : this.#order.indexOf(speaker);
    const other = this.#order[place];
    const self = this.#order[at];
    if (at <= place || self === undefined || other === undefined) return;
    this.#order = this.#order.map((id, i) => (i === place ? self : i === at ? other : id));
  }
}

/** Looks into boxes; where there are more looks, the last box stands for those without one. */
function place<M extends Person, C>(looks: readonly Look<M, C>[], boxes: readonly Box[]): SeatTile<M, C>[] {
  const over = looks.length - boxes.length;
  const out: SeatTile<M, C>[] = [];
  for (const [i, { x, y, width, height }] of boxes.entries()) {
    const look = looks[i];
    if (!look) break;
    // One by one: a call of hours has a hundred thousand tiles.
    const { member, what, clip, speaking, muted } = look;
    if (over > 0 && i === boxes.length - 1)
      out.push({
        ...{ x, y, width, height, member, what, muted },
        clip: undefined,
        speaking: false,
        more: over + 1,
      });
    else out.push({ x, y, width, height, member, what, clip, speaking, muted });
  }
  return out;
}

/** The same is to be seen in the same places. */
export function sameTiles(a: readonly SeatTile[], b: readonly SeatTile[]): boolean {
  return samePlaces(a, b) && a.every((t, i) => t.clip === b[i]?.clip && sameLook(t, b[i]));
}

/** Boxes do not differ. */
export function samePlaces(a: readonly Box[], b: readonly Box[]): boolean {
  return (
    a.length === b.length &&
    a.every((p, i) => {
      const q = b[i];
      return q && p.x === q.x && p.y === q.y && p.width === q.width && p.height === q.height;
    })
  );
}

/** Two tiles look the same but for their pictures. */
export function sameLook(a: SeatTile | undefined, b: SeatTile | undefined): boolean {
  return (
    a?.member === b?.member &&
    a?.what === b?.what &&
    a?.speaking === b?.speaking &&
    a?.muted === b?.muted &&
    a?.more === b?.more
  );
}
