import type { Mesh } from "./mesh.ts";

/** Counters of one RTP stream, as webrtc-stats names them; `peer` is the other side. */
export type StreamStats = {
  peer: string;
  type: "outbound-rtp" | "inbound-rtp";
  kind: string;
  mid: string | undefined;
  [counter: string]: unknown;
};

const counters = [
  "ssrc",
  "rid",
  "active",
  "bytesSent",
  "packetsSent",
  "framesEncoded",
  "framesSent",
  "keyFramesEncoded",
  "targetBitrate",
  "frameWidth",
  "frameHeight",
  "framesPerSecond",
  "encoderImplementation",
  "qualityLimitationReason",
  "nackCount",
  "pliCount",
  "firCount",
  "retransmittedPacketsSent",
  "bytesReceived",
  "packetsReceived",
  "packetsLost",
  "framesDecoded",
  "keyFramesDecoded",
  "freezeCount",
] as const;

/** What goes to and comes from every peer, for tests and for people at the browser's console. */
export async function streamStats(mesh: Mesh | undefined): Promise<StreamStats[]> {
  const out: StreamStats[] = [];
  for (const [peer, { link }] of mesh?.links ?? []) {
    const report = await link.pc?.getStats();
    report?.forEach((entry: Record<string, unknown>) => {
      const { type, kind, mid, codecId } = entry;
      if (type !== "outbound-rtp" && type !== "inbound-rtp") return;
      const codec: unknown = typeof codecId === "string" ? report.get(codecId)?.mimeType : undefined;
      const row: StreamStats = {
        peer,
        type,
        kind: String(kind),
        mid: mid === undefined ? mid : String(mid),
        codec,
      };
      for (const name of counters) if (entry[name] !== undefined) row[name] = entry[name];
      out.push(row);
    });
  }
  return out;
}
