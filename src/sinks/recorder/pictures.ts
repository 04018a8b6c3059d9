import { renameSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import {
  composeSheet,
  type PictureSource,
  probePicture,
  type SheetTile,
  type Still,
  takePoster,
  takeStill,
} from "../../ffmpeg/pictures.ts";
import type { ManifestFile } from "./manifest.ts";
import { TEMP_SUFFIX } from "./output.ts";

/** Name of the contact sheet inside the session directory. */
export const CONTACT_SHEET = "contact-sheet.jpg";

/** Stills on a sheet at most, and of one file. */
const MAX_STILLS = 24;
const MAX_PER_FILE = 12;
/** From one still to the next, at least; milliseconds. */
const STEP_MS = 2000;
/** The first and the last still of a file, as shares of its length: people find their place at the ends. */
const FIRST = 0.1;
const LAST = 0.95;
/** Where else to look for a poster, when the stills show nothing. */
const ELSEWHERE = [0.35, 0.65];
/** Characters of a name on the sheet: as many as there is room for. */
const MAX_NAME = 30;
/** Pictures are no reason to wait longer, however many files there are. Milliseconds. */
const DEADLINE_MS = 30_000;
/** Processes at a time. */
const WORKERS = 2;
/** Attempts at a file that fail before it is left alone. */
const MAX_FAILURES = 2;

/** Less room than this is left to what a session cannot do without: the manifest. Octets. */
const MIN_ROOM = 1.5e6;

/** What pictures are made of. */
export type PicturesOptions = {
  /** Session directory. */
  readonly directory: string;
  /** The manifest's. */
  readonly files: readonly Pick<
    ManifestFile,
    "path" | "participant" | "source" | "startMs" | "durationMs" | "tracks"
  >[];
  /** Path of ffmpeg; empty: none, and no pictures. */
  readonly ffmpeg: string;
  /** Aborted: what is not made is left out. */
  readonly signal: AbortSignal;
};

/** What was made, relative to the session directory. */
export type Pictures = {
  /** By path of the video. */
  readonly posters: ReadonlyMap<string, string>;
  readonly contactSheet?: string;
};

type Source = PictureSource & { readonly file: PicturesOptions["files"][number] };

/**
 * Makes a poster for every video of a session and a sheet of stills of them all. Nobody waits for it for long and
 * nothing depends on it: what fails is left out. Never rejects.
 */
export async function makePictures(o: PicturesOptions): Promise<Pictures> {
  const posters = new Map<string, string>();
  if (o.ffmpeg === "" || !hasRoom(o.directory)) return { posters };
  const signal = AbortSignal.any([o.signal, AbortSignal.timeout(DEADLINE_MS)]);
  const sources = await sourcesOf(o, signal);
  const onSheet = new Set(
    sources.toSorted((a, b) => b.file.durationMs - a.file.durationMs).slice(0, MAX_STILLS),
  );
  const each = Math.min(MAX_PER_FILE, Math.max(1, Math.floor(MAX_STILLS / Math.max(1, onSheet.size))));
  const tiles: (SheetTile & { readonly atMs: number })[] = [];
  const names = new Set([CONTACT_SHEET]);
  for (const source of sources) {
    const { file } = source;
    const stills = await stillsOf(source, onSheet.has(source) ? each : 1);
    if (onSheet.has(source))
      for (const still of stills) {
        const atMs = file.startMs + still.atMs;
        tiles.push({ still, atMs, label: labelOf(file, atMs) });
      }
    const poster = await posterOf(source, stills);
    const name = poster && nameOf(file.path, names);
    if (poster && name && write(join(o.directory, name), poster)) posters.set(file.path, name);
  }
  if (tiles.length === 0) return { posters };
  tiles.sort((a, b) => a.atMs - b.atMs);
  try {
    const sheet = await composeSheet(o.ffmpeg, tiles, Math.ceil(Math.sqrt(tiles.length)), o.signal);
    if (write(join(o.directory, CONTACT_SHEET), sheet)) return { posters, contactSheet: CONTACT_SHEET };
  } catch {
    // The session is complete without it.
  }
  return { posters };
}

async function sourcesOf(o: PicturesOptions, signal: AbortSignal): Promise<Source[]> {
  const found: Source[] = [];
  for (const file of o.files) {
    // A manifest that somebody else wrote does not lead out of its directory.
    if (file.path !== basename(file.path) || !file.tracks.some((t) => t.kind === "video")) continue;
    const path = join(o.directory, file.path);
    const picture = await probePicture(path);
    if (picture) found.push({ ...picture, file, path, ffmpeg: o.ffmpeg, signal });
  }
  return found;
}

/** Stills spread over a file, `most` at most, none twice. */
async function stillsOf(source: Source, most: number): Promise<Still[]> {
  const n = Math.max(1, Math.min(most, Math.floor(source.file.durationMs / STEP_MS)));
  const shares = Array.from({ length: n }, (_, i) => FIRST + ((LAST - FIRST) * i) / Math.max(1, n - 1));
  const stills: (Still | undefined)[] = [];
  const next = shares.entries();
  let failures = 0;
  const work = async () => {
    for (const [i, share] of next) {
      // An ffmpeg that cannot read the file, or hangs in it, need not try everywhere.
      if (failures >= MAX_FAILURES) return;
      try {
        stills[i] = await takeStill(source, Math.round(source.file.durationMs * share));
      } catch {
        failures++;
      }
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
  const found = stills.filter((still) => still !== undefined);
  if (found.length === 0) {
    // A screen that nobody touched has one picture, at its start.
    const first = await stillAt(source, 0);
    return first ? [first] : [];
  }
  return [...new Map(found.map((still) => [still.pts, still])).values()];
}

async function stillAt(source: Source, share: number): Promise<Still | undefined> {
  try {
    return await takeStill(source, Math.round(source.file.durationMs * share));
  } catch {
    return undefined;
  }
}

/** A JPEG of the first still that shows something, else of the first one; undefined: there is none. */
async function posterOf(source: Source, stills: readonly Still[]): Promise<Uint8Array | undefined> {
  let still = stills.find((s) => s.good);
  for (const share of ELSEWHERE) {
    if (still) break;
    const other = await stillAt(source, share);
    still = other?.good ? other : undefined;
  }
  still ??= stills[0];
  try {
    return still && (await takePoster(source, still));
  } catch {
    return undefined;
  }
}

/** `STEM.jpg`, or with the video's whole name before it where that is taken. */
function nameOf(path: string, names: Set<string>): string {
  const stem = path.replace(/\.[^.]+$/, "");
  const name = names.has(`${stem}.jpg`) ? `${path}.jpg` : `${stem}.jpg`;
  names.add(name);
  return name;
}

/** `1:02:03  Ada (screen)`, in one line. */
function labelOf(file: Source["file"], atMs: number): string {
  const s = Math.floor(Math.max(0, atMs) / 1000);
  const two = (n: number) => String(n).padStart(2, "0");
  const time = `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  const name = [...file.participant.slice(0, 1000).replace(/[\p{C}\p{Z}]+/gu, " ")]
    .slice(0, MAX_NAME)
    .join("");
  return `${time}  ${name}${file.source === "screen" ? " (screen)" : ""}`;
}

function hasRoom(directory: string): boolean {
  try {
    const { bsize, bavail, blocks } = statfsSync(directory);
    return blocks === 0 || bsize * bavail >= MIN_ROOM;
  } catch {
    return false;
  }
}

/** Writes a file whole or not at all. */
function write(path: string, bytes: Uint8Array): boolean {
  try {
    writeFileSync(`${path}${TEMP_SUFFIX}`, bytes);
    renameSync(`${path}${TEMP_SUFFIX}`, path);
    return true;
  } catch {
    rmSync(`${path}${TEMP_SUFFIX}`, { force: true });
    return false;
  }
}
