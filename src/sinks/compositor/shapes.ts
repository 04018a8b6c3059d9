import type { Mask } from "./canvas.ts";

/** Coverage of a pixel by what is inside where `distance` is negative; pixels, from the shape's edge. */
function shape(width: number, height: number, distance: (x: number, y: number) => number): Mask {
  const alpha = new Uint8Array(width * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const d = distance(x + 0.5, y + 0.5);
      alpha[y * width + x] = Math.round(255 * Math.max(0, Math.min(1, 0.5 - d)));
    }
  return { width, height, alpha };
}

/** Distance to a rectangle with round corners that fills `width` x `height` but for `inset`. */
function roundDistance(width: number, height: number, radius: number, inset: number) {
  return (x: number, y: number) => {
    const dx = Math.abs(x - width / 2) - width / 2 + radius + inset;
    const dy = Math.abs(y - height / 2) - height / 2 + radius + inset;
    return Math.hypot(Math.max(0, dx), Math.max(0, dy)) + Math.min(0, Math.max(dx, dy)) - radius;
  };
}

/** A rectangle with round corners. */
export function roundRectangle(width: number, height: number, radius: number): Mask {
  return shape(width, height, roundDistance(width, height, radius, 0));
}

/** What is outside of it: covers the corners of a picture. */
export function corners(width: number, height: number, radius: number): Mask {
  const inside = roundDistance(width, height, radius, 0);
  return shape(width, height, (x, y) => -inside(x, y));
}

/** Its edge, `thickness` wide. */
export function ring(width: number, height: number, radius: number, thickness: number): Mask {
  const outer = roundDistance(width, height, radius, 0);
  const inner = roundDistance(width, height, Math.max(1, radius - thickness), thickness);
  return shape(width, height, (x, y) => Math.max(outer(x, y), -inner(x, y)));
}

/** A full circle. */
export function disc(diameter: number): Mask {
  return roundRectangle(diameter, diameter, diameter / 2);
}

/** A microphone that is crossed out. */
export function mutedMicrophone(size: number): Mask {
  const u = size / 16;
  const line = (ax: number, ay: number, bx: number, by: number, half: number) => (x: number, y: number) => {
    const [px, py, vx, vy] = [x - ax * u, y - ay * u, (bx - ax) * u, (by - ay) * u];
    const t = Math.max(0, Math.min(1, (px * vx + py * vy) / (vx * vx + vy * vy)));
    return Math.hypot(px - t * vx, py - t * vy) - half * u;
  };
  const capsule = line(8, 4, 8, 8, 2.4);
  const bow = (x: number, y: number) =>
    Math.max(Math.abs(Math.hypot(x - 8 * u, y - 8 * u) - 4.6 * u) - 0.7 * u, 8 * u - y);
  const stem = line(8, 12.6, 8, 14.6, 0.7);
  const stroke = line(2.5, 2, 13.5, 14, 0.9);
  const clear = line(2.5, 2, 13.5, 14, 2.1);
  return shape(size, size, (x, y) => {
    const microphone = Math.min(capsule(x, y), bow(x, y), stem(x, y));
    return Math.min(Math.max(microphone, -clear(x, y)), stroke(x, y));
  });
}
