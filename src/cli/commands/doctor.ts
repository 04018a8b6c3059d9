import { Command, Option } from "commander";
import { examine, type Finding } from "../../bot/doctor.ts";
import { ExitCode } from "../../core/fault.ts";
import { createRoomServer } from "../../server/room-server.ts";
import { type CommandContext, onInterrupt } from "../context.ts";
import { addRoomOptions, type RoomFlags, roomHelp, roomOptions } from "../room-options.ts";
import { shown } from "../units.ts";

type DoctorFlags = RoomFlags & { ffmpeg?: string; json?: boolean };

const MARKS: Record<Finding["health"], { sign: string; color: number }> = {
  good: { sign: "✓", color: 32 },
  poor: { sign: "!", color: 33 },
  bad: { sign: "✗", color: 31 },
};

/** `roomtap doctor`. */
export function doctorCommand(context: CommandContext): Command {
  const command = new Command("doctor")
    .description(
      "Look at all that a call needs: ffmpeg, addresses, STUN, TURN, proxy; then make one, and say what to change.",
    )
    .argument("[room]", "a room that nobody is in, for the call; default: one on this machine")
    .addOption(new Option("--ffmpeg <path>", "ffmpeg to use").env("FFMPEG_PATH"))
    .option("--json", "print the report as JSON on stdout");
  return addRoomOptions(command, "Roomtap doctor")
    .addHelpText(
      "after",
      `
The exit code is 0 when a call would work, else 4. Two STUN servers tell what kind of NAT there is.
${roomHelp}

Examples:
  roomtap doctor
  roomtap doctor --ice stun:stun1.example.com,stun:stun2.example.com
  roomtap doctor wss://meet.example.com/test --ice-file ice.json --relay-only --json`,
    )
    .action(async (room: string | undefined, flags: DoctorFlags) => {
      const { out } = context;
      const stop = new AbortController();
      const release = onInterrupt((count) => {
        if (count > 1) process.exit(ExitCode.interrupted);
        stop.abort();
      });
      const server = room === undefined ? await createRoomServer() : undefined;
      try {
        const d = await examine({
          room: roomOptions(room ?? `${server?.url.replace(/^http/, "ws")}doctor`, flags),
          ...(flags.ffmpeg === undefined ? {} : { ffmpeg: flags.ffmpeg }),
          stop: stop.signal,
          onStep: (text) => out.live(() => `looking at ${text}`),
        });
        out.settle();
        if (flags.json) out.result(JSON.stringify(d, null, 2));
        else {
          out.result(`  Node.js ${d.versions.node}, node-datachannel ${d.versions.addon}`);
          for (const f of d.findings) for (const line of lines(f, out.color)) out.result(line);
          out.result(d.works ? "A call would work." : "A call would not work.");
        }
        if (!d.works) context.exit(ExitCode.media);
      } finally {
        await server?.close();
        release();
      }
    });
}

function lines({ health, about, text, advice }: Finding, color: boolean): string[] {
  const mark = MARKS[health];
  const sign = color ? `\u001b[${mark.color}m${mark.sign}\u001b[0m` : mark.sign;
  return [
    `${sign} ${about.padEnd(9)} ${shown(text, 400)}`,
    ...(advice === undefined ? [] : [`            ${advice}`]),
  ];
}
