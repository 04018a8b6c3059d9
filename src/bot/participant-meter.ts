import type { ReceivedTrack } from "../core/media/incoming-stream.ts";
import type { Peer, RemoteTrack } from "../core/room.ts";
import type { Millis } from "../core/time.ts";
import type { LinkStatistics } from "../peer/host.ts";
import type { ParticipantStatus, TrackStatus } from "./job.ts";

/** Turns the receivers' counters into what people look at: rates per participant, totals for the manifest. */
export class ParticipantMeter {
  readonly #last = new Map<string, { at: Millis; bytes: number; bitrate: number }>();
  /** Newest counters per participant and track, kept when the participant has gone. */
  readonly #totals = new Map<string, Map<string, ReceivedTrack>>();

  /** Status of every participant now. Call about once a second. */
  measure(
    now: Millis,
    peers: readonly Peer[],
    links: readonly LinkStatistics[],
    trackOf: (linkId: string, mid: string) => RemoteTrack | undefined,
    bytesOf: (participantId: string) => number,
  ): ParticipantStatus[] {
    const byPeer = new Map<string, TrackStatus[]>();
    for (const link of links) {
      const list = byPeer.get(link.peerId) ?? [];
      for (const t of link.receiver.tracks) {
        const remote = trackOf(link.linkId, t.mid);
        if (!remote) continue;
        this.#keep(link.peerId, `${link.linkId}/${t.mid}/${t.ssrc}`, t);
        list.push(this.#status(now, `${link.linkId}/${t.mid}`, remote, t));
      }
      byPeer.set(link.peerId, list);
    }
    return peers.map((p) => ({
      name: p.name,
      connected: links.some((l) => l.peerId === p.id && l.state === "connected"),
      tracks: byPeer.get(p.id) ?? [],
      bytesOnDisk: bytesOf(p.id),
    }));
  }

  /** Totals of everything ever measured, for the session journal. */
  statistics(): { participantId: string; tracks: Record<string, unknown>[] }[] {
    return [...this.#totals].map(([participantId, tracks]) => ({
      participantId,
      tracks: [...tracks.values()].map((t) => ({ ...t })),
    }));
  }

  #keep(peerId: string, key: string, t: ReceivedTrack): void {
    const tracks = this.#totals.get(peerId) ?? new Map<string, ReceivedTrack>();
    tracks.set(key, t);
    this.#totals.set(peerId, tracks);
  }

  #status(now: Millis, key: string, remote: RemoteTrack, t: ReceivedTrack): TrackStatus {
    const last = this.#last.get(key);
    let bitrate = last?.bitrate ?? 0;
    if (!last || now - last.at >= 500) {
      bitrate = last ? (8000 * Math.max(0, t.bytes - last.bytes)) / (now - last.at) : 0;
      this.#last.set(key, { at: now, bytes: t.bytes, bitrate });
    }
    const expected = t.packets + t.lost;
    return {
      id: remote.id,
      kind: t.kind,
      source: remote.source,
      codec: t.codec,
      bitrate,
      loss: expected > 0 ? t.lost / expected : 0,
      recovered: t.recovered,
      keyframes: t.keyframes,
      frames: t.frames,
      ...(t.width === undefined ? {} : { width: t.width }),
      ...(t.height === undefined ? {} : { height: t.height }),
    };
  }
}
