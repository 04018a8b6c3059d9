import { Command, Option } from "commander";
import { publish } from "../../bot/publish.ts";
import { ExitCode } from "../../core/fault.ts";
import { type CommandContext, onInterrupt } from "../context.ts";
import { renderStatus } from "../status.ts";
import { parseDuration } from "../units.ts";

type PublishFlags = {
  media: string;
  video: "vp8" | "h264" | "none";
  audio: "opus" | "none";
  duration?: number;
  name: string;
  token?: string;
  insecure?: boolean;
  sentLog?: string;
  ffmpeg?: string;
  ndjson?: boolean;
};

/** `roomtap publish`. */
export function publishCommand(context: CommandContext): Command {
  return new Command("publish")
    .description("Join a room as a synthetic peer and send the test clip, or any media file, in a loop.")
    .argument("<room>", "room address: ws://host:port/ROOM, or the link of its page")
    .option("--media <file>", "`test` for the ground-truth clip, or anything ffmpeg can read", "test")
    .addOption(new Option("--video <codec>", "video codec").choices(["vp8", "h264", "none"]).default("vp8"))
    .addOption(new Option("--audio <codec>", "audio codec").choices(["opus", "none"]).default("opus"))
    .option("--duration <time>", "stop after this long, like 30s", parseDuration)
    .addOption(
      new Option("--name <name>", "our name in the room").default("Roomtap publisher").env("ROOMTAP_NAME"),
    )
    .addOption(new Option("--token <token>", "room token").env("ROOMTAP_TOKEN"))
    .option("--insecure", "accept any TLS certificate of the room server")
    .option("--sent-log <file>", "write one JSON line per video frame really sent: loop, number, time")
    .addOption(new Option("--ffmpeg <path>", "ffmpeg to use").env("FFMPEG_PATH"))
    .option("--ndjson", "print one JSON line on stdout per status and notice")
    .addHelpText(
      "after",
      `
The test clip flashes and beeps once a second at the same instant and carries its frame number in the
picture, so that a receiver can be checked against what was sent. It is made once and cached.

Examples:
  roomtap publish ws://127.0.0.1:8080/standup
  roomtap publish ws://127.0.0.1:8080/standup --media talk.mp4 --video h264 --name "Talk"
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
      try {
        const code = await publish({
          room,
          media: flags.media,
          video: flags.video,
          audio: flags.audio,
          name: flags.name,
          stop: stop.signal,
          onPrepare: (share) => out.live(() => `preparing media: ${Math.round(100 * share)} %`),
          onStatus: (status) => {
            event(status);
            out.live(() => renderStatus(status, out));
          },
          onNotice: ({ level, text }) => {
            event({ t: "notice", level, text });
            out.line(`${level === "info" ? "" : `${level}: `}${text}`);
          },
          ...(flags.duration === undefined ? {} : { durationMs: flags.duration }),
          ...(flags.token === undefined ? {} : { token: flags.token }),
          ...(flags.insecure === undefined ? {} : { insecure: flags.insecure }),
          ...(flags.sentLog === undefined ? {} : { sentLog: flags.sentLog }),
          ...(flags.ffmpeg === undefined ? {} : { ffmpeg: flags.ffmpeg }),
        });
        out.settle();
        context.exit(code);
      } finally {
        release();
      }
    });
}
