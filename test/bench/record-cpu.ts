import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { Command } from "./command.ts";
import type { Figure } from "./figures.ts";
import { childrenOf, readAllStats, readStat, TICKS_PER_SECOND } from "./process-stat.ts";

const NAME = "record/720p";
/** Encoding the test clip for the first time takes its while. */
const PREPARE_MS = 240_000;
const START_MS = 30_000;
/** Joining, compiling and the first keyframe are over. */
const SETTLE_MS = 2000;
/** A recording with this much in it runs. */
const BEGUN_BYTES = 100_000;

/** What the bench reads of a session's manifest. */
type Session = {
  readonly files: readonly { durationMs: number; tracks: readonly { width?: number; height?: number }[] }[];
  readonly statistics: readonly {
    tracks: readonly { statistics: Readonly<Record<string, Readonly<Record<string, unknown>>>> }[];
  }[];
};

/**
 * CPU time that the media process takes to record one participant of the test clip (720p VP8 and Opus) on
 * loopback, as a share of one core. Server, publisher and recorder are processes as a user starts them.
 */
export async function recordCpu(root: string, seconds: number): Promise<Figure> {
  if (!existsSync(join(root, "dist/cli/main.js"))) return { name: NAME, skipped: "not built: npm run build" };
  if (!existsSync("/proc/self/stat")) return { name: NAME, skipped: "needs /proc, which Linux has" };
  const folder = mkdtempSync(join(tmpdir(), "roomtap-bench-"));
  const commands: Command[] = [];
  const start = (...args: string[]) => {
    const c = new Command("roomtap", args);
    commands.push(c);
    return c;
  };
  try {
    const server = start("serve", "--port", "0", "--json");
    const port = await server.until("room server", () => /"port":(\d+)/.exec(server.stdout)?.[1], START_MS);
    const room = `ws://127.0.0.1:${port}/bench`;
    const log = join(folder, "sent.jsonl");
    // Frames are sent only once somebody is there to receive them.
    const publisher = start("publish", room, "--name", "bench", "--sent-log", log);
    await publisher.until("publisher", () => existsSync(log) || undefined, PREPARE_MS);
    const out = join(folder, "out");
    const recorder = start("record", room, "--out", out, "--json");
    await recorder.until("recording", () => largest(out) > BEGUN_BYTES || undefined, START_MS);
    await wait(SETTLE_MS);
    const cpuShare = await share(recorder.child.pid ?? 0, seconds);
    await recorder.stop();
    return { name: NAME, cpuShare, ...rates(sessionOf(recorder.stdout)) };
  } catch (error) {
    return { name: NAME, skipped: error instanceof Error ? error.message : String(error) };
  } finally {
    for (const c of commands.reverse()) await c.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Share of a core that the busiest child of a command takes. */
async function share(parent: number, seconds: number): Promise<number> {
  const ticks = (pid: number) => readStat(pid)?.ticks ?? 0;
  const [pid] = childrenOf(parent, readAllStats()).sort((a, b) => ticks(b) - ticks(a));
  if (pid === undefined) throw new Error("the recorder has no media process");
  const from = { ticks: ticks(pid), at: performance.now() };
  await wait(1000 * seconds);
  const until = readStat(pid);
  if (!until) throw new Error("the media process ended early");
  const used = (until.ticks - from.ticks) / TICKS_PER_SECOND;
  return Number(((1000 * used) / (performance.now() - from.at)).toFixed(4));
}

/** Size of the largest file below a folder. */
function largest(folder: string): number {
  if (!existsSync(folder)) return 0;
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return Math.max(0, ...files.map((f) => statSync(join(folder, f), { throwIfNoEntry: false })?.size ?? 0));
}

function sessionOf(stdout: string): Session {
  const { session } = JSON.parse(stdout) as { session: string };
  return JSON.parse(readFileSync(join(session, "manifest.json"), "utf8")) as Session;
}

/** Rates over the whole recording. */
export function rates(s: Session): { packetsPerSecond: number; framesPerSecond: number; picture: string } {
  const seconds = Math.max(...s.files.map((f) => f.durationMs)) / 1000;
  const streams = s.statistics
    .flatMap((p) => p.tracks.flatMap((t) => Object.values(t.statistics)))
    .filter((o) => o.type === "inbound-rtp");
  const sum = (key: "packetsReceived" | "framesReceived") =>
    streams.reduce((n, o) => n + Number(o[key] ?? 0), 0);
  const size = s.files.flatMap((f) => f.tracks).find((t) => t.width !== undefined);
  return {
    packetsPerSecond: Math.round(sum("packetsReceived") / seconds),
    framesPerSecond: Number((sum("framesReceived") / seconds).toFixed(1)),
    picture: `${size?.width ?? 0}x${size?.height ?? 0}`,
  };
}
