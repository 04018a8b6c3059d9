import { Command, Option } from "commander";
import { watchStats } from "../../bot/stats.ts";
import { ExitCode } from "../../core/fault.ts";
import { type CommandContext, onInterrupt } from "../context.ts";
import { addRoomOptions, type RoomFlags, roomArgument, roomHelp, roomOptions } from "../room-options.ts";
import { renderStatus } from "../status.ts";
import { TerminalCourier } from "../terminal-courier.ts";
import { parseDuration, parseSize } from "../units.ts";

type StatsFlags = RoomFlags & { duration?: number; maxBitrate: number; ndjson?: boolean };

/** `roomtap stats`. */
export function statsCommand(context: CommandContext): Command {
  const command = new Command("stats")
    .description("Join a room and show what comes: path, round trip, rate, loss, jitter. Nothing is kept.")
    .argument("<room>", roomArgument)
    .option("--duration <time>", "stop after this long, like 30s", parseDuration)
    .addOption(
      new Option("--max-bitrate <rate>", "ceiling for each incoming video, bit/s")
        .argParser(parseSize)
        .default(4_000_000, "4M")
        .env("ROOMTAP_MAX_BITRATE"),
    )
    .option("--ndjson", "print one JSON line on stdout per status and notice")
    .addHelpText(
      "after",
      `
The path is the pair of candidates in use: host (direct), srflx or prflx (through a NAT), relay (through a TURN
server, and how). Others see us as a recorder. Ctrl-C ends it.
${roomHelp}

Examples:
  roomtap stats ws://127.0.0.1:8080/standup
  roomtap stats livekit+wss://example.com/standup --duration 30s --ndjson`,
    );
  return addRoomOptions(command, "Roomtap statistics").action(async (room: string, flags: StatsFlags) => {
    const { out } = context;
    const stop = new AbortController();
    const event = flags.ndjson ? (e: object) => out.result(JSON.stringify(e)) : () => undefined;
    const release = onInterrupt((count) => {
      if (count > 1) process.exit(ExitCode.interrupted);
      stop.abort();
    });
    const courier = new TerminalCourier(out, flags);
    try {
      const code = await watchStats({
        ...roomOptions(room, flags),
        ...(flags.duration === undefined ? {} : { durationMs: flags.duration }),
        maxBitrate: flags.maxBitrate,
        courier,
        stop: stop.signal,
        onStatus: (s) => {
          event(s);
          out.live(() => renderStatus(s, out));
        },
        onNotice: (n) => {
          event({ t: "notice", ...n });
          out.line(n.level === "info" ? n.text : `${n.level}: ${n.text}`);
        },
      });
      out.settle();
      context.exit(code);
    } finally {
      courier.close();
      release();
    }
  });
}
