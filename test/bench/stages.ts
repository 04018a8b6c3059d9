import { codecByName } from "../../src/core/codecs/registry.ts";
import type { AssembledFrame, MediaPacket } from "../../src/core/media/assembled-frame.ts";
import { FrameAssembler } from "../../src/core/media/assembler.ts";
import { RtpDemuxer } from "../../src/core/rtp/demux.ts";
import { emptyRtpView, parseRtp, payloadOf, type RtpView } from "../../src/core/rtp/packet.ts";
import { Reception } from "../../src/core/rtp/reception.ts";
import { SequenceLedger } from "../../src/core/rtp/sequence-ledger.ts";
import type { NegotiatedMedia } from "../../src/core/sdp/negotiated.ts";
import { millis } from "../../src/core/time.ts";
import type { Clip } from "./clip.ts";
import type { Subject } from "./measure.ts";
import type { Trace } from "./trace.ts";

/** The parts of the receive path, and the packetizer, each on its own. */
export const stageNames = ["parse", "demux", "count", "depacketize", "assemble", "packetize"] as const;

/** One of them. */
export type StageName = (typeof stageNames)[number];

type Prepared = { readonly view: RtpView; readonly packet: MediaPacket };

/** One stage on the media packets of a trace; a unit is a packet. */
export function stage(name: StageName, trace: Trace, clip: Clip): Subject {
  const codec = codecByName(trace.codec);
  if (!codec) throw new Error(`no codec ${trace.codec}`);
  const list = prepare(trace);
  const frames = byFrame(list);
  switch (name) {
    case "parse": {
      const view = emptyRtpView();
      return units(list.length, () => {
        let n = 0;
        for (const p of list) if (parseRtp(p.view.buf, view)) n += view.payloadEnd;
        return n;
      });
    }
    case "demux": {
      const demux = new RtpDemuxer<NegotiatedMedia>();
      demux.update(trace.media);
      return units(list.length, () => {
        let n = 0;
        for (const p of list) if (typeof demux.route(p.view) !== "string") n++;
        return n;
      });
    }
    case "count":
      return units(list.length, () => {
        const reception = new Reception(1, codec.clockRate);
        const ledger = new SequenceLedger();
        for (const { view, packet } of list) {
          const seq = reception.push(view.seq, view.timestamp, packet.arrival);
          if (seq !== undefined) ledger.onPacket(seq);
        }
        return ledger.snapshot().received;
      });
    case "depacketize": {
      const depacketizer = codec.depacketizer();
      return units(list.length, () => {
        let n = 0;
        for (const payloads of frames) {
          for (const p of payloads) if (!depacketizer.inspect(p)) throw new Error("a payload was refused");
          n += depacketizer.join(payloads)?.data.length ?? 0;
        }
        return n;
      });
    }
    case "assemble":
      return units(list.length, () => {
        const assembler = new FrameAssembler({ codec });
        let n = 0;
        const take = (f: AssembledFrame | undefined) => {
          if (f) n += f.data.length;
          return f;
        };
        for (const { packet } of list) {
          assembler.push(packet, packet.arrival);
          while (take(assembler.poll(packet.arrival)));
        }
        assembler.flush();
        while (take(assembler.poll(millis(1e9))));
        return n;
      });
    case "packetize": {
      const packetizer = codec.packetizer();
      const samples = clip.index.video ?? clip.index.audio ?? [];
      const keyframes = samples.map((s) => !("keyframe" in s) || s.keyframe === true);
      const packets = clip.frames.reduce(
        (n, f, i) =>
          n + packetizer.packetize(f, { keyframe: keyframes[i] === true, maxPayload: 1100 }).length,
        0,
      );
      return units(packets, () => {
        let n = 0;
        for (const [i, f] of clip.frames.entries())
          n += packetizer.packetize(f, { keyframe: keyframes[i] === true, maxPayload: 1100 }).length;
        return n;
      });
    }
  }
}

function units(n: number, run: () => number): Subject {
  return {
    run: () => {
      if (run() === 0) throw new Error("the stage gave nothing");
      return n;
    },
  };
}

function prepare(trace: Trace): Prepared[] {
  let rtpTime = 0;
  let last: number | undefined;
  return trace.arrivals
    .filter((a) => a.kind === "media")
    .map((a, i) => {
      const view = emptyRtpView();
      if (!parseRtp(a.bytes, view)) throw new Error("the trace holds no packet");
      if (last !== undefined) rtpTime += (view.timestamp - last) | 0;
      last = view.timestamp;
      const packet = {
        extSeq: 65_536 + i,
        rtpTime,
        marker: view.marker,
        payload: payloadOf(view),
        arrival: a.at,
      };
      return { view, packet };
    });
}

function byFrame(list: readonly Prepared[]): Uint8Array[][] {
  const out = new Map<number, Uint8Array[]>();
  for (const { packet } of list) {
    const payloads = out.get(packet.rtpTime) ?? [];
    payloads.push(packet.payload);
    out.set(packet.rtpTime, payloads);
  }
  return [...out.values()];
}
