import { readFile } from "node:fs/promises";
import { vp8KeyframeSize } from "../../src/core/codecs/vp8.ts";
import { MatroskaReader } from "../../src/core/containers/matroska/reader.ts";

/** Heights of the pictures of a VP8 file, whenever they change. */
export async function keyframeHeights(path: string): Promise<number[]> {
  const out: number[] = [];
  const file = await readFile(path);
  for (const e of new MatroskaReader().push(file)) {
    const key = e.t === "block" && e.keyframe ? file.subarray(e.offset, e.offset + e.size) : undefined;
    const height = key && vp8KeyframeSize(key)?.height;
    if (height !== undefined && height !== out.at(-1)) out.push(height);
  }
  return out;
}
