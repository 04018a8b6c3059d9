import { RoomtapError } from "../core/fault.ts";
import { ffmpegCapabilities } from "../ffmpeg/capabilities.ts";
import { parseWhipTarget } from "../signaling/whip/target.ts";
import type { ProgramPlan, ProgramSink } from "../sinks/program/program.ts";
import { type PushOptions, PushSink } from "../sinks/push/push-sink.ts";
import type { StatusMessage } from "./job.ts";
import { whipLinks } from "./whip-link.ts";

/** A WHIP endpoint that a program is pushed to. */
export type WhipPushTarget = {
  /** `https://host/path`, with or without `whip+` before it. */
  readonly url: string;
  /** Bearer token. */
  readonly token?: string;
  /** Accept any TLS certificate. */
  readonly insecure?: boolean;
};

/** How pushes are made. */
export type WhipPushOptions = Pick<PushOptions, "rendition" | "onNotice" | "limits" | "random"> & {
  readonly ffmpeg: string;
  /**
   * What the media process of a target reports, every second: statistics of what is sent and of the other side, among
   * them how many keyframes it asked for (`pliCount`, `firCount`), which a shared encoder makes only when it does.
   */
  readonly onStatus?: (name: string, status: StatusMessage) => void;
  /** Program of the media processes; default: as for everything else. */
  readonly script?: string;
};

/** Shorter tokens stand in words that mean nothing; so do shorter parts of a path. */
const MIN_SECRET = 4;
const MIN_PART = 8;

/**
 * Checks before anything is joined. Throws a RoomtapError: `usage` for an address that cannot be used, `ffmpeg-missing`
 * when this ffmpeg cannot make Opus. No message has a secret in it.
 */
export async function checkWhipTargets(targets: readonly WhipPushTarget[], ffmpeg: string): Promise<void> {
  for (const t of targets) parseWhipTarget(addressOf(t));
  if (targets.length === 0 || (await ffmpegCapabilities(ffmpeg)).encoders.has("libopus")) return;
  throw new RoomtapError("ffmpeg-missing", `--whip needs an ffmpeg with libopus, which ${ffmpeg} lacks`, {
    hint: "install the system's (apt-get install ffmpeg), or name one that has it with --ffmpeg",
  });
}

/**
 * The sinks of targets that were checked, named `whip`, `whip-2` and so on: each sends one rendition, its pictures as
 * they are and its sound as Opus, through a media process of its own. Nothing is started before the first keyframe.
 */
export function createWhipPushes(
  targets: readonly WhipPushTarget[],
  plan: ProgramPlan,
  o: WhipPushOptions,
): ProgramSink[] {
  return targets.map((t, i) => createWhipPush(t, i === 0 ? "whip" : `whip-${i + 1}`, plan, o));
}

function createWhipPush(t: WhipPushTarget, name: string, plan: ProgramPlan, o: WhipPushOptions): ProgramSink {
  const rendition = plan.renditions[o.rendition ?? 0];
  if (!rendition) throw new RoomtapError("internal", `there is no rendition ${o.rendition}`);
  const room = addressOf(t);
  const { shown } = parseWhipTarget(room);
  const redact = redactor(t);
  const { onStatus, onNotice } = o;
  const access = {
    ...(t.token === undefined ? {} : { token: t.token }),
    ...(t.insecure === undefined ? {} : { insecure: t.insecure }),
  };
  return new PushSink({
    ...o,
    name,
    shown,
    open: whipLinks({
      ...{ room, access, ffmpeg: o.ffmpeg, rendition, redact },
      onWarning: (text) => onNotice?.("warn", `${name} (${shown}): ${text}`),
      onStatus: onStatus && ((status) => onStatus(name, status)),
      ...(o.script === undefined ? {} : { script: o.script }),
    }),
  });
}

function addressOf({ url }: WhipPushTarget): string {
  return /^https?:/i.test(url) ? `whip+${url}` : url;
}

/** Takes out the token, and of the address all behind the host: it often is a key. */
function redactor({ url, token }: WhipPushTarget): (text: string) => string {
  const behind = /^[a-z+]+:\/\/[^/?#]*(.*)$/is.exec(url)?.[1] ?? "";
  const user = /^[a-z+]+:\/\/([^/?#@]*)@/i.exec(url)?.[1] ?? "";
  const whole = [url, token ?? "", behind, ...user.split(":")].filter((p) => p.length >= MIN_SECRET);
  const parts = behind.split(/[/?&=#]/).filter((p) => p.length >= MIN_PART);
  const secrets = [...whole, ...parts].sort((a, b) => b.length - a.length);
  return (text) => secrets.reduce((out, s) => out.replaceAll(s, "***"), text);
}
