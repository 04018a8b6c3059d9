import { Command, CommanderError } from "commander";
import { ExitCode, type ExitCodeValue, RoomtapError } from "../core/fault.ts";
import { demoCommand } from "./commands/demo.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { publishCommand } from "./commands/publish.ts";
import { recordCommand } from "./commands/record.ts";
import { renderCommand } from "./commands/render.ts";
import { repairCommand } from "./commands/repair.ts";
import { replayCommand } from "./commands/replay.ts";
import { restreamCommand } from "./commands/restream.ts";
import { serveCommand } from "./commands/serve.ts";
import { statsCommand } from "./commands/stats.ts";
import { turnCredentialsCommand } from "./commands/turn-credentials.ts";
import { verifyCommand } from "./commands/verify.ts";
import { applyConfigFile } from "./config.ts";
import type { CommandContext } from "./context.ts";
import { type Output, reportError } from "./output.ts";
import { forgetSecrets } from "./secrets.ts";

/** Version shown by `--version`; a test keeps it equal to package.json. */
export const VERSION = "0.1.0";

/** Runs the program on arguments (without node and script). Resolves with the exit code; never rejects. */
export async function runCli(args: readonly string[], out: Output): Promise<ExitCodeValue> {
  let code: ExitCodeValue = ExitCode.ok;
  const context: CommandContext = {
    out,
    exit: (c) => {
      code = c;
    },
  };
  const program = buildProgram(context);
  try {
    if (args.length === 0) {
      out.line(program.helpInformation());
      return ExitCode.usage;
    }
    await program.parseAsync([...args], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return commanderExit(error, out);
    return reportError(out, error);
  }
}

function buildProgram(context: CommandContext): Command {
  const program = new Command("roomtap")
    .description(
      "A headless WebRTC peer: records, restreams, publishes and serves the rooms people already use.",
    )
    .version(VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "show this help")
    .showSuggestionAfterError(true)
    .configureHelp({ showGlobalOptions: false })
    .addHelpText(
      "after",
      `
Examples:
  roomtap demo                                   see it work, on this machine alone
  roomtap serve                                  a room for browsers at http://127.0.0.1:8080
  roomtap record ws://127.0.0.1:8080/standup     record everyone until Ctrl-C
  roomtap publish ws://127.0.0.1:8080/standup    send the test clip into the room
  roomtap restream ws://127.0.0.1:8080/standup --serve 8888     a live stream of it at http://127.0.0.1:8888

Each command has its own help: roomtap record --help`,
    );
  const commands = [
    serveCommand(context),
    turnCredentialsCommand(context),
    doctorCommand(context),
    statsCommand(context),
    recordCommand(context),
    restreamCommand(context),
    replayCommand(context),
    renderCommand(context),
    repairCommand(context),
    verifyCommand(context),
    publishCommand(context),
    demoCommand(context),
  ];
  for (const command of commands) {
    command
      .option("--config <file>", "read options from a JSON file (keys as the long flags, in camelCase)")
      .helpOption("-h, --help", "show this help")
      .hook("preAction", (_, action) => {
        applyConfigFile(action);
        // Also those that only other commands take.
        for (const c of commands) forgetSecrets(c);
      });
    program.addCommand(command);
  }
  for (const c of [program, ...program.commands]) {
    c.exitOverride().configureOutput({
      writeOut: (text) => context.out.result(text.replace(/\n$/, "")),
      writeErr: () => undefined,
    });
  }
  return program;
}

/** Commander's own complaints become two lines like every other failure. */
function commanderExit(error: CommanderError, out: Output): ExitCodeValue {
  if (error.exitCode === 0) return ExitCode.ok;
  const [what, suggestion] = error.message.replace(/^error: /, "").split("\n");
  const hint =
    suggestion?.replace(/^\((.*)\)$/, "$1") ??
    "roomtap --help lists the commands, roomtap COMMAND --help their options";
  return reportError(out, new RoomtapError("usage", what ?? "bad arguments", { hint }));
}
