import type { StatusMessage, TrackStatus } from "../bot/job.ts";
import type { Output } from "./output.ts";
import { formatBitrate, formatBytes, formatElapsed, shown } from "./units.ts";

const phases: Record<StatusMessage["phase"], string> = {
  joining: "joining",
  paused: "paused",
  waiting: "in the room, waiting for media",
  recording: "recording",
  publishing: "publishing",
  streaming: "streaming",
  measuring: "measuring",
  finishing: "finishing files",
};

/** Less room than this is worth a word. */
const SHORT_MS = 3_600_000;

/** Live status for people: one line of state, then one per participant and track. */
export function renderStatus(s: StatusMessage, out: Pick<Output, "color" | "interactive">): string {
  const paint = (code: number, text: string) => (out.color ? `\u001b[${code}m${text}\u001b[0m` : text);
  const mark = s.phase === "recording" ? paint(31, "●") : paint(36, "○");
  const progress = s.progress === undefined ? "" : ` ${progressBar(s.progress)}`;
  const lines = [`${mark} ${phases[s.phase]} ${formatElapsed(s.elapsedMs)}${progress}${room(s)}`];
  for (const p of s.participants) {
    const disk = p.bytesOnDisk > 0 ? `  ${formatBytes(p.bytesOnDisk)} on disk` : "";
    const rtt = p.rttMs === undefined ? "" : `  rtt ${Math.round(p.rttMs)} ms`;
    lines.push(
      `  ${paint(1, shown(p.name))}${p.connected || s.phase === "finishing" ? "" : paint(33, "  connecting")}${disk}${rtt}`,
    );
    if (p.path) lines.push(`    ${paint(2, pathInWords(p.path))}`);
    for (const t of p.tracks) lines.push(`    ${trackLine(t)}`);
  }
  return out.interactive ? lines.join("\n") : plain(s);
}

/** Which way media takes: direct, through a NAT, or by a TURN server, and to where. */
function pathInWords({ local, remote }: { local: string; remote: string }): string {
  const [, type = "", , by] = /^(\S+) (\S+) \S+?(?: (by TURN over \S+))?$/.exec(local) ?? [];
  const to = / (\S+)$/.exec(remote)?.[1] ?? remote;
  const via = by === undefined ? "" : ` ${by}`;
  return `${PATHS[type] ?? type}${type === "relay" ? via : ""} to ${shown(to)}`;
}

const PATHS: Readonly<Record<string, string>> = {
  host: "direct",
  srflx: "through a NAT",
  prflx: "through a NAT",
  relay: "relayed",
};

function trackLine(t: TrackStatus): string {
  const size = t.width === undefined ? "" : ` ${t.width}x${t.height}`;
  const fps = t.framesPerSecond === undefined ? "" : ` ${t.framesPerSecond} fps`;
  const jitter = t.jitterMs === undefined ? "" : `  jitter ${Math.round(t.jitterMs)} ms`;
  const recovered = t.recovered > 0 ? `  ${t.recovered} recovered` : "";
  const keyframes = t.kind === "video" ? `  ${t.keyframes} keyframes` : "";
  return `${t.source.padEnd(10)} ${shown(t.codec)}${size}${fps}  ${formatBitrate(t.bitrate)}  ${loss(t)}${recovered}${keyframes}${jitter}`;
}

/** What was lost after repair: a share, and how many packets that is. */
function loss(t: TrackStatus): string {
  const share = `${(100 * t.loss).toFixed(t.loss > 0 && t.loss < 0.1 ? 1 : 0)} % lost`;
  return t.lost > 0 ? `${share} (${t.lost})` : share;
}

/** One line for a pipe. */
function plain(s: StatusMessage): string {
  const people = s.participants.map((p) => {
    const tracks = p.tracks.map((t) => {
      const size = t.width === undefined ? "" : ` ${t.width}x${t.height}`;
      const keyframes = t.kind === "video" ? ` ${t.keyframes} keyframes` : "";
      const lost = `${(100 * t.loss).toFixed(1)}% lost ${t.recovered} recovered`;
      return `${shown(t.codec)}${size} ${formatBitrate(t.bitrate)} ${lost}${keyframes}`;
    });
    const media = tracks.length > 0 ? ` [${tracks.join(", ")}]` : "";
    const disk = p.bytesOnDisk > 0 ? ` ${formatBytes(p.bytesOnDisk)}` : "";
    return `${shown(p.name)}${media}${disk}`;
  });
  const progress = s.progress === undefined ? "" : ` ${Math.round(100 * s.progress)}%`;
  return [`${phases[s.phase]} ${formatElapsed(s.elapsedMs)}${progress}`, ...people].join("  ");
}

function progressBar(share: number): string {
  const width = 20;
  const done = Math.min(1, Math.max(0, share));
  const full = Math.round(width * done);
  return `${"█".repeat(full)}${"░".repeat(width - full)} ${Math.round(100 * done)} %`;
}

/** Room on the disk, once it is going to be short. */
function room({ disk }: StatusMessage): string {
  if (disk?.headroomMs === undefined || disk.headroomMs > SHORT_MS) return "";
  return `  disk: ${formatBytes(disk.availableBytes)} free, ${formatElapsed(disk.headroomMs)} left`;
}
