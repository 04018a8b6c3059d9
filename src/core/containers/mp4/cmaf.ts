import { asciiBytes, concat } from "../../bytes.ts";
import { box, boxHeader, fullBox, u32s, u64 } from "./boxes.ts";
import { fragmentedMovie, Mp4Track, SampleFlags } from "./movie.ts";
import type { Mp4Audio, Mp4Video } from "./sample-entries.ts";

/**
 * Fragmented MP4 as HLS and Media Source Extensions take it (ISO/IEC 14496-12 section 8.8, ISO/IEC 23000-19): a header
 * with tracks and no samples, then fragments, each of which can be sent as soon as it is made.
 */

/** A coded picture or piece of sound. Decoding order is presentation order. */
export type Mp4Sample = {
  /** H.264: NAL units behind 4-byte lengths. AAC: a raw frame. */
  readonly data: Uint8Array;
  /** In ticks of the track's clock. Integer, 0..2^53. */
  readonly time: number;
  /** In the same ticks; matters only where no other sample follows in its fragment. */
  readonly duration: number;
  /** Decodable from here on. */
  readonly keyframe: boolean;
};

/** How a fragment is made. */
export type CmafFragmentOptions = {
  /** It begins a segment: a box that says so goes before it. */
  readonly segmentStart?: boolean;
};

const DEFAULT_BASE_IS_MOOF = 0x02_0000;
/** What stands in a track run (section 8.8.8): the offset of its data; a sample's duration, size and flags. */
const RUN_FIELDS = 0x701;
const RUN_SAMPLE = 12;
/** Octets of a movie fragment and of a track's in it, without samples. */
const MOOF = 8 + 16;
const TRAF = 8 + 16 + 20 + 20;

/** `ftyp` and `moov`: what comes before all fragments. Track 1 is the video, track 2 the audio; at least one of them. */
export function cmafHeader(video: Mp4Video | undefined, audio: Mp4Audio | undefined): Uint8Array {
  // A CMAF track stands alone in its file.
  const brands = video && audio ? "iso6mp41" : "iso6cmfcmp41";
  return concat([
    box("ftyp", asciiBytes("iso6"), u32s(0), asciiBytes(brands)),
    fragmentedMovie(video, audio),
  ]);
}

/**
 * A fragment with samples of one or both tracks, in order of time: `moof` and `mdat`, in chunks to be put together. The
 * samples' memory is in them, not copied. `sequence`: counts up from 1. Without any sample: nothing.
 */
export function cmafFragment(
  sequence: number,
  video: readonly Mp4Sample[],
  audio: readonly Mp4Sample[],
  o: CmafFragmentOptions = {},
): Uint8Array[] {
  const runs = [
    { track: Mp4Track.video, samples: video },
    { track: Mp4Track.audio, samples: audio },
  ].filter((r) => r.samples.length > 0);
  if (runs.length === 0) return [];
  // Data is found by its distance from the movie fragment, whose size must be known to say it.
  const offset = 8 + runs.reduce((n, r) => n + TRAF + RUN_SAMPLE * r.samples.length, MOOF);
  let size = 0;
  const tracks = runs.map(({ track, samples }) => {
    const b = trackFragment(track, samples, offset + size);
    for (const s of samples) size += s.data.length;
    return b;
  });
  const segment = o.segmentStart ? [box("styp", asciiBytes("msdh"), u32s(0), asciiBytes("msdhiso6"))] : [];
  const moof = box("moof", fullBox("mfhd", 0, 0, u32s(sequence)), ...tracks);
  return [...segment, moof, boxHeader("mdat", size), ...runs.flatMap((r) => r.samples.map((s) => s.data))];
}

function trackFragment(track: number, samples: readonly Mp4Sample[], offset: number): Uint8Array {
  const table = samples.flatMap((s, i) => {
    const next = samples[i + 1];
    // Players add durations up: where pictures were left out, the one before them lasts.
    return [
      next ? Math.max(0, next.time - s.time) : s.duration,
      s.data.length,
      s.keyframe ? SampleFlags.sync : SampleFlags.notSync,
    ];
  });
  return box(
    "traf",
    fullBox("tfhd", 0, DEFAULT_BASE_IS_MOOF, u32s(track)),
    fullBox("tfdt", 1, 0, u64(samples[0]?.time ?? 0)),
    fullBox("trun", 0, RUN_FIELDS, u32s(samples.length, offset, ...table)),
  );
}
