import { opus } from "../../src/core/codecs/opus.ts";
import { vp8 } from "../../src/core/codecs/vp8.ts";
import { MediaSender, type MediaSenderOptions } from "../../src/core/media/media-sender.ts";
import type { OutgoingTrackOptions } from "../../src/core/media/outgoing-track.ts";
import type { SampleIndex } from "../../src/core/media/sample-index.ts";
import { type Random, randomInt, seededRandom } from "../../src/core/random.ts";
import { ExtensionUri } from "../../src/core/rtp/extensions.ts";
import type { NegotiatedMedia } from "../../src/core/sdp/negotiated.ts";
import type { Millis } from "../../src/core/time.ts";

/** A second of media whose frames say their number behind a valid VP8 header or Opus TOC. */
const VIDEO_FPS = 30;
const AUDIO_FPS = 50;

/** Octets of video frame `i` of the clip: every tenth is a keyframe of 64x48. */
export function clipVideo(i: number): Uint8Array {
  const keyframe = i % 10 === 0;
  const data = new Uint8Array(keyframe ? 3000 : 600).fill(1 + (i % 200));
  data.set(keyframe ? [0x10, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 48, 0] : [0x11]);
  return data;
}

/** Octets of audio frame `i`: a 20 ms packet. */
export function clipAudio(i: number): Uint8Array {
  const data = new Uint8Array(60).fill(1 + (i % 200));
  data[0] = 0xf8;
  return data;
}

const index: SampleIndex = {
  video: Array.from({ length: VIDEO_FPS }, (_, i) => ({
    time: Math.round((i * 1e6) / VIDEO_FPS),
    size: clipVideo(i).length,
    keyframe: i % 10 === 0,
  })),
  audio: Array.from({ length: AUDIO_FPS }, (_, i) => ({ time: i * 20_000, size: 60 })),
  durationUs: 1e6,
};

/** A sender of the clip for what was negotiated. `mid` picks one m-line; default: the first of each kind. */
export function clipSender(
  media: readonly NegotiatedMedia[],
  now: Millis,
  o: Partial<MediaSenderOptions> & { readonly mid?: string } = {},
): MediaSender {
  const random: Random = seededRandom(1 + randomInt(seededRandom(media.length), 1000));
  const wanted = media.filter((m) => o.mid === undefined || m.mid === o.mid);
  return new MediaSender({
    index,
    audio: track(wanted.find((m) => m.kind === "audio" && m.send)),
    video: track(wanted.find((m) => m.kind === "video" && m.send)),
    read: (kind, i) => (kind === "audio" ? clipAudio(i) : clipVideo(i)),
    cname: "clip",
    start: now,
    wallOffsetMs: 1_700_000_000_000,
    random,
    ...o,
  });
}

function track(m: NegotiatedMedia | undefined): OutgoingTrackOptions | undefined {
  const send = m?.send;
  if (!m || !send) return undefined;
  const idOf = (uri: string) => [...m.extensions].find(([, u]) => u === uri)?.[0];
  return {
    codec: m.kind === "audio" ? opus : vp8,
    ssrc: send.ssrc,
    payloadType: send.payload.payloadType,
    rtx: send.rtx,
    mid: m.mid,
    extensions: {
      mid: idOf(ExtensionUri.mid),
      absSendTime: idOf(ExtensionUri.absSendTime),
      transportCc: idOf(ExtensionUri.transportCc),
      audioLevel: idOf(ExtensionUri.audioLevel),
      rid: undefined,
      repairedRid: undefined,
    },
  };
}
