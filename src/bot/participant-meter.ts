import type { ReceivedTrack } from "../core/media/received-track.ts";
import type { Peer, RemoteTrack } from "../core/room.ts";
import { Histogram } from "../core/stats/histogram.ts";
import { type InboundSnapshot, inboundStats } from "../core/stats/inbound.ts";
import { RateMeter } from "../core/stats/rate-meter.ts";
import type { StatsScope } from "../core/stats/scope.ts";
import { type TransportSnapshot, transportStats } from "../core/stats/transport.ts";
import { statsReport } from "../core/stats/webrtc-stats.ts";
import { type Millis, type WallMillis, wallMillis } from "../core/time.ts";
import type { LinkStatistics } from "../peer/host.ts";
import type { ParticipantStatistics } from "../sinks/recorder/journal.ts";
import type { ParticipantStatus, TrackStatus } from "./job.ts";

/** Rates of a stream that is there now. */
type Meters = {
  readonly bytes: RateMeter;
  readonly frames: RateMeter;
  readonly jitter: Histogram;
};

/** The newest counters of a stream or a connection, and of when they are. */
type Kept<T> = { readonly scope: StatsScope; readonly snapshot: T };

/** Everything ever received from one participant, by stream and by connection. */
type Totals = {
  readonly streams: Map<string, Kept<InboundSnapshot> & { readonly remote: RemoteTrack }>;
  readonly links: Map<string, Kept<TransportSnapshot>>;
};

/** Turns the receivers' counters into what people look at: rates per participant, totals for the manifest. */
export class ParticipantMeter {
  readonly #wallOffsetMs: number;
  readonly #meters = new Map<string, Meters>();
  /** Kept when the participant has gone. */
  readonly #totals = new Map<string, Totals>();

  readonly #onKeyframeRequest: (participantId: string) => void;
  readonly #requests = new Map<string, number>();

  /**
   * `wallOffsetMs`: Unix time minus local monotonic time. `onKeyframeRequest`: a participant's sender was asked for
   * a keyframe since the last measurement.
   */
  constructor(wallOffsetMs: number, onKeyframeRequest: (participantId: string) => void = () => undefined) {
    this.#wallOffsetMs = wallOffsetMs;
    this.#onKeyframeRequest = onKeyframeRequest;
  }

  /** Status of every participant now. Call about once a second. */
  measure(
    now: Millis,
    peers: readonly Peer[],
    links: readonly LinkStatistics[],
    trackOf: (linkId: string, mid: string) => RemoteTrack | undefined,
    bytesOf: (participantId: string) => number,
  ): ParticipantStatus[] {
    const byPeer = new Map<string, TrackStatus[]>();
    const here = new Set<string>();
    for (const link of links) {
      const scope = { link: link.linkId, at: this.#wall(now) };
      const totals = this.#totalsOf(link.peerId);
      const list = byPeer.get(link.peerId) ?? [];
      byPeer.set(link.peerId, list);
      const { rttMs, rembBps, tracks } = link.receiver;
      const known = totals.links.get(link.linkId);
      // When both sides offer at once, one connection is dropped before it carries anything.
      if (known || link.state === "connected") {
        const pair = link.pair ?? known?.snapshot.pair;
        totals.links.set(link.linkId, { scope, snapshot: { pair, rttMs, rembBps } });
      }
      for (const t of tracks) {
        const remote = trackOf(link.linkId, t.mid);
        if (!remote) continue;
        const key = `${link.linkId}/${t.ssrc}`;
        here.add(key);
        if (t.keyframeRequests > (this.#requests.get(key) ?? 0)) this.#onKeyframeRequest(link.peerId);
        this.#requests.set(key, t.keyframeRequests);
        const snapshot = this.#snapshot(key, remote, t, rttMs, now);
        totals.streams.set(key, { scope, snapshot, remote });
        // Of simulcast layers people see the one that is recorded.
        if (t.selected !== false) list.push(trackStatus(remote, t, snapshot, this.#metersOf(key)));
      }
    }
    for (const key of this.#meters.keys()) if (!here.has(key)) this.#meters.delete(key);
    return peers.map((p) => {
      const own = links.filter((l) => l.peerId === p.id);
      const rttMs = own.find((l) => l.receiver.rttMs !== undefined)?.receiver.rttMs;
      const path = own.find((l) => l.state === "connected")?.pair;
      return {
        name: p.name,
        connected: own.some((l) => l.state === "connected"),
        ...(rttMs === undefined ? {} : { rttMs }),
        ...(path === undefined ? {} : { path }),
        tracks: byPeer.get(p.id) ?? [],
        bytesOnDisk: bytesOf(p.id),
      };
    });
  }

  /** Totals of everything ever measured, for the session journal. */
  statistics(): ParticipantStatistics[] {
    return [...this.#totals].map(([participantId, { streams, links }]) => ({
      participantId,
      tracks: [...streams.values()].map(({ scope, snapshot, remote }) => ({
        id: remote.id,
        source: remote.source,
        statistics: statsReport(inboundStats(scope, snapshot)),
      })),
      connections: [...links.values()].map((l) => statsReport(transportStats(l.scope, l.snapshot))),
    }));
  }

  #snapshot(
    key: string,
    remote: RemoteTrack,
    t: ReceivedTrack,
    rttMs: number | undefined,
    now: Millis,
  ): InboundSnapshot {
    const { bytes, frames, jitter } = this.#metersOf(key);
    bytes.sample(t.bytes, now);
    jitter.add(t.jitterMs);
    const { lastPacket, report, ...counters } = t;
    return {
      ...counters,
      track: remote.id,
      lastPacketAt: lastPacket === undefined ? undefined : this.#wall(lastPacket),
      report: report && { ...report, receivedAt: this.#wall(report.receivedAt), rttMs },
      framesPerSecond: Math.round(frames.sample(t.frames, now)),
      jitterP95Ms: jitter.quantile(0.95),
    };
  }

  #wall(now: Millis): WallMillis {
    return wallMillis(now + this.#wallOffsetMs);
  }

  #totalsOf(peerId: string): Totals {
    const known = this.#totals.get(peerId);
    if (known) return known;
    const made: Totals = { streams: new Map(), links: new Map() };
    this.#totals.set(peerId, made);
    return made;
  }

  #metersOf(key: string): Meters {
    const known = this.#meters.get(key);
    if (known) return known;
    const made = { bytes: new RateMeter(), frames: new RateMeter(), jitter: new Histogram() };
    this.#meters.set(key, made);
    return made;
  }
}

function trackStatus(remote: RemoteTrack, t: ReceivedTrack, s: InboundSnapshot, m: Meters): TrackStatus {
  const { expected, lost, recovered } = t.ledger;
  return {
    id: remote.id,
    kind: t.kind,
    source: remote.source,
    codec: t.codec,
    bitrate: 8 * m.bytes.perSecond,
    lost,
    loss: expected > 0 ? lost / expected : 0,
    recovered,
    jitterMs: t.jitterMs,
    keyframes: t.keyframes,
    frames: t.frames,
    ...(t.kind === "video" && s.framesPerSecond !== undefined ? { framesPerSecond: s.framesPerSecond } : {}),
    ...(t.width === undefined ? {} : { width: t.width }),
    ...(t.height === undefined ? {} : { height: t.height }),
  };
}
