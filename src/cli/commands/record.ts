import { Command, Option } from "commander";
import type { OutputFormat } from "../../bot/job.ts";
import { type KeepRule, parseKeep } from "../../bot/keep-rule.ts";
import { RecordControl, type RecordResult, record } from "../../bot/record.ts";
import { applyRetention } from "../../bot/retention.ts";
import { ExitCode } from "../../core/fault.ts";
import { wallMillis } from "../../core/time.ts";
import { askedFormats } from "../../sinks/recorder/output.ts";
import { type CommandContext, onInterrupt } from "../context.ts";
import { FaultLog } from "../fault-log.ts";
import { finishCommand, onFinishHelp } from "../finish-command.ts";
import { onKeys } from "../keys.ts";
import { addRoomOptions, type RoomFlags, roomArgument, roomHelp, roomOptions } from "../room-options.ts";
import { renderStatus } from "../status.ts";
import { needsCourier, TerminalCourier } from "../terminal-courier.ts";
import { formatBytes, formatElapsed, parseDuration, parseSegment, parseSize, shown } from "../units.ts";

type RecordFlags = RoomFlags & {
  out: string;
  format: OutputFormat;
  duration?: number;
  untilEmpty?: number;
  participant?: string;
  include?: string[];
  exclude?: string[];
  layout: "participants" | "tracks";
  onResize: "keep" | "split" | "scale";
  onCodecChange: "split";
  audioGaps: "silence" | "keep";
  videoGaps: "keep" | "hold" | "black";
  segment?: number;
  pauseTime: "true" | "collapsed";
  onFinish?: string;
  keep?: KeepRule;
  pictures: boolean;
  maxBitrate: number;
  ffmpeg?: string;
  dumpRtp?: string;
  json?: boolean;
  ndjson?: boolean;
  verbose?: boolean;
};

/** `roomtap record`. */
export function recordCommand(context: CommandContext): Command {
  const command = new Command("record")
    .description("Join a room as a receive-only peer and record every participant into a file of their own.")
    .argument("<room>", roomArgument)
    .addOption(
      new Option("--out <dir>", "directory for the session").default("recordings").env("ROOMTAP_OUT"),
    )
    .addOption(
      new Option("--format <format>", "container; auto: WebM where it can hold the codecs, else Matroska")
        .choices(askedFormats)
        .default("auto")
        .env("ROOMTAP_FORMAT"),
    )
    .option("--duration <time>", "stop after this much media, like 30s or 1h", parseDuration)
    .option("--until-empty <time>", "stop when the room has been empty for this long", parseDuration)
    .option("--participant <name>", "record only the participant of this name")
    .option(
      "--include <what>",
      "record only this: audio, video, camera, microphone, screen, or a name (with *); may be repeated",
      collect,
    )
    .option("--exclude <what>", "do not record this; may be repeated", collect)
    .addOption(
      new Option("--layout <layout>", "a file for each participant (a screen apart), or for each track")
        .choices(["participants", "tracks"])
        .default("participants"),
    )
    .addOption(
      new Option(
        "--on-resize <policy>",
        "a picture changes its size: go on, begin a new file, or scale after the call",
      )
        .choices(["keep", "split", "scale"])
        .default("keep"),
    )
    .addOption(
      new Option("--on-codec-change <policy>", "a track changes its codec: begin a new file")
        .choices(["split"])
        .default("split"),
    )
    .addOption(
      new Option("--audio-gaps <policy>", "sound is missing: write silence, or keep the hole")
        .choices(["silence", "keep"])
        .default("silence"),
    )
    .addOption(
      new Option("--video-gaps <policy>", "pictures are missing: keep the hole, or fill it after the call")
        .choices(["keep", "hold", "black"])
        .default("keep"),
    )
    .option(
      "--segment <time>",
      "begin new files after this long, at the next keyframe, like 10m",
      parseSegment,
    )
    .addOption(
      new Option("--pause-time <policy>", "a pause is a part of the files' time, or cut out of it")
        .choices(["true", "collapsed"])
        .default("true"),
    )
    .option("--on-finish <command>", "run this in a shell when the session is over; see below")
    .addOption(
      new Option(
        "--keep <rule>",
        "remove older sessions under --out: by age (7d), by size (50G), or both (7d,50G)",
      )
        .argParser((text: string, before: KeepRule | undefined) => parseKeep(text, before))
        .env("ROOMTAP_KEEP"),
    )
    .option("--no-pictures", "make no posters and no contact sheet")
    .addOption(
      new Option("--max-bitrate <rate>", "ceiling for each incoming video, bit/s")
        .default(4_000_000, "4M")
        .argParser(parseSize)
        .env("ROOMTAP_MAX_BITRATE"),
    )
    .addOption(new Option("--ffmpeg <path>", "ffmpeg to use").env("FFMPEG_PATH"))
    .option("--dump-rtp <file>", "write every packet down as well, for roomtap replay")
    .addOption(new Option("--json", "print the result as JSON on stdout").conflicts("ndjson"))
    .option("--ndjson", "print one JSON line on stdout per status, notice and result")
    .option("--verbose", "say what was wrong with what came in, by kind")
    .addHelpText(
      "after",
      `
Files appear under --out in one directory per session, with a manifest.json. Ctrl-C once finishes
them; a second Ctrl-C skips conversions that take long (what was received is kept).

Press p to pause and to go on, q to finish; or send SIGUSR2. What was not recorded is silence with the
picture standing still, or no time at all with --pause-time collapsed.

A session that was killed is made complete by: roomtap repair DIR; any is checked by: roomtap verify DIR
${onFinishHelp}

--dump-rtp call.rtpdump writes the packets of the first connection into call.rtpdump, of a second one
into call-2.rtpdump, and what they mean into call.json. A session whose media process had to be
replaced goes on in call.1.rtpdump.
${roomHelp}

Examples:
  roomtap record ws://127.0.0.1:8080/standup
  roomtap record ws://127.0.0.1:8080/standup --format mp4 --until-empty 1m
  roomtap record wss://rooms.example.org/standup --token "$T" --duration 30m --json
  roomtap record ws://127.0.0.1:8080/standup --segment 10m --keep 7d,50G
  roomtap record ws://127.0.0.1:8080/standup --include audio --exclude "Music bot"
  roomtap record ws://127.0.0.1:8080/standup --dump-rtp call.rtpdump`,
    )
    .action(async (room: string, flags: RecordFlags) => {
      const { out } = context;
      const stop = new AbortController();
      const skip = new AbortController();
      const faults = flags.verbose ? new FaultLog() : undefined;
      const event = flags.ndjson ? (e: object) => out.result(JSON.stringify(e)) : () => undefined;
      const release = onInterrupt((count) => {
        if (count === 1) stop.abort();
        else if (count === 2) skip.abort();
        else process.exit(ExitCode.interrupted);
      });
      const control = new RecordControl();
      const courier = new TerminalCourier(out, flags);
      let releaseKeys: (() => void) | undefined;
      const takeKeys = () => {
        courier.close();
        releaseKeys ??= onKeys(control, stop);
      };
      if (!needsCourier(room, flags.plugin)) takeKeys();
      const { layout, onResize, audioGaps, videoGaps, segment } = flags;
      const retain = retention(flags, (text, level) =>
        out.line(`${level === "info" ? "" : `${level}: `}${text}`),
      );
      try {
        await retain();
        const result = await record({
          ...roomOptions(room, flags),
          out: flags.out,
          format: flags.format,
          policy: {
            layout,
            onResize,
            audioGaps,
            videoGaps,
            ...(segment === undefined ? {} : { segmentMs: segment }),
          },
          pauseTime: flags.pauseTime,
          pictures: flags.pictures,
          control,
          courier,
          maxBitrate: flags.maxBitrate,
          stop: stop.signal,
          skip: skip.signal,
          onStatus: (status) => {
            event(status);
            if (status.phase !== "joining") takeKeys();
            if (courier.waiting) return;
            const line = faults?.push(status.faults, performance.now());
            if (line !== undefined) out.line(line);
            out.live(() => renderStatus(status, out));
          },
          onNotice: ({ level, text }) => {
            event({ t: "notice", level, text });
            out.line(`${level === "info" ? "" : `${level}: `}${text}`);
          },
          ...(flags.duration === undefined ? {} : { durationMs: flags.duration }),
          ...(flags.untilEmpty === undefined ? {} : { untilEmptyMs: flags.untilEmpty }),
          ...(flags.participant === undefined ? {} : { participant: flags.participant }),
          ...(flags.include === undefined ? {} : { include: flags.include }),
          ...(flags.exclude === undefined ? {} : { exclude: flags.exclude }),
          ...(flags.ffmpeg === undefined ? {} : { ffmpeg: flags.ffmpeg }),
          ...(flags.dumpRtp === undefined ? {} : { dumpRtp: flags.dumpRtp }),
        });
        out.settle();
        if (faults) out.line(faults.finish());
        if (flags.ndjson) event({ t: "result", ...result });
        else if (flags.json) out.result(JSON.stringify(result, null, 2));
        else printResult(result, context, nothingHint(flags));
        releaseKeys?.();
        release();
        context.exit(await finishCommand(flags.onFinish, result, context));
        await retain(result.session);
      } finally {
        courier.close();
        releaseKeys?.();
        release();
      }
    });
  return addRoomOptions(command, "Roomtap recorder");
}

function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

/** Removes older sessions, where that is wanted. */
function retention(
  flags: Pick<RecordFlags, "keep" | "out">,
  say: (text: string, level: string) => void,
): (present?: string) => Promise<void> {
  const { keep, out } = flags;
  return async (present) => {
    if (!keep) return;
    const onNotice = (n: { readonly level: string; readonly text: string }) => say(n.text, n.level);
    await applyRetention({ out, rule: keep, present, now: wallMillis(Date.now()), onNotice });
  };
}

/** Why a recording may hold nothing. */
export function nothingHint(flags: Partial<RecordFlags>): string {
  const narrowing = [
    ...(["participant", "include", "exclude"] as const)
      .filter((k) => flags[k] !== undefined)
      .map((k) => `--${k}`),
    ...(flags.format === "ogg" ? ["--format ogg"] : []),
  ];
  if (narrowing.length > 0)
    return `was anyone in the room whose media ${narrowing.join(" and ")} let through?`;
  return "was anyone in the room with camera or microphone on?";
}

/** The files of a session, for people. `hint`: when there are none. */
export function printResult(result: RecordResult, { out }: CommandContext, hint = nothingHint({})): void {
  for (const file of result.files) {
    const tracks = file.tracks
      .map((t) => (t.width ? `${t.codec} ${t.width}x${t.height}` : t.codec))
      .join(" + ");
    const size = `${formatElapsed(file.durationMs)}  ${formatBytes(file.bytes)}`;
    out.result(`${file.path}  ${size}  ${tracks}  ${shown(file.participant)}`);
  }
  if (result.files.length === 0) {
    out.line("error: joined, but no media came");
    out.line(`hint: ${hint}`);
  }
}
