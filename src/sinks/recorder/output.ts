import type { CodecName } from "../../core/frame.ts";
import type { FileFormat } from "./journal.ts";

/** Names end in this while a file is written: nothing half-written has a final name. */
export const TEMP_SUFFIX = ".part";

/** How a file is written first, and what it becomes. */
export type Output = {
  /** What is asked for. */
  readonly format: FileFormat;
  /** EBML document type of the Matroska that is written first. */
  readonly docType: "webm" | "matroska";
  readonly tempExtension: ".webm" | ".mkv";
};

/** WebM allows these and no others (WebM container guidelines). */
const webmCodecs: ReadonlySet<CodecName> = new Set(["opus", "vp8", "vp9", "av1"]);

/** Chooses containers for the codecs of a file. */
export function outputFor(format: "auto" | FileFormat, codecs: readonly CodecName[]): Output {
  const fits = codecs.every((c) => webmCodecs.has(c));
  const asked: FileFormat = format === "auto" ? (fits ? "webm" : "mkv") : format;
  const docType = asked === "webm" && fits ? "webm" : "matroska";
  return { format: asked, docType, tempExtension: docType === "webm" ? ".webm" : ".mkv" };
}

/** Container of the Matroska that was written first, by its temporary name. */
export function writtenFormat(temp: string): "webm" | "mkv" {
  return temp.endsWith(`.webm${TEMP_SUFFIX}`) ? "webm" : "mkv";
}

/** Whether the Matroska on disk already is what was asked for. */
export function isFinal(format: FileFormat, codecs: readonly string[]): boolean {
  if (format === "mkv") return true;
  return format === "webm" && codecs.every((c) => webmCodecs.has(c as CodecName));
}
