import { readFile, stat } from "node:fs/promises";
import { RoomtapError } from "../../core/fault.ts";
import { ffmpegCapabilities } from "../../ffmpeg/capabilities.ts";
import { pushCommand, requirePush } from "../../ffmpeg/push.ts";
import type { ProgramPlan, ProgramSink, Rendition } from "../program/program.ts";
import { ffmpegLinks } from "./ffmpeg-link.ts";
import { checkFileTarget, fileLinks } from "./file-link.ts";
import type { OpenLink } from "./link.ts";
import { type PushOptions, PushSink } from "./push-sink.ts";
import { type RtmpOptions, rtmpLinks } from "./rtmp-link.ts";
import { conceal, decoded } from "./secrets.ts";
import { addressOf, type Target } from "./target.ts";

/** Where a program goes: an address with its secrets, or the path of a file. */
export type PushTarget = Target;

/** How pushes are made. */
export type CreatePushOptions = Pick<PushOptions, "rendition" | "onNotice" | "limits" | "random"> & {
  readonly ffmpeg: string;
  /** For status and metrics (default: the target's kind). */
  readonly name?: string;
  /** Certificates to trust for `rtmps` instead of the usual ones. */
  readonly ca?: RtmpOptions["ca"];
};

/** Octets of a file that holds an address. */
const MAX_ADDRESS = 8192;
/** Parameters of an SRT address that go where no command line shows them, and what ffmpeg calls them. */
const hiddenParameters: Readonly<Record<string, string>> = {
  passphrase: "passphrase",
  streamid: "streamid",
  srt_streamid: "streamid",
};

/**
 * Checks before anything is joined that every target can be written, and that this ffmpeg can carry those that it has
 * to (SRT and RTSP). Throws a RoomtapError: `usage` for an address or a file's name that cannot be used,
 * `ffmpeg-missing` for what ffmpeg lacks, `output-unwritable` for a directory. No message has a secret in it.
 */
export async function checkPushTargets(targets: readonly PushTarget[], ffmpeg: string): Promise<void> {
  for (const t of targets) {
    if (t.kind === "file") checkFileTarget(t.url);
    else {
      const a = addressOf(t.kind, t.url);
      if (t.kind === "rtmp" && a.user !== undefined)
        throw new RoomtapError("usage", "an RTMP address with a user and a password is not supported", {
          hint: "give the credentials as the server's stream key has them: rtmp://server/app/key?user=...",
        });
      if (t.kind === "rtmp" && a.path.replaceAll("/", "") === "")
        throw new RoomtapError("usage", "an RTMP address needs an application and a stream key", {
          hint: "rtmp://server/app/key",
        });
      if (t.kind === "srt" && a.port === undefined)
        throw new RoomtapError("usage", "an SRT address needs a port", { hint: "srt://server:port" });
      if (t.kind !== "rtmp") requirePush(t.kind, await ffmpegCapabilities(ffmpeg));
    }
  }
}

/**
 * The sinks of targets that were checked, named `rtmp`, `rtmp-2` and so on. Each is its own: none waits for another.
 */
export function createPushes(
  targets: readonly PushTarget[],
  plan: ProgramPlan,
  o: Omit<CreatePushOptions, "name">,
): ProgramSink[] {
  return targets.map((t, i) => {
    const before = targets.slice(0, i).filter((other) => other.kind === t.kind).length;
    return createPush(t, plan, { ...o, name: before === 0 ? t.kind : `${t.kind}-${before + 1}` });
  });
}

/** The sink of one target that was checked. Nothing is started before its first keyframe. */
export function createPush(target: PushTarget, plan: ProgramPlan, o: CreatePushOptions): ProgramSink {
  const { shown, redact } = conceal(target);
  const rendition = plan.renditions[o.rendition ?? 0];
  if (!rendition) throw new RoomtapError("internal", `there is no rendition ${o.rendition}`);
  return new PushSink({
    ...o,
    name: o.name ?? target.kind,
    shown,
    open: linksTo(target, rendition, redact, o),
  });
}

function linksTo(
  t: PushTarget,
  rendition: Rendition,
  redact: (text: string) => string,
  o: CreatePushOptions,
): OpenLink {
  const { ffmpeg } = o;
  switch (t.kind) {
    case "file":
      return fileLinks({ path: t.url, rendition, ...(o.onNotice ? { onNotice: o.onNotice } : {}) });
    case "rtmp":
      return rtmpLinks({
        address: addressOf("rtmp", t.url),
        rendition,
        redact,
        ...(o.ca === undefined ? {} : { ca: o.ca }),
      });
    case "rtsp":
      return ffmpegLinks({ ffmpeg, rendition, redact, command: () => pushCommand("rtsp", t.url) });
    case "srt": {
      const { open, secretOptions } = partSrt(t.url);
      return ffmpegLinks({
        ffmpeg,
        rendition,
        redact,
        ...(secretOptions === "" ? {} : { secretOptions }),
        // One that cannot read options from a file gets them where everybody sees them.
        command: (secrets) => pushCommand("srt", secrets === undefined ? t.url : open, secrets),
      });
    }
  }
}

/** An SRT address without the parameters that are secret, and those as options of ffmpeg. */
export function partSrt(url: string): { readonly open: string; readonly secretOptions: string } {
  const { query } = addressOf("srt", url);
  const rest = query.filter(([name]) => !(name in hiddenParameters));
  const secret = query.flatMap(([name, value]) => {
    const option = hiddenParameters[name];
    return option === undefined ? [] : [`${option}=${decoded(value)}\n`];
  });
  const open = `${url.split("?")[0]}${rest.length > 0 ? `?${rest.map((p) => p.join("=")).join("&")}` : ""}`;
  return { open, secretOptions: secret.join("") };
}

/**
 * Takes the address out of an environment variable: children would inherit it. Throws a RoomtapError `usage` when there is
 * none.
 */
export function takeTargetFromEnv(name: string, env: NodeJS.ProcessEnv = process.env): string {
  const url = env[name]?.trim();
  if (url === undefined || url === "")
    throw new RoomtapError("usage", `the environment has no address in ${name}`, {
      hint: `set it: export ${name}=rtmp://server/app/key`,
    });
  delete env[name];
  return url;
}

/**
 * The address in a file: its only line. Throws a RoomtapError `usage` when it has none, or several. `onWarning` is
 * told when others on this machine may read the file.
 */
export async function readTargetFromFile(path: string, onWarning?: (text: string) => void): Promise<string> {
  const { text, mode } = await readSmall(path);
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const [url, ...more] = lines.filter((line) => line !== "" && !line.startsWith("#"));
  if (url === undefined || more.length > 0)
    throw new RoomtapError("usage", `${path} must hold one address, in a line`, {
      hint: "like rtmp://server/app/key; lines that begin with # do not count",
    });
  if ((mode & 0o004) !== 0) onWarning?.(`everybody on this machine can read ${path}: chmod 600 it`);
  return url;
}

async function readSmall(path: string): Promise<{ text: string; mode: number }> {
  try {
    const { size, mode } = await stat(path);
    return { text: size > MAX_ADDRESS ? "" : await readFile(path, "utf8"), mode };
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? ` (${cause.code})` : "";
    throw new RoomtapError("usage", `the file with the address cannot be read: ${path}${code}`, { cause });
  }
}
