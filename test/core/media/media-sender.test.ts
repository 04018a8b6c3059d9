import { describe, expect, it } from "vitest";
import { u8, u16, u32 } from "../../../src/core/bytes.ts";
import type { Codec } from "../../../src/core/codecs/codec.ts";
import { h264 } from "../../../src/core/codecs/h264.ts";
import { opus } from "../../../src/core/codecs/opus.ts";
import { vp8 } from "../../../src/core/codecs/vp8.ts";
import {
  type FrameSent,
  MediaSender,
  type MediaSenderOptions,
} from "../../../src/core/media/media-sender.ts";
import type { SampleIndex } from "../../../src/core/media/sample-index.ts";
import { randomInt, seededRandom } from "../../../src/core/random.ts";
import { ExtensionMap, noExtensions } from "../../../src/core/rtp/extension-map.ts";
import { ExtensionUri } from "../../../src/core/rtp/extensions.ts";
import { emptyRtpView, isRtcp, parseRtp, payloadOf, type RtpView } from "../../../src/core/rtp/packet.ts";
import { millis } from "../../../src/core/time.ts";

const FPS = 30;
const WALL_OFFSET = 1_700_000_000_000.25;
const START = 5000;
const extensions = { mid: 4, absSendTime: 2, transportCc: 3, audioLevel: 1 };
const AUDIO = { codec: opus, ssrc: 0xa0, payloadType: 111, mid: "0", extensions };
const VIDEO = {
  codec: vp8,
  ssrc: 0xb0,
  payloadType: 96,
  rtx: { ssrc: 0xb1, payloadType: 97 },
  mid: "1",
  extensions,
};

type Clip = { index: SampleIndex; bytes: { audio: Uint8Array[]; video: Uint8Array[] } };

/** A clip whose frames are random octets behind a valid frame header. */
function clip(
  o: { seconds?: number; gop?: number; keySize?: number; size?: number; codec?: Codec } = {},
): Clip {
  const random = seededRandom(42);
  const noise = (n: number) => Uint8Array.from({ length: n }, () => 1 + randomInt(random, 255));
  const seconds = o.seconds ?? 4;
  const video = Array.from({ length: seconds * FPS }, (_, i) => {
    const keyframe = i % (o.gop ?? FPS) === 0;
    const data = noise((keyframe ? (o.keySize ?? 9000) : (o.size ?? 1500)) + (i % 50));
    if (o.codec === h264) {
      // Keyframe: SPS (320x240), PPS and IDR; else one non-IDR slice.
      const head = keyframe
        ? [
            0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1e, 0xda, 0x05, 0x07, 0xe4, 0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80, 0,
            0, 0, 1, 0x65,
          ]
        : [0, 0, 0, 1, 0x41];
      return Uint8Array.from([...head, ...data]);
    }
    data.set(keyframe ? [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00] : [0x11]);
    return data;
  });
  const audio = Array.from({ length: seconds * 50 }, (_, i) => {
    const data = noise(60 + (i % 20));
    data[0] = 0xf8;
    return data;
  });
  return {
    index: {
      video: video.map((d, i) => ({
        time: Math.round((i * 1e6) / FPS),
        size: d.length,
        keyframe: i % (o.gop ?? FPS) === 0,
      })),
      audio: audio.map((d, i) => ({ time: i * 20_000, size: d.length, audioLevel: 20 + (i % 5) })),
      durationUs: seconds * 1e6,
    },
    bytes: { audio, video },
  };
}

type Sent = { at: number; bytes: Uint8Array };

/** A sender driven by its own deadlines in virtual time, and everything it sent. */
class Run {
  readonly sender: MediaSender;
  readonly sent: Sent[] = [];
  readonly frames: FrameSent[] = [];
  readonly clip: Clip;
  now = START;

  constructor(c: Clip, o: Partial<MediaSenderOptions> = {}) {
    this.clip = c;
    this.sender = new MediaSender({
      index: c.index,
      audio: AUDIO,
      video: VIDEO,
      read: (track, i) => c.bytes[track][i] ?? new Uint8Array(0),
      cname: "tester",
      start: millis(START),
      wallOffsetMs: WALL_OFFSET,
      random: seededRandom(1),
      onFrameSent: (f) => this.frames.push(f),
      ...o,
    });
  }

  drain(): void {
    const now = millis(this.now);
    for (let b = this.sender.poll(now); b; b = this.sender.poll(now))
      this.sent.push({ at: this.now, bytes: b });
  }

  /** Runs until `to` milliseconds after the start. */
  until(to: number): this {
    for (;;) {
      this.drain();
      const next = this.sender.deadline;
      if (next === undefined || next > START + to) break;
      expect(next).toBeGreaterThan(this.now);
      this.now = next;
    }
    this.now = START + to;
    return this;
  }

  rtcp(bytes: Uint8Array): void {
    this.sender.onRtcp(bytes, millis(this.now));
    this.drain();
  }

  rtp(ssrc: number): { at: number; v: RtpView }[] {
    return this.sent
      .filter((s) => !isRtcp(s.bytes))
      .map((s) => {
        const v = emptyRtpView();
        expect(parseRtp(s.bytes, v)).toBe(true);
        return { at: s.at, v };
      })
      .filter((p) => p.v.ssrc === ssrc);
  }

  get reports(): Sent[] {
    return this.sent.filter((s) => isRtcp(s.bytes));
  }
}

/** Joins packets to frames by timestamp. Video still under way (no marker yet) is left out. */
function frames(
  packets: { v: RtpView }[],
  codec: Codec,
): { timestamp: number; data: Uint8Array; keyframe: boolean }[] {
  const groups = new Map<number, RtpView[]>();
  for (const { v } of packets) groups.set(v.timestamp, [...(groups.get(v.timestamp) ?? []), v]);
  const depacketizer = codec.depacketizer();
  return [...groups]
    .filter(([, views]) => codec.kind === "audio" || views.at(-1)?.marker)
    .map(([timestamp, views]) => {
      const f = depacketizer.join(views.map(payloadOf));
      if (!f) throw new Error(`the frame at ${timestamp} does not join`);
      return { timestamp, data: f.data, keyframe: f.keyframe };
    });
}

/** Hand-made RTCP from the other side. */
const words = (...w: number[]) =>
  Uint8Array.from(w.flatMap((x) => [x >>> 24, (x >>> 16) & 255, (x >>> 8) & 255, x & 255]));
const pli = (media: number) => words(0x81ce0002, 0xcc, media);
const fir = (media: number, seq: number) => words(0x84ce0004, 0xcc, 0, media, seq << 24);
const nack = (media: number, ...pids: number[]) =>
  words((0x81cd << 16) | (2 + pids.length), 0xcc, media, ...pids.map((p) => p << 16));
const receiverReport = (ssrc: number, lost: number, highest: number, lsr = 0, dlsr = 0) =>
  words(0x81c90007, 0xcc, ssrc, (lost << 24) | 5, highest, 45, lsr, dlsr);

describe("what a synthetic participant sends", () => {
  it.each([
    ["VP8", vp8],
    ["H.264", h264],
  ])(
    "is %s and Opus that joins to the bytes of the clip, frame by frame, over the loop boundary",
    (_n, codec) => {
      for (const maxPacket of [300, 731, 1200]) {
        const c = clip({ codec, seconds: 1 });
        const run = new Run(c, { video: { ...VIDEO, codec }, maxPacket }).until(2500);
        const video = frames(run.rtp(0xb0), codec);
        expect(video.length).toBeGreaterThanOrEqual(74);
        for (const [i, f] of video.entries())
          if (Buffer.compare(f.data, c.bytes.video[i % FPS] ?? f.data))
            throw new Error(`video frame ${i} differs`);
        const audio = frames(run.rtp(0xa0), opus);
        expect(audio).toHaveLength(126);
        for (const [i, f] of audio.entries())
          if (Buffer.compare(f.data, c.bytes.audio[i % 50] ?? f.data))
            throw new Error(`audio frame ${i} differs`);
        for (const p of run.sent) expect(p.bytes.length).toBeLessThanOrEqual(maxPacket);
      }
    },
  );

  it("is numbered without gaps and timed at 90 and 48 kHz", () => {
    const run = new Run(clip()).until(3000);
    for (const ssrc of [0xa0, 0xb0]) {
      const p = run.rtp(ssrc);
      for (let i = 1; i < p.length; i++) expect(p[i]?.v.seq).toBe(((p[i - 1]?.v.seq ?? 0) + 1) & 0xffff);
    }
    const audio = run.rtp(0xa0).map((p) => p.v.timestamp);
    for (let i = 1; i < audio.length; i++) expect(((audio[i] ?? 0) - (audio[i - 1] ?? 0)) >>> 0).toBe(960);
    const video = [...new Set(run.rtp(0xb0).map((p) => p.v.timestamp))];
    for (let i = 1; i < video.length; i++) expect(((video[i] ?? 0) - (video[i - 1] ?? 0)) >>> 0).toBe(3000);
    expect(run.rtp(0xa0).map((p) => p.v.marker)).toEqual([true, ...Array(audio.length - 1).fill(false)]);
  });

  it("leaves evenly: audio on time, video paced, never a keyframe at once", () => {
    const run = new Run(clip({ keySize: 60_000, size: 2000 })).until(4000);
    for (const [i, p] of run.rtp(0xa0).entries()) expect(p.at).toBeCloseTo(START + i * 20, 6);
    const perInstant = new Map<number, number>();
    const perTenMs = new Map<number, number>();
    for (const p of run.rtp(0xb0)) {
      perInstant.set(p.at, (perInstant.get(p.at) ?? 0) + 1);
      const bin = Math.floor(p.at / 10);
      perTenMs.set(bin, (perTenMs.get(bin) ?? 0) + p.v.buf.length);
    }
    expect(Math.max(...perInstant.values())).toBeLessThanOrEqual(2);
    const allowed = (run.sender.targetBps * 2.5 * 10) / 8000;
    expect(Math.max(...perTenMs.values())).toBeLessThanOrEqual(allowed + 2 * 1200);
    expect(run.sender.stats().targetBps).toBeGreaterThan(900_000);
  });

  it("is logged when the last packet of a frame has left", () => {
    const run = new Run(clip()).until(2000);
    const video = run.frames.filter((f) => f.track === "video");
    const last = new Map<number, number>();
    for (const p of run.rtp(0xb0)) last.set(p.v.timestamp, p.at);
    expect(video.map((f) => f.now)).toEqual([...last.values()].slice(0, video.length));
    expect(video.map((f) => f.index)).toEqual(video.map((_, i) => i));
    const stats = run.sender.stats();
    expect(stats.tracks.map((t) => [t.kind, t.frames, t.keyframes])).toEqual([
      ["audio", run.frames.length - video.length, 0],
      ["video", video.length, video.filter((f) => f.keyframe).length],
    ]);
  });

  it("carries consecutive transport-wide numbers over both streams, and the time of sending", () => {
    const run = new Run(clip()).until(1500);
    const rtp = run.sent.filter((s) => !isRtcp(s.bytes));
    const numbers = rtp.map((s) => u16(s.bytes, 21));
    numbers.forEach((n, i) => {
      expect(n).toBe(((numbers[0] ?? 0) + i) & 0xffff);
    });
    for (const s of rtp) {
      const seconds = (((u8(s.bytes, 17) << 16) | u16(s.bytes, 18)) / 2 ** 18) as number;
      const expected = ((s.at + WALL_OFFSET) / 1000 + 2_208_988_800) % 64;
      expect(Math.abs(seconds - expected)).toBeLessThan(0.0001);
    }
  });

  it("drops what a stall missed and resumes with a keyframe", () => {
    const run = new Run(clip({ gop: 60 })).until(1000);
    run.now = START + 4321;
    run.until(5500);
    expect(run.sender.stats().stalls).toBe(1);
    const [first] = run.frames.filter((f) => f.track === "video" && f.mediaTimeUs > 1_100_000);
    expect(first?.keyframe).toBe(true);
    expect(first?.mediaTimeUs).toBeGreaterThanOrEqual(4_321_000);
    const resumed = run.rtp(0xa0).filter((p) => p.at > START + 1000);
    expect(resumed[0]?.v.marker).toBe(true);
    expect(resumed[1]?.v.marker).toBe(false);
  });

  it("sends only what was negotiated", () => {
    const run = new Run(clip(), { video: undefined }).until(1000);
    expect(run.rtp(0xb0)).toHaveLength(0);
    expect(run.rtp(0xa0)).toHaveLength(51);
  });
});

describe("sender reports", () => {
  it("come within 500 ms and then every second, with NTP and RTP time of the same instant", () => {
    const run = new Run(clip()).until(10_000);
    for (const [ssrc, rate] of [
      [0xa0, 48_000],
      [0xb0, 90_000],
    ] as const) {
      const reports = run.reports.filter((r) => u8(r.bytes, 1) === 200 && u32(r.bytes, 4) === ssrc);
      expect(reports.length).toBeGreaterThanOrEqual(10);
      expect((reports[0]?.at ?? 0) - START).toBeLessThanOrEqual(500);
      const rtp = run.rtp(ssrc);
      const origin = rtp[0]?.v.timestamp ?? 0;
      for (const [i, r] of reports.entries()) {
        if (i > 0) expect(r.at - (reports[i - 1]?.at ?? 0)).toBeCloseTo(1000, 6);
        const wall = (u32(r.bytes, 8) - 2_208_988_800) * 1000 + (u32(r.bytes, 12) * 1000) / 2 ** 32;
        expect(Math.abs(wall - (r.at + WALL_OFFSET))).toBeLessThan(0.001);
        const ticks = (u32(r.bytes, 16) - origin) | 0;
        expect(Math.abs(ticks - ((r.at - START) * rate) / 1000)).toBeLessThanOrEqual(1);
        const sent = rtp.filter((p) => p.at < r.at);
        expect(u32(r.bytes, 20)).toBe(sent.length);
        expect(u32(r.bytes, 24)).toBe(sent.reduce((n, p) => n + payloadOf(p.v).length, 0));
        expect(Buffer.from(r.bytes).includes("tester")).toBe(true);
      }
    }
  });

  it("end with BYE for every SSRC, and nothing follows", () => {
    const run = new Run(clip()).until(700);
    const bye = run.sender.stop(millis(run.now));
    const byeSsrcs = bye.map((b) => {
      let i = 0;
      const types: number[] = [];
      while (i < b.length) {
        types.push(u8(b, i + 1));
        i += 4 * (u16(b, i + 2) + 1);
      }
      expect(i).toBe(b.length);
      expect(types.at(-1)).toBe(203);
      return types;
    });
    expect(byeSsrcs).toEqual([
      [200, 202, 203],
      [200, 202, 203],
    ]);
    expect(run.sender.poll(millis(run.now + 1000))).toBeUndefined();
    expect(run.sender.deadline).toBeUndefined();
    expect(run.sender.stop(millis(run.now))).toEqual([]);
  });

  it("answer a reference time with DLRR in the next report", () => {
    const run = new Run(clip()).until(600);
    // XR of 0xcc with a receiver reference time block.
    run.rtcp(words(0x80cf0004, 0xcc, 0x04000002, 0x00011234, 0x56780000));
    const asked = run.now;
    run.until(3500);
    const withXr = run.reports.filter((r) => r.at > asked).map((r) => ({ r, i: findType(r.bytes, 207) }));
    const answers = withXr.filter((x) => x.i >= 0);
    expect(answers).toHaveLength(1);
    const { r, i } = answers[0] ?? { r: { at: 0, bytes: new Uint8Array(0) }, i: 0 };
    expect(u8(r.bytes, i + 8)).toBe(5);
    expect(u32(r.bytes, i + 12)).toBe(0xcc);
    expect(u32(r.bytes, i + 16)).toBe(0x12345678);
    expect(Math.abs(u32(r.bytes, i + 20) / 65.536 - (r.at - asked))).toBeLessThan(0.1);
  });
});

/** Offset of the first RTCP packet of a type in a compound, or -1. */
function findType(b: Uint8Array, type: number): number {
  for (let i = 0; i + 4 <= b.length; i += 4 * (u16(b, i + 2) + 1)) if (u8(b, i + 1) === type) return i;
  return -1;
}

describe("feedback from the other side", () => {
  it.each([
    ["PLI", () => pli(0xb0)],
    ["FIR", () => fir(0xb0, 9)],
  ])("%s: a keyframe starts within 300 ms and is complete soon after", (_n, request) => {
    const random = seededRandom(3);
    for (let round = 0; round < 10; round++) {
      const c = clip({ seconds: 4, gop: 120, keySize: 20_000 });
      const run = new Run(c).until(500 + randomInt(random, 3000));
      const asked = run.now;
      run.rtcp(request());
      run.until(asked - START + 400);
      const key = run.frames.find((f) => f.track === "video" && f.keyframe && f.now > asked);
      expect(key?.now ?? Number.NaN).toBeLessThan(asked + 300);
    }
  });

  it("keeps sound and picture together through 30 requests", () => {
    const c = clip({ seconds: 4, gop: 45 });
    const run = new Run(c);
    for (let i = 0; i < 30; i++) {
      run.until(400 + i * 437);
      run.rtcp(pli(0xb0));
    }
    run.until(400 + 31 * 437);
    const shift = (track: "audio" | "video") =>
      run.frames
        .filter((f) => f.track === track)
        .map((f) => ({
          at: f.mediaTimeUs,
          shift: f.loop * c.index.durationUs + (c.index[track]?.[f.index]?.time ?? 0) - f.mediaTimeUs,
        }));
    const video = shift("video");
    for (const a of shift("audio")) {
      const v = video.findLast((x) => x.at <= a.at);
      if (v) expect(Math.abs(a.shift - v.shift)).toBeLessThanOrEqual(1);
    }
    expect(video.at(-1)?.shift).toBeGreaterThan(5e6);
    expect(run.sender.stats().tracks[1]?.pliCount).toBe(30);
  });

  it("repeats lost packets on the RTX stream until the media equals the original", () => {
    const c = clip({ seconds: 2 });
    const run = new Run(c);
    const random = seededRandom(9);
    const got = new Map<number, { v: RtpView }>();
    const missing = new Set<number>();
    let repeats = 0;
    let seen = 0;
    for (let t = 0; t <= 2500; t += 20) {
      run.until(t);
      for (const s of run.sent.slice(seen)) {
        const v = emptyRtpView();
        if (isRtcp(s.bytes) || !parseRtp(s.bytes, v) || v.ssrc === 0xa0) continue;
        if (v.ssrc === 0xb1) repeats++;
        if (random() < 0.12) {
          if (v.ssrc === 0xb0) missing.add(v.seq);
        } else if (v.ssrc === 0xb0) got.set(v.seq, { v });
        else {
          const seq = u16(payloadOf(v), 0);
          expect(missing.delete(seq)).toBe(true);
          got.set(seq, { v: { ...v, seq, payloadOffset: v.payloadOffset + 2 } });
        }
      }
      seen = run.sent.length;
      if (missing.size > 0) run.rtcp(nack(0xb0, ...missing));
    }
    const whole = [...got.values()].sort((a, b) => a.v.seq - b.v.seq);
    const joined = frames(whole, vp8);
    expect(joined.length).toBeGreaterThan(60);
    for (const [i, f] of joined.slice(0, 60).entries())
      if (Buffer.compare(f.data, c.bytes.video[i] ?? f.data)) throw new Error(`frame ${i} differs`);
    const video = run.sender.stats().tracks[1];
    expect(repeats).toBeGreaterThan(15);
    expect(video?.retransmittedPackets).toBeGreaterThanOrEqual(repeats);
    expect(video?.nack.cooling).toBeGreaterThan(0);
  });

  it("stops naming the MID once a receiver reports on the stream, except on keyframes", () => {
    const run = new Run(clip()).until(300);
    run.rtcp(receiverReport(0xb0, 0, 1));
    run.until(1500);
    const map = new ExtensionMap(new Map([[4, ExtensionUri.mid]]));
    const out = noExtensions();
    const named = (p: { v: RtpView }) => map.read(p.v, out) && out.mid !== undefined;
    const video = run.rtp(0xb0);
    const keyStamps = new Set(
      frames(video, vp8)
        .filter((f) => f.keyframe)
        .map((f) => f.timestamp),
    );
    const origin = video[0]?.v.timestamp ?? 0;
    for (const p of video) {
      const mediaMs = ((p.v.timestamp - origin) >>> 0) / 90;
      expect(named(p)).toBe(mediaMs <= 300 || keyStamps.has(p.v.timestamp));
    }
    expect(keyStamps.size).toBe(2);
    expect(run.rtp(0xa0).every(named)).toBe(true);
  });

  it("takes loss, jitter and round trip from receiver reports", () => {
    const run = new Run(clip()).until(2000);
    const sr = run.reports.findLast((r) => u32(r.bytes, 4) === 0xb0);
    if (!sr) throw new Error("no sender report");
    const lsr = ((u16(sr.bytes, 10) << 16) | u16(sr.bytes, 12)) >>> 0;
    run.now = sr.at + 80;
    run.until(run.now - START);
    run.rtcp(receiverReport(0xb0, 128, 1, lsr, Math.round(0.05 * 65_536)));
    const video = run.sender.stats().tracks[1];
    expect(video?.rttMs).toBeCloseTo(30, 0);
    expect(video).toMatchObject({ fractionLost: 0.5, packetsLost: 5, jitterMs: 0.5 });
  });

  it("ignores requests about other streams, and garbage", () => {
    const run = new Run(clip({ gop: 120 })).until(1000);
    run.rtcp(pli(0x77));
    run.rtcp(fir(0x77, 1));
    run.rtcp(nack(0x77, 1, 2, 3));
    const random = seededRandom(77);
    for (let i = 0; i < 5000; i++) {
      const b = Uint8Array.from({ length: randomInt(random, 80) }, () => randomInt(random, 256));
      if (b.length > 1) {
        b[0] = 0x80 | randomInt(random, 32);
        b[1] = 200 + randomInt(random, 8);
      }
      run.sender.onRtcp(b, millis(run.now));
    }
    run.until(1500);
    expect(run.rtp(0xb1)).toHaveLength(0);
    expect(run.sender.stats().tracks[1]).toMatchObject({ pliCount: 0, firCount: 0 });
    expect(run.frames.filter((f) => f.keyframe && f.track === "video")).toHaveLength(1);
  });
});
