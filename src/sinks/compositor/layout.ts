/** A rectangle in pixels; all even, so that colour has whole pixels too. */
export type Box = { readonly x: number; readonly y: number; readonly width: number; readonly height: number };

/** Shape of a tile: that of most cameras. */
const ASPECT = 16 / 9;
/** Share of the picture's side that a strip beside something large takes. */
const STRIP = 0.19;
/** Tiles narrower than this show nothing. */
const MIN_WIDTH = 96;

/** Distance between tiles, and from the edge, for a picture of a size. */
export function gapOf(width: number, height: number): number {
  return Math.max(2, even(Math.min(width, height) * 0.0125));
}

/** Tiles of one size for `n`, as large as they can be, the last row in the middle. */
export function gridBoxes(n: number, area: Box, gap: number): Box[] {
  const { columns, width, height } = bestGrid(n, area, gap);
  const rows = Math.ceil(n / columns);
  const top = area.y + (area.height - rows * height - (rows - 1) * gap) / 2;
  return Array.from({ length: n }, (_, i) => {
    const row = Math.floor(i / columns);
    const inRow = Math.min(columns, n - row * columns);
    const left = area.x + (area.width - inRow * width - (inRow - 1) * gap) / 2;
    return {
      x: even(left + (i % columns) * (width + gap)),
      y: even(top + row * (height + gap)),
      width,
      height,
    };
  });
}

/**
 * The tiles of `n` that fit beside something large. Screens, `screens` of them, take all the room that there is, for
 * they have any shape; without one the place is somebody's, and has the shape of all tiles.
 */
export function stageBoxes(
  screens: number,
  n: number,
  area: Box,
  gap: number,
): { readonly mains: Box[]; readonly strip: Box[] } {
  const mainsIn = (stage: Box) => (screens > 0 ? split(screens, stage, gap) : gridBoxes(1, stage, gap));
  if (n === 0) return { mains: mainsIn(area), strip: [] };
  const wide = area.width >= area.height;
  const side = even((wide ? area.width : area.height) * STRIP);
  const stage: Box = wide
    ? { ...area, width: area.width - side - gap }
    : { ...area, height: area.height - side - gap };
  const beside: Box = wide
    ? { ...area, x: area.x + stage.width + gap, width: side }
    : { ...area, y: area.y + stage.height + gap, height: side };
  return { mains: mainsIn(stage), strip: stripBoxes(n, beside, gap) };
}

/** As many tiles as can be read, in one row or column or more. */
function stripBoxes(n: number, area: Box, gap: number): Box[] {
  let fit = n;
  while (fit > 1 && bestGrid(fit, area, gap).width < Math.min(MIN_WIDTH, area.width)) fit--;
  return gridBoxes(fit, area, gap);
}

/** One or two large ones: they take all the room, and show what they show in its own shape. */
function split(n: number, area: Box, gap: number): Box[] {
  if (n <= 1) return [area];
  if (area.width >= area.height) {
    const width = even((area.width - gap * (n - 1)) / n);
    return Array.from({ length: n }, (_, i) => ({ ...area, x: area.x + i * (width + gap), width }));
  }
  const height = even((area.height - gap * (n - 1)) / n);
  return Array.from({ length: n }, (_, i) => ({ ...area, y: area.y + i * (height + gap), height }));
}

function bestGrid(n: number, area: Box, gap: number) {
  let best = { columns: 1, width: 0, height: 0 };
  for (let columns = 1; columns <= n; columns++) {
    const rows = Math.ceil(n / columns);
    const cellWidth = (area.width - gap * (columns - 1)) / columns;
    const cellHeight = (area.height - gap * (rows - 1)) / rows;
    const width = even(Math.min(cellWidth, cellHeight * ASPECT));
    if (width > best.width)
      best = { columns, width, height: Math.min(even(width / ASPECT), even(cellHeight)) };
  }
  return best;
}

/** The even number below. */
export function even(n: number): number {
  return 2 * Math.floor(n / 2);
}
