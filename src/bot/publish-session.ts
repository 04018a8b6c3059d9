import { closeSync, openSync, writeSync } from "node:fs";
import { codecByName } from "../core/codecs/registry.ts";
import { ExitCode, RoomtapError } from "../core/fault.ts";
import { type FrameSent, MediaSender } from "../core/media/media-sender.ts";
import type { OutgoingTrackOptions, OutgoingTrackStats } from "../core/media/outgoing-track.ts";
import type { LocalTrack, Peer, RoomEvent, RoomSession } from "../core/room.ts";
import { sendExtensionIds } from "../core/rtp/send/header.ts";
import type { NegotiatedMedia } from "../core/sdp/negotiated.ts";
import { outboundStats } from "../core/stats/outbound.ts";
import { transportStats } from "../core/stats/transport.ts";
import { statsReport } from "../core/stats/webrtc-stats.ts";
import { type Millis, wallMillis } from "../core/time.ts";
import { PeerHost } from "../peer/host.ts";
import { nativeTransports } from "../peer/native.ts";
import { monotonicNow, Pump } from "../peer/pump.ts";
import { SampleStore } from "../sources/sample-store.ts";
import type { DoneMessage, FromChild, PublishJob, StatusMessage, TrackStatus } from "./job.ts";
import { joinRoom } from "./join.ts";

const STATUS_MS = 1000;
const TICK_MS = 100;

/** A synthetic participant: sends a prepared clip into a room. Runs in the child process. */
export class PublishSession {
  readonly #job: PublishJob;
  readonly #report: (m: FromChild) => void;
  readonly #stop = new AbortController();
  readonly #peers = new Map<string, Peer>();
  readonly #cname = `roomtap-${Math.random().toString(36).slice(2, 12)}`;
  readonly #started = monotonicNow();
  readonly #wallOffsetMs = Date.now() - monotonicNow();
  readonly #octetsBefore = new Map<string, { at: number; octets: number }>();
  #host: PeerHost | undefined;
  #store: SampleStore | undefined;
  #sentLog: number | undefined;
  #failure: RoomtapError | undefined;
  #joined = false;
  #finishing = false;

  constructor(job: PublishJob, report: (m: FromChild) => void) {
    this.#job = job;
    this.#report = report;
  }

  /** Leave and end. Idempotent. */
  stop(): void {
    this.#stop.abort();
  }

  /** Joins, sends until something ends it. Never rejects. */
  async run(): Promise<DoneMessage> {
    const timers: NodeJS.Timeout[] = [];
    try {
      const job = this.#job;
      const store = SampleStore.open(job.mediaFile);
      this.#store = store;
      if (job.sentLog !== undefined) this.#sentLog = openLog(job.sentLog);
      const host = new PeerHost({
        transports: nativeTransports((where, error) =>
          this.#notice("error", `${where}: ${error instanceof Error ? error.message : "unknown failure"}`),
        ),
        pump: new Pump(),
        random: Math.random,
        cname: this.#cname,
        maxBitrate: 0,
        sender: (peerId, media, now) => this.#sender(peerId, media, now, store),
        onFrame: () => undefined,
        log: (level, text) => {
          if (level === "warn" || level === "error") this.#notice(level, text);
        },
      });
      this.#host = host;
      timers.push(setInterval(() => this.#sendStatus(), STATUS_MS));
      const session = await joinRoom(
        host,
        job,
        {
          recorder: false,
          publish: localTracks(job, store),
          receive: false,
        },
        this.#stop.signal,
      );
      this.#joined = true;
      this.#sendStatus();
      timers.push(setInterval(() => this.#tick(), TICK_MS));
      await this.#follow(session);
      this.#finishing = true;
      await session.leave();
      await host.close();
    } catch (error) {
      if (!this.#stop.signal.aborted) {
        this.#failure ??=
          error instanceof RoomtapError
            ? error
            : new RoomtapError("internal", error instanceof Error ? error.message : String(error), {
                cause: error,
              });
      }
    } finally {
      for (const t of timers) clearInterval(t);
      this.#store?.close();
      if (this.#sentLog !== undefined) closeSync(this.#sentLog);
    }
    const e = this.#failure;
    return {
      t: "done",
      exit: e ? e.exitCode : ExitCode.ok,
      elapsedMs: this.#elapsedMs(),
      ...(e
        ? { error: { code: e.code, message: e.message, ...(e.hint === undefined ? {} : { hint: e.hint }) } }
        : {}),
    };
  }

  async #follow(session: RoomSession): Promise<void> {
    const ended = (async () => {
      for await (const e of session.events) {
        this.#onEvent(e);
        if (e.t === "ended") return;
      }
    })();
    const stopped = new Promise<void>((resolve) => {
      if (this.#stop.signal.aborted) resolve();
      this.#stop.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    await Promise.race([ended, stopped]);
  }

  #onEvent(e: RoomEvent): void {
    if (e.t === "peer" && e.op === "join") this.#peers.set(e.peer.id, e.peer);
    else if (e.t === "peer") this.#peers.delete(e.peer.id);
    else if (e.t === "signalling" && e.op === "lost")
      this.#notice("warn", `signalling lost: ${e.detail ?? ""}`);
    else if (e.t === "link" && e.op === "down") {
      this.#notice(
        "warn",
        `connection to ${this.#peers.get(e.peerId)?.name ?? "a peer"}: ${e.detail ?? "lost"}; trying again`,
      );
    } else if (e.t === "ended" && e.reason !== "left" && e.reason !== "room-closed") {
      this.#failure ??=
        e.error instanceof RoomtapError ? e.error : new RoomtapError("signal-closed", "the room ended");
    }
  }

  #sender(peerId: string, media: readonly NegotiatedMedia[], now: Millis, store: SampleStore): MediaSender {
    return new MediaSender({
      index: store.index,
      audio: outgoing(media, "audio"),
      video: outgoing(media, "video"),
      read: (track, i) => store.read(track, i),
      cname: this.#cname,
      start: now,
      wallOffsetMs: this.#wallOffsetMs,
      random: Math.random,
      onFrameSent: (f) => this.#logFrame(peerId, f),
    });
  }

  /** Written when the last packet of a frame went out, so that a receiver is compared with what was sent. */
  #logFrame(peer: string, f: FrameSent): void {
    if (this.#sentLog === undefined || f.track !== "video") return;
    const line = {
      loop: f.loop,
      number: f.index,
      time: Math.round((f.now + this.#wallOffsetMs) * 1000) / 1000,
      mediaTime: f.mediaTimeUs / 1000,
      keyframe: f.keyframe,
      peer,
    };
    try {
      writeSync(this.#sentLog, `${JSON.stringify(line)}\n`);
    } catch (cause) {
      this.#failure ??= new RoomtapError("output-unwritable", "the sent log cannot be written any more", {
        cause,
      });
      this.stop();
    }
  }

  #tick(): void {
    if (this.#job.durationMs !== undefined && this.#elapsedMs() >= this.#job.durationMs) this.stop();
  }

  #elapsedMs(): number {
    return Math.round(monotonicNow() - this.#started);
  }

  #sendStatus(): void {
    const host = this.#host;
    if (!host) return;
    const now = monotonicNow();
    const cpu = process.cpuUsage();
    const links = host.statistics(now).map((l) => ({ ...l, sent: l.sender?.stats() }));
    const phase: StatusMessage["phase"] = this.#finishing
      ? "finishing"
      : this.#joined
        ? "publishing"
        : "joining";
    this.#report({
      t: "status",
      phase,
      elapsedMs: this.#elapsedMs(),
      participants: links.map((l) => {
        const rttMs = l.sent?.tracks.find((t) => t.rttMs !== undefined)?.rttMs;
        return {
          name: this.#peers.get(l.peerId)?.name ?? "peer",
          connected: l.state === "connected",
          ...(rttMs === undefined ? {} : { rttMs }),
          tracks: this.#trackStatus(l.linkId, l.sent?.tracks ?? [], now),
          bytesOnDisk: 0,
        };
      }),
      statistics: statsReport(
        links.flatMap(({ linkId, pair, sent }) => {
          const scope = { link: linkId, at: wallMillis(now + this.#wallOffsetMs) };
          return [
            ...transportStats(scope, { pair, remoteRembBps: sent?.rembBps }),
            ...(sent?.tracks ?? []).flatMap((t) => outboundStats(scope, t)),
          ];
        }),
      ),
      faults: host.faults.snapshot(),
      packets: host.packets,
      cpuMs: (cpu.user + cpu.system) / 1000,
    });
  }

  #trackStatus(linkId: string, tracks: readonly OutgoingTrackStats[], now: Millis): TrackStatus[] {
    return tracks.map((t) => {
      const key = `${linkId}/${t.ssrc}`;
      const last = this.#octetsBefore.get(key) ?? { at: this.#started, octets: 0 };
      this.#octetsBefore.set(key, { at: now, octets: t.octets });
      return {
        id: key,
        kind: t.kind,
        source: t.kind === "audio" ? ("microphone" as const) : ("camera" as const),
        codec: t.kind === "audio" ? this.#job.audio : this.#job.video,
        bitrate: (8000 * (t.octets - last.octets)) / Math.max(1, now - last.at),
        lost: Math.max(0, t.packetsLost ?? 0),
        loss: t.fractionLost ?? 0,
        recovered: t.retransmittedPackets,
        keyframes: t.keyframes,
        frames: t.frames,
        ...(t.jitterMs === undefined ? {} : { jitterMs: t.jitterMs }),
      };
    });
  }

  #notice(level: "info" | "warn" | "error", text: string): void {
    this.#report({ t: "notice", level, text });
  }
}

/** What is wanted and there: a song has no picture. */
function localTracks(job: PublishJob, store: SampleStore): LocalTrack[] {
  const out: LocalTrack[] = [];
  if (job.audio !== "none" && store.audio)
    out.push({ id: "audio", kind: "audio", source: "microphone", codec: job.audio });
  if (job.video !== "none" && store.video)
    out.push({ id: "video", kind: "video", source: "camera", codec: job.video });
  return out;
}

function outgoing(
  media: readonly NegotiatedMedia[],
  kind: "audio" | "video",
): OutgoingTrackOptions | undefined {
  const m = media.find((x) => x.kind === kind && x.send);
  const send = m?.send;
  const codec =
    send && codecByName(kind === "audio" ? "opus" : send.payload.codec === "h264" ? "h264" : "vp8");
  if (!m || !send || !codec) return undefined;
  return {
    codec,
    ssrc: send.ssrc,
    payloadType: send.payload.payloadType,
    fmtp: send.payload.fmtp,
    mid: m.mid,
    extensions: sendExtensionIds(m.extensions),
    ...(send.rtx ? { rtx: send.rtx } : {}),
  };
}

function openLog(path: string): number {
  try {
    return openSync(path, "w");
  } catch (cause) {
    throw new RoomtapError("output-unwritable", `cannot write the sent log ${path}`, {
      hint: "check the directory",
      cause,
    });
  }
}
