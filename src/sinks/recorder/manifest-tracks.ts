import type { CodecName, MediaKind, TrackSource } from "../../core/frame.ts";
import type { InboundRtpStats, RemoteOutboundRtpStats } from "../../core/stats/webrtc-stats.ts";
import type { ParticipantStatistics } from "./journal.ts";

/** What places a track on the session's time, and how sure that is. */
export type SyncReport = {
  /** Capture times in the packets, sender reports, or arrival alone. */
  readonly by: "capture" | "reports" | "arrival";
  /** Sender reports received. */
  readonly reports: number;
  /** By how much the sender's media clock is fast against its wall clock, parts per million. */
  readonly slopePpm?: number;
  /** How far the reports lie off the line through them, milliseconds (median). */
  readonly residualMs?: number;
  /** Milliseconds added to the sender's wall clock to get ours. */
  readonly offsetMs?: number;
  /** `high`: reports agree within 10 ms; `medium`: fewer or worse; `low`: arrival times only. */
  readonly confidence: "high" | "medium" | "low";
};

/** One incoming stream of a participant. */
export type ManifestTrack = {
  readonly participantId: string;
  readonly id: string;
  readonly kind: MediaKind;
  readonly source: TrackSource;
  readonly codec: CodecName;
  readonly ssrc: number;
  readonly sync: SyncReport;
  /** `expected = received + recovered + lost + pending`, in sequence numbers. */
  readonly loss: {
    readonly expected: number;
    readonly received: number;
    readonly recovered: number;
    readonly lost: number;
    readonly pending: number;
  };
};

/** Reports that agree this well, and are this many, leave no doubt. */
const SURE_MS = 10;
const SURE_REPORTS = 5;

/** Every incoming stream of a session, from what was counted of it. */
export function tracksOf(statistics: readonly ParticipantStatistics[]): ManifestTrack[] {
  return statistics.flatMap(({ participantId, tracks }) =>
    tracks.flatMap((t) => {
      const objects = Object.values(t.statistics);
      const inbound = objects.find((o) => o.type === "inbound-rtp");
      const codec = objects.find((o) => o.type === "codec");
      if (!inbound) return [];
      const { expected, received, recovered, lost, pending } = inbound.roomtap;
      return [
        {
          participantId,
          id: t.id,
          kind: inbound.kind,
          source: t.source,
          codec: (codec?.mimeType.split("/")[1]?.toLowerCase() ?? "") as CodecName,
          ssrc: inbound.ssrc,
          sync: syncOf(
            inbound,
            objects.find((o) => o.type === "remote-outbound-rtp"),
          ),
          loss: { expected, received, recovered, lost, pending },
        },
      ];
    }),
  );
}

function syncOf(inbound: InboundRtpStats, remote: RemoteOutboundRtpStats | undefined): SyncReport {
  const { timeline } = inbound.roomtap;
  const reports = remote?.reportsSent ?? 0;
  const by = timeline?.by ?? "arrival";
  const driftPpm = timeline?.driftPpm;
  const offsetMs = timeline?.offsetMs;
  const residualMs = timeline?.residualMs;
  const sure = by === "capture" || (reports >= SURE_REPORTS && (residualMs ?? 0) <= SURE_MS);
  return {
    by,
    reports,
    ...(driftPpm === undefined ? {} : { slopePpm: driftPpm }),
    ...(residualMs === undefined ? {} : { residualMs }),
    ...(offsetMs === undefined ? {} : { offsetMs }),
    confidence: by === "arrival" ? "low" : sure ? "high" : "medium",
  };
}
