import { Command, Option } from "commander";
import { type RenderLayout, type RenderProgress, type RenderResult, render } from "../../bot/render.ts";
import { ExitCode, RoomtapError } from "../../core/fault.ts";
import { type CommandContext, onInterrupt } from "../context.ts";
import { formatBytes, formatElapsed, parseDuration, shown } from "../units.ts";

type RenderFlags = {
  layout: RenderLayout;
  out: string;
  size?: { width: number; height: number };
  fps?: number;
  labels: boolean;
  title?: string;
  from?: number;
  to?: number;
  force?: boolean;
  ffmpeg?: string;
  json?: boolean;
};

/** Longest path or message on a line, characters. */
const MAX_TEXT = 300;

/** `roomtap render`. */
export function renderCommand(context: CommandContext): Command {
  return new Command("render")
    .description(
      "Compose a recorded session into one file: everybody in a grid, who speaks large, or the sound.",
    )
    .argument("<session>", "a session directory, or its manifest.json")
    .addOption(
      new Option("--layout <layout>", "how people are arranged")
        .choices(["grid", "speaker", "audio"])
        .default("grid"),
    )
    .requiredOption(
      "--out <file>",
      "file to write (required): .mp4, .webm or .mkv; for audio also .ogg .opus .m4a .mp3 .wav",
    )
    .addOption(new Option("--size <size>", "picture size (default: 1280x720)").argParser(parsePictureSize))
    .addOption(new Option("--fps <n>", "frames per second, up to 60 (default: 30)").argParser(parseFps))
    .option("--title <text>", "a line above everything")
    .option("--no-labels", "no names on the tiles")
    .addOption(new Option("--from <time>", "start here, like 90s or 1:30").argParser(parseTime))
    .addOption(new Option("--to <time>", "end here").argParser(parseTime))
    .option("--force", "replace a file that is there")
    .addOption(new Option("--ffmpeg <path>", "ffmpeg to use").env("FFMPEG_PATH"))
    .option("--json", "print the result as JSON on stdout")
    .addHelpText(
      "after",
      `
The session stays as it is. People come and go in the picture as they did in the call; a shared screen is
large in every layout. In the speaker layout the one who speaks is large, and stays it for short answers of
others. Who speaks has a green edge, whose microphone is off a red sign.

The file gets its name when it is whole: until then it is called FILE.part.

Exit codes: 0 it is made; 9 it is made, but something of the session is missing in it, or the manifest
cannot be used; 2 no session, or a file that is there already; 5 no ffmpeg, ffmpeg failed or the disk is full; 7 nothing was recorded; 130
interrupted, nothing is left.

Examples:
  roomtap render recordings/standup-2026-01-31T090000Z --out standup.mp4
  roomtap render recordings/standup-2026-01-31T090000Z --layout speaker --size 1920x1080 --out talk.webm
  roomtap render recordings/standup-2026-01-31T090000Z --layout audio --from 5m --to 1:10:00 --out talk.ogg`,
    )
    .action(async (session: string, flags: RenderFlags) => {
      const { out } = context;
      const stop = new AbortController();
      const release = onInterrupt((count) => {
        if (count === 1) stop.abort();
      });
      try {
        const result = await render({
          session,
          layout: flags.layout,
          out: flags.out,
          labels: flags.labels,
          force: flags.force === true,
          signal: stop.signal,
          onProgress: (p) => out.live(() => progressLine(p)),
          ...(flags.size ? { size: flags.size } : {}),
          ...(flags.fps === undefined ? {} : { fps: flags.fps }),
          ...(flags.title === undefined ? {} : { title: flags.title }),
          ...(flags.from === undefined ? {} : { fromMs: flags.from }),
          ...(flags.to === undefined ? {} : { toMs: flags.to }),
          ...(flags.ffmpeg === undefined ? {} : { ffmpeg: flags.ffmpeg }),
        });
        out.settle();
        for (const notice of result.notices) out.line(`note: ${shown(notice, MAX_TEXT)}`);
        for (const line of result.missing) out.line(`missing: ${shown(line, MAX_TEXT)}`);
        out.result(flags.json ? JSON.stringify(result, null, 2) : resultLine(result));
        context.exit(result.missing.length === 0 ? ExitCode.ok : ExitCode.incomplete);
      } catch (error) {
        if (!stop.signal.aborted) throw error;
        out.settle();
        out.line("interrupted: nothing was written");
        context.exit(ExitCode.interrupted);
      } finally {
        release();
      }
    });
}

/** One line while it goes on. How fast it is, is known once a second is done. */
export function progressLine({ doneMs, totalMs, speed }: RenderProgress): string {
  const left = speed > 0 ? `, ${formatElapsed((totalMs - doneMs) / speed)} left` : "";
  const pace = doneMs < 1000 ? "" : `  ${speed.toFixed(1)} x real time${left}`;
  const share = Math.floor((100 * doneMs) / Math.max(1, totalMs));
  return `● rendering ${formatElapsed(doneMs)} of ${formatElapsed(totalMs)}  ${share} %${pace}`;
}

function resultLine(r: RenderResult): string {
  const picture = r.width === undefined ? "" : `  ${r.width}x${r.height} ${r.fps} fps`;
  const speed = `${r.speed.toFixed(1)} x real time`;
  return `${shown(r.path, MAX_TEXT)}  ${formatElapsed(r.durationMs)}  ${formatBytes(r.bytes)}  ${r.layout}${picture}  ${speed}`;
}

function parsePictureSize(text: string): { width: number; height: number } {
  const m = /^(\d{1,5})x(\d{1,5})$/.exec(text.trim());
  if (m) return { width: Number(m[1]), height: Number(m[2]) };
  throw new RoomtapError("usage", `not a picture size: ${shown(text)}`, { hint: "write it like 1280x720" });
}

function parseFps(text: string): number {
  if (/^\d{1,3}$/.test(text.trim())) return Number(text);
  throw new RoomtapError("usage", `not a frame rate: ${shown(text)}`, {
    hint: "write a whole number like 30",
  });
}

/** A time in the session: `1:02:03`, `2:03`, or a duration; milliseconds. */
function parseTime(text: string): number {
  const m = /^(?:(\d{1,3}):)?(\d{1,3}):(\d{1,2}(?:\.\d{1,3})?)$/.exec(text.trim());
  if (m) return Math.round(1000 * (3600 * Number(m[1] ?? 0) + 60 * Number(m[2]) + Number(m[3])));
  return /^0+(ms|s|m|h)?$/.test(text.trim()) ? 0 : parseDuration(text);
}
