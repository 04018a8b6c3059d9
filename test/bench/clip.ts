import { concat } from "../../src/core/bytes.ts";
import { sizedObuHeader, splitObus } from "../../src/core/codecs/av1-obu.ts";
import { codecByName } from "../../src/core/codecs/registry.ts";
import type { CodecName } from "../../src/core/frame.ts";
import type { SampleIndex } from "../../src/core/media/sample-index.ts";
import { type Random, randomInt, seededRandom } from "../../src/core/random.ts";
import { codecTables } from "../core/codecs/tables.ts";

/** Encoded media as it would come from an encoder, of one track. */
export type Clip = { readonly index: SampleIndex; readonly frames: readonly Uint8Array[] };

const FPS = 30;
const GOP_SECONDS = 3;
const VIDEO_BPS = 2_500_000;
/** A keyframe is this many times an average frame. */
const KEYFRAME_FACTOR = 6;
const AUDIO_FRAME_US = 20_000;
/** Opus of 32 kbit/s. */
const AUDIO_BYTES = 80;
/** G.711 and G.722 of 64 kbit/s. */
const G7XX_BYTES = 160;

/** CELT, full band, 20 ms, mono, one frame. */
const OPUS_TOC = Uint8Array.of(0xf8);

/** How frames of a codec begin; what follows may be anything without a zero octet. */
type Heads = { readonly keyframe: Uint8Array; readonly delta: Uint8Array };

/** The beginnings that the codec's own table of examples has. */
function headsOf(codec: CodecName): Heads {
  const sent = (codecTables[codec] ?? []).filter((c) => c.sender && c.frame);
  const keyframe = sent.find((c) => c.keyframe === true && c.size)?.frame;
  const delta = sent.find((c) => c.keyframe === false)?.frame;
  if (!keyframe || !delta) throw new Error(`no examples of ${codec}`);
  return { keyframe, delta };
}

/** A clip: 720p of 30 frames a second at 2.5 Mbit/s with a keyframe every three seconds, or speech in Opus. */
export function makeClip(codec: CodecName, seconds: number): Clip {
  const random = seededRandom(720);
  const durationUs = seconds * 1e6;
  if (codecByName(codec)?.kind === "audio") {
    const frames = Array.from({ length: durationUs / AUDIO_FRAME_US }, () =>
      codec === "opus"
        ? frame(OPUS_TOC, AUDIO_BYTES - 20 + randomInt(random, 41), random)
        : frame(OPUS_TOC, G7XX_BYTES, random),
    );
    const audio = frames.map((f, i) => ({ time: i * AUDIO_FRAME_US, size: f.length, audioLevel: 30 }));
    return { index: { audio, durationUs }, frames };
  }
  const heads = headsOf(codec);
  const make = codec === "av1" ? av1Frame : frame;
  const gop = FPS * GOP_SECONDS;
  const keyframe = (i: number) => i % gop === 0;
  const average = VIDEO_BPS / 8 / FPS;
  const delta = (average * (gop - KEYFRAME_FACTOR)) / (gop - 1);
  const frames = Array.from({ length: seconds * FPS }, (_, i) =>
    keyframe(i)
      ? make(heads.keyframe, KEYFRAME_FACTOR * average, random)
      : make(heads.delta, delta * (0.5 + random()), random),
  );
  const video = frames.map((f, i) => ({
    time: Math.round((i * 1e6) / FPS),
    size: f.length,
    keyframe: keyframe(i),
  }));
  return { index: { video, durationUs }, frames };
}

/** An AV1 temporal unit whose last OBU is as large as that takes: its size is written in it. */
function av1Frame(head: Uint8Array, length: number, random: Random): Uint8Array {
  const obus = splitObus(head);
  const last = obus.at(-1);
  if (!last) throw new Error("no OBU to enlarge");
  const data = frame(head.subarray(last.data, last.end), Math.max(64, length - last.from), random);
  return concat([head.subarray(0, last.from), sizedObuHeader(head, last.from, data.length), data]);
}

/** Never a zero octet behind the head: no start code arises by chance. */
function frame(head: Uint8Array, length: number, random: Random): Uint8Array {
  const rest = Uint8Array.from(
    { length: Math.max(2, Math.round(length) - head.length) },
    () => 1 + randomInt(random, 255),
  );
  return concat([head, rest]);
}
