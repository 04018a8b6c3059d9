import { ExitCode } from "../core/fault.ts";
import { expectInterrupts } from "./context.ts";
import { processOutput } from "./output.ts";
import { runCli } from "./program.ts";

/** Entry point of `bin/roomtap.js`. `interruptsSoFar`: called once, by who listens for more. */
export async function main(interruptsSoFar: () => number): Promise<void> {
  expectInterrupts(interruptsSoFar);
  // A reader that closes early (head, grep -q) is no error of ours.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(process.exitCode ?? 0);
      // A terminal that was closed takes nothing any more, but the files are still to be finished.
      if (stream === process.stderr) return;
      process.stderr.write(`error: the result could not be written: ${error.message}\n`);
      process.exitCode = ExitCode.output;
    });
  }
  const code = await runCli(process.argv.slice(2), processOutput());
  process.exitCode = process.exitCode || code;
}
