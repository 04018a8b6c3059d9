import { Command, Option } from "commander";
import { type HlsOptions, Restream, type RestreamResult } from "../../bot/restream.ts";
import { parseRenditions, parseSize2d, type Size } from "../../bot/restream-plan.ts";
import type { WhipPushTarget } from "../../bot/whip-push.ts";
import { ExitCode, RoomtapError } from "../../core/fault.ts";
import type { StreamFigures } from "../../server/origin/metrics.ts";
import { createOrigin, type Origin } from "../../server/origin/origin.ts";
import { type PushTarget, readTargetFromFile, takeTargetFromEnv } from "../../sinks/push/targets.ts";
import type { Show } from "../../sinks/stage/stage.ts";
import { type CommandContext, onInterrupt } from "../context.ts";
import { addRoomOptions, type RoomFlags, roomArgument, roomHelp, roomOptions } from "../room-options.ts";
import { renderStream } from "../stream-status.ts";
import { TerminalCourier } from "../terminal-courier.ts";
import { formatBytes, formatElapsed, parseDuration, parsePort, parseSize } from "../units.ts";

type RestreamFlags = RoomFlags & {
  hls?: string;
  serve?: number;
  host: string;
  serveToken?: string;
  public?: boolean;
  segment: number;
  window: number;
  event?: boolean;
  part: number;
  lowLatency: boolean;
  segmentType: "fmp4" | "ts";
  size: Size;
  fps: number;
  renditions?: number[];
  bitrate?: number;
  participant?: string;
  show: "grid" | "speaker";
  copy?: boolean;
  title?: string;
  rtmp?: string[];
  rtmpEnv?: string[];
  rtmpFile?: string[];
  srt?: string[];
  rtsp?: string[];
  whip?: string[];
  whipToken?: string;
  file?: string[];
  duration?: number;
  maxBitrate: number;
  ffmpeg?: string;
  json?: boolean;
  ndjson?: boolean;
};

/** Players that watch get the end of the stream for so long. */
const LINGER_MS = 3000;

/** `roomtap restream`. */
export function restreamCommand(context: CommandContext): Command {
  const command = new Command("restream")
    .description(
      "Turn a room into a live stream: HLS for browsers and phones, RTMP, SRT, RTSP, WHIP, a file.",
    )
    .argument("<room>", roomArgument)
    .optionsGroup("HLS:")
    .option("--hls <dir>", "write the stream into this directory, for any web server")
    .option("--serve <port>", "serve the stream and a player page; 0 for any free port", parsePort)
    .addOption(
      new Option("--host <address>", "address that --serve binds").default("127.0.0.1").env("ROOMTAP_HOST"),
    )
    .addOption(new Option("--serve-token <token>", "secret that viewers give").env("ROOMTAP_SERVE_TOKEN"))
    .option("--public", "let anyone watch who reaches an address other than loopback")
    .addOption(
      new Option("--segment <time>", "length of segments, and distance of keyframes")
        .default(2000, "2s")
        .argParser(parseDuration),
    )
    .option("--window <n>", "segments in the playlist", whole(3, 1000), 6)
    .option("--event", "the playlist keeps everything from the beginning on")
    .addOption(
      new Option("--part <time>", "length of low-latency parts, 200ms to 500ms")
        .default(250, "250ms")
        .argParser(parsePart),
    )
    .option("--no-low-latency", "serve no parts: for players that get them wrong")
    .addOption(
      new Option("--segment-type <type>", "fragmented MP4, or MPEG-TS (without parts)")
        .choices(["fmp4", "ts"])
        .default("fmp4"),
    )
    .optionsGroup("Picture:")
    .addOption(
      new Option("--show <what>", "everyone in a grid of up to nine, or who speaks")
        .choices(["grid", "speaker"])
        .default("grid"),
    )
    .option("--participant <name>", "show only the participant of this name")
    .option("--copy", "copy that participant's H.264 as it comes, where its keyframes allow")
    .option("--title <text>", "a line above everything")
    .addOption(
      new Option("--size <size>", "pixels, like 640x360")
        .default({ width: 1280, height: 720 }, "1280x720")
        .argParser(parseSize2d),
    )
    .option("--fps <n>", "pictures per second", whole(5, 60), 30)
    .option("--renditions <list>", "heights to offer, like 720p,360p", parseRenditions)
    .option("--bitrate <rate>", "of the best rendition's pictures, bit/s; default by size", parseSize)
    .optionsGroup("Other targets, each as often as wanted:")
    .option("--rtmp <url>", "rtmp:// or rtmps:// address with the stream key", collect)
    .option("--rtmp-env <name>", "an environment variable that holds such an address", collect)
    .option("--rtmp-file <file>", "a file that holds such an address", collect)
    .option("--srt <url>", "srt:// address", collect)
    .option("--rtsp <url>", "rtsp:// address to publish to", collect)
    .option("--whip <url>", "https:// address of a WHIP endpoint", collect)
    .addOption(new Option("--whip-token <token>", "bearer token of all of these").env("ROOMTAP_WHIP_TOKEN"))
    .option("--file <file>", "a file: .mp4, .mkv or .ts", collect)
    .optionsGroup("Room:")
    .option("--duration <time>", "stop after this long, like 30s or 1h", parseDuration)
    .addOption(
      new Option("--max-bitrate <rate>", "ceiling for each incoming video, bit/s")
        .default(4_000_000, "4M")
        .argParser(parseSize)
        .env("ROOMTAP_MAX_BITRATE"),
    )
    .optionsGroup("General:")
    .addOption(new Option("--ffmpeg <path>", "ffmpeg to use").env("FFMPEG_PATH"))
    .addOption(new Option("--json", "print the result as JSON on stdout").conflicts("ndjson"))
    .option("--ndjson", "print one JSON line on stdout per status, notice and result")
    .addHelpText(
      "after",
      `
Everything is encoded once, H.264 and AAC, and carried to all targets; one that is slow or away never
disturbs the others and is tried again. Ctrl-C ends the stream properly: playlists get their end, files
are completed.

Whoever sees the command lines of this machine (ps) sees a stream key given with --rtmp, --srt, --rtsp or
--whip; --rtmp-env, --rtmp-file and ROOMTAP_WHIP_TOKEN keep it out of there.
${roomHelp}

Examples:
  roomtap restream ws://127.0.0.1:8080/standup --serve 8888
  roomtap restream ws://127.0.0.1:8080/standup --hls /var/www/live --renditions 720p,360p
  roomtap restream ws://127.0.0.1:8080/standup --show speaker --rtmp-env STREAM_URL --file talk.mp4
  ROOMTAP_WHIP_TOKEN=... roomtap restream ws://127.0.0.1:8080/standup --whip https://media.example.com/live/whip
  roomtap restream ws://127.0.0.1:8080/standup --serve 8888 --host 0.0.0.0 --serve-token "$T"`,
    )
    .action(async (room: string, flags: RestreamFlags) => {
      const { out } = context;
      const stop = new AbortController();
      const hurry = new AbortController();
      const event = flags.ndjson ? (e: object) => out.result(JSON.stringify(e)) : () => undefined;
      const release = onInterrupt((count) => {
        stop.abort();
        if (count === 2) hurry.abort();
        if (count > 2) process.exit(ExitCode.interrupted);
      });
      const say = (level: string, text: string) => {
        event({ t: "notice", level, text });
        out.line(`${level === "info" ? "" : `${level}: `}${text}`);
      };
      const courier = new TerminalCourier(out, flags);
      let origin: Origin | undefined;
      try {
        const targets = await targetsOf(flags, (text) => say("warn", text));
        const hls = hlsOf(flags);
        const whip = whipOf(flags);
        if (!hls && targets.length + whip.length === 0)
          throw new RoomtapError("usage", "nowhere to stream to", {
            hint: "add --serve 8888, --hls DIR, --rtmp URL, --srt URL, --rtsp URL, --whip URL or --file FILE",
          });
        const stream = await Restream.open({
          ...roomOptions(room, flags),
          maxBitrate: flags.maxBitrate,
          show: showOf(flags),
          size: flags.size,
          framesPerSecond: flags.fps,
          targets,
          whip,
          stop: stop.signal,
          courier,
          onStatus: (status) => {
            event(status);
            if (courier.waiting) return;
            out.live(() => renderStream(status, out));
          },
          onNotice: ({ level, text }) => say(level, text),
          ...(hls ? { hls } : {}),
          ...(flags.copy === undefined ? {} : { copy: flags.copy }),
          ...(flags.title === undefined ? {} : { title: flags.title }),
          ...(flags.renditions === undefined ? {} : { renditions: flags.renditions }),
          ...(flags.bitrate === undefined ? {} : { videoBitrate: flags.bitrate }),
          ...(flags.duration === undefined ? {} : { durationMs: flags.duration }),
          ...(flags.ffmpeg === undefined ? {} : { ffmpeg: flags.ffmpeg }),
        });
        origin = await serve(stream, flags, say);
        const result = await stream.run();
        out.settle();
        if (flags.ndjson) event({ t: "result", ...result });
        else if (flags.json) out.result(JSON.stringify(result, null, 2));
        else printResult(result, context);
        context.exit(result.exit);
      } finally {
        if (origin) await lingering(hurry.signal);
        await origin?.close();
        courier.close();
        release();
      }
    });
  return addRoomOptions(command, "Roomtap stream");
}

function hlsOf(f: RestreamFlags): HlsOptions | undefined {
  if (f.hls === undefined && f.serve === undefined) return undefined;
  const parts = f.serve !== undefined && f.lowLatency && f.segmentType === "fmp4";
  if (f.segment < 1000 || f.segment > 10_000)
    throw new RoomtapError("usage", "segments are 1s to 10s long", { hint: "--segment 2s is usual" });
  if (f.event && f.hls === undefined)
    throw new RoomtapError("usage", "an event keeps everything, and needs a directory for that", {
      hint: "add --hls DIR",
    });
  return {
    segmentMs: f.segment,
    window: f.window,
    event: f.event === true,
    container: f.segmentType,
    ...(parts ? { partMs: f.part } : {}),
    ...(f.hls === undefined ? {} : { directory: f.hls }),
  };
}

function showOf(f: RestreamFlags): Show {
  return f.participant === undefined ? { kind: f.show } : { kind: "participant", name: f.participant };
}

async function targetsOf(f: RestreamFlags, warn: (text: string) => void): Promise<PushTarget[]> {
  const targets: PushTarget[] = [];
  for (const url of f.rtmp ?? []) targets.push({ kind: "rtmp", url });
  for (const name of f.rtmpEnv ?? []) targets.push({ kind: "rtmp", url: takeTargetFromEnv(name) });
  for (const file of f.rtmpFile ?? [])
    targets.push({ kind: "rtmp", url: await readTargetFromFile(file, warn) });
  for (const url of f.srt ?? []) targets.push({ kind: "srt", url });
  for (const url of f.rtsp ?? []) targets.push({ kind: "rtsp", url });
  for (const url of f.file ?? []) targets.push({ kind: "file", url });
  return targets;
}

function whipOf({ whip, whipToken: token }: RestreamFlags): WhipPushTarget[] {
  return (whip ?? []).map((url) => ({ url, ...(token === undefined ? {} : { token }) }));
}

/** Starts the HTTP server, where one is wanted. */
async function serve(
  stream: Restream,
  f: RestreamFlags,
  say: (level: string, text: string) => void,
): Promise<Origin | undefined> {
  if (f.serve === undefined || !stream.hls) return undefined;
  const origin = await createOrigin({
    source: stream.hls,
    host: f.host,
    port: f.serve,
    figures: () => figuresOf(stream),
    log: say,
    ...(f.serveToken === undefined ? {} : { token: f.serveToken }),
    ...(f.public === undefined ? {} : { public: f.public }),
  });
  say("info", `watch: ${origin.url}${f.serveToken === undefined ? "" : "?token=..."}`);
  say("info", `  for players: ${origin.url}index.m3u8`);
  return origin;
}

/** What Prometheus is told. */
function figuresOf(stream: Restream): StreamFigures {
  const { elapsedMs, participants, encoder, outputs } = stream.status();
  return {
    uptimeSeconds: elapsedMs / 1000,
    participants: participants.length,
    encoderDelaySeconds: encoder.delayMs / 1000,
    encodedFrames: encoder.frames,
    droppedFrames: encoder.dropped,
    encoderStarts: encoder.starts,
    segments: stream.segments,
    sinks: outputs.map((o) => ({ ...o, running: o.state === "running" })),
    tracks: participants.flatMap((p) =>
      p.tracks.map((t) => ({
        ...{ participant: p.name, kind: t.kind, source: t.source, codec: t.codec },
        ...{ bitrate: t.bitrate, lossRatio: t.loss, frames: t.frames },
      })),
    ),
  };
}

/** Players ask for the end of the stream when they get there. */
function lingering(hurry: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, LINGER_MS);
    hurry.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
    if (hurry.aborted) resolve();
  });
}

/** What became of the stream, for people. */
function printResult(result: RestreamResult, { out }: CommandContext): void {
  out.line(`streamed ${formatElapsed(result.durationMs)}`);
  for (const o of result.outputs) {
    const dropped = o.dropped > 0 ? `  ${o.dropped} dropped` : "";
    out.line(
      `  ${o.name}  ${formatBytes(o.bytes)}${dropped}${o.detail === undefined ? "" : `  ${o.detail}`}`,
    );
  }
  if (result.exit === ExitCode.noMedia) {
    out.line("error: joined, but no media came");
    out.line("hint: was anyone in the room with camera or microphone on?");
  }
}

function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

function whole(min: number, max: number): (text: string) => number {
  return (text) => {
    const n = Number(text);
    if (/^\d{1,6}$/.test(text.trim()) && n >= min && n <= max) return n;
    throw new RoomtapError("usage", `not a number from ${min} to ${max}: ${text.slice(0, 20)}`, {
      hint: "write a whole number",
    });
  };
}

function parsePart(text: string): number {
  const ms = parseDuration(text);
  if (ms >= 200 && ms <= 500) return ms;
  throw new RoomtapError("usage", `parts are 200ms to 500ms long, not ${text.slice(0, 20)}`, {
    hint: "--no-low-latency serves none",
  });
}
