import { type DrawnText, drawText, type TextLine } from "../../ffmpeg/draw-text.ts";
import { fitText, initialsOf, plainName } from "./names.ts";
import type { Plan } from "./plan.ts";
import type { SeatTile } from "./seating.ts";
import { tileStyle, titleStyle } from "./style.ts";

/** Pixels over which a line that was cut off fades out. */
const FADE = 18;

/** What is written on a tile. */
export type TileText = { readonly plate: TextLine; readonly face: TextLine };

/** The lines of a tile: who it is, and what stands in the place of a picture. */
export function tileText(tile: Pick<SeatTile, "width" | "height" | "member" | "what" | "more">): TileText {
  const { text, pad, margin, initials, face } = tileStyle(tile.width, tile.height);
  // Beside the crossed-out microphone.
  const width = Math.max(0, tile.width - 2 * margin - 3 * pad - Math.round(text * 1.2));
  const screen = tile.what === "screen" ? " (screen)" : "";
  const room = width / text - 0.5 * screen.length;
  const name = tile.more === undefined ? `${fitText(plainName(tile.member.name), room)}${screen}` : "";
  const middle = tile.more === undefined ? initialsOf(tile.member.name) : `+${tile.more}`;
  return {
    plate: { text: name, size: text, width },
    face: { text: middle, size: initials, width: Math.max(face, tile.width - 2 * margin) },
  };
}

/** The line above everything. */
export function titleText(title: string, width: number, height: number): TextLine {
  const { text, bar } = titleStyle(height);
  const room = width - bar;
  return { text: fitText(plainName(title), room / text), size: text, width: room };
}

/** All that is written in a composition, drawn beforehand. */
export class Lettering {
  readonly #drawn: ReadonlyMap<string, DrawnText>;

  private constructor(drawn: ReadonlyMap<string, DrawnText>) {
    this.#drawn = drawn;
  }

  /** Draws what a plan needs. undefined: this ffmpeg, or this machine, cannot write text. */
  static async draw(
    o: { readonly ffmpeg: string; readonly signal: AbortSignal },
    plan: Plan,
    title: TextLine | undefined,
  ): Promise<Lettering | undefined> {
    const lines = new Map<string, TextLine>();
    const add = (line: TextLine) => void (line.text !== "" && lines.set(keyOf(line), line));
    if (title) add(title);
    const seen = new Set<string>();
    for (const tile of plan.scenes.flatMap((s) => s.tiles)) {
      const key = `${tile.member.id}/${tile.what}/${tile.width}x${tile.height}/${tile.more}`;
      if (seen.has(key)) continue;
      seen.add(key);
      const { plate, face } = tileText(tile);
      add(plate);
      add(face);
    }
    const drawn = await drawText(o.ffmpeg, [...lines.values()], o.signal);
    return drawn && new Lettering(new Map([...lines.keys()].flatMap((key, i) => entry(key, drawn[i]))));
  }

  /** A composition without anything written. */
  static none(): Lettering {
    return new Lettering(new Map());
  }

  /** A line as it was drawn; undefined: there is nothing to be seen of it. */
  of(line: TextLine): DrawnText | undefined {
    const drawn = this.#drawn.get(keyOf(line));
    return drawn && drawn.width > 0 ? drawn : undefined;
  }
}

function entry(key: string, drawn: DrawnText | undefined): [string, DrawnText][] {
  return drawn ? [[key, faded(drawn)]] : [];
}

/** A drawn line that fades out where it was cut off. */
export function faded(drawn: DrawnText): DrawnText {
  if (!drawn.cut) return drawn;
  const { width, height } = drawn;
  const alpha = drawn.alpha.slice();
  for (let x = Math.max(0, width - FADE); x < width; x++)
    for (let y = 0; y < height; y++)
      alpha[y * width + x] = ((alpha[y * width + x] ?? 0) * (width - x)) / FADE;
  return { ...drawn, alpha };
}

/** The same for lines that look the same. */
export function keyOf({ text, size, width }: TextLine): string {
  return `${size}/${width}/${text}`;
}
