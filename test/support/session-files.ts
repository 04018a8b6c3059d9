import { execFileSync } from "node:child_process";
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MANIFEST_FILE, type Manifest, type ManifestFile } from "../../src/sinks/recorder/manifest.ts";

/** Somebody in a session that is made of test pictures: every second they flash white and beep at once. */
export type TestGuest = {
  readonly id: string;
  readonly name: string;
  /** Where their file starts on the session's time, and how long it is, milliseconds. */
  readonly startMs: number;
  readonly lengthMs: number;
  /** Pitch of the beep. */
  readonly hz: number;
  /** `0xRRGGBB` and a size; without them, a microphone alone. */
  readonly camera?: {
    readonly colour: string;
    readonly size: string;
    readonly source?: ManifestFile["source"];
  };
};

const RATE = 30;

/** Writes a finished session of these guests into a directory, with these events besides their coming and going. */
export function writeSession(
  directory: string,
  ffmpeg: string,
  guests: readonly TestGuest[],
  events: Manifest["events"] = [],
): void {
  mkdirSync(directory, { recursive: true });
  const files = guests.map((guest) => writeFile(directory, ffmpeg, guest));
  const times = guests.map((g) => ({ ...g, leftMs: g.startMs + g.lengthMs }));
  const comings = times.flatMap(({ id, startMs, leftMs }): Manifest["events"] => [
    { atMs: startMs, type: "join", participantId: id },
    { atMs: leftMs, type: "leave", participantId: id },
  ]);
  const manifest: Manifest = {
    version: 1,
    room: "room",
    startedAt: new Date(0).toISOString(),
    durationMs: Math.max(...times.map((t) => t.leftMs)),
    restarts: 0,
    complete: true,
    participants: times.map(({ id, name, startMs, leftMs }) => ({ id, name, joinedMs: startMs, leftMs })),
    tracks: [],
    files,
    events: [...comings, ...events].toSorted((a, b) => a.atMs - b.atMs),
    gaps: [],
    digits: [],
    statistics: [],
    faults: {},
  };
  writeFileSync(join(directory, MANIFEST_FILE), JSON.stringify(manifest));
}

function writeFile(directory: string, ffmpeg: string, g: TestGuest): ManifestFile {
  const path = `${g.id}.webm`;
  const seconds = g.lengthMs / 1000;
  const beep = `if(lt(mod(t,1),0.04),0.4*sin(2*PI*${g.hz}*t),0)`;
  const flash = "drawbox=x=iw/4:y=ih/4:w=iw/2:h=ih/2:color=white:t=fill:enable='lt(mod(t+0.001,1),0.066)'";
  const picture = g.camera && `color=${g.camera.colour}:s=${g.camera.size}:r=${RATE}:d=${seconds},${flash}`;
  execFileSync(ffmpeg, [
    ...["-nostdin", "-v", "error", "-y"],
    ...(picture === undefined ? [] : ["-f", "lavfi", "-i", picture]),
    ...["-f", "lavfi", "-i", `aevalsrc='${beep}':s=48000:d=${seconds}`],
    // One keyframe, as in a call.
    ...["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "16", "-b:v", "500k", "-g", "9999"],
    ...["-c:a", "libopus", join(directory, path)],
  ]);
  return {
    path,
    participant: g.name,
    participantId: g.id,
    source: g.camera?.source ?? (g.camera ? "camera" : "microphone"),
    format: "webm",
    startMs: g.startMs,
    durationMs: g.lengthMs,
    bytes: statSync(join(directory, path)).size,
    tracks: [
      ...(g.camera
        ? [{ kind: "video" as const, codec: "vp8" as const, frames: Math.round(RATE * seconds) }]
        : []),
      { kind: "audio" as const, codec: "opus" as const, frames: Math.round(50 * seconds) },
    ],
  };
}
