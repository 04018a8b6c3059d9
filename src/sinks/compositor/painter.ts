import type { DecodedPicture } from "../../ffmpeg/decode-pictures.ts";
import type { DrawnText, TextLine } from "../../ffmpeg/draw-text.ts";
import { Canvas, type Colour, type Mask, type Stamp } from "./canvas.ts";
import { type TileText, tileText } from "./lettering.ts";
import { hueOf } from "./names.ts";
import { type SeatTile, sameLook, samePlaces } from "./seating.ts";
import { corners, disc, mutedMicrophone, ring, roundRectangle } from "./shapes.ts";
import { COLOURS, FACES, tileStyle, titleStyle } from "./style.ts";

/** Lines of text, drawn; undefined: this one is not, or not yet. */
export type Letters = { readonly of: (line: TextLine) => DrawnText | undefined };

/** A picture that is there, and its size. */
export type Shot = { readonly picture: DecodedPicture; readonly width: number; readonly height: number };

/** How dark the plate behind a name makes what is below it, 0..1. */
const PLATE = 0.58;
/** Shapes that are kept; scenes come back. */
const MAX_STAMPS = 600;

/** Paints scenes onto a canvas, and of a scene only what has changed. */
export class Painter {
  readonly canvas: Canvas;
  readonly #letters: Letters;
  readonly #title: TextLine | undefined;
  readonly #stamps = new Map<string, Stamp>();
  readonly #texts = new WeakMap<SeatTile, TileText>();
  #tiles: readonly SeatTile[] | undefined;
  #shown: (DecodedPicture | undefined)[] = [];

  constructor(width: number, height: number, letters: Letters, title: TextLine | undefined) {
    this.canvas = new Canvas(width, height);
    this.#letters = letters;
    this.#title = title;
  }

  /**
   * Brings the canvas up to date. `shots`: what each tile shows; undefined: there is no picture. False: nothing changed.
   */
  paint(tiles: readonly SeatTile[], shots: readonly (Shot | undefined)[]): boolean {
    const before = this.#tiles;
    const moved = !before || !samePlaces(before, tiles);
    if (moved) this.#clear();
    let changed = moved;
    for (const [i, tile] of tiles.entries()) {
      const picture = shots[i]?.picture;
      if (!moved && this.#shown[i] === picture && sameLook(before[i], tile)) continue;
      this.#tile(tile, shots[i]);
      this.#shown[i] = picture;
      changed = true;
    }
    this.#tiles = tiles;
    return changed;
  }

  /** Something else was painted, or there are new letters: all is painted anew the next time. */
  forget(): void {
    this.#tiles = undefined;
  }

  #clear(): void {
    const { width, height } = this.canvas;
    this.canvas.fill({ x: 0, y: 0, width, height }, COLOURS.background);
    const title = this.#title && this.#letters.of(this.#title);
    if (title) {
      const { bar } = titleStyle(height);
      const at = { x: Math.round(bar * 0.45), y: Math.round((bar - title.height) / 2) + 3 };
      this.#blend("title", title, at.x, at.y, COLOURS.text);
    }
    this.#shown = [];
  }

  #tile(tile: SeatTile, shot: Shot | undefined): void {
    const { x, y, width, height } = tile;
    const style = tileStyle(width, height);
    const size = `${width}x${height}`;
    if (shot) this.canvas.draw(tile, shot.picture.pixels, shot.width, shot.height);
    else this.#face(tile);
    this.#cover(`corners ${size}`, () => corners(width, height, style.radius), x, y, COLOURS.background);
    if (tile.speaking) {
      const make = () => ring(width, height, style.radius, style.ring);
      this.#cover(`ring ${size}`, make, x, y, COLOURS.speaking);
    }
    this.#plate(tile);
  }

  /** In the place of a picture. */
  #face(tile: SeatTile): void {
    const { face } = tileStyle(tile.width, tile.height);
    this.canvas.fill(tile, COLOURS.tile);
    const x = tile.x + (tile.width - face) / 2;
    const y = tile.y + (tile.height - face) / 2;
    const back = FACES[hueOf(tile.member.name, FACES.length)];
    if (tile.more === undefined && back) this.#cover(`disc ${face}`, () => disc(face), x, y, back);
    const line = this.#textOf(tile).face;
    const drawn = this.#letters.of(line);
    if (!drawn) return;
    const [left, top] = [middle(tile.x, tile.width, drawn.width), middle(tile.y, tile.height, drawn.height)];
    // Capitals have nothing below their line.
    const below = Math.round(line.size * 0.02);
    this.#blend(`face ${line.size} ${line.text}`, drawn, left, top + below, COLOURS.text);
  }

  /** Who it is, in the lower left corner. */
  #plate(tile: SeatTile): void {
    const { text, pad, margin } = tileStyle(tile.width, tile.height);
    const line = this.#textOf(tile).plate;
    const drawn = this.#letters.of(line);
    const icon = tile.muted ? Math.round(text * 1.15) : 0;
    if (tile.more !== undefined || (!drawn && icon === 0)) return;
    const height = Math.round(text * 1.7);
    const between = drawn && icon > 0 ? Math.round(pad * 0.6) : 0;
    const width = 2 * pad + icon + between + (drawn?.width ?? 0);
    const x = tile.x + margin;
    const y = tile.y + tile.height - margin - height;
    const make = () => translucent(roundRectangle(width, height, Math.min(height / 2, text * 0.45)), PLATE);
    this.#cover(`plate ${width}x${height}`, make, x, y, COLOURS.plate);
    const microphone = () => mutedMicrophone(icon);
    if (icon > 0) this.#cover(`muted ${icon}`, microphone, x + pad, middle(y, height, icon), COLOURS.muted);
    if (!drawn) return;
    const top = y + Math.round((height - text * 1.5) / 2 + text * 0.02);
    this.#blend(`name ${line.size} ${line.text}`, drawn, x + pad + icon + between, top, COLOURS.text);
  }

  #textOf(tile: SeatTile): TileText {
    const known = this.#texts.get(tile) ?? tileText(tile);
    this.#texts.set(tile, known);
    return known;
  }

  #cover(name: string, make: () => Mask, x: number, y: number, colour: Colour): void {
    const key = `${name} @${x},${y}`;
    let stamp = this.#stamps.get(key);
    if (!stamp) {
      stamp = this.canvas.stamp(make(), x, y);
      if (this.#stamps.size >= MAX_STAMPS) this.#stamps.clear();
      this.#stamps.set(key, stamp);
    }
    this.canvas.blend(stamp, colour);
  }

  #blend(name: string, mask: Mask, x: number, y: number, colour: Colour): void {
    this.#cover(name, () => mask, x, y, colour);
  }
}

function middle(at: number, room: number, size: number): number {
  return at + Math.round((room - size) / 2);
}

function translucent(mask: Mask, share: number): Mask {
  return { ...mask, alpha: mask.alpha.map((a) => a * share) };
}
