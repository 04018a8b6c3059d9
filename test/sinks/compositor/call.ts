import type { Manifest, ManifestFile } from "../../../src/sinks/recorder/manifest.ts";

/** What planning reads of a manifest. */
export type Call = Pick<Manifest, "participants" | "files" | "events">;

/** Somebody in a call; milliseconds. */
export type Guest = {
  readonly id: string;
  readonly from: number;
  readonly to: number;
  readonly name?: string;
  /** Default: a camera and a microphone from start to end. */
  readonly files?: readonly Partial<ManifestFile>[];
};

/** A file with picture and sound. */
export function fileOf(id: string, o: Partial<ManifestFile> = {}): ManifestFile {
  return {
    path: `${id}.webm`,
    participant: id,
    participantId: id,
    source: "camera",
    format: "webm",
    startMs: 0,
    durationMs: 1000,
    bytes: 1,
    tracks: [
      { kind: "video", codec: "vp8", frames: 1 },
      { kind: "audio", codec: "opus", frames: 1 },
    ],
    ...o,
  };
}

/** The manifest of a call. */
export function callOf(guests: readonly Guest[], events: Manifest["events"] = []): Call {
  return {
    participants: guests.map((g) => ({ id: g.id, name: g.name ?? g.id, joinedMs: g.from, leftMs: g.to })),
    files: guests.flatMap((g) =>
      (g.files ?? [{}]).map((f) => fileOf(g.id, { startMs: g.from, durationMs: g.to - g.from, ...f })),
    ),
    events,
  };
}
