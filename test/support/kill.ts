import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { RepairResult } from "../../src/bot/repair.ts";
import type { VerifyResult } from "../../src/bot/verify.ts";
import type { FileClosed, FileOpened } from "../../src/sinks/recorder/journal.ts";
import { verifyRecording } from "../../src/sources/ground-truth/verify.ts";
import { runCli } from "./cli.ts";
import { childrenOf, type ProcessInfo, processInfo } from "./processes.ts";
import { Recording } from "./recording.ts";
import { until } from "./until.ts";

/** Which processes of a recording are killed. */
export type Victim = "supervisor" | "media" | "both" | "ffmpeg";

/** When: milliseconds after the first media, or as soon as a conversion runs. */
export type Moment = number | "conversion";

/** A recording that is to be interrupted. */
export type KillPlan = {
  readonly room: string;
  /** Directory for the session; no other recording uses it. */
  readonly out: string;
  readonly format: string;
  readonly victim: Victim;
  readonly moment: Moment;
  /** Lines of `publish --sent-log`; undefined: only sound is sent. */
  readonly sentLog: string | undefined;
  readonly ffmpeg: string;
};

/** What was left, and what became of it. Times in milliseconds. */
export type KillReport = {
  readonly victim: Victim;
  readonly moment: Moment;
  /** From the last picture in the file to the kill; negative: the process was not killed and went on. */
  readonly lostVideo: number | undefined;
  /** From the end of the sound to the kill. */
  readonly lostAudio: number;
  /** Processes that are still there. */
  readonly survivors: readonly ProcessInfo[];
  readonly repair: RepairResult;
  readonly repairCode: number | null;
  readonly verify: VerifyResult;
  readonly verifyCode: number | null;
  /** What the interrupted file became; undefined: nothing was in it yet. */
  readonly file: FileClosed | undefined;
  readonly decodeErrors: number;
  readonly leftovers: readonly string[];
};

/** Media that a kill may cost. */
const MAX_LOST_MS = 1000;
/** How long a recording goes on after its media process was replaced, and one that is to end by itself lasts. */
const AFTERWARDS_MS = 1500;
const CONVERTED_SECONDS = 3;
/** A media process without a supervisor is gone after this long. */
const ORPHAN_MS = 4000;

/** Records, kills, repairs, verifies, and reads back what there is. */
export async function killRecording(plan: KillPlan): Promise<KillReport> {
  const args = ["--format", plan.format];
  const converting = plan.moment === "conversion";
  if (converting) args.push("--duration", `${CONVERTED_SECONDS}s`);
  const recording = new Recording(plan.room, plan.out, args);
  const { child } = recording.run;
  const pid = child.pid ?? 0;
  const seen = new Map<number, ProcessInfo>();
  const look = () => {
    for (const p of treeOf(pid)) seen.set(p.pid, p);
  };
  try {
    await recording.fileOpened();
    if (typeof plan.moment === "number") await recording.sessionTime(plan.moment);
    else await until("a conversion", () => treeOf(pid).find(isFfmpeg), 60_000);
    look();
    const killedAt = Date.now();
    for (const p of victims(plan.victim, pid)) process.kill(p, "SIGKILL");
    if (!converting && plan.victim === "media") await goOn(recording);
    look();
    await recording.run.done;
    const survivors = await gone([...seen.keys()], plan.out);
    return await judge(plan, recording, killedAt, survivors);
  } finally {
    child.kill("SIGKILL");
    for (const p of seen.keys()) if (processInfo(p)) process.kill(p, "SIGKILL");
  }
}

/** What a report says that must not be. */
export function complaints(r: KillReport, format: string): string[] {
  return [
    ...(r.survivors.length > 0 ? ["processes remain"] : []),
    ...((r.lostVideo ?? 0) > MAX_LOST_MS ? [`${r.lostVideo} ms of video lost`] : []),
    ...(r.lostAudio > MAX_LOST_MS ? [`${r.lostAudio} ms of sound lost`] : []),
    ...(r.repairCode === 0 ? [] : [`repair ends with ${r.repairCode}`]),
    ...(r.verifyCode === 0 ? [] : [`verify ends with ${r.verifyCode}`]),
    ...(!r.file || r.file.format === format ? [] : [`it is ${r.file.format}`]),
    ...(r.decodeErrors > 0 ? [`${r.decodeErrors} errors in decoding`] : []),
    ...(r.leftovers.length > 0 ? [`left over: ${r.leftovers.join()}`] : []),
  ];
}

/** The replaced media process records for a while; then the recording is stopped as a user would. */
async function goOn(recording: Recording): Promise<void> {
  const dead = recording.journal.filter((e) => e.t === "file-open").length;
  await until("a new file", () => recording.journal.filter((e) => e.t === "file-open").length > dead, 30_000);
  await new Promise((resolve) => {
    setTimeout(resolve, AFTERWARDS_MS);
  });
  recording.run.kill("SIGINT");
}

async function judge(
  plan: KillPlan,
  recording: Recording,
  killedAt: number,
  survivors: readonly ProcessInfo[],
): Promise<KillReport> {
  const directory = recording.directory ?? plan.out;
  const before = recording.journal;
  const repaired = await runCli(["repair", directory, "--json"]);
  const verified = await runCli(["verify", directory, "--json"]);
  const zero = before.find((e) => e.t === "first-media")?.at ?? Number.NaN;
  const opened = before.filter((e): e is FileOpened => e.t === "file-open")[0];
  const file = recording.journal
    .filter((e): e is FileClosed => e.t === "file-close")
    .findLast((e) => e.id === opened?.id);
  if (!opened) throw new Error(`no file: ${repaired.stdout} ${repaired.stderr}`);
  const v = file && (await verifyRecording(join(directory, file.path), { ffmpeg: plan.ffmpeg }));
  const begin = zero + opened.startMs;
  // A recording that had ended loses nothing by a kill: what counts is whether its end is there.
  const end = plan.moment === "conversion" ? zero + CONVERTED_SECONDS * 1000 : killedAt;
  const { sentLog } = plan;
  const numbers = v?.numbers ?? [];
  const lastPicture =
    sentLog === undefined || numbers.length === 0 ? begin : sentAt(sentLog, numbers, begin, end);
  return {
    victim: plan.victim,
    moment: plan.moment,
    lostVideo: sentLog === undefined ? undefined : end - lastPicture,
    lostAudio: end - begin - (v?.audioDurationMs ?? 0),
    survivors,
    repair: JSON.parse(repaired.stdout || "{}") as RepairResult,
    repairCode: repaired.code,
    verify: JSON.parse(verified.stdout || "{}") as VerifyResult,
    verifyCode: verified.code,
    file,
    decodeErrors: v?.decodeErrors ?? 0,
    leftovers: existsSync(directory) ? readdirSync(directory).filter((n) => /\.(part|tmp|lock)/.test(n)) : [],
  };
}

/**
 * When the last of these pictures was sent. Everyone in the room gets the clip from when they came: ours is the
 * stream whose first picture was sent nearest to the file's beginning, of those that went on to the last one
 * (another recording, which began in the same instant, may have been killed before).
 */
function sentAt(
  sentLog: string,
  numbers: readonly (number | undefined)[],
  begin: number,
  end: number,
): number {
  const lines = readFileSync(sentLog, "utf8")
    .split("\n")
    .flatMap((line) => parsed(line) ?? []);
  const last = lines.filter((l) => l.number === numbers.at(-1) && l.time < end + ORPHAN_MS);
  const off = (l: SentLine) => Math.abs(l.time - begin);
  const [first] = lines
    .filter((l) => l.number === numbers[0] && last.some((x) => x.peer === l.peer && x.time >= l.time))
    .sort((x, y) => off(x) - off(y));
  return last.findLast((l) => l.peer === first?.peer)?.time ?? Number.NEGATIVE_INFINITY;
}

type SentLine = { readonly number: number; readonly time: number; readonly peer: string };

/** A line of the log; the one that is being written right now does not count. */
function parsed(line: string): SentLine | undefined {
  try {
    return JSON.parse(line) as SentLine;
  } catch {
    return undefined;
  }
}

function victims(victim: Victim, supervisor: number): number[] {
  const tree = treeOf(supervisor);
  const media = tree.filter((p) => /bot\/child\.js/.test(p.command)).map((p) => p.pid);
  if (victim === "supervisor") return [supervisor];
  if (victim === "media") return media;
  return victim === "both" ? [supervisor, ...media] : tree.filter(isFfmpeg).map((p) => p.pid);
}

function isFfmpeg(p: ProcessInfo): boolean {
  return /ffmpeg\S* .*-nostdin|ffmpeg\S* .*pipe:/.test(p.command);
}

/** A process and all that come of it. */
function treeOf(pid: number): ProcessInfo[] {
  const own = processInfo(pid);
  return [...(own ? [own] : []), ...childrenOf(pid).flatMap((c) => treeOf(c.pid))];
}

/** Waits for processes to end, and for others that work in `directory`. Those that do not are returned. */
async function gone(pids: readonly number[], directory: string): Promise<ProcessInfo[]> {
  const left = () => [
    ...pids.flatMap((pid) => processInfo(pid) ?? []),
    ...childrenOf(1).filter((p) => p.command.includes(directory)),
  ];
  await until("the end of all processes", () => left().length === 0, 15_000).catch(() => undefined);
  return left();
}
