import { Command, Option } from "commander";
import type { OutputFormat } from "../../bot/job.ts";
import { type Repaired, repair } from "../../bot/repair.ts";
import { ExitCode } from "../../core/fault.ts";
import { askedFormats } from "../../sinks/recorder/output.ts";
import { type CommandContext, onInterrupt } from "../context.ts";
import { formatBytes, formatElapsed, shown } from "../units.ts";

type RepairFlags = { format?: OutputFormat; ffmpeg?: string; pictures: boolean; json?: boolean };

/** Longest path or message on a line, characters. */
const MAX_TEXT = 300;

/** `roomtap repair`. */
export function repairCommand(context: CommandContext): Command {
  return new Command("repair")
    .description(
      "Complete what an interrupted recording left: ends, seek tables, durations, containers, manifest.",
    )
    .argument("<path>", "a session directory, a directory of sessions, or one .webm, .mkv or .part file")
    .addOption(
      new Option(
        "--format <format>",
        "container to make of what is still Matroska; default: what was asked for",
      ).choices(askedFormats),
    )
    .addOption(new Option("--ffmpeg <path>", "ffmpeg to use").env("FFMPEG_PATH"))
    .option("--no-pictures", "make no posters and no contact sheet")
    .option("--json", "print the result as JSON on stdout")
    .addHelpText(
      "after",
      `
A session that is whole is left alone. Running it again is safe at any time, also after a repair that
was interrupted (Ctrl-C skips conversions). A recording that still runs is refused: end it with Ctrl-C,
it completes its files itself.

A file of its own is completed in a copy that then takes its place; talk.webm.part becomes talk.webm.
What cannot be repaired is left as it is, and named.

Exit codes: 0 everything is complete; 9 something could not be repaired; 5 the disk is full, or ffmpeg
failed (the media is kept as Matroska); 2 there is nothing to repair at the path, or it is being recorded.

Examples:
  roomtap repair recordings/standup-2026-01-31T090000Z
  roomtap repair recordings --json
  roomtap repair talk.webm.part --format mp4`,
    )
    .action(async (path: string, flags: RepairFlags) => {
      const { out } = context;
      const stop = new AbortController();
      const release = onInterrupt((count) => {
        if (count === 1) stop.abort();
        else process.exit(ExitCode.interrupted);
      });
      try {
        const result = await repair({
          path,
          pictures: flags.pictures,
          stop: stop.signal,
          onProgress: ({ session, share }) =>
            out.live(() => `● repairing ${shown(session)}  ${Math.round(100 * share)} %`),
          onDone: (done) => {
            if (!flags.json) print(done, context);
          },
          ...(flags.format === undefined ? {} : { format: flags.format }),
          ...(flags.ffmpeg === undefined ? {} : { ffmpeg: flags.ffmpeg }),
        });
        out.settle();
        if (flags.json) out.result(JSON.stringify(result, null, 2));
        context.exit(result.exit);
      } finally {
        release();
      }
    });
}

function print(done: Repaired, { out }: CommandContext): void {
  out.result(`${shown(done.path, MAX_TEXT)}: ${stateInWords(done)}`);
  for (const file of done.files) out.result(`  ${fileInWords(file)}`);
  if (done.error) out.line(`error: ${shown(done.error.message, MAX_TEXT)}`);
  const hint = done.error?.hint ?? done.files.find((f) => f.error?.hint !== undefined)?.error?.hint;
  if (hint !== undefined) out.line(`hint: ${shown(hint, MAX_TEXT)}`);
}

function stateInWords({ state, files, manifest }: Repaired): string {
  switch (state) {
    case "whole":
      return "whole, nothing to do";
    case "running":
      return "is being recorded, left alone";
    case "failed":
      return "not complete";
    case "repaired":
      return files.length === 0 && manifest ? "manifest written" : "complete";
  }
}

/** One line on what was done to a file. */
function fileInWords(file: Repaired["files"][number]): string {
  const name = shown(file.path, MAX_TEXT);
  if (file.state === "empty") return `${name}: removed, nothing was in it`;
  if (file.state === "spare") return `${name}: removed, it was there in its final form already`;
  const { media } = file;
  const did = [
    ...(media && media.openMs > 0 ? [`closed a torn cluster of ${(media.openMs / 1000).toFixed(1)} s`] : []),
    ...(media && media.openMs === 0 ? ["wrote its end"] : []),
    ...(media && media.cutBytes > 0 ? [`cut ${formatBytes(media.cutBytes)} off`] : []),
    ...(media && media.damagedBytes > 0 ? [`passed over ${formatBytes(media.damagedBytes)} of damage`] : []),
    ...(file.convertedFrom === undefined ? [] : [`made from ${shown(file.convertedFrom, MAX_TEXT)}`]),
    ...(file.error ? [`not repaired: ${shown(file.error.message, MAX_TEXT)}`] : []),
    ...(file.frames === undefined ? [] : [`${file.frames} frames`]),
    ...(file.durationMs === undefined ? [] : [`duration ${formatElapsed(file.durationMs)}`]),
  ];
  return `${name}: ${did.join(", ")}`;
}
