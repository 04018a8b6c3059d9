import { Command, Option } from "commander";
import { publish } from "../../bot/publish.ts";
import { ExitCode } from "../../core/fault.ts";
import { type CommandContext, onInterrupt } from "../context.ts";
import { addRoomOptions, type RoomFlags, roomArgument, roomHelp, roomOptions } from "../room-options.ts";
import { renderStatus } from "../status.ts";
import { TerminalCourier } from "../terminal-courier.ts";
import { parseDuration } from "../units.ts";

type PublishFlags = RoomFlags & {
  media: string;
  video: "vp8" | "h264" | "none";
  audio: "opus" | "none";
  simulcast?: boolean;
  duration?: number;
  sentLog?: string;
  ffmpeg?: string;
  ndjson?: boolean;
};

/** `roomtap publish`. */
export function publishCommand(context: CommandContext): Command {
  const command = new Command("publish")
    .description("Join a room as a synthetic peer and send the test clip, or any media file, in a loop.")
    .argument("<room>", roomArgument)
    .option("--media <file>", "`test` for the ground-truth clip, or anything ffmpeg can read", "test")
    .addOption(new Option("--video <codec>", "video codec").choices(["vp8", "h264", "none"]).default("vp8"))
    .addOption(new Option("--audio <codec>", "audio codec").choices(["opus", "none"]).default("opus"))
    .option("--simulcast", "send the video in three sizes, for servers that pass on the one that fits")
    .option("--duration <time>", "stop after this long, like 30s", parseDuration)
    .option("--sent-log <file>", "write one JSON line per video frame really sent: loop, number, time")
    .addOption(new Option("--ffmpeg <path>", "ffmpeg to use").env("FFMPEG_PATH"))
    .option("--ndjson", "print one JSON line on stdout per status and notice")
    .addHelpText(
      "after",
      `
The test clip flashes and beeps once a second at the same instant and carries its frame number in the
picture, so that a receiver can be checked against what was sent. It is made once and cached.
${roomHelp}

Examples:
  roomtap publish ws://127.0.0.1:8080/standup
  roomtap publish ws://127.0.0.1:8080/standup --media talk.mp4 --video h264 --name "Talk"
  roomtap publish janus+ws://127.0.0.1:8188/1234 --simulcast
  roomtap publish ws://127.0.0.1:8080/standup --duration 30s --sent-log sent.jsonl`,
    )
    .action(async (room: string, flags: PublishFlags) => {
      const { out } = context;
      const stop = new AbortController();
      const event = flags.ndjson ? (e: object) => out.result(JSON.stringify(e)) : () => undefined;
      const release = onInterrupt((count) => {
        if (count === 1) stop.abort();
        else process.exit(ExitCode.interrupted);
      });
      const courier = new TerminalCourier(out, flags);
      try {
        const code = await publish({
          ...roomOptions(room, flags),
          media: flags.media,
          video: flags.video,
          audio: flags.audio,
          stop: stop.signal,
          courier,
          onPrepare: (share) => out.live(() => `preparing media: ${Math.round(100 * share)} %`),
          onStatus: (status) => {
            event(status);
            if (status.phase !== "joining") courier.close();
            if (courier.waiting) return;
            out.live(() => renderStatus(status, out));
          },
          onNotice: ({ level, text }) => {
            event({ t: "notice", level, text });
            out.line(`${level === "info" ? "" : `${level}: `}${text}`);
          },
          ...(flags.simulcast === undefined ? {} : { simulcast: flags.simulcast }),
          ...(flags.duration === undefined ? {} : { durationMs: flags.duration }),
          ...(flags.sentLog === undefined ? {} : { sentLog: flags.sentLog }),
          ...(flags.ffmpeg === undefined ? {} : { ffmpeg: flags.ffmpeg }),
        });
        out.settle();
        context.exit(code);
      } finally {
        courier.close();
        release();
      }
    });
  return addRoomOptions(command, "Roomtap publisher");
}
