import { statSync } from "node:fs";
import { RoomtapError } from "../../core/fault.ts";
import { type DecodeCheck, decodeCheck } from "../../ffmpeg/decode-check.ts";
import type { ListOptions } from "../../ffmpeg/list-frames.ts";
import { type PacketCheck, packetCheck } from "../../ffmpeg/packet-check.ts";
import type { Manifest, ManifestFile } from "../recorder/manifest.ts";
import { trackFindings, tracksInWords } from "./check-tracks.ts";
import { sha256Of } from "./checksum.ts";
import { unexplainedHoles } from "./holes.ts";
import { demuxers, type Layout, layoutOf } from "./layout.ts";
import type { FileJudge, Finding } from "./report.ts";

/** A file may be this much longer or shorter than it is said to be, milliseconds. */
const DURATION_TOLERANCE_MS = 100;
/** What is decoded ends this close to what is stored: decoders give packets of sound in pieces. */
const END_TOLERANCE_MS = 200;
/** Findings of one kind that are told one by one. */
const MAX_TOLD = 20;

/** What a file is held against. */
export type Expected = { readonly file: ManifestFile; readonly manifest: Manifest };

/** How to check. Aborting `signal` rejects. */
export type CheckOptions = {
  readonly ffmpeg: string;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds without a frame after which ffmpeg is ended; default 30 000. */
  readonly stallMs?: number;
  /** Share of the file that was looked at, 0..1. */
  readonly onProgress: (share: number) => void;
};

type NewFinding = Omit<Finding, "path">;

/**
 * Looks at a media file from the outside in: size, checksum, container, packets, and everything decoded. What is
 * wrong goes to the judge. Resolves with true when the file could be read to its end.
 */
export async function checkFile(
  path: string,
  judge: FileJudge,
  expected: Expected | undefined,
  o: CheckOptions,
): Promise<boolean> {
  await checkOctets(path, judge, expected?.file, o);
  const layout = await layoutOf(path);
  if (!layout || layout.problems.some((p) => p.code === "unreadable")) {
    const message = layout?.problems[0]?.message ?? "it is no media file that Roomtap writes";
    return judge.check("container", "cannot be read", [{ code: "unreadable", message }]);
  }
  judge.check("container", layout.container, containerFindings(layout, expected?.file));
  const seek = layout.problems.filter((p) => p.code === "not-seekable");
  judge.check("seek", seek.length === 0 ? "from the first octet on" : "not possible", seek);
  const list: ListOptions = {
    ffmpeg: o.ffmpeg,
    // Nothing that the file refers to is opened.
    input: ["-f", demuxers[layout.container], "-protocol_whitelist", "file"],
    signal: o.signal,
    ...(o.stallMs === undefined ? {} : { stallMs: o.stallMs }),
  };
  const packets = await packetsOf(path, judge, list);
  if (!packets) return false;
  const length = checkPackets(packets, layout, judge, expected);
  const decoded = await decodedOf(path, judge, {
    ...list,
    onProgress: (ms) => o.onProgress(Math.min(1, ms / Math.max(1, length))),
  });
  if (decoded) checkDecoded(decoded, packets, judge);
  return decoded !== undefined;
}

async function checkOctets(
  path: string,
  judge: FileJudge,
  file: ManifestFile | undefined,
  o: CheckOptions,
): Promise<void> {
  const { size } = statSync(path);
  if (!file) return;
  const differs = { code: "size-differs", message: `it has ${size} octets, not ${file.bytes}` } as const;
  judge.check("size", `${size} octets`, size === file.bytes ? [] : [differs]);
  if (file.sha256 === undefined) return;
  const sum = await sha256Of(path, o.signal);
  const changed = { code: "checksum-differs", message: "its content was changed" } as const;
  judge.check("checksum", `SHA-256 ${sum}`, sum === file.sha256 ? [] : [changed]);
}

function containerFindings(layout: Layout, file: ManifestFile | undefined): NewFinding[] {
  const unfinished = layout.problems.filter((p) => p.code === "unfinished");
  if (!file || file.format === layout.container) return unfinished;
  const message = `it is ${layout.container}, not ${file.format}`;
  return [{ code: "container-differs", message }, ...unfinished];
}

/** What stands in the file, packet by packet. Returns its length, milliseconds. */
function checkPackets(
  packets: PacketCheck,
  layout: Layout,
  judge: FileJudge,
  expected: Expected | undefined,
): number {
  const { tracks } = packets;
  judge.check(
    "tracks",
    tracksInWords(packets, layout),
    expected
      ? trackFindings(expected.file.tracks, packets, layout)
      : tracks.length > 0
        ? []
        : [{ code: "track-differs", message: "there is neither picture nor sound in it" }],
  );
  const length = tracks.reduce((end, t) => Math.max(end, t.endMs), 0);
  judge.measured(length);
  judge.check("duration", inSeconds(length), durationFindings(length, layout, expected?.file));
  judge.check(
    "timestamps",
    `${tracks.reduce((n, t) => n + t.packets, 0)} packets`,
    timestampFindings(packets),
  );
  judge.check("gaps", gapsInWords(packets), expected ? gapFindings(packets, expected) : []);
  return length;
}

function durationFindings(length: number, layout: Layout, file: ManifestFile | undefined): NewFinding[] {
  const far = (said: number | undefined) =>
    said !== undefined && Math.abs(length - said) > DURATION_TOLERANCE_MS;
  const differs = (said: number, who: string): NewFinding => ({
    code: "duration-differs",
    message: `it is ${inSeconds(length)} long, but ${who} says ${inSeconds(said)}`,
  });
  return [
    ...(file && far(file.durationMs) ? [differs(file.durationMs, "the manifest")] : []),
    // Without a duration it cannot be sought in, which is said already.
    ...(layout.durationMs && far(layout.durationMs) ? [differs(layout.durationMs, "its header")] : []),
  ];
}

function timestampFindings({ tracks, backwards }: PacketCheck): NewFinding[] {
  const back: NewFinding[] =
    backwards > 0 ? [{ code: "time-backwards", message: `${backwards} packets go back in time` }] : [];
  return [
    ...back,
    ...tracks.flatMap((t): NewFinding[] => {
      const n = t.repeated + t.overlaps;
      return n === 0 ? [] : [{ code: "overlap", message: `${n} packets of ${t.kind} lie over others` }];
    }),
  ];
}

function gapFindings({ tracks }: PacketCheck, { file, manifest }: Expected): NewFinding[] {
  return tracks.flatMap((t) => {
    const found = unexplainedHoles(file, manifest, t);
    const told = found.slice(0, MAX_TOLD).map(
      ({ fromMs, toMs }): NewFinding => ({
        code: "unexplained-gap",
        message: `no ${t.kind} for ${inSeconds(toMs - fromMs)} at ${inSeconds(fromMs)}, and nothing says why`,
        fromMs: Math.round(fromMs),
        toMs: Math.round(toMs),
      }),
    );
    const rest = found.length - told.length;
    const more = `${rest} more gaps in the ${t.kind} that nothing explains`;
    return rest > 0 ? [...told, { code: "unexplained-gap" as const, message: more }] : told;
  });
}

function gapsInWords({ tracks }: PacketCheck): string {
  const longest = tracks.flatMap((t) => t.holes).reduce((ms, h) => Math.max(ms, h.toMs - h.fromMs), 0);
  const count = tracks.reduce((n, t) => n + t.holeCount, 0);
  return count === 0 ? "none" : `${count}, the longest ${inSeconds(longest)}`;
}

function checkDecoded(decoded: DecodeCheck, packets: PacketCheck, judge: FileJudge): void {
  const frames = decoded.tracks.map((t) => `${t.frames} of ${t.kind}`).join(", ");
  const complaints: NewFinding[] =
    decoded.errors > 0
      ? [
          {
            code: "decode-errors",
            message: `decoding it brought ${decoded.errors} ${decoded.errors === 1 ? "error" : "errors"}: ${complaint(decoded.messages[0])}`,
          },
        ]
      : [];
  const early = decoded.tracks.flatMap((t, i): NewFinding[] => {
    const stored = packets.tracks[i];
    if (!stored || t.lastMs >= stored.lastMs - END_TOLERANCE_MS) return [];
    const message = `its ${t.kind} plays to ${inSeconds(t.lastMs)} only, of ${inSeconds(stored.endMs)}`;
    return [{ code: "ends-early", message }];
  });
  judge.check("decode", frames || "nothing", [...complaints, ...early]);
}

/** Without the names of the parts of ffmpeg, and addresses in memory. */
function complaint(line = "it did not say which"): string {
  return line.replace(/^(\[[^\]]*\] ?)+/, "").trim();
}

async function packetsOf(path: string, judge: FileJudge, o: ListOptions): Promise<PacketCheck | undefined> {
  return await readable(judge, "timestamps", () => packetCheck(path, o));
}

async function decodedOf(path: string, judge: FileJudge, o: ListOptions): Promise<DecodeCheck | undefined> {
  return await readable(judge, "decode", () => decodeCheck(path, o));
}

async function readable<T>(
  judge: FileJudge,
  name: "timestamps" | "decode",
  read: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof RoomtapError) || error.code !== "incomplete") throw error;
    const reason = error.cause instanceof Error ? error.cause.message : error.message;
    judge.check(name, "failed", [{ code: "unreadable", message: `ffmpeg cannot read it: ${reason}` }]);
    return undefined;
  }
}

function inSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}
