import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { JOURNAL_FILE, type JournalEntry, readJournal } from "../recorder/journal.ts";
import { MANIFEST_FILE, type Manifest, type ManifestFile } from "../recorder/manifest.ts";
import { checkManifest } from "../recorder/manifest-schema.ts";
import { TEMP_SUFFIX } from "../recorder/output.ts";
import type { Finding } from "./report.ts";
import { sessionPath } from "./session-path.ts";

/** Longer than any manifest or journal of ours, octets. */
export const MAX_JSON = 64 << 20;
/** Left-over files that are told one by one. */
const MAX_TOLD = 20;
/** The last frame of a file and the first of the next may be this far over one another, milliseconds. */
const OVERLAP_TOLERANCE_MS = 500;

/** A session directory as it stands, without its media. */
export type SessionState = {
  /** undefined: there is none that can be used; the findings say why. */
  readonly manifest: Manifest | undefined;
  /** Everything that was begun is finished. */
  readonly complete: boolean;
  readonly findings: readonly Finding[];
};

/** True when a directory holds a session, whole or not. */
export function isSession(directory: string): boolean {
  return [MANIFEST_FILE, JOURNAL_FILE].some((name) => sessionPath(directory, name) !== "missing");
}

/** Reads manifest and journal of a session and holds them against one another, and against what lies around. */
export async function readSession(directory: string): Promise<SessionState> {
  const read = await readManifest(directory);
  const manifest = "manifest" in read ? read.manifest : undefined;
  const journal = journalOf(directory);
  const left = leftOvers(directory);
  const findings: Finding[] = [
    ...("finding" in read ? [read.finding] : []),
    ...journal.findings,
    ...incomplete(manifest, journal, left),
    ...left.slice(0, MAX_TOLD).map(
      (path): Finding => ({
        code: "left-over",
        message: "it was being written when the recorder ended",
        path,
      }),
    ),
    ...(manifest ? [...stale(manifest, journal), ...overlapping(manifest)] : []),
  ];
  const complete = manifest?.complete === true && journal.open.length === 0 && left.length === 0;
  return { manifest, complete, findings };
}

type ManifestRead = { readonly manifest: Manifest } | { readonly finding: Finding };

async function readManifest(directory: string): Promise<ManifestRead> {
  const wrong = (code: Finding["code"], message: string) => ({
    finding: { code, message, path: MANIFEST_FILE },
  });
  const place = sessionPath(directory, MANIFEST_FILE);
  if (place === "missing") return wrong("manifest-missing", "the session has no manifest");
  if (place === "unsafe") return wrong("unsafe-path", "it leads out of the session and was not opened");
  if (place.bytes > MAX_JSON)
    return wrong("manifest-invalid", `it has ${place.bytes} octets: that is no manifest`);
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(place.real, "utf8"));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return wrong("manifest-invalid", `it cannot be read: ${reason}`);
  }
  const checked = await checkManifest(value);
  if ("manifest" in checked) return checked;
  return wrong("manifest-invalid", `${checked.at || "it"} ${checked.problem}`);
}

type JournalState = {
  /** Files that were begun and not finished, under their temporary names. */
  readonly open: readonly string[];
  /** Final names. */
  readonly closed: readonly string[];
  readonly findings: readonly Finding[];
};

/** What the journal says of files. A session without one may be a copy of what was made: that is no fault. */
function journalOf(directory: string): JournalState {
  const nothing = { open: [], closed: [] };
  const place = sessionPath(directory, JOURNAL_FILE);
  if (place === "missing") return { ...nothing, findings: [] };
  const wrong = (code: Finding["code"], message: string): JournalState => ({
    ...nothing,
    findings: [{ code, message, path: JOURNAL_FILE }],
  });
  if (place === "unsafe") return wrong("unsafe-path", "it leads out of the session and was not opened");
  if (place.bytes > MAX_JSON)
    return wrong("manifest-stale", `it has ${place.bytes} octets: that is no journal`);
  const opened = new Map<string, string>();
  const closed = new Map<string, string>();
  for (const entry of readJournal(directory)) {
    const { t, id, temp, path }: Loose = entry;
    if (t === "file-open" && typeof id === "string" && typeof temp === "string") opened.set(id, temp);
    if (t === "file-empty" && typeof id === "string") opened.delete(id);
    if (t === "file-close" && typeof id === "string" && typeof path === "string") closed.set(id, path);
  }
  const open = [...opened].flatMap(([id, temp]) => (closed.has(id) ? [] : [temp]));
  return { open, closed: [...closed.values()], findings: [] };
}

/** A line of the journal may be anything. */
type Loose = { readonly [K in "id" | "temp" | "path"]?: unknown } & { readonly t: JournalEntry["t"] };

function incomplete(
  manifest: Manifest | undefined,
  journal: JournalState,
  left: readonly string[],
): Finding[] {
  const open = Math.max(journal.open.length, left.length);
  if (open === 0 && manifest?.complete !== false) return [];
  const what = open === 0 ? "the manifest says so" : `files that were begun and not finished: ${open}`;
  return [{ code: "incomplete", message: `the session is not complete; ${what}` }];
}

function stale(manifest: Manifest, journal: JournalState): Finding[] {
  const known = new Set(manifest.files.map((f) => f.path));
  return journal.closed
    .filter((path) => !known.has(path))
    .slice(0, MAX_TOLD)
    .map((path) => ({
      code: "manifest-stale",
      message: "the journal knows of it, the manifest does not",
      path,
    }));
}

/** Files of one camera follow on one another: what is in two of them would play twice. */
function overlapping(manifest: Manifest): Finding[] {
  const last = new Map<string, ManifestFile>();
  const out: Finding[] = [];
  for (const f of manifest.files.toSorted((a, b) => a.startMs - b.startMs)) {
    const series = [f.participantId, f.source, f.path.replace(/(-\d+)?\.[^.]*$/, "")].join("/");
    const before = last.get(series);
    last.set(series, f);
    const over = before ? before.startMs + before.durationMs - f.startMs : 0;
    if (before && over > OVERLAP_TOLERANCE_MS) {
      const message = `its first ${Math.round(over)} ms are in ${before.path} as well`;
      out.push({ code: "files-overlap", message, path: f.path });
    }
  }
  return out;
}

/** Temporary files in a session directory, its folders left alone. */
function leftOvers(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => name.endsWith(TEMP_SUFFIX) && lstatSync(join(directory, name)).isFile())
      .sort();
  } catch {
    return [];
  }
}
