import { defined } from "./defined.ts";
import { type StatsScope, transportId } from "./scope.ts";
import type { AnyRtcStats, CandidateStats } from "./webrtc-stats.ts";

/** What is known of a connection's path. */
export type TransportSnapshot = {
  readonly packetsSent?: number | undefined;
  readonly packetsReceived?: number | undefined;
  readonly bytesSent?: number | undefined;
  readonly bytesReceived?: number | undefined;
  /** The candidates in use, each as `type protocol address:port`, of ours with ` by TURN over TLS` or the like. */
  readonly pair?: { readonly local: string; readonly remote: string } | undefined;
  /** Round trip by reference times, milliseconds. */
  readonly rttMs?: number | undefined;
  /** What we state, and what the other side states, as the highest bitrate; bit/s. */
  readonly rembBps?: number | undefined;
  readonly remoteRembBps?: number | undefined;
};

/** The objects about a connection: `transport`, and the pair in use with its two candidates once there is one. */
export function transportStats(s: StatsScope, t: TransportSnapshot): AnyRtcStats[] {
  const id = transportId(s);
  const local = t.pair && candidate(s, "local-candidate", t.pair.local);
  const remote = t.pair && candidate(s, "remote-candidate", t.pair.remote);
  const pairId = local && remote ? `${s.link}/candidate-pair` : undefined;
  const out: AnyRtcStats[] = [
    defined({
      type: "transport" as const,
      id,
      timestamp: s.at as number,
      packetsSent: t.packetsSent,
      packetsReceived: t.packetsReceived,
      bytesSent: t.bytesSent,
      bytesReceived: t.bytesReceived,
      selectedCandidatePairId: pairId,
      roomtap: defined({
        roundTripTime: t.rttMs === undefined ? undefined : t.rttMs / 1000,
        maxBitrateStated: t.rembBps,
      }),
    }),
  ];
  if (!local || !remote || pairId === undefined) return out;
  const pair = defined({
    type: "candidate-pair" as const,
    id: pairId,
    timestamp: s.at as number,
    transportId: id,
    localCandidateId: local.id,
    remoteCandidateId: remote.id,
    state: "succeeded" as const,
    nominated: true as const,
    availableOutgoingBitrate: t.remoteRembBps,
  });
  return [...out, pair, local, remote];
}

/** `host UDP 192.0.2.1:5000`, or with an IPv6 address; undefined: written otherwise. */
function candidate(s: StatsScope, type: CandidateStats["type"], text: string): CandidateStats | undefined {
  const m = /^(\S+) (\S+) (\S+):(\d{1,5})(?: by TURN over (UDP|TCP|TLS))?$/.exec(text);
  const [, candidateType, protocol, address, port, relay] = m ?? [];
  if (candidateType === undefined || protocol === undefined || address === undefined) return undefined;
  return {
    type,
    id: `${s.link}/${type}`,
    timestamp: s.at,
    transportId: transportId(s),
    candidateType,
    protocol: protocol.toLowerCase(),
    address,
    port: Number(port),
    ...(relay === undefined ? {} : { relayProtocol: relay.toLowerCase() }),
  };
}
