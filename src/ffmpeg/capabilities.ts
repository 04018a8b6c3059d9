import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { RoomtapError } from "../core/fault.ts";
import { parseVersion } from "./locate.ts";

const run = promisify(execFile);
const TIMEOUT_MS = 15_000;
const MAX_OUTPUT = 4 * 1024 * 1024;

/** What an ffmpeg can do, as far as Roomtap asks. */
export type Capabilities = {
  readonly version: string;
  readonly encoders: ReadonlySet<string>;
  readonly muxers: ReadonlySet<string>;
  /** Protocols that it can write to. */
  readonly protocols: ReadonlySet<string>;
  readonly filters: ReadonlySet<string>;
  /** `-fps_mode` (5.1 and later) instead of `-vsync`. */
  readonly fpsMode: boolean;
  /** `-fpre`: options of an output can stand in a file. */
  readonly presetFiles: boolean;
};

const cache = new Map<string, Promise<Capabilities>>();

/** Probes an ffmpeg, once per path. Rejects with a RoomtapError `ffmpeg-failed`. */
export function ffmpegCapabilities(path: string): Promise<Capabilities> {
  const known = cache.get(path);
  if (known !== undefined) return known;
  const probing = probe(path);
  cache.set(path, probing);
  probing.catch(() => cache.delete(path));
  return probing;
}

async function probe(path: string): Promise<Capabilities> {
  const ask = async (...args: string[]) =>
    (await run(path, ["-hide_banner", ...args], { timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT })).stdout;
  try {
    const [version, encoders, muxers, protocols, filters, help] = await Promise.all([
      ask("-version"),
      ask("-encoders"),
      ask("-muxers"),
      ask("-protocols"),
      ask("-filters"),
      ask("-h", "long"),
    ]);
    return parseCapabilities({ version, encoders, muxers, protocols, filters, help });
  } catch (cause) {
    throw new RoomtapError("ffmpeg-failed", `${path} does not say what it can do`, {
      hint: "try another with --ffmpeg",
      cause,
    });
  }
}

/** Reads ffmpeg's own lists. */
export function parseCapabilities(text: {
  version: string;
  encoders: string;
  muxers: string;
  protocols: string;
  filters: string;
  help: string;
}): Capabilities {
  const names = (list: string, pattern: RegExp) =>
    new Set(list.split("\n").flatMap((line) => pattern.exec(line)?.[1]?.split(",") ?? []));
  const outputs = text.protocols.slice(text.protocols.indexOf("Output:") + 1);
  return {
    version: parseVersion(text.version)?.text ?? "unknown",
    // The legend has the shape of an entry named "=".
    encoders: names(text.encoders, /^ [VAS][F.][S.][X.][B.][D.] ([^\s=]+)/),
    muxers: names(text.muxers, /^ {1,2}[D ]?E\s+(\S+)/),
    protocols: names(outputs, /^ {2}(\S+)$/),
    filters: names(text.filters, /^ [TSC.]{2,3} (\S+) +\S+->\S+/),
    fpsMode: /^-fps_mode/m.test(text.help),
    presetFiles: /^-fpre\b/m.test(text.help),
  };
}
