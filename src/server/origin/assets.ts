import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { PageFile } from "../page.ts";

/** The files of the player page, by URL path. */
export type Player = ReadonlyMap<string, PageFile>;

/** In the page's folder, built. */
const own: Readonly<Record<string, string>> = {
  "index.html": "text/html; charset=utf-8",
  "player.css": "text/css; charset=utf-8",
  "player.js": "text/javascript; charset=utf-8",
  "icon.svg": "image/svg+xml",
};

/** Reads the player page, hls.js with it. Empty when it was not built. */
export async function loadPlayer(root: string | undefined): Promise<Player> {
  const folder = root ?? fileURLToPath(new URL("./web/", import.meta.url));
  const player = new Map<string, PageFile>();
  try {
    for (const [name, type] of Object.entries(own))
      player.set(name === "index.html" ? "/" : `/${name}`, {
        type,
        body: await readFile(join(folder, name)),
      });
    const hls = fileURLToPath(import.meta.resolve("hls.js/dist/hls.light.min.js"));
    player.set("/hls.js", { type: "text/javascript; charset=utf-8", body: await readFile(hls) });
    return player;
  } catch {
    return new Map();
  }
}
