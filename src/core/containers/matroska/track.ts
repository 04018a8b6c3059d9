import type { Rotation } from "../../frame.ts";
import { bigEndian, element, float, Id, text, uint } from "./ebml.ts";

/** A track of a Matroska file (RFC 9559 section 5.1.4). */
export type MatroskaTrack = {
  /** 1..126, so that it takes one octet in every block. */
  readonly number: number;
  readonly codecId: string;
  readonly codecPrivate?: Uint8Array;
} & (
  | {
      readonly kind: "video";
      /** Pixels. */
      readonly width: number;
      readonly height: number;
      /** Nanoseconds a frame usually lasts; without it readers guess, and lose what they guess from. */
      readonly defaultDurationNs: number;
      /** Clockwise degrees to turn the picture for showing. */
      readonly rotation?: Rotation;
    }
  | {
      readonly kind: "audio";
      /** Hz. */
      readonly sampleRate: number;
      readonly channels: number;
      readonly bitDepth?: number;
      readonly seekPreRollNs?: number;
    }
);

/** The TrackEntry of a track. */
export function trackEntry(t: MatroskaTrack): Uint8Array {
  const common = [
    uint(Id.TrackNumber, t.number),
    uint(Id.TrackUID, t.number),
    uint(Id.TrackType, t.kind === "video" ? 1 : 2),
    uint(Id.FlagLacing, 0),
    // Without it readers must take the language for English (RFC 9559 section 5.1.4.1.19).
    text(Id.Language, "und"),
    text(Id.CodecID, t.codecId),
    ...(t.codecPrivate ? [element(Id.CodecPrivate, t.codecPrivate)] : []),
  ];
  if (t.kind === "video") {
    const roll = t.rotation
      ? [element(Id.Projection, uint(Id.ProjectionType, 0), float(Id.ProjectionPoseRoll, rollOf(t.rotation)))]
      : [];
    return element(
      Id.TrackEntry,
      ...common,
      uint(Id.DefaultDuration, t.defaultDurationNs),
      // As long for every size: the header keeps its length when the picture grows.
      element(Id.Video, pixels(Id.PixelWidth, t.width), pixels(Id.PixelHeight, t.height), ...roll),
    );
  }
  return element(
    Id.TrackEntry,
    ...common,
    // Zero: recordings join in the middle of a stream, where there is nothing to skip.
    uint(Id.CodecDelay, 0),
    uint(Id.SeekPreRoll, t.seekPreRollNs ?? 0),
    element(
      Id.Audio,
      float(Id.SamplingFrequency, t.sampleRate),
      uint(Id.Channels, t.channels),
      ...(t.bitDepth === undefined ? [] : [uint(Id.BitDepth, t.bitDepth)]),
    ),
  );
}

function pixels(id: number, n: number): Uint8Array {
  return element(id, bigEndian(n, 4));
}

/** ProjectionPoseRoll of a rotation: counter-clockwise, -180..180 degrees. */
function rollOf(clockwise: Rotation): number {
  return clockwise > 180 ? 360 - clockwise : -clockwise;
}

/** The rotation that a ProjectionPoseRoll means; undefined for none, and for those that no camera makes. */
export function rotationOf(roll: number): 90 | 180 | 270 | undefined {
  const clockwise = (360 - (roll % 360)) % 360;
  return clockwise === 90 || clockwise === 180 || clockwise === 270 ? clockwise : undefined;
}
