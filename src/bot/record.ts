import { join, resolve } from "node:path";
import { ExitCode, type ExitCodeValue, errorExit, RoomtapError } from "../core/fault.ts";
import type { LayerWish } from "../core/room.ts";
import { locateFfmpeg } from "../ffmpeg/locate.ts";
import type { FileTrack } from "../sinks/recorder/journal.ts";
import { readJournal } from "../sinks/recorder/journal.ts";
import { type Manifest, manifestOf } from "../sinks/recorder/manifest.ts";
import { defaultPolicy, type RecordingPolicy } from "../sinks/recorder/policy.ts";
import { recoverSession } from "../sinks/recorder/recover.ts";
import { checkDumpFile } from "../sinks/rtpdump/dump.ts";
import { checkDisk } from "./disk-guard.ts";
import { finishSession } from "./finish-session.ts";
import type { NoticeMessage, OutputFormat, StatusMessage } from "./job.ts";
import { checkRoom, type RoomOptions, roomCall } from "./join.ts";
import { checkRule, type Selection } from "./selection.ts";
import { removeIfEmpty, sessionDirectory } from "./session-directory.ts";
import { lockSession } from "./session-lock.ts";
import { supervise } from "./supervisor.ts";

const DEFAULT_MAX_BITRATE = 4_000_000;

/** What to record, and how. Times in milliseconds. */
export type RecordOptions = RoomOptions & {
  /** Directory under which the session directory is made; default `recordings`. */
  readonly out?: string;
  /** Default `auto`. */
  readonly format?: OutputFormat;
  /** Stop after this much media. */
  readonly durationMs?: number;
  /** Stop when nobody else has been in the room for this long. */
  readonly untilEmptyMs?: number;
  /** Record only the participant of this name. */
  readonly participant?: string;
  /** Record only what these rules match (kinds of media, names with `*`), and nothing that `exclude` matches. */
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  /** What becomes of the files where there is a choice; what is left out is as in `defaultPolicy`. */
  readonly policy?: Partial<RecordingPolicy>;
  /** `collapsed`: pauses are cut out of the files; default `true`: they are silence, and the picture stands. */
  readonly pauseTime?: "true" | "collapsed";
  /** Pauses the recording and lets it go on. */
  readonly control?: RecordControl;
  /** Make posters and a contact sheet; default true. */
  readonly pictures?: boolean;
  /** Ceiling for each incoming video, bit/s; default 4,000,000. */
  readonly maxBitrate?: number;
  /** ffmpeg to use; default: FFMPEG_PATH, the system's, the bundled one. */
  readonly ffmpeg?: string;
  /**
   * Write every packet down in this file, and what they mean beside it, for `replay`. A second connection's packets
   * go into `NAME-2.rtpdump`, and so on.
   */
  readonly dumpRtp?: string;
  /** Aborting finishes the files and leaves. */
  readonly stop?: AbortSignal;
  /** Aborting skips conversions that are still to be done; their media is kept as Matroska. */
  readonly skip?: AbortSignal;
  readonly onStatus?: (status: StatusMessage) => void;
  readonly onNotice?: (notice: Pick<NoticeMessage, "level" | "text">) => void;
};

/** Pauses a recording from outside, and chooses what it receives. */
export class RecordControl extends EventTarget {
  #paused = false;
  #layer: LayerWish | undefined;

  /** The simulcast layer last asked for. */
  get layer(): LayerWish | undefined {
    return this.#layer;
  }

  /** Receives another simulcast layer from now on, of everything, where the room has a choice. */
  prefer(layer: LayerWish): void {
    this.#layer = layer;
    this.dispatchEvent(new Event("layer"));
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** What comes from now on is not recorded. */
  pause(): void {
    this.#set(true);
  }

  /** Recording goes on. */
  resume(): void {
    this.#set(false);
  }

  #set(paused: boolean): void {
    if (this.#paused === paused) return;
    this.#paused = paused;
    this.dispatchEvent(new Event("change"));
  }
}

/** One finished file. */
export type RecordedFile = {
  /** Absolute. */
  readonly path: string;
  readonly participant: string;
  readonly format: string;
  readonly durationMs: number;
  readonly bytes: number;
  /** SHA-256, hexadecimal; absent when it was not waited for. */
  readonly sha256?: string;
  readonly tracks: readonly FileTrack[];
};

/** How a recording ended. */
export type RecordResult = {
  /** Session directory, absolute. */
  readonly session: string;
  readonly files: readonly RecordedFile[];
  /** Exit code the command line ends with. */
  readonly exit: ExitCodeValue;
};

/**
 * Records a room until `durationMs`, `untilEmptyMs`, `stop` or the room's end. The media runs in a child
 * process, which is replaced when it dies; the session goes on in the same directory. Rejects with a
 * RoomtapError when the recording could not start or failed with nothing to keep.
 */
export async function record(o: RecordOptions): Promise<RecordResult> {
  await checkRoom(o);
  const format = o.format ?? "auto";
  // These need no help, but for pictures or odd codecs; a named ffmpeg that does not run is an error in any case.
  const optional = (format === "mkv" || format === "ogg") && o.ffmpeg === undefined;
  const ffmpeg = await locateFfmpeg(o.ffmpeg).catch((error: unknown) => {
    if (optional) return "";
    throw error;
  });
  const dumpFile = o.dumpRtp === undefined ? undefined : resolve(o.dumpRtp);
  if (dumpFile !== undefined) checkDumpFile(dumpFile);
  const selection = { include: (o.include ?? []).map(checkRule), exclude: (o.exclude ?? []).map(checkRule) };
  const maxBitrate = o.maxBitrate ?? DEFAULT_MAX_BITRATE;
  const out = resolve(o.out ?? "recordings");
  const low = await checkDisk(out, {
    maxBitrate,
    durationMs: o.durationMs,
    copies: format === "mp4" ? 2 : 1,
  });
  if (low !== undefined) o.onNotice?.({ level: "warn", text: low });
  const startedAt = Date.now();
  const directory = sessionDirectory(out, o.room, startedAt);
  const unlock = lockSession(directory);
  try {
    return await recordInto(directory, o, { format, ffmpeg, dumpFile, selection, maxBitrate, startedAt });
  } finally {
    unlock();
    removeIfEmpty(directory);
  }
}

/** What the options amount to. */
type Resolved = {
  readonly format: OutputFormat;
  readonly ffmpeg: string;
  readonly dumpFile: string | undefined;
  readonly selection: Selection;
  readonly maxBitrate: number;
  readonly startedAt: number;
};

async function recordInto(directory: string, o: RecordOptions, r: Resolved): Promise<RecordResult> {
  const { format, ffmpeg, dumpFile, selection, maxBitrate, startedAt } = r;
  /** Attempts before this one recorded something. */
  let mediaBefore = 0;
  const child = supervise({
    job: (attempt, last) => {
      if (last?.zeroAt !== undefined) mediaBefore ||= attempt;
      return {
        job: "record",
        ...roomCall(
          o.control?.layer === undefined ? o : { ...o, layer: o.control.layer },
          "Roomtap recorder",
        ),
        directory,
        format,
        maxBitrate,
        selection,
        policy: { ...defaultPolicy, ...o.policy },
        collapsePauses: o.pauseTime === "collapsed",
        paused: o.control?.paused === true,
        ffmpeg,
        attempt,
        startedAt,
        ...zeroOf(last?.zeroAt, directory),
        ...(dumpFile === undefined ? {} : { dumpFile }),
        ...(o.durationMs === undefined ? {} : { durationMs: o.durationMs }),
        ...(o.untilEmptyMs === undefined ? {} : { untilEmptyMs: o.untilEmptyMs }),
        ...(o.participant === undefined ? {} : { participant: o.participant }),
      };
    },
    onStatus: o.onStatus ?? (() => undefined),
    onNotice: o.onNotice ?? (() => undefined),
    courier: o.courier,
  });
  follow(o.stop, () => child.stop());
  follow(o.skip, () => child.skip());
  o.control?.addEventListener("change", () => (o.control?.paused ? child.pause() : child.resume()));
  o.control?.addEventListener("layer", () => {
    if (o.control?.layer !== undefined) child.send({ t: "layer", layer: o.control.layer });
  });
  const done = await child.done;
  const manifest = await finish(directory, ffmpeg, o);
  const lost = mediaBefore > 0 && firstAttempt(directory) >= mediaBefore;
  if (lost)
    o.onNotice?.({ level: "error", text: "what was recorded before the directory was removed is missing" });
  const failure =
    done.error && new RoomtapError(errorCode(done.error.code), done.error.message, hintOf(done.error));
  if (failure && manifest.files.length === 0) throw failure;
  if (failure) o.onNotice?.({ level: "error", text: failure.message });
  return resultOf(directory, manifest, done.exit === ExitCode.ok && lost ? ExitCode.incomplete : done.exit);
}

/** When the session's time began: a child that died within its first second said so in the journal only. */
function zeroOf(told: number | undefined, directory: string): { zeroAt?: number } {
  const zeroAt = told ?? readJournal(directory).find((e) => e.t === "first-media")?.at;
  return zeroAt === undefined ? {} : { zeroAt };
}

/** The first attempt that the journal knows of. */
function firstAttempt(directory: string): number {
  return readJournal(directory).find((e) => e.t === "session")?.attempt ?? 0;
}

/** Completes what a killed child left behind and writes the manifest. */
async function finish(directory: string, ffmpeg: string, o: RecordOptions): Promise<Manifest> {
  if (readJournal(directory).length === 0) return manifestOf([]);
  const failure = await recoverSession(directory, { ffmpeg, ...(o.skip ? { skip: o.skip } : {}) });
  if (failure) o.onNotice?.({ level: "error", text: failure.message });
  return await finishSession(directory, {
    ffmpeg: o.pictures === false ? "" : ffmpeg,
    skip: o.skip ?? new AbortController().signal,
    onNotice: (text) => o.onNotice?.({ level: "warn", text }),
    // The files are there all the same, and so is the journal.
    onFailure: (error) => o.onNotice?.({ level: "error", text: error.message }),
  });
}

/** What a session's manifest says its files are. `exit`: how it ended otherwise. */
export function resultOf(directory: string, manifest: Manifest, exit: ExitCodeValue): RecordResult {
  const files = manifest.files.map((f) => ({
    path: join(directory, f.path),
    participant: f.participant,
    format: f.format,
    durationMs: f.durationMs,
    bytes: f.bytes,
    ...(f.sha256 === undefined ? {} : { sha256: f.sha256 }),
    tracks: f.tracks,
  }));
  const code = exit === ExitCode.ok && files.length === 0 ? ExitCode.noMedia : exit;
  return { session: directory, files, exit: code };
}

function follow(signal: AbortSignal | undefined, cb: () => void): void {
  if (signal?.aborted) cb();
  else signal?.addEventListener("abort", cb, { once: true });
}

function errorCode(code: string): keyof typeof errorExit {
  return code in errorExit ? (code as keyof typeof errorExit) : "internal";
}

function hintOf(e: { readonly hint?: string }): { hint?: string } {
  return e.hint === undefined ? {} : { hint: e.hint };
}
