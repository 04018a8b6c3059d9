import { Command, Option } from "commander";
import { type VerifyProgress, type VerifyResult, verify } from "../../bot/verify.ts";
import { ExitCode } from "../../core/fault.ts";
import type { FileReport, Finding } from "../../sinks/verify/report.ts";
import { type CommandContext, onInterrupt } from "../context.ts";
import { formatElapsed, shown } from "../units.ts";

type VerifyFlags = { ffmpeg?: string; json?: boolean };

/** Verifications that take longer than this show how far they are, milliseconds. */
const PATIENCE_MS = 1000;
/** Longest finding on a line, characters. */
const MAX_TEXT = 200;

/** `roomtap verify`. */
export function verifyCommand(context: CommandContext): Command {
  return new Command("verify")
    .description("Decode what was recorded and check it against its manifest.")
    .argument("<path>", "a session directory, its manifest.json, or one media file")
    .addOption(new Option("--ffmpeg <path>", "ffmpeg to use").env("FFMPEG_PATH"))
    .option("--json", "print the result as JSON on stdout")
    .addHelpText(
      "after",
      `
Every file is read and decoded to its end: size, checksum, container, tracks, length, order of
timestamps, gaps that the manifest does not explain, seeking. Where the test clip of roomtap publish
was recorded, sound and picture are measured against each other. Nothing is changed.

Exit codes: 0 everything is in order; 9 something is wrong, or the session is incomplete (roomtap
repair completes it); 2 the path is no session; 5 there is no ffmpeg.

Examples:
  roomtap verify recordings/standup-2026-01-31T090000Z
  roomtap verify recordings/standup-2026-01-31T090000Z --json
  roomtap verify interview.webm`,
    )
    .action(async (path: string, flags: VerifyFlags) => {
      const { out } = context;
      const stop = new AbortController();
      const release = onInterrupt(() => stop.abort());
      const start = performance.now();
      try {
        const result = await verify({
          path,
          signal: stop.signal,
          onProgress: (p) => {
            if (performance.now() - start > PATIENCE_MS) out.live(() => progressLine(p));
          },
          ...(flags.ffmpeg === undefined ? {} : { ffmpeg: flags.ffmpeg }),
        });
        out.settle();
        if (flags.json) out.result(JSON.stringify(result, null, 2));
        else print(result, context);
        context.exit(result.ok ? ExitCode.ok : ExitCode.incomplete);
      } catch (error) {
        if (!stop.signal.aborted) throw error;
        out.settle();
        out.line("interrupted: nothing is known of the rest");
        context.exit(ExitCode.interrupted);
      } finally {
        release();
      }
    });
}

function progressLine({ path, file, files, share }: VerifyProgress): string {
  return `● verifying ${file}/${files} ${shown(path)}  ${Math.round(100 * share)} %`;
}

function print(result: VerifyResult, { out }: CommandContext): void {
  for (const file of result.files) out.result(fileLine(file));
  const ofFiles = new Set(result.files.flatMap((f) => f.findings));
  for (const finding of result.findings) if (!ofFiles.has(finding)) out.result(`✗ ${inWords(finding)}`);
  const { length } = result.files;
  const files = `${length} ${length === 1 ? "file" : "files"}`;
  if (result.ok) {
    out.result(`in order: ${files}, complete`);
    return;
  }
  const wrong = result.findings.length;
  out.result(
    `${result.complete ? "" : "incomplete, "}${wrong} ${wrong === 1 ? "finding" : "findings"}: ${files}`,
  );
  if (!result.complete) out.line(`hint: roomtap repair ${shown(result.path, MAX_TEXT)}`);
}

function fileLine(file: FileReport): string {
  const detail = (name: string) => file.checks.find((c) => c.name === name)?.detail;
  const length = file.durationMs === undefined ? "" : `  ${formatElapsed(file.durationMs)}`;
  const path = shown(file.path, MAX_TEXT);
  if (!file.ok)
    return `✗ ${path}${length}  ${file.findings.map((f) => shown(f.message, MAX_TEXT)).join("; ")}`;
  const sync = detail("sync");
  return `✓ ${path}${length}  ${detail("tracks") ?? ""}${sync === undefined ? "" : `  ${sync}`}`;
}

function inWords({ path, message }: Finding): string {
  return path === undefined
    ? shown(message, MAX_TEXT)
    : `${shown(path, MAX_TEXT)}  ${shown(message, MAX_TEXT)}`;
}
