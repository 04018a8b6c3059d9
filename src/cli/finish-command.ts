import { exitAfter, runOnFinish } from "../bot/on-finish.ts";
import type { ExitCodeValue } from "../core/fault.ts";
import { type CommandContext, onInterrupt } from "./context.ts";
import { shown } from "./units.ts";

/** Longest line of a command's output that is shown whole. */
const MAX_LINE = 500;

/** Text for `--help` about `--on-finish`. */
export const onFinishHelp = `
--on-finish runs a command in a shell when the session is over, however it ended. It finds the manifest's path in
$1 and ROOMTAP_MANIFEST, the session directory in ROOMTAP_SESSION, roomtap's exit code in ROOMTAP_EXIT, and 1 or 0
in ROOMTAP_COMPLETE. Put it in single quotes, so that your own shell leaves it alone:
  --on-finish 'rclone copy "$ROOMTAP_SESSION" "remote:calls/$(basename "$ROOMTAP_SESSION")"'
  --on-finish 'aws s3 cp --recursive "$ROOMTAP_SESSION" "s3://bucket/$(basename "$ROOMTAP_SESSION")/"'
  --on-finish 'curl -sS --fail --json @"$1" https://example.org/hooks/recorded'
  --on-finish 'for f in "$ROOMTAP_SESSION"/*.webm; do whisper "$f" --output_dir "$ROOMTAP_SESSION"; done'
What it prints goes to stderr. When it fails, a recording that went well ends with exit code 1; one that did not
keeps its own. The first Ctrl-C while it runs waits for it, the second ends it and all it started.`;

/** Runs the command of `--on-finish` after a session, and shows what it says. Returns the exit code of both. */
export async function finishCommand(
  command: string | undefined,
  result: { readonly session: string; readonly exit: ExitCodeValue },
  { out }: Pick<CommandContext, "out">,
): Promise<ExitCodeValue> {
  if (command === undefined) return result.exit;
  const end = new AbortController();
  const release = onInterrupt((count) => {
    if (count === 1) out.line("waiting for --on-finish; interrupt again to end it");
    else end.abort();
  });
  try {
    const done = await runOnFinish({
      command,
      session: result.session,
      exit: result.exit,
      onLine: (line) => out.line(`on-finish: ${shown(line, MAX_LINE)}`),
      end: end.signal,
    });
    if (done?.failure !== undefined)
      out.line(`warn: --on-finish ${done.failure}; the recording is not affected`);
    return exitAfter(result.exit, done);
  } finally {
    release();
  }
}
