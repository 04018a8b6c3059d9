import { lstatSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { RoomtapError } from "../core/fault.ts";
import { ffmpegCapabilities } from "../ffmpeg/capabilities.ts";
import { locateFfmpeg } from "../ffmpeg/locate.ts";
import { MANIFEST_FILE, type Manifest, type ManifestFile } from "../sinks/recorder/manifest.ts";
import { TEMP_SUFFIX } from "../sinks/recorder/output.ts";
import { type CheckOptions, checkFile } from "../sinks/verify/check-file.ts";
import { FileJudge, type FileReport, type Finding } from "../sinks/verify/report.ts";
import { isSession, readSession } from "../sinks/verify/session.ts";
import { sessionPath } from "../sinks/verify/session-path.ts";
import { showsGroundTruth } from "../sources/ground-truth/detect.ts";
import { offsetInWords } from "../sources/ground-truth/lipsync.ts";
import { verifyRecording } from "../sources/ground-truth/verify.ts";
import { isLocked, LOCK_FILE } from "./session-lock.ts";

/** Sound and picture of the test clip may be this far apart, milliseconds (median). */
const MAX_OFFSET_MS = 40;
const mediaFile = /\.(webm|mkv|mp4|m4a|ogg|opus)(\.part)?$/i;

/** What to verify, and how. */
export type VerifyOptions = {
  /** A session directory, its `manifest.json`, or one media file. */
  readonly path: string;
  readonly ffmpeg?: string;
  /** Aborting ends the verification with a rejection. */
  readonly signal?: AbortSignal;
  /** An ffmpeg that moves nothing for this many milliseconds is ended; default 30 000. */
  readonly stallMs?: number;
  readonly onProgress?: (progress: VerifyProgress) => void;
};

/** How far a verification is. */
export type VerifyProgress = {
  /** The file that is looked at, and which of how many it is, from 1. */
  readonly path: string;
  readonly file: number;
  readonly files: number;
  /** Share of everything, 0..1. */
  readonly share: number;
};

/** What a verification found. */
export type VerifyResult = {
  /** The path that was given. */
  readonly path: string;
  /** Nothing is wrong, and nothing is missing. */
  readonly ok: boolean;
  /** Everything that was begun is finished. */
  readonly complete: boolean;
  readonly files: readonly FileReport[];
  /** What is wrong: of the session first, then that of the files. */
  readonly findings: readonly Finding[];
};

/**
 * Decodes what was recorded and holds it against its manifest. What is wrong is in the result; rejects with a
 * RoomtapError only when nothing can be said: `usage` for a path that is no session, `ffmpeg-missing`.
 */
export async function verify(o: VerifyOptions): Promise<VerifyResult> {
  const target = targetOf(o.path);
  const ffmpeg = await locateFfmpeg(o.ffmpeg);
  await ffmpegCapabilities(ffmpeg);
  const work: Work = { o, ffmpeg };
  return "only" in target
    ? await verifyAlone(target.directory, target.only, work)
    : await verifySession(target.directory, work);
}

type Work = { readonly o: VerifyOptions; readonly ffmpeg: string };

/** A session, or one file: of a session where its directory is one. */
type Target = { readonly directory: string; readonly only?: string };

function targetOf(path: string): Target {
  const refused = (message: string) =>
    new RoomtapError("usage", message, {
      hint: "name a session directory, its manifest.json, or a media file",
    });
  const full = resolve(path);
  const stat = statSync(full, { throwIfNoEntry: false });
  if (!stat) throw refused(`there is nothing at ${path}`);
  if (stat.isDirectory()) {
    if (isSession(full)) return { directory: full };
    throw refused(`${path} holds no session`);
  }
  if (basename(full) === MANIFEST_FILE) return { directory: dirname(full) };
  if (stat.isFile() && mediaFile.test(full)) return { directory: dirname(full), only: full };
  throw refused(`${path} is neither a session nor a recording`);
}

async function verifySession(directory: string, work: Work): Promise<VerifyResult> {
  const { manifest, complete, findings } = await readSession(directory);
  const running = isRunning(directory);
  const files: FileReport[] = [];
  const list = manifest?.files ?? [];
  const total = list.reduce((n, f) => n + f.durationMs, 0) || 1;
  let done = 0;
  for (const [i, file] of list.entries()) {
    const onProgress = (share: number) =>
      work.o.onProgress?.({
        ...{ path: file.path, file: i + 1, files: list.length },
        share: (done + share * file.durationMs) / total,
      });
    onProgress(0);
    files.push(await verifyFile(directory, file, manifest, { ...work, onProgress }));
    done += file.durationMs;
  }
  const own: Finding[] = [
    ...(running
      ? [{ code: "incomplete", message: "somebody is still at work in the session" } as const]
      : []),
    ...findings,
    ...(manifest ? pictureFindings(directory, manifest) : []),
  ];
  return result(work.o.path, complete && !running, files, own);
}

/** One file, held against the manifest beside it where that knows it. */
async function verifyAlone(directory: string, full: string, work: Work): Promise<VerifyResult> {
  const manifest = isSession(directory) ? (await readSession(directory)).manifest : undefined;
  const path = relative(directory, full);
  const file = manifest?.files.find((f) => f.path === path);
  const onProgress = (share: number) => work.o.onProgress?.({ path, file: 1, files: 1, share });
  if (file) {
    const report = await verifyFile(directory, file, manifest, { ...work, onProgress });
    return result(work.o.path, true, [report], []);
  }
  const judge = new FileJudge(work.o.path);
  await look(realpathSync(full), judge, undefined, { ...work, onProgress });
  const part = full.endsWith(TEMP_SUFFIX);
  const left: Finding = { code: "incomplete", message: "it was not finished", path: work.o.path };
  return result(work.o.path, !part, [judge.report()], part ? [left] : []);
}

type FileWork = Work & { readonly onProgress: (share: number) => void };

async function verifyFile(
  directory: string,
  file: ManifestFile,
  manifest: Manifest | undefined,
  work: FileWork,
): Promise<FileReport> {
  const judge = new FileJudge(file.path);
  const place = sessionPath(directory, file.path);
  if (place === "missing")
    judge.check("file", "missing", [{ code: "file-missing", message: "it is not there" }]);
  else if (place === "unsafe") {
    const message = "it leads out of the session, or to what is no file, and was not opened";
    judge.check("file", "refused", [{ code: "unsafe-path", message }]);
  } else await look(place.real, judge, manifest && { file, manifest }, work);
  return judge.report(file.durationMs);
}

async function look(
  real: string,
  judge: FileJudge,
  expected: Parameters<typeof checkFile>[2],
  { o, ffmpeg, onProgress }: FileWork,
): Promise<void> {
  const { signal, stallMs } = o;
  const check: CheckOptions = { ffmpeg, signal, onProgress, ...(stallMs === undefined ? {} : { stallMs }) };
  let whole = false;
  try {
    whole = await checkFile(real, judge, expected, check);
  } catch (error) {
    if (signal?.aborted || error instanceof RoomtapError) throw error;
    const message = `it cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    judge.check("file", "failed", [{ code: "unreadable", message }]);
  }
  if (whole) await listen(real, judge, { ffmpeg, ...(signal ? { signal } : {}) });
}

/** Where the test clip was recorded, it says how far sound and picture are apart. */
async function listen(
  real: string,
  judge: FileJudge,
  o: { readonly ffmpeg: string; readonly signal?: AbortSignal },
): Promise<void> {
  if (!(await showsGroundTruth(real, o))) return;
  const { offset } = await verifyRecording(real, o);
  const late = offset.p50 > 0 ? "sound is ahead of the picture" : "picture is ahead of the sound";
  const message = `the ${late} by ${Math.abs(offset.p50).toFixed(1)} ms`;
  judge.check(
    "sync",
    `test clip: ${offsetInWords(offset)}`,
    Math.abs(offset.p50) > MAX_OFFSET_MS ? [{ code: "out-of-sync", message }] : [],
  );
}

/** Pictures that the manifest names. */
function pictureFindings(directory: string, manifest: Manifest): Finding[] {
  const { contactSheet } = manifest;
  const named = [...manifest.files.map((f) => f.poster), contactSheet].filter((p) => p !== undefined);
  return named.flatMap((path): Finding[] => {
    const place = sessionPath(directory, path);
    if (place === "missing") return [{ code: "file-missing", message: "the picture is not there", path }];
    if (place === "unsafe")
      return [{ code: "unsafe-path", message: "it leads out of the session, or to what is no file", path }];
    return [];
  });
}

function isRunning(directory: string): boolean {
  const lock = lstatSync(join(directory, LOCK_FILE), { throwIfNoEntry: false });
  return lock?.isFile() === true && isLocked(directory);
}

function result(
  path: string,
  complete: boolean,
  files: readonly FileReport[],
  own: readonly Finding[],
): VerifyResult {
  const findings = [...own, ...files.flatMap((f) => f.findings)];
  return { path, ok: complete && findings.length === 0, complete, files, findings };
}
