import { RtpPacket as ParsedPacket } from "rtp.js/packets";
import { type DepacketizerCodec, dePacketizeRtpPackets, RtpPacket } from "werift-rtp";
import type { CodecName } from "../../src/core/frame.ts";
import type { Subject } from "./measure.ts";
import type { Trace } from "./trace.ts";

/** What the figures are compared with. */
export const WERIFT = "werift-rtp 0.8.9";
export const RTP_JS = "rtp.js 0.15.5: parse";

/** What werift-rtp can depacketize. */
const codecs: Partial<Record<CodecName, DepacketizerCodec>> = {
  vp8: "VP8",
  vp9: "VP9",
  h264: "MPEG4/ISO/AVC",
  av1: "AV1",
  opus: "OPUS",
};

/** The media packets of a trace through werift's parser and depacketizer, a frame at every marker; undefined: it lacks the codec. */
export function weriftReceive(trace: Trace): Subject | undefined {
  const codec = codecs[trace.codec];
  if (!codec) return undefined;
  const packets = buffersOf(trace);
  return {
    run: () => {
      let frame: RtpPacket[] = [];
      let bytes = 0;
      for (const b of packets) {
        const packet = RtpPacket.deSerialize(b);
        frame.push(packet);
        if (codec !== "OPUS" && !packet.header.marker) continue;
        bytes += dePacketizeRtpPackets(codec, frame).data.length;
        frame = [];
      }
      if (bytes === 0) throw new Error("werift-rtp gave nothing");
      return packets.length;
    },
  };
}

/** The same without parsing. */
export function weriftDepacketize(trace: Trace): Subject | undefined {
  const codec = codecs[trace.codec];
  if (!codec) return undefined;
  const packets = buffersOf(trace).map((b) => RtpPacket.deSerialize(b));
  return {
    run: () => {
      let frame: RtpPacket[] = [];
      let bytes = 0;
      for (const packet of packets) {
        frame.push(packet);
        if (codec !== "OPUS" && !packet.header.marker) continue;
        bytes += dePacketizeRtpPackets(codec, frame).data.length;
        frame = [];
      }
      if (bytes === 0) throw new Error("werift-rtp gave nothing");
      return packets.length;
    },
  };
}

/** The media packets of a trace through werift's parser alone. */
export function weriftParse(trace: Trace): Subject {
  const packets = buffersOf(trace);
  return {
    run: () => {
      let sum = 0;
      for (const b of packets) sum += RtpPacket.deSerialize(b).payload.length;
      if (sum === 0) throw new Error("werift-rtp gave nothing");
      return packets.length;
    },
  };
}

/** The media packets of a trace through rtp.js's parser. */
export function rtpJsParse(trace: Trace): Subject {
  const packets = mediaOf(trace);
  return {
    run: () => {
      let sum = 0;
      for (const b of packets) {
        const packet = new ParsedPacket(new DataView(b.buffer, b.byteOffset, b.length));
        sum += packet.getSequenceNumber() + packet.getPayload().byteLength;
      }
      if (sum === 0) throw new Error("rtp.js gave nothing");
      return packets.length;
    },
  };
}

function buffersOf(trace: Trace): Buffer[] {
  return mediaOf(trace).map((b) => Buffer.from(b.buffer, b.byteOffset, b.length));
}

/** The bytes of a trace's media packets. */
export function mediaOf(trace: Trace): Uint8Array[] {
  return trace.arrivals.filter((a) => a.kind === "media").map((a) => a.bytes);
}
