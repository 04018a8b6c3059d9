import { PassThrough, type Readable } from "node:stream";
import ffmpeg from "fluent-ffmpeg";

/** One input of a command: a file or a device with options before it, or the standard input. */
export type CommandInput = { readonly source: string | "stdin"; readonly options?: readonly string[] };

/** A whole ffmpeg command, as data. */
export type CommandSpec = {
  readonly inputs: readonly CommandInput[];
  readonly videoFilters?: readonly string[];
  readonly audioFilters?: readonly string[];
  readonly options: readonly string[];
  /** A path, or the standard output. */
  readonly output: string | "stdout";
};

/** The argument list of a command. Pure: nothing is started. */
export function commandArguments(spec: CommandSpec): string[] {
  const command = ffmpeg();
  for (const i of spec.inputs) {
    command.input(i.source === "stdin" ? placeholder() : i.source);
    if (i.options) command.inputOptions([...i.options]);
  }
  if (spec.videoFilters && spec.videoFilters.length > 0) command.videoFilters([...spec.videoFilters]);
  if (spec.audioFilters && spec.audioFilters.length > 0) command.audioFilters([...spec.audioFilters]);
  command.outputOptions([...spec.options]);
  command.output(spec.output === "stdout" ? new PassThrough() : spec.output);
  const args = command._getArguments();
  const nostdin = spec.inputs.some((i) => i.source === "stdin") ? [] : ["-nostdin"];
  return ["-hide_banner", ...nostdin, "-loglevel", "level+warning", ...args];
}

/** The builder wants a stream for "pipe:0"; it is never read. */
function placeholder(): Readable {
  const stream = new PassThrough();
  stream.end();
  return stream;
}
