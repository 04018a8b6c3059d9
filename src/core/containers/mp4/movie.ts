import { asciiBytes } from "../../bytes.ts";
import { box, fullBox, u16s, u32s, zeros } from "./boxes.ts";
import { aacSampleEntry, avcSampleEntry, type Mp4Audio, type Mp4Video } from "./sample-entries.ts";

/** Ticks per second of the pictures' times; those of the sound count its samples. */
export const MP4_VIDEO_CLOCK = 90_000;
/** Numbers of the tracks. */
export const Mp4Track = { video: 1, audio: 2 } as const;
/** Flags of samples (ISO/IEC 14496-12 section 8.8.3.1): one that needs no other; one that does, and is no sync sample. */
export const SampleFlags = { sync: 0x0200_0000, notSync: 0x0101_0000 } as const;

/** A rotation by nothing, in fixed point. */
const UNITY: readonly number[] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];
/** "und" in five bits per letter. */
const NO_LANGUAGE = 0x55c4;

/** The `moov` box of a file whose samples are all in fragments. */
export function fragmentedMovie(video: Mp4Video | undefined, audio: Mp4Audio | undefined): Uint8Array {
  const tracks: Uint8Array[] = [];
  const extensions: Uint8Array[] = [];
  if (video) {
    tracks.push(videoTrack(video));
    extensions.push(trackExtends(Mp4Track.video, SampleFlags.notSync));
  }
  if (audio) {
    tracks.push(audioTrack(audio));
    extensions.push(trackExtends(Mp4Track.audio, SampleFlags.sync));
  }
  return box("moov", movieHeader(), ...tracks, box("mvex", ...extensions));
}

function movieHeader(): Uint8Array {
  // Created at no time, 1000 ticks per second, no duration, normal speed and volume; the next track is number 3.
  return fullBox(
    "mvhd",
    0,
    0,
    u32s(0, 0, 1000, 0, 0x1_0000),
    u16s(0x100),
    zeros(10),
    u32s(...UNITY),
    zeros(24),
    u32s(3),
  );
}

function videoTrack(v: Mp4Video): Uint8Array {
  return track({
    id: Mp4Track.video,
    size: [v.width, v.height],
    clock: MP4_VIDEO_CLOCK,
    handler: "vide",
    name: "video",
    mediaHeader: fullBox("vmhd", 0, 1, zeros(8)),
    entry: avcSampleEntry(v),
  });
}

function audioTrack(a: Mp4Audio): Uint8Array {
  return track({
    id: Mp4Track.audio,
    size: undefined,
    clock: a.sampleRate,
    handler: "soun",
    name: "audio",
    mediaHeader: fullBox("smhd", 0, 0, zeros(4)),
    entry: aacSampleEntry(a),
  });
}

type TrackParts = {
  readonly id: number;
  /** undefined: it is heard, not seen. */
  readonly size: readonly [width: number, height: number] | undefined;
  readonly clock: number;
  readonly handler: string;
  readonly name: string;
  readonly mediaHeader: Uint8Array;
  readonly entry: Uint8Array;
};

function track(t: TrackParts): Uint8Array {
  const [width, height] = t.size ?? [0, 0];
  // Enabled, and part of the movie.
  const header = fullBox(
    "tkhd",
    0,
    3,
    u32s(0, 0, t.id, 0, 0, 0, 0),
    u16s(0, 0, t.size ? 0 : 0x100, 0),
    u32s(...UNITY),
    u16s(width, 0, height, 0),
  );
  return box(
    "trak",
    header,
    box(
      "mdia",
      fullBox("mdhd", 0, 0, u32s(0, 0, t.clock, 0), u16s(NO_LANGUAGE, 0)),
      fullBox("hdlr", 0, 0, zeros(4), asciiBytes(t.handler), zeros(12), asciiBytes(`${t.name}\0`)),
      box("minf", t.mediaHeader, dataInformation(), noSamples(t.entry)),
    ),
  );
}

/** The data is in this file. */
function dataInformation(): Uint8Array {
  return box("dinf", fullBox("dref", 0, 0, u32s(1), fullBox("url ", 0, 1)));
}

/** A sample table without samples, which are all in fragments. */
function noSamples(entry: Uint8Array): Uint8Array {
  return box(
    "stbl",
    fullBox("stsd", 0, 0, u32s(1), entry),
    fullBox("stts", 0, 0, u32s(0)),
    fullBox("stsc", 0, 0, u32s(0)),
    fullBox("stsz", 0, 0, u32s(0, 0)),
    fullBox("stco", 0, 0, u32s(0)),
  );
}

function trackExtends(id: number, flags: number): Uint8Array {
  return fullBox("trex", 0, 0, u32s(id, 1, 0, 0, flags));
}
