/** A gray picture at another size: every pixel is the mean of the area it covers, at least of one pixel. */
export function scaled(gray: Uint8Array, w: number, h: number, toW: number, toH: number): Uint8Array {
  const out = new Uint8Array(toW * toH);
  for (let y = 0; y < toH; y++) {
    const y0 = Math.floor((y * h) / toH);
    const y1 = Math.max(y0 + 1, Math.floor(((y + 1) * h) / toH));
    for (let x = 0; x < toW; x++) {
      const x0 = Math.floor((x * w) / toW);
      const x1 = Math.max(x0 + 1, Math.floor(((x + 1) * w) / toW));
      let sum = 0;
      for (let v = y0; v < y1; v++) for (let u = x0; u < x1; u++) sum += gray[v * w + u] ?? 0;
      out[y * toW + x] = sum / ((x1 - x0) * (y1 - y0));
    }
  }
  return out;
}

/** What a starved encoder leaves: 16x16 blocks flattened towards their mean, levels in steps of `step`. */
export function quantised(gray: Uint8Array, w: number, h: number, step: number): Uint8Array {
  const out = Uint8Array.from(gray);
  for (let by = 0; by < h; by += 16)
    for (let bx = 0; bx < w; bx += 16) {
      let sum = 0;
      let count = 0;
      const each = (f: (i: number) => void) => {
        for (let y = by; y < Math.min(h, by + 16); y++)
          for (let x = bx; x < Math.min(w, bx + 16); x++) f(y * w + x);
      };
      each((i) => {
        sum += gray[i] ?? 0;
        count++;
      });
      const mean = sum / count;
      each((i) => {
        out[i] = mean + Math.round(((gray[i] ?? 0) - mean) / step) * step;
      });
    }
  return out;
}
