import { describe, expect, test } from "vitest";
import { h264 } from "../../../src/core/codecs/h264.ts";
import { opus } from "../../../src/core/codecs/opus.ts";
import { LiveSamples } from "../../../src/core/media/live-samples.ts";
import { MediaSender } from "../../../src/core/media/media-sender.ts";
import { seededRandom } from "../../../src/core/random.ts";
import { emptyRtpView, isRtcp, parseRtp, type RtpView } from "../../../src/core/rtp/packet.ts";
import { buildPli } from "../../../src/core/rtp/rtcp/build-feedback.ts";
import { millis } from "../../../src/core/time.ts";

const START = 5000;
const at = (ms: number) => millis(START + ms);
const data = Uint8Array.of(0, 0, 0, 1, 0x65, 1, 2, 3);
const picture = (timeMs: number, keyframe = false) => ({ track: "video" as const, data, timeMs, keyframe });
const sound = (timeMs: number) => ({
  track: "audio" as const,
  data: Uint8Array.of(0xf8, 1),
  timeMs,
  keyframe: true,
});

function drain(live: LiveSamples, ms: number): string[] {
  const out: string[] = [];
  for (let s = live.poll(at(ms)); s; s = live.poll(at(ms)))
    out.push(`${s.track} ${s.mediaTimeUs / 1000}${s.resumed ? " resumed" : ""}`);
  return out;
}

describe("a live stream", () => {
  test("gives sound at once, and pictures with the sound of their time", () => {
    const live = new LiveSamples(at(0));
    live.push(picture(7000, true), at(300));
    live.push(picture(7040), at(340));
    expect(drain(live, 340)).toEqual([]);
    live.push(sound(7010), at(400));
    expect(live.deadline).toBe(at(400));
    // The first picture was made when it came: at 300 ms.
    expect(drain(live, 400)).toEqual(["audio 310 resumed", "video 300 resumed"]);
    live.push(sound(7050), at(440));
    expect(drain(live, 440)).toEqual(["audio 350", "video 340"]);
    expect(live.deadline).toBeUndefined();
  });

  test("does not wait for sound that does not come", () => {
    const live = new LiveSamples(at(0));
    live.push(picture(0, true), at(0));
    expect(live.deadline).toBe(at(200));
    expect(drain(live, 199)).toEqual([]);
    expect(drain(live, 200)).toEqual(["video 0 resumed"]);
  });

  test("marks what comes behind a hole", () => {
    const live = new LiveSamples(at(0));
    for (const ms of [0, 20, 40, 1000]) live.push(sound(ms), at(ms));
    expect(drain(live, 1000)).toEqual(["audio 0 resumed", "audio 20", "audio 40", "audio 1000 resumed"]);
  });

  test("is sent as RTP whose times are those of the encoder, and counts who asks for keyframes", () => {
    const live = new LiveSamples(at(0));
    const extensions = {
      absSendTime: undefined,
      transportCc: undefined,
      audioLevel: undefined,
      mid: undefined,
      rid: undefined,
      repairedRid: undefined,
    };
    const sender = new MediaSender({
      live,
      audio: { codec: opus, ssrc: 1, payloadType: 111, extensions },
      video: { codec: h264, ssrc: 2, payloadType: 102, extensions },
      read: () => live.read(),
      cname: "live",
      start: at(0),
      wallOffsetMs: 0,
      random: seededRandom(3),
      targetBps: 1_000_000,
    });
    const sent: RtpView[] = [];
    const run = (ms: number) => {
      for (let b = sender.poll(at(ms)); b; b = sender.poll(at(ms))) {
        const v = emptyRtpView();
        if (!isRtcp(b) && parseRtp(b, v)) sent.push(v);
      }
    };
    expect(sender.deadline).toBeUndefined();
    for (let i = 0; i < 10; i++) {
      live.push(picture(40 * i, i === 0), at(1000 + 40 * i));
      live.push(sound(40 * i), at(1000 + 40 * i));
      for (let ms = 0; ms < 40; ms++) run(1000 + 40 * i + ms);
    }
    const timesOf = (ssrc: number) => {
      const times = sent.filter((v) => v.ssrc === ssrc).map((v) => v.timestamp);
      return times.map((t) => (t - (times[0] ?? 0)) >>> 0);
    };
    expect(timesOf(1)).toEqual(Array.from({ length: 10 }, (_, i) => i * 1920));
    expect(timesOf(2)).toEqual(Array.from({ length: 10 }, (_, i) => i * 3600));
    expect(sender.stats().tracks.map((t) => [t.frames, t.keyframes])).toEqual([
      [10, 0],
      [10, 1],
    ]);
    expect(sender.heardAt).toBeUndefined();
    sender.onRtcp(buildPli(9, 2), at(2000));
    expect([sender.heardAt, live.keyframeRequests]).toEqual([at(2000), 1]);
  });
});
