import { Command, Option } from "commander";
import type { OutputFormat } from "../../bot/job.ts";
import { type ReplayResult, replay } from "../../bot/replay.ts";
import { ExitCode } from "../../core/fault.ts";
import { askedFormats } from "../../sinks/recorder/output.ts";
import { type CommandContext, onInterrupt } from "../context.ts";
import { formatElapsed, parseDuration, parseSeed, parseShare } from "../units.ts";
import { printResult } from "./record.ts";

type ReplayFlags = {
  out: string;
  format?: OutputFormat;
  loss?: number;
  seed: number;
  rtt: number;
  retransmit: boolean;
  ffmpeg?: string;
  json?: boolean;
};

/** `roomtap replay`. */
export function replayCommand(context: CommandContext): Command {
  return new Command("replay")
    .description("Record a dump of record --dump-rtp once more, without a network: the files are the same.")
    .argument("<file>", "the dump, like call.rtpdump; its table call.json is beside it")
    .addOption(
      new Option("--out <dir>", "directory for the session").default("recordings").env("ROOMTAP_OUT"),
    )
    .addOption(
      new Option("--format <format>", "container; default: that of the recording")
        .choices(askedFormats)
        .env("ROOMTAP_FORMAT"),
    )
    .addOption(new Option("--loss <share>", "lose this share of the media packets").argParser(parseShare))
    .addOption(
      new Option("--seed <n>", "which packets are lost; the same seed loses the same")
        .default(1)
        .argParser(parseSeed),
    )
    .addOption(
      new Option("--rtt <time>", "a lost packet comes again this long after it was asked for")
        .default(50, "50ms")
        .argParser(parseDuration),
    )
    .option("--no-retransmit", "what is lost stays lost")
    .addOption(new Option("--ffmpeg <path>", "ffmpeg to use").env("FFMPEG_PATH"))
    .option("--json", "print the result as JSON on stdout")
    .addHelpText(
      "after",
      `
The same dump gives the same media files every time, octet by octet, as fast as the machine can; posters
and the contact sheet are made by record only. With --loss
it shows what a worse network would have done to the recording; but a keyframe that the sender would
have been asked for cannot come, so after a loss that is not repaired the picture rests until the next.

A dump is whole when its table is: after a crash the journal call.jsonl takes its place, and what was
not on disk yet is missing. The dump of a restarted session, call.1.rtpdump, is replayed on its own.

Examples:
  roomtap record ws://127.0.0.1:8080/standup --dump-rtp call.rtpdump
  roomtap replay call.rtpdump --out again
  roomtap replay call.rtpdump --out again --loss 5% --seed 7
  roomtap replay call.rtpdump --out again --loss 5% --no-retransmit --json`,
    )
    .action(async (file: string, flags: ReplayFlags) => {
      const { out } = context;
      const stop = new AbortController();
      const skip = new AbortController();
      const release = onInterrupt((count) => {
        if (count === 1) stop.abort();
        else if (count === 2) skip.abort();
        else process.exit(ExitCode.interrupted);
      });
      try {
        const result = await replay({
          file,
          out: flags.out,
          seed: flags.seed,
          rttMs: flags.rtt,
          retransmit: flags.retransmit,
          stop: stop.signal,
          skip: skip.signal,
          onProgress: ({ phase, elapsedMs, share }) =>
            out.live(() => `● ${phase} ${formatElapsed(elapsedMs)}  ${Math.round(100 * share)} %`),
          onNotice: (text) => out.line(`warn: ${text}`),
          ...(flags.format === undefined ? {} : { format: flags.format }),
          ...(flags.loss === undefined ? {} : { loss: flags.loss }),
          ...(flags.ffmpeg === undefined ? {} : { ffmpeg: flags.ffmpeg }),
        });
        out.settle();
        if (flags.json) out.result(JSON.stringify(result, null, 2));
        else print(result, context);
        context.exit(result.exit);
      } finally {
        release();
      }
    });
}

function print(result: ReplayResult, context: CommandContext): void {
  const { out } = context;
  const { packets, dropped, repaired } = result;
  out.line(`${packets} packets${dropped > 0 ? `, ${dropped} dropped, ${repaired} sent again` : ""}`);
  if (result.files.length > 0) printResult(result, context);
  else {
    out.line("error: nothing in the dump became a recording");
    out.line("hint: were the tracks announced, and in a codec that Roomtap records?");
  }
}
