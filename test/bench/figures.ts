import { MatroskaWriter } from "../../src/core/containers/matroska/writer.ts";
import type { CodecName } from "../../src/core/frame.ts";
import { millis } from "../../src/core/time.ts";
import { makeClip } from "./clip.ts";
import { garbage } from "./garbage.ts";
import { againstPeer, type MeasureOptions, measure, type Subject, type Timing } from "./measure.ts";
import { RTP_JS, rtpJsParse, WERIFT, weriftDepacketize, weriftParse, weriftReceive } from "./peers.ts";
import { type StageName, stage } from "./stages.ts";
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

/** How figures are measured. */
export type BenchOptions = MeasureOptions & { readonly collect: () => void };

/** Lengths of the clips: a run takes some milliseconds, less than a turn on a shared core. */
const VIDEO_SECONDS = 15;
const AUDIO_SECONDS = 90;
const LOSS = 0.02;

const seconds = (codec: CodecName) => (makeClip(codec, 1).index.video ? VIDEO_SECONDS : AUDIO_SECONDS);

/** Parse, demultiplex, count, ask again, assemble, depacketize and place: everything a packet costs the core. */
export function receivePath(codec: CodecName, o: BenchOptions): Figure {
  const trace = recordTrace(makeClip(codec, seconds(codec)), codec, 0);
  return compared(`receive-path/${codec}`, receive(trace), WERIFT, weriftReceive(trace), o);
}

/** The same with 2 % loss, repaired by RTX. */
export function receivePathWithLoss(codec: CodecName, o: BenchOptions): Figure {
  const trace = recordTrace(makeClip(codec, VIDEO_SECONDS), codec, LOSS);
  const figure = compared(`receive-path/${codec}-loss2-rtx`, receive(trace), "", undefined, o);
  return { ...figure, rtxPackets: trace.arrivals.filter((a) => a.kind === "rtx").length };
}

/** One part of the receive path, or the packetizer. */
export function stageOf(name: StageName, codec: CodecName, o: BenchOptions): Figure {
  const clip = makeClip(codec, seconds(codec));
  const trace = recordTrace(clip, codec, 0);
  const subject = stage(name, trace, clip);
  if (name === "parse") return compared(`${name}/${codec}`, subject, RTP_JS, rtpJsParse(trace), o);
  const peer = name === "depacketize" ? weriftDepacketize(trace) : undefined;
  return compared(`${name}/${codec}`, subject, WERIFT, peer, o);
}

/** What werift-rtp does of the receive path, on VP8. */
export function werift(name: "parse" | "depacketize" | "receive-path", o: BenchOptions): Figure {
  const trace = recordTrace(makeClip("vp8", VIDEO_SECONDS), "vp8", 0);
  const subjects = { parse: weriftParse, depacketize: weriftDepacketize, "receive-path": weriftReceive };
  const subject = subjects[name](trace);
  if (!subject) throw new Error("werift-rtp lacks VP8");
  return { ...compared(`werift/${name}`, subject, "", undefined, o), codec: "vp8" };
}

/** Time and garbage of `ours` per packet; the same of a peer in the same run, where there is one. */
function compared(
  name: string,
  ours: Subject,
  peer: string,
  theirs: Subject | undefined,
  o: BenchOptions,
): Figure {
  const timings = measure(theirs ? [ours, theirs] : [ours], o);
  const [own, other] = timings as [Timing, Timing | undefined];
  return {
    name,
    nsPerPacket: Math.round(own.median),
    minNsPerPacket: Math.round(own.min),
    packets: own.units,
    ...garbage(ours, o),
    ...(other ? againstPeer(own, peer, other) : {}),
  };
}

/** Packetize, number, pace, stamp and remember: what a packet costs before it is encrypted. */
export function sendPath(o: BenchOptions): Figure {
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
  return compared("send-path/vp8", subject, "", undefined, o);
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
