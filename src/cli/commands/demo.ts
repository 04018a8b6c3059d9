import { Command, Option } from "commander";
import { publish } from "../../bot/publish.ts";
import { type RecordResult, record } from "../../bot/record.ts";
import { ExitCode, RoomtapError } from "../../core/fault.ts";
import { locateFfmpeg } from "../../ffmpeg/locate.ts";
import { createRoomServer } from "../../server/room-server.ts";
import { type Verification, verifyRecording } from "../../sources/ground-truth/verify.ts";
import { type CommandContext, onInterrupt } from "../context.ts";
import { renderStatus } from "../status.ts";
import { formatBytes, parseDuration } from "../units.ts";

/** Lips are out of sync for a careful viewer beyond this (ITU-R BT.1359 starts at 45 ms). */
const MAX_OFFSET_MS = 40;
/** Share of the asked-for time that the file may be off. */
const MAX_DURATION_ERROR = 0.05;

type DemoFlags = { out: string; duration: number; ffmpeg?: string; dumpRtp?: string; json?: boolean };

/** `roomtap demo`. */
export function demoCommand(context: CommandContext): Command {
  return new Command("demo")
    .description(
      "Show the whole chain on this machine: serve a room, publish the test clip, record it, check the file.",
    )
    .addOption(
      new Option("--out <dir>", "directory for the recording").default("recordings").env("ROOMTAP_OUT"),
    )
    .addOption(
      new Option("--duration <time>", "how long to record").default(10_000, "10s").argParser(parseDuration),
    )
    .addOption(new Option("--ffmpeg <path>", "ffmpeg to use").env("FFMPEG_PATH"))
    .option("--dump-rtp <file>", "write every packet down as well, for roomtap replay")
    .option("--json", "print the result as JSON on stdout")
    .addHelpText("after", "\nExamples:\n  roomtap demo\n  npm run demo -- --duration 30s")
    .action(async (flags: DemoFlags) => {
      const stop = new AbortController();
      const release = onInterrupt((count) => {
        if (count === 1) stop.abort();
        else process.exit(ExitCode.interrupted);
      });
      try {
        await demo(context, flags, stop);
      } finally {
        release();
      }
    });
}

async function demo({ out, exit }: CommandContext, flags: DemoFlags, stop: AbortController): Promise<void> {
  const ffmpeg = await locateFfmpeg(flags.ffmpeg);
  const server = await createRoomServer();
  const room = `${server.url.replace(/^http/, "ws")}demo`;
  out.line(`room server     ${server.url}r/demo (open it in a browser to join)`);
  const publishing = new AbortController();
  stop.signal.addEventListener("abort", () => publishing.abort(), { once: true });
  const published = publish({
    room,
    name: "Test clip",
    ffmpeg,
    stop: publishing.signal,
    onPrepare: (share) => out.live(() => `making the test clip (once): ${Math.round(100 * share)} %`),
    onNotice: (n) => out.line(`publisher: ${n.text}`),
  });
  // A publisher that fails must not leave the recorder waiting for it.
  published.catch(() => stop.abort());
  let result: RecordResult;
  try {
    result = await record({
      room,
      out: flags.out,
      ffmpeg,
      ...(flags.dumpRtp === undefined ? {} : { dumpRtp: flags.dumpRtp }),
      durationMs: flags.duration,
      untilEmptyMs: 60_000,
      stop: stop.signal,
      onStatus: (s) => {
        if (s.phase !== "waiting" && s.phase !== "joining") out.live(() => renderStatus(s, out));
      },
      onNotice: (n) => out.line(`recorder: ${n.text}`),
    });
  } finally {
    publishing.abort();
    await published.catch(() => undefined);
    await server.close();
    out.settle();
  }
  await published;
  const file = result.files[0];
  if (!file)
    throw new RoomtapError("no-media", "the demo recorded nothing", {
      hint: "try roomtap demo again; on failure see ROOMTAP_DEBUG=1",
    });
  const v = await verifyRecording(file.path, { ffmpeg });
  const problems = problemsOf(v, flags.duration);
  if (flags.json) out.result(JSON.stringify({ ...result, verification: v, problems }, null, 2));
  else report(out.result, file, v);
  for (const p of problems) out.line(`error: ${p}`);
  if (problems.length > 0) exit(ExitCode.incomplete);
}

function report(print: (line: string) => void, file: RecordResult["files"][number], v: Verification): void {
  const video = file.tracks.find((t) => t.kind === "video");
  const audio = file.tracks.find((t) => t.kind === "audio");
  print(`file            ${file.path}`);
  print(
    `codecs          ${video?.codec ?? "no video"} ${video?.width}x${video?.height}, ${audio?.codec ?? "no audio"}`,
  );
  print(`size            ${formatBytes(file.bytes)}`);
  print(
    `duration        ${(file.durationMs / 1000).toFixed(2)} s, ${v.frames} frames decoded, ${v.missing} missing, ${v.duplicated} doubled`,
  );
  print(
    v.offset.count === 0
      ? "A/V offset      not measured: too short"
      : `A/V offset      median ${v.offset.p50.toFixed(1)} ms, 95 % within ${v.offset.p95.toFixed(1)} ms, ${v.offset.count} flashes`,
  );
}

function problemsOf(v: Verification, durationMs: number): string[] {
  const out: string[] = [];
  if (Math.abs(v.audioDurationMs / durationMs - 1) > MAX_DURATION_ERROR) {
    out.push(
      `the file is ${(v.audioDurationMs / 1000).toFixed(2)} s long instead of ${(durationMs / 1000).toFixed(0)} s`,
    );
  }
  if (v.decodeErrors > 0) out.push(`${v.decodeErrors} decode errors`);
  if (v.missing > 0 || v.duplicated > 0) out.push(`${v.missing} frames missing, ${v.duplicated} doubled`);
  if (v.offset.count < durationMs / 1000 - 3)
    out.push(`only ${v.offset.count} flashes with their tone were found`);
  else if (v.offset.p95 > MAX_OFFSET_MS)
    out.push(`sound and picture are ${v.offset.p95.toFixed(0)} ms apart`);
  return out;
}
