import type { DocType } from "../../core/containers/matroska/writer.ts";
import type { MediaKind } from "../../core/frame.ts";

/** Names end in this while a file is written: nothing half-written has a final name. */
export const TEMP_SUFFIX = ".part";

/** Container of a finished file. */
export type FileFormat = "webm" | "mkv" | "mp4" | "ogg";

/** What to make of a participant's media: `auto` is WebM where it can hold the codecs, else Matroska. */
export type AskedFormat = "auto" | FileFormat;

/** All of them, for options and for reading what was written down. */
export const askedFormats = ["auto", "webm", "mkv", "mp4", "ogg"] as const satisfies readonly AskedFormat[];

/** Whether media of this kind is recorded for a format: Ogg is for sound alone. */
export function takes(format: AskedFormat, kind: MediaKind): boolean {
  return format !== "ogg" || kind === "audio";
}

/** WebM allows these and no others (WebM container guidelines). */
const webmCodecs: ReadonlySet<string> = new Set(["opus", "vp8", "vp9", "av1"]);

/** Whether WebM can hold all of these codecs. */
export function fitsWebm(codecs: readonly string[]): boolean {
  return codecs.every((c) => webmCodecs.has(c));
}

/** EBML document type of the Matroska that is written first: WebM only where WebM may come of it. */
export function docTypeFor(format: AskedFormat, codecs: readonly string[]): DocType {
  return (format === "auto" || format === "webm") && fitsWebm(codecs) ? "webm" : "matroska";
}

/** Codecs of sound. */
const soundCodecs: ReadonlySet<string> = new Set(["opus", "multiopus", "pcmu", "pcma", "g722"]);

/** What a file with these codecs becomes. Pictures are never thrown away for Ogg: what has them stays as it is. */
export function finalFormat(format: AskedFormat, codecs: readonly string[]): FileFormat {
  const fits = format !== "ogg" || (codecs.length > 0 && codecs.every((c) => soundCodecs.has(c)));
  if (format !== "auto" && fits) return format;
  return fitsWebm(codecs) ? "webm" : "mkv";
}

/** Extension of a Matroska by its document type, without the dot. */
export function extensionOf(docType: DocType): "webm" | "mkv" {
  return docType === "webm" ? "webm" : "mkv";
}

/** Whether the Matroska on disk already is what was asked for. */
export function isFinal(format: FileFormat, codecs: readonly string[]): boolean {
  if (format === "mkv") return true;
  return format === "webm" && fitsWebm(codecs);
}
