import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { joinAnnexB } from "../core/codecs/annex-b.ts";
import { parseAvcDecoderConfig } from "../core/codecs/h264-avcc.ts";
import { isVcl, NalType, nalType } from "../core/codecs/h264-nal.ts";
import { splitLengths } from "../core/codecs/nal-lengths.ts";
import { opusPacketDuration } from "../core/codecs/opus-packet.ts";
import { MatroskaReader } from "../core/containers/matroska/reader.ts";
import { RoomtapError } from "../core/fault.ts";
import type { MediaKind } from "../core/frame.ts";
import type { SampleIndex } from "../core/media/sample-index.ts";
import { type ClipSample, ClipScan, type ClipVideo, loopClip, sampleIndexOf } from "./clip-index.ts";

/** Files up to this size are kept in memory as a whole. */
const MAX_IN_MEMORY = 64 * 1024 * 1024;
const CHUNK = 1024 * 1024;

/** What is known of a clip's video. */
export type StoredVideo = Pick<ClipVideo, "codec" | "width" | "height">;

/** Turns a frame as the file holds it into one as the packetizer takes it. */
type Unpack = (bytes: Uint8Array, keyframe: boolean) => Uint8Array;

/**
 * The encoded frames of a prepared clip, by number. Small files are read once and kept, large ones are read
 * frame by frame. One store serves any number of senders; whoever opened it closes it.
 */
export class SampleStore {
  /** What is in the clip and when: the input of `SampleLoop`. */
  readonly index: SampleIndex;
  readonly video: StoredVideo | undefined;
  /** Channels of the Opus track. */
  readonly audio: { readonly channels: number } | undefined;
  readonly #samples: Readonly<Record<MediaKind, readonly ClipSample[]>>;
  readonly #unpack: Unpack;
  readonly #bytes: (offset: number, size: number) => Uint8Array;
  readonly #kept: Readonly<Record<MediaKind, readonly Uint8Array[]>> | undefined;
  #file: number | undefined;

  /**
   * Opens a Matroska file with VP8 or H.264, Opus, or both. Errors: media-invalid when it cannot be read or
   * holds none of them.
   */
  static open(path: string, o: { maxInMemory?: number } = {}): SampleStore {
    let file: number;
    try {
      file = openSync(path, "r");
    } catch (cause) {
      throw new RoomtapError("media-invalid", `cannot open ${path}`, { cause });
    }
    try {
      return new SampleStore(file, o.maxInMemory ?? MAX_IN_MEMORY);
    } catch (error) {
      closeSync(file);
      if (error instanceof RoomtapError) throw error;
      throw new RoomtapError("media-invalid", `cannot read ${path}`, { cause: error });
    }
  }

  private constructor(file: number, maxInMemory: number) {
    const length = fstatSync(file).size;
    const whole = length <= maxInMemory ? readAt(file, 0, length) : undefined;
    this.#bytes = whole
      ? (offset, size) => whole.subarray(offset, offset + size)
      : (offset, size) => readAt(file, offset, size);
    const scan = new ClipScan();
    const reader = new MatroskaReader();
    for (let at = 0; at < length && !reader.failed; at += CHUNK) {
      for (const e of reader.push(this.#bytes(at, Math.min(CHUNK, length - at)))) scan.push(e);
    }
    for (const e of reader.end()) scan.push(e);
    const { video, audio } = scan;
    const clip = loopClip(video, audio, (p) =>
      opusPacketDuration(this.#bytes(p.offset, Math.min(2, p.size))),
    );
    this.index = sampleIndexOf(clip);
    this.video = video && { codec: video.codec, width: video.width, height: video.height };
    this.audio = audio && { channels: audio.channels };
    this.#samples = { video: clip.video, audio: clip.audio };
    this.#unpack = video?.codec === "h264" ? annexBUnpacker(video) : (bytes) => bytes;
    const take = (kind: MediaKind) => this.#samples[kind].map((s) => this.#fetch(kind, s));
    this.#kept = whole && { video: take("video"), audio: take("audio") };
    this.#file = whole ? undefined : file;
    if (whole) closeSync(file);
  }

  /**
   * The frame of a sample: a VP8 frame, an H.264 access unit (Annex B, with parameter sets at keyframes) or an
   * Opus packet. Not to be changed: others read the same memory. Throws a RangeError for a number out of range.
   */
  read(track: MediaKind, sample: number): Uint8Array {
    const kept = this.#kept?.[track][sample];
    if (kept) return kept;
    const s = this.#samples[track][sample];
    if (!s || this.#file === undefined) throw new RangeError(`no ${track} sample ${sample}`);
    return this.#fetch(track, s);
  }

  /** Gives the file back. Idempotent. */
  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #fetch(track: MediaKind, s: ClipSample): Uint8Array {
    const bytes = this.#bytes(s.offset, s.size);
    return track === "video" ? this.#unpack(bytes, s.keyframe) : bytes;
  }
}

/** Start codes for lengths, and the parameter sets of the file's header before keyframes that lack them. */
function annexBUnpacker(video: ClipVideo): Unpack {
  const config = video.codecPrivate && parseAvcDecoderConfig(video.codecPrivate);
  if (!config) throw new RoomtapError("media-invalid", "the clip's H.264 track has no parameter sets");
  const sets = [...config.sps, ...config.pps];
  return (bytes, keyframe) => {
    const nals = splitLengths(bytes, config.lengthSize);
    if (!keyframe || nals.some((n) => nalType(n) === NalType.sps)) return joinAnnexB(nals);
    // A delimiter stays first (ISO/IEC 14496-10 section 7.4.1.2.3).
    const head = nals.findIndex((n) => isVcl(nalType(n)) || nalType(n) === NalType.sei);
    return joinAnnexB([...nals.slice(0, head), ...sets, ...nals.slice(head)]);
  };
}

function readAt(file: number, offset: number, size: number): Uint8Array {
  const out = new Uint8Array(size);
  let n = 0;
  while (n < size) {
    const got = readSync(file, out, n, size - n, offset + n);
    if (got === 0) throw new RoomtapError("media-invalid", "the clip's file became shorter");
    n += got;
  }
  return out;
}
