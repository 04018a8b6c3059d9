import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../../support/servers/starting.ts";
import { Command } from "../command.ts";

/** What takes a publisher's WHIP, writes it to disk and, if asked to, serves it as Low-Latency HLS. */
export type Taker = {
  readonly command: Command;
  /** Room address for `roomtap publish`. */
  readonly publishTo: string;
  /** Multivariant playlist. */
  readonly playlist: string;
  /** Octets written to disk until now. */
  written(): number;
};

/** Lengths that both are given, milliseconds. */
const SEGMENT_MS = 2000;
const PART_MS = 250;
const START_MS = 30_000;

/** MediaMTX with nothing but WHIP, recording and HLS. */
export async function mediaMtx(file: string, folder: string, hls: boolean): Promise<Taker> {
  const [web, udp, port] = await Promise.all([freePort(), freePort(), freePort()]);
  const off = ["rtsp", "rtmp", "srt", "moq", "api", "metrics", "pprof", "playback"];
  const conf = [
    ...off.map((name) => `${name}: no`),
    "logLevel: info",
    ...["webrtc: yes", `webrtcAddress: 127.0.0.1:${web}`, `webrtcLocalUDPAddress: 127.0.0.1:${udp}`],
    ...["webrtcIPsFromInterfaces: no", "webrtcAdditionalHosts: [127.0.0.1]"],
    ...[`hls: ${hls ? "yes" : "no"}`, `hlsAddress: 127.0.0.1:${port}`, "hlsAlwaysRemux: yes"],
    ...["hlsVariant: lowLatency", `hlsSegmentDuration: ${SEGMENT_MS}ms`, `hlsPartDuration: ${PART_MS}ms`],
    ...["pathDefaults:", "  record: yes", `  recordPath: ${folder}/%path/%s-%f`, "paths:", "  all_others:"],
  ];
  const path = join(folder, "mediamtx.yml");
  writeFileSync(path, `${conf.join("\n")}\n`);
  const command = new Command(file, [path]);
  await command.until("MediaMTX", () => /WebRTC\][^\n]*(listener|started)/.exec(command.stdout), START_MS);
  return {
    command,
    publishTo: `whip+http://127.0.0.1:${web}/live/whip`,
    playlist: `http://127.0.0.1:${port}/live/index.m3u8`,
    written: () => octets(join(folder, "live")),
  };
}

/** Roomtap as the endpoint: it records, or also serves the publisher's own H.264. */
export async function roomtap(folder: string, hls: boolean): Promise<Taker> {
  const [web, port] = await Promise.all([freePort(), freePort()]);
  const room = `whip-listen://127.0.0.1:${web}/live`;
  const live = ["--copy", "--participant", "bench", "--serve", `${port}`, "--file", join(folder, "live.mp4")];
  const lengths = ["--segment", `${SEGMENT_MS}ms`, "--part", `${PART_MS}ms`];
  const command = new Command("roomtap", [
    ...(hls ? ["restream", room, ...live, ...lengths] : ["record", room, "--out", folder]),
    "--ndjson",
  ]);
  const begun = () => command.stdout.includes("\n") || undefined;
  await command.until("Roomtap", begun, START_MS);
  return {
    command,
    publishTo: `whip+http://127.0.0.1:${web}/live/bench`,
    playlist: `http://127.0.0.1:${port}/index.m3u8`,
    written: () => octets(folder),
  };
}

/** Octets in the files below a folder. */
function octets(folder: string): number {
  if (!existsSync(folder)) return 0;
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return files.reduce((n, f) => n + (statSync(join(folder, f), { throwIfNoEntry: false })?.size ?? 0), 0);
}
