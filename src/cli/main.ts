import { processOutput } from "./output.ts";
import { runCli } from "./program.ts";

/** Entry point of `bin/roomtap.js`. */
export async function main(): Promise<void> {
  // A reader that closes early (head, grep -q) is no error of ours.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(process.exitCode ?? 0);
    });
  }
  process.exitCode = await runCli(process.argv.slice(2), processOutput());
}
