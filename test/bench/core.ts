import { MatroskaWriter } from "../../src/core/containers/matroska/writer.ts";
import { emptyRtpView, parseRtp } from "../../src/core/rtp/packet.ts";
import { millis } from "../../src/core/time.ts";
import { type ClipCodec, makeClip } from "./clip.ts";
import { againstPeer, type MeasureOptions, measure, type Subject } from "./measure.ts";
import { mediaOf, RTP_JS, rtpJsParse, WERIFT, weriftReceive } from "./peers.ts";
import {
  type Arrival,
  freshArrivals,
  newReceiver,
  newSender,
  recordTrace,
  replay,
  type Trace,
} from "./trace.ts";

/** One line of the report. */
export type Figure = { readonly name: string } & Readonly<Record<string, number | string>>;

/** Lengths of the clips: a run takes some milliseconds, less than a turn on a shared core. */
const VIDEO_SECONDS = 15;
const AUDIO_SECONDS = 90;
const LOSS = 0.02;

/** Parse, demultiplex, count, ask again, assemble, depacketize and place: everything a packet costs the core. */
export function receivePath(codec: ClipCodec, o: MeasureOptions): Figure {
  const seconds = codec === "opus" ? AUDIO_SECONDS : VIDEO_SECONDS;
  const trace = recordTrace(makeClip(codec, seconds), codec, 0);
  const [ours, theirs] = measure([receive(trace), weriftReceive(trace)], o);
  if (!ours || !theirs) throw new Error("not measured");
  return {
    name: `receive-path/${codec}`,
    nsPerPacket: Math.round(ours.median),
    minNsPerPacket: Math.round(ours.min),
    packets: ours.units,
    ...againstPeer(ours, WERIFT, theirs),
  };
}

/** The same with 2 % loss, repaired by RTX. */
export function receivePathWithLoss(codec: "vp8" | "h264", o: MeasureOptions): Figure {
  const trace = recordTrace(makeClip(codec, VIDEO_SECONDS), codec, LOSS);
  const [ours] = measure([receive(trace)], o);
  if (!ours) throw new Error("not measured");
  return {
    name: `receive-path/${codec}-loss2-rtx`,
    nsPerPacket: Math.round(ours.median),
    minNsPerPacket: Math.round(ours.min),
    packets: ours.units,
    rtxPackets: trace.arrivals.filter((a) => a.kind === "rtx").length,
  };
}

/** Header and nothing else. */
export function parse(o: MeasureOptions): Figure {
  const trace = recordTrace(makeClip("vp8", VIDEO_SECONDS), "vp8", 0);
  const packets = mediaOf(trace);
  const view = emptyRtpView();
  const subject: Subject = {
    run: () => {
      let sum = 0;
      for (const b of packets) if (parseRtp(b, view)) sum += view.seq + view.payloadEnd - view.payloadOffset;
      if (sum === 0) throw new Error("nothing was parsed");
      return packets.length;
    },
  };
  const [ours, theirs] = measure([subject, rtpJsParse(trace)], o);
  if (!ours || !theirs) throw new Error("not measured");
  return {
    name: "parse/rtp",
    nsPerPacket: Math.round(ours.median),
    minNsPerPacket: Math.round(ours.min),
    packets: ours.units,
    ...againstPeer(ours, RTP_JS, theirs),
  };
}

/** Packetize, number, pace, stamp and remember: what a packet costs before it is encrypted. */
export function sendPath(o: MeasureOptions): Figure {
  const clip = makeClip("vp8", VIDEO_SECONDS);
  const end = 1000 + VIDEO_SECONDS * 1000;
  const subject: Subject = {
    run: () => {
      const sender = newSender(clip, "vp8", 7);
      let packets = 0;
      for (let due = sender.deadline; due !== undefined && due < end; due = sender.deadline) {
        const now = millis(Math.max(due, 1000));
        for (let p = sender.poll(now); p; p = sender.poll(now)) packets++;
      }
      return packets;
    },
  };
  const [ours] = measure([subject], o);
  if (!ours) throw new Error("not measured");
  return {
    name: "send-path/vp8",
    nsPerPacket: Math.round(ours.median),
    minNsPerPacket: Math.round(ours.min),
    packets: ours.units,
  };
}

/** One block of video or audio into Matroska, clusters and cues included, the disk not. */
export function matroskaWrite(o: MeasureOptions): Figure {
  const video = makeClip("vp8", VIDEO_SECONDS);
  const audio = makeClip("opus", VIDEO_SECONDS);
  const blocks = [
    ...(video.index.video ?? []).map((s, i) => ({ ...s, track: 1, data: video.frames[i] })),
    ...(audio.index.audio ?? []).map((s, i) => ({ ...s, keyframe: true, track: 2, data: audio.frames[i] })),
  ].sort((a, b) => a.time - b.time);
  const subject: Subject = {
    run: () => {
      const w = new MatroskaWriter("webm", [
        {
          number: 1,
          codecId: "V_VP8",
          kind: "video",
          width: 1280,
          height: 720,
          defaultDurationNs: 33_333_333,
        },
        { number: 2, codecId: "A_OPUS", kind: "audio", sampleRate: 48_000, channels: 2 },
      ]);
      w.header();
      for (const b of blocks) {
        if (b.data) w.block(b.track, Math.round(b.time / 1000), 20, b.keyframe, b.data);
      }
      w.finish();
      return blocks.length;
    },
  };
  const [ours] = measure([subject], o);
  if (!ours) throw new Error("not measured");
  return {
    name: "matroska/write",
    nsPerBlock: Math.round(ours.median),
    minNsPerBlock: Math.round(ours.min),
    blocks: ours.units,
  };
}

/** A trace through a fresh receiver every time. What comes out must be the same every time. */
function receive(trace: Trace): Subject {
  let arrivals: Arrival[] = [];
  let receiver = newReceiver(trace.media);
  const expected = replay(receiver, freshArrivals(trace));
  if (expected.frames === 0) throw new Error("no frame came out");
  return {
    prepare: () => {
      arrivals = freshArrivals(trace);
      receiver = newReceiver(trace.media);
    },
    run: () => {
      const { frames } = replay(receiver, arrivals);
      if (frames !== expected.frames) throw new Error(`${frames} frames instead of ${expected.frames}`);
      return trace.packets;
    },
  };
}
