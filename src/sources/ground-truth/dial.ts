import { type Canvas, type Color, edge, makeStamp, type Stamp } from "./canvas.ts";

/** Colours of a dial. */
export type DialColors = { readonly dim: Color; readonly lit: Color; readonly hand: Color };

const TURN = 2 * Math.PI;

/**
 * A round dial whose ring fills up and whose hand goes round once per second. What does not move is rastered
 * once: each pixel's place on the ring, and how far round it is.
 */
export class Dial {
  readonly #x: number;
  readonly #y: number;
  readonly #radius: number;
  readonly #colors: DialColors;
  readonly #ring: Stamp;
  readonly #angles: Float32Array;
  readonly #side: number;

  /** `x` and `y` are the centre, `radius` the outer radius, in pixels. */
  constructor(x: number, y: number, radius: number, colors: DialColors) {
    const side = 2 * Math.ceil(radius);
    this.#x = 2 * Math.round(x / 2);
    this.#y = 2 * Math.round(y / 2);
    this.#radius = radius;
    this.#colors = colors;
    this.#side = side;
    const c = side / 2;
    this.#ring = makeStamp(side, side, (px, py) => {
      const r = Math.hypot(px - c, py - c);
      return edge(radius - r) * edge(r - 0.8 * radius);
    });
    this.#angles = new Float32Array(side * side);
    for (let py = 0; py < side; py++)
      for (let px = 0; px < side; px++) {
        const turn = Math.atan2(px + 0.5 - c, c - py - 0.5) / TURN;
        this.#angles[py * side + px] = turn < 0 ? turn + 1 : turn;
      }
  }

  /** Draws what stays the same: the dark ring and twelve marks. */
  drawFace(canvas: Canvas): void {
    const c = this.#side / 2;
    canvas.stamp(this.#ring, this.#x - c, this.#y - c, this.#colors.dim);
    for (let i = 0; i < 12; i++) {
      const r = this.#radius;
      this.#line(canvas, i / 12, (i % 3 === 0 ? 0.62 : 0.68) * r, 0.74 * r, r / 70, this.#colors.hand);
    }
  }

  /** Fills the ring up to `turn` (0..1, clockwise from the top) and draws the hand there. */
  drawTurn(canvas: Canvas, turn: number): void {
    const side = this.#side;
    const left = this.#x - side / 2;
    const top = this.#y - side / 2;
    const ring = this.#ring.luma;
    const angles = this.#angles;
    const perTurn = TURN * 0.9 * this.#radius;
    canvas.shape({ x: left, y: top, width: side, height: side }, this.#colors.lit, (px, py) => {
      const at = Math.floor(py - top) * side + Math.floor(px - left);
      const alpha = ring[at] ?? 0;
      return alpha === 0 ? 0 : (alpha / 255) * edge((turn - (angles[at] ?? 0)) * perTurn);
    });
    const r = this.#radius;
    this.#line(canvas, turn, -0.12 * r, 0.9 * r, r / 45, this.#colors.hand);
    const hub = r / 14;
    canvas.shape(
      { x: this.#x - hub - 1, y: this.#y - hub - 1, width: 2 * hub + 2, height: 2 * hub + 2 },
      this.#colors.hand,
      (px, py) => edge(hub - Math.hypot(px - this.#x, py - this.#y)),
    );
  }

  /** A line with round ends along the radius at `turn`, from `from` to `to` pixels off the centre. */
  #line(canvas: Canvas, turn: number, from: number, to: number, half: number, color: Color): void {
    const dx = Math.sin(TURN * turn);
    const dy = -Math.cos(TURN * turn);
    const xs = [this.#x + from * dx, this.#x + to * dx];
    const ys = [this.#y + from * dy, this.#y + to * dy];
    const x = Math.min(...xs) - half - 1;
    const y = Math.min(...ys) - half - 1;
    const width = Math.max(...xs) + half + 1 - x;
    const height = Math.max(...ys) + half + 1 - y;
    canvas.shape({ x, y, width, height }, color, (px, py) => {
      const along = (px - this.#x) * dx + (py - this.#y) * dy;
      const across = (py - this.#y) * dx - (px - this.#x) * dy;
      return edge(half - Math.hypot(across, Math.max(0, from - along, along - to)));
    });
  }
}
