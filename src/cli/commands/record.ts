import { Command, Option } from "commander";
import type { OutputFormat } from "../../bot/job.ts";
import { type RecordResult, record } from "../../bot/record.ts";
import { ExitCode } from "../../core/fault.ts";
import { type CommandContext, onInterrupt } from "../context.ts";
import { FaultLog } from "../fault-log.ts";
import { renderStatus } from "../status.ts";
import { formatBytes, formatElapsed, parseDuration, parseSize, shown } from "../units.ts";

type RecordFlags = {
  out: string;
  format: OutputFormat;
  duration?: number;
  untilEmpty?: number;
  participant?: string;
  name: string;
  token?: string;
  insecure?: boolean;
  maxBitrate: number;
  ffmpeg?: string;
  dumpRtp?: string;
  json?: boolean;
  ndjson?: boolean;
  verbose?: boolean;
};

/** `roomtap record`. */
export function recordCommand(context: CommandContext): Command {
  return new Command("record")
    .description("Join a room as a receive-only peer and record every participant into a file of their own.")
    .argument("<room>", "room address: ws://host:port/ROOM, or the link of its page")
    .addOption(
      new Option("--out <dir>", "directory for the session").default("recordings").env("ROOMTAP_OUT"),
    )
    .addOption(
      new Option("--format <format>", "container; auto: WebM where it can hold the codecs, else Matroska")
        .choices(["auto", "webm", "mkv", "mp4"])
        .default("auto")
        .env("ROOMTAP_FORMAT"),
    )
    .option("--duration <time>", "stop after this much media, like 30s or 1h", parseDuration)
    .option("--until-empty <time>", "stop when the room has been empty for this long", parseDuration)
    .option("--participant <name>", "record only the participant of this name")
    .addOption(
      new Option("--name <name>", "our name in the room").default("Roomtap recorder").env("ROOMTAP_NAME"),
    )
    .addOption(new Option("--token <token>", "room token").env("ROOMTAP_TOKEN"))
    .option("--insecure", "accept any TLS certificate of the room server")
    .addOption(
      new Option("--max-bitrate <rate>", "ceiling for each incoming video, bit/s")
        .default(4_000_000, "4M")
        .argParser(parseSize)
        .env("ROOMTAP_MAX_BITRATE"),
    )
    .addOption(new Option("--ffmpeg <path>", "ffmpeg to use").env("FFMPEG_PATH"))
    .option("--dump-rtp <file>", "write every packet down as well, for roomtap replay")
    .addOption(new Option("--json", "print the result as JSON on stdout").conflicts("ndjson"))
    .option("--ndjson", "print one JSON line on stdout per status, notice and result")
    .option("--verbose", "say what was wrong with what came in, by kind")
    .addHelpText(
      "after",
      `
Files appear under --out in one directory per session, with a manifest.json. Ctrl-C once finishes
them; a second Ctrl-C skips conversions that take long (what was received is kept).

--dump-rtp call.rtpdump writes the packets of the first connection into call.rtpdump, of a second one
into call-2.rtpdump, and what they mean into call.json. A session whose media process had to be
replaced goes on in call.1.rtpdump.

Examples:
  roomtap record ws://127.0.0.1:8080/standup
  roomtap record ws://127.0.0.1:8080/standup --format mp4 --until-empty 1m
  roomtap record wss://rooms.example.org/standup --token "$T" --duration 30m --json
  roomtap record ws://127.0.0.1:8080/standup --dump-rtp call.rtpdump`,
    )
    .action(async (room: string, flags: RecordFlags) => {
      const { out } = context;
      const stop = new AbortController();
      const skip = new AbortController();
      const faults = flags.verbose ? new FaultLog() : undefined;
      const event = flags.ndjson ? (e: object) => out.result(JSON.stringify(e)) : () => undefined;
      const release = onInterrupt((count) => {
        if (count === 1) stop.abort();
        else if (count === 2) skip.abort();
        else process.exit(ExitCode.interrupted);
      });
      try {
        const result = await record({
          room,
          out: flags.out,
          format: flags.format,
          name: flags.name,
          maxBitrate: flags.maxBitrate,
          stop: stop.signal,
          skip: skip.signal,
          onStatus: (status) => {
            event(status);
            const line = faults?.push(status.faults, performance.now());
            if (line !== undefined) out.line(line);
            out.live(() => renderStatus(status, out));
          },
          onNotice: ({ level, text }) => {
            event({ t: "notice", level, text });
            out.line(`${level === "info" ? "" : `${level}: `}${text}`);
          },
          ...(flags.duration === undefined ? {} : { durationMs: flags.duration }),
          ...(flags.untilEmpty === undefined ? {} : { untilEmptyMs: flags.untilEmpty }),
          ...(flags.participant === undefined ? {} : { participant: flags.participant }),
          ...(flags.token === undefined ? {} : { token: flags.token }),
          ...(flags.insecure === undefined ? {} : { insecure: flags.insecure }),
          ...(flags.ffmpeg === undefined ? {} : { ffmpeg: flags.ffmpeg }),
          ...(flags.dumpRtp === undefined ? {} : { dumpRtp: flags.dumpRtp }),
        });
        out.settle();
        if (faults) out.line(faults.finish());
        if (flags.ndjson) event({ t: "result", ...result });
        else if (flags.json) out.result(JSON.stringify(result, null, 2));
        else printResult(result, context);
        context.exit(result.exit);
      } finally {
        release();
      }
    });
}

/** The files of a session, for people. */
export function printResult(result: RecordResult, { out }: CommandContext): void {
  for (const file of result.files) {
    const tracks = file.tracks
      .map((t) => (t.width ? `${t.codec} ${t.width}x${t.height}` : t.codec))
      .join(" + ");
    out.result(`${file.path}  ${formatElapsed(file.durationMs)}  ${formatBytes(file.bytes)}  ${tracks}`);
    out.line(`  ${shown(file.participant)}`);
  }
  if (result.files.length === 0) {
    out.line("error: joined, but no media came");
    out.line("hint: was anyone in the room with camera or microphone on?");
  }
}
