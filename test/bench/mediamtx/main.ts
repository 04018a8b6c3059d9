import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { locateFfmpeg } from "../../../src/ffmpeg/locate.ts";
import { verifyRecording } from "../../../src/sources/ground-truth/verify.ts";
import { Command } from "../command.ts";
import { childrenOf, readAllStats, readStat, TICKS_PER_SECOND } from "../process-stat.ts";
import { HlsViewer } from "./hls-viewer.ts";
import { mediaMtx, roomtap, type Taker } from "./servers.ts";

/*
 * `npm run bench:mediamtx` measures MediaMTX and Roomtap one after the other, with the same publisher of 720p H.264 and Opus
 * over WHIP: recording, and recording with Low-Latency HLS. One JSON document. The server's program: ROOMTAP_MEDIAMTX, or
 * `mediamtx` of PATH. `npm run bench:mediamtx -- 60` measures for 60 s each.
 */

const PUBLISH_MS = 240_000;
const BEGUN_BYTES = 100_000;
const SETTLE_MS = 6000;

type Figures = {
  /** CPU time of all its processes, in cores. */
  readonly cpuCores: number;
  readonly memoryMiB: number;
  /** From the moment a picture's last packet was sent until a player has the part with it. */
  readonly latencyMs?: { readonly p50: number; readonly p95: number; readonly pictures: number };
};

const seconds = Number(process.argv[2] ?? 20);
const server = process.env.ROOMTAP_MEDIAMTX ?? inPath("mediamtx");
if (server === undefined || !(seconds > 0)) {
  process.stderr.write("bench:mediamtx [seconds] needs mediamtx in PATH, or its path in ROOMTAP_MEDIAMTX\n");
  process.exit(2);
}
const ffmpeg = await locateFfmpeg();
const out: Record<string, unknown> = { seconds, picture: "1280x720 H.264, 30 a second, Opus" };
for (const [name, hls] of [
  ["record", false],
  ["record-and-ll-hls", true],
] as const) {
  const peer = await measure(`${name}, MediaMTX`, hls, (folder) => mediaMtx(server, folder, hls));
  const ours = await measure(`${name}, Roomtap`, hls, (folder) => roomtap(folder, hls));
  out[name] = {
    ...{ mediamtx: peer, roomtap: ours },
    ratio: {
      cpu: round(ours.cpuCores / peer.cpuCores),
      ...(ours.latencyMs && peer.latencyMs ? { p50: round(ours.latencyMs.p50 / peer.latencyMs.p50) } : {}),
      ...(ours.latencyMs && peer.latencyMs ? { p95: round(ours.latencyMs.p95 / peer.latencyMs.p95) } : {}),
    },
  };
}
process.stdout.write(`${JSON.stringify(out, null, 2)}\n`);

async function measure(
  name: string,
  hls: boolean,
  start: (folder: string) => Promise<Taker>,
): Promise<Figures> {
  process.stderr.write(`${name} ...\n`);
  const folder = mkdtempSync(join(tmpdir(), "roomtap-bench-"));
  const commands: Command[] = [];
  try {
    const taker = await start(folder);
    commands.push(taker.command);
    const log = join(folder, "sent.jsonl");
    const publish = ["publish", taker.publishTo, "--name", "bench", "--video", "h264", "--sent-log", log];
    const publisher = new Command("roomtap", publish);
    commands.push(publisher);
    await publisher.until("publisher", () => /publishing/.exec(publisher.stderr), PUBLISH_MS);
    await taker.command.until("recording", () => taker.written() > BEGUN_BYTES || undefined, 30_000);
    await wait(SETTLE_MS);
    const stop = new AbortController();
    const viewer = hls ? new HlsViewer(taker.playlist) : undefined;
    const watching = viewer ? [viewer.follow(stop.signal)] : [];
    const from = { cpu: usage(taker.command).cpu, at: performance.now() };
    await Promise.race([wait(1000 * seconds), ...watching]);
    const { cpu, memory } = usage(taker.command);
    const cpuCores = (1000 * (cpu - from.cpu)) / (performance.now() - from.at);
    stop.abort();
    await Promise.all(watching);
    const figures = { cpuCores: round(cpuCores), memoryMiB: Math.round(memory / 2 ** 20) };
    return viewer ? { ...figures, latencyMs: await latency(viewer, folder, log) } : figures;
  } finally {
    for (const c of commands.reverse()) await c.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Seconds of CPU time and octets of memory of a command and all below it. */
function usage(c: Command): { cpu: number; memory: number } {
  const all = readAllStats();
  const family = (pid: number): number[] => [pid, ...childrenOf(pid, all).flatMap(family)];
  let [ticks, memory] = [0, 0];
  for (const pid of family(c.child.pid ?? 0)) {
    ticks += readStat(pid)?.ticks ?? 0;
    const status = existsSync(`/proc/${pid}/status`) ? readFileSync(`/proc/${pid}/status`, "utf8") : "";
    memory += 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
  }
  return { cpu: ticks / TICKS_PER_SECOND, memory };
}

/** Every picture that came says its number; the sent log has the time of that. */
async function latency(viewer: HlsViewer, folder: string, log: string) {
  const file = join(folder, "seen.mp4");
  writeFileSync(file, Buffer.concat(viewer.octets));
  const { numbers } = await verifyRecording(file, { ffmpeg });
  const sent = readFileSync(log, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { number: number; time: number });
  const arrived = viewer.arrivals.flatMap((a) => Array.from({ length: a.pictures }, () => a.at));
  const late: number[] = [];
  for (const [i, at] of arrived.entries()) {
    // Numbers come again every ten seconds: the latest that was sent before.
    const was = sent.findLast((s) => s.number === numbers[i] && s.time <= at);
    if (was) late.push(at - was.time);
  }
  if (late.length < 10 || numbers.length !== arrived.length)
    throw new Error(`${numbers.length} pictures decoded of ${arrived.length} that came`);
  late.sort((a, b) => a - b);
  const q = (p: number) => Math.round(late[Math.floor(p * (late.length - 1))] ?? 0);
  return { p50: q(0.5), p95: q(0.95), pictures: late.length };
}

function round(n: number): number {
  return Number(n.toFixed(3));
}

function inPath(name: string): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return folders.map((f) => join(f, name)).find((f) => existsSync(f));
}
