import { readdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Where systems keep their fonts. */
const FOLDERS = [
  "/usr/share/fonts",
  "/usr/local/share/fonts",
  join(homedir(), ".local/share/fonts"),
  join(homedir(), ".fonts"),
  "/System/Library/Fonts",
  "/Library/Fonts",
  join(homedir(), "Library/Fonts"),
  join(process.env.WINDIR ?? "C:\\Windows", "Fonts"),
];
const MAX_DEPTH = 4;
const MAX_ENTRIES = 20_000;

/** Fonts for names, the best first; those further down hold more scripts. Lower case, without the extension. */
const WANTED = [
  "notosans-regular",
  "dejavusans",
  "segoeui",
  "helveticaneue",
  "liberationsans-regular",
  "arial",
  "helvetica",
  "freesans",
  "arial unicode",
  "notosanscjk-regular",
  "pingfang",
  "msyh",
  "wqy-zenhei",
  "wqy-microhei",
  "droidsansfallbackfull",
  "unifont",
];

/** Font files of this machine that are made for names, best first. */
export function findFonts(folders: readonly string[] = FOLDERS): string[] {
  const found = new Map<string, string>();
  let entries = 0;
  const visit = (folder: string, depth: number) => {
    for (const entry of list(folder)) {
      if (++entries > MAX_ENTRIES) return;
      const path = join(folder, entry.name);
      const stem = /^(.+)\.(ttf|otf|ttc)$/i.exec(entry.name)?.[1]?.toLowerCase();
      if (entry.isDirectory() && depth < MAX_DEPTH) visit(path, depth + 1);
      else if (stem !== undefined && WANTED.includes(stem) && !found.has(stem)) found.set(stem, path);
    }
  };
  for (const folder of folders) visit(folder, 1);
  return WANTED.flatMap((stem) => found.get(stem) ?? []);
}

function list(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}
