import type { Participant } from "./tiles.ts";

const GAP = 10;

/** Arranges the tiles of all participants and keeps the arrangement fitting. */
export class Stage {
  readonly #stage: HTMLElement;
  readonly #grid: HTMLElement;
  readonly #screens: HTMLElement;
  readonly #observer: ResizeObserver;
  #people: Participant[] = [];

  constructor(stage: HTMLElement, grid: HTMLElement, screens: HTMLElement) {
    this.#stage = stage;
    this.#grid = grid;
    this.#screens = screens;
    this.#observer = new ResizeObserver(() => this.#fit());
    this.#observer.observe(stage);
  }

  /** Shows these people, ourselves first. */
  show(people: readonly Participant[]): void {
    this.#people = [...people];
    const faces = people.map((p) => p.face.element);
    const screens = people.flatMap((p) => (p.screen ? [p.screen.element] : []));
    keepOnly(this.#grid, faces);
    keepOnly(this.#screens, screens);
    this.#stage.classList.toggle("presenting", screens.length > 0);
    this.#grid.classList.toggle("duo", faces.length === 2 && screens.length === 0);
    this.#fit();
  }

  #fit(): void {
    const duo = this.#grid.classList.contains("duo");
    const count = duo ? 1 : this.#people.length;
    const { clientWidth: w, clientHeight: h } = this.#grid;
    const best = bestTile(count, w, h);
    this.#grid.style.setProperty("--tile-w", `${best.width}px`);
    this.#grid.style.setProperty("--tile-h", `${best.height}px`);
  }
}

/**
 * The largest tile of which `count` fit into `w` by `h` pixels. Tiles may leave 16:9 a little to use the space:
 * towards upright on upright screens, and a single one also towards wide.
 */
function bestTile(count: number, w: number, h: number): { width: number; height: number } {
  const narrowest = h > w ? (count === 1 ? 0.5 : 0.6) : 4 / 3;
  const widest = count === 1 ? 2.2 : 16 / 9;
  let best = { width: 0, height: 0 };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const cellW = (w - GAP * (columns - 1)) / columns;
    const cellH = (h - GAP * (rows - 1)) / rows;
    const ratio = Math.min(widest, Math.max(narrowest, cellW / cellH));
    const width = Math.floor(Math.min(cellW, cellH * ratio));
    const height = Math.floor(width / ratio);
    if (width * height > best.width * best.height) best = { width, height };
  }
  return best;
}

/** Makes `wanted` the children of `parent`; elements that stay are not moved, so that videos play on. */
function keepOnly(parent: HTMLElement, wanted: readonly HTMLElement[]): void {
  for (const child of [...parent.children]) {
    if (!(child instanceof HTMLElement && wanted.includes(child))) child.remove();
  }
  for (const e of wanted) if (e.parentElement !== parent) parent.append(e);
}
