import { u8 } from "../core/bytes.ts";
import { OPUS_SILENCE_US } from "../core/codecs/opus-packet.ts";
import type { MatroskaEvent } from "../core/containers/matroska/reader.ts";
import type { MatroskaTrack } from "../core/containers/matroska/track.ts";
import { RoomtapError } from "../core/fault.ts";
import type { SampleIndex } from "../core/media/sample-index.ts";

/** Matroska rounds times to milliseconds; a time this close to its place on the grid belongs there. */
const ROUNDING_US = 2500;
/** Sound that starts this soon starts with the clip: some muxers add the encoder's delay, others do not. */
const SAME_START_US = 10_000;
/** Sound and picture that end this close to each other end together. */
const SAME_END_US = 100_000;
/** 30 frames per second, where the file does not say it. */
const DEFAULT_FRAME_US = 1e6 / 30;
const codecs: Readonly<Record<string, ClipVideo["codec"]>> = { V_VP8: "vp8", "V_MPEG4/ISO/AVC": "h264" };

/** Where a sample's octets are in the file, and when they are due, in microseconds of the file. */
type Place = {
  readonly timeUs: number;
  readonly keyframe: boolean;
  readonly offset: number;
  readonly size: number;
};

/** The video track of a clip. */
export type ClipVideo = {
  readonly codec: "vp8" | "h264";
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** The AVCDecoderConfigurationRecord of H.264. */
  readonly codecPrivate: Uint8Array | undefined;
  readonly places: readonly Place[];
  readonly frameUs: number;
};

/** The Opus track of a clip. */
export type ClipAudio = {
  readonly channels: number;
  readonly places: readonly Place[];
  /** Encoder delay: a packet decodes to what belongs this much earlier. */
  readonly preSkipUs: number;
};

/** Collects what a Matroska file holds: its first VP8 or H.264 track and its first Opus track. */
export class ClipScan {
  #video: (ClipVideo & { places: Place[]; number: number }) | undefined;
  #audio: (ClipAudio & { places: Place[]; number: number }) | undefined;

  /** Takes the reader's next event. */
  push(e: MatroskaEvent): void {
    if (e.t === "tracks") for (const t of e.tracks) this.#track(t);
    if (e.t !== "block") return;
    const track = [this.#video, this.#audio].find((t) => t?.number === e.track);
    track?.places.push({ timeUs: e.timeMs * 1000, keyframe: e.keyframe, offset: e.offset, size: e.size });
  }

  /** The video track, where there is one with frames in it. */
  get video(): ClipVideo | undefined {
    return this.#video && this.#video.places.length > 0 ? this.#video : undefined;
  }

  /** The Opus track, where there is one with packets in it. */
  get audio(): ClipAudio | undefined {
    return this.#audio && this.#audio.places.length > 0 ? this.#audio : undefined;
  }

  #track(t: MatroskaTrack): void {
    if (t.kind === "video") {
      const codec = codecs[t.codecId];
      if (!codec || this.#video) return;
      this.#video = {
        codec,
        width: t.width,
        height: t.height,
        codecPrivate: t.codecPrivate,
        number: t.number,
        places: [],
        frameUs: t.defaultDurationNs > 0 ? t.defaultDurationNs / 1000 : DEFAULT_FRAME_US,
      };
    } else if (t.codecId === "A_OPUS" && !this.#audio) {
      const head = t.codecPrivate;
      // OpusHead holds the pre-skip little-endian in samples at 48 kHz (RFC 7845 section 5.1).
      const preSkip = head && head.length >= 12 ? (u8(head, 11) << 8) | u8(head, 10) : 0;
      this.#audio = { channels: t.channels, number: t.number, places: [], preSkipUs: (preSkip * 1000) / 48 };
    }
  }
}

/** A sample of a clip: what the player needs to know, and where its octets are. */
export type ClipSample = { readonly time: number } & Place;

/** Both tracks on one exact timeline, ready to be looped. */
export type LoopedClip = {
  readonly video: readonly ClipSample[];
  readonly audio: readonly ClipSample[];
  readonly durationUs: number;
};

/**
 * Puts both tracks on one timeline in microseconds: undoes the rounding of the container, moves the sound to
 * where its decoded samples belong, and leaves out what would overlap the start of the next pass.
 * `packetUs` is the duration of an Opus packet. Errors: media-invalid when nothing is left to send.
 */
export function loopClip(
  video: ClipVideo | undefined,
  audio: ClipAudio | undefined,
  packetUs: (p: Place) => number | undefined,
): LoopedClip {
  const pictures = video ? onGrid(video.places, () => video.frameUs) : [];
  const lengths = (audio?.places ?? []).map((p) => packetUs(p) ?? OPUS_SILENCE_US);
  const sounds = audio ? onGrid(audio.places, (i) => lengths[i] ?? OPUS_SILENCE_US) : [];
  const start = sounds[0]?.time ?? 0;
  const delayUs = (audio?.preSkipUs ?? 0) + (start < SAME_START_US ? start : 0);
  const shifted = sounds.map((s) => ({ ...s, time: Math.round(s.time - delayUs) }));
  const videoEnd = (pictures.at(-1)?.time ?? 0) + (video ? Math.round(video.frameUs) : 0);
  const audioEnd = (shifted.at(-1)?.time ?? 0) + (lengths.at(-1) ?? 0);
  const together = pictures.length > 0 && Math.abs(videoEnd - audioEnd) < SAME_END_US;
  const firstHeard = shifted.find((s) => s.time >= 0)?.time ?? 0;
  // Where the sound alone says the length, the next pass joins it without a gap.
  const durationUs = together ? videoEnd : Math.max(videoEnd, audioEnd - firstHeard);
  const heard = shifted.filter((s) => s.time >= 0 && s.time < durationUs);
  const seam = durationUs + firstHeard;
  while (heard.length > 1 && (heard.at(-1)?.time ?? 0) + (lengths.at(-1) ?? 0) > seam + ROUNDING_US)
    heard.pop();
  if (pictures.length === 0 && heard.length === 0)
    throw new RoomtapError("media-invalid", "the clip has no VP8, H.264 or Opus frames");
  return { video: pictures, audio: heard, durationUs };
}

/** The index of a looped clip, as the player takes it. */
export function sampleIndexOf(clip: LoopedClip): SampleIndex {
  const { video, audio, durationUs } = clip;
  return {
    ...(video.length > 0
      ? { video: video.map(({ time, size, keyframe }) => ({ time, size, keyframe })) }
      : {}),
    ...(audio.length > 0 ? { audio: audio.map(({ time, size }) => ({ time, size })) } : {}),
    durationUs,
  };
}

/** Places samples where the durations before them put them, as long as the file's times agree. */
function onGrid(places: readonly Place[], durationUs: (i: number) => number): ClipSample[] {
  let expected = places[0]?.timeUs ?? 0;
  const out: ClipSample[] = [];
  for (const [i, p] of places.entries()) {
    if (Math.abs(p.timeUs - expected) > ROUNDING_US) expected = p.timeUs;
    out.push({ ...p, time: Math.round(expected) });
    expected += durationUs(i);
  }
  return out;
}
