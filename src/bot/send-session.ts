import { codecByName } from "../core/codecs/registry.ts";
import { ExitCode, RoomtapError } from "../core/fault.ts";
import type { MediaSender, MediaSenderOptions } from "../core/media/media-sender.ts";
import type { OutgoingTrackOptions, OutgoingTrackStats } from "../core/media/outgoing-track.ts";
import type { Courier, LocalTrack, Peer, RoomEvent, RoomSession } from "../core/room.ts";
import { sendExtensionIds } from "../core/rtp/send/header.ts";
import type { NegotiatedMedia } from "../core/sdp/negotiated.ts";
import { outboundStats } from "../core/stats/outbound.ts";
import { transportStats } from "../core/stats/transport.ts";
import { statsReport } from "../core/stats/webrtc-stats.ts";
import { type Millis, wallMillis } from "../core/time.ts";
import { PeerHost } from "../peer/host.ts";
import { nativeTransports } from "../peer/native.ts";
import { monotonicNow, Pump } from "../peer/pump.ts";
import type { DoneMessage, FromChild, StatusMessage, TrackStatus } from "./job.ts";
import { joinRoom, type RoomCall } from "./join.ts";
import { roomEnd } from "./room-end.ts";
import { networkOf } from "./transports.ts";

const STATUS_MS = 1000;
const TICK_MS = 100;

/** What a sender of any media is made with. */
export type SenderParts = Pick<
  MediaSenderOptions,
  "audio" | "video" | "cname" | "start" | "wallOffsetMs" | "random"
>;

/** What a participant sends. */
export interface SentContent {
  /** Its streams; called once, before joining. Throws a RoomtapError. */
  open(): readonly LocalTrack[];
  /** Sends it over one more connection. */
  sender(peerId: string, parts: SenderParts): MediaSender;
  /** Every 100 ms while it is in the room. */
  tick?(now: Millis): void;
  /** Called last, also when it could not be opened. */
  close?(): void;
}

/** Where it is sent. */
export type SendSessionOptions = {
  readonly call: RoomCall;
  readonly content: SentContent;
  /** A connection that breaks ends the session, instead of being made anew. */
  readonly once?: boolean;
  readonly report: (m: FromChild) => void;
  readonly courier?: Courier;
};

/** A participant that only sends. Runs in the child process. */
export class SendSession {
  readonly #o: SendSessionOptions;
  readonly #stop = new AbortController();
  readonly #peers = new Map<string, Peer>();
  readonly #cname = `roomtap-${Math.random().toString(36).slice(2, 12)}`;
  #started = monotonicNow();
  readonly #octetsBefore = new Map<string, { at: number; octets: number }>();
  /** Unix time minus the pump's. */
  readonly wallOffsetMs = Date.now() - monotonicNow();
  #host: PeerHost | undefined;
  #failure: RoomtapError | undefined;
  /** Layers of the video that anybody needs. */
  #wanted: readonly string[] | "all" = "all";
  #joined = false;
  #finishing = false;

  constructor(o: SendSessionOptions) {
    this.#o = o;
  }

  /** Leave and end. Idempotent. */
  stop(): void {
    this.#stop.abort();
  }

  /** Leave and end, because of this. */
  fail(error: RoomtapError): void {
    this.#failure ??= error;
    this.stop();
  }

  /** Sends what its content got from elsewhere. */
  flush(): void {
    this.#host?.flush();
  }

  /** Whole milliseconds since it was in the room; before that, since it was made. */
  get elapsedMs(): number {
    return Math.round(monotonicNow() - this.#started);
  }

  /** Joins, sends until something ends it. Never rejects. */
  async run(): Promise<DoneMessage> {
    const timers: NodeJS.Timeout[] = [];
    const { content, call } = this.#o;
    try {
      const publish = content.open();
      const host = this.#open();
      timers.push(setInterval(() => this.#sendStatus(), STATUS_MS));
      const { courier } = this.#o;
      const wish = { publish, recorder: false, receive: false, ...(courier ? { courier } : {}) };
      const session = await joinRoom(host, call, wish, this.#stop.signal);
      this.#joined = true;
      this.#started = monotonicNow();
      this.#sendStatus();
      timers.push(setInterval(() => content.tick?.(monotonicNow()), TICK_MS));
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
      content.close?.();
    }
    const e = this.#failure;
    return {
      t: "done",
      exit: e ? e.exitCode : ExitCode.ok,
      elapsedMs: this.elapsedMs,
      ...(e
        ? { error: { code: e.code, message: e.message, ...(e.hint === undefined ? {} : { hint: e.hint }) } }
        : {}),
    };
  }

  #open(): PeerHost {
    this.#host = new PeerHost({
      ...networkOf(
        this.#o.call,
        nativeTransports((where, error) =>
          this.#notice("error", `${where}: ${error instanceof Error ? error.message : "unknown failure"}`),
        ),
        (level, text) => {
          if (level !== "debug") this.#notice(level, text);
        },
      ),
      pump: new Pump(),
      random: Math.random,
      cname: this.#cname,
      maxBitrate: 0,
      sender: (peerId, media, start) => {
        const [audio] = outgoing(media, "audio");
        const sender = this.#o.content.sender(peerId, {
          audio,
          video: outgoing(media, "video"),
          cname: this.#cname,
          start,
          wallOffsetMs: this.wallOffsetMs,
          random: Math.random,
        });
        this.#activate(sender);
        return sender;
      },
      onFrame: () => undefined,
      log: (level, text) => {
        if (level !== "debug") this.#notice(level, text);
      },
    });
    return this.#host;
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
    else if (e.t === "wanted" && e.trackId === "video") {
      this.#wanted = e.layers;
      for (const { sender } of this.#host?.statistics(monotonicNow()) ?? [])
        if (sender) this.#activate(sender);
    } else if (e.t === "signalling" && e.op === "lost")
      this.#notice("warn", `signalling lost: ${e.detail ?? ""}`);
    else if (e.t === "link" && e.op === "up") this.#sendStatus();
    else if (e.t === "link") this.#onDown(e.peerId, e.detail ?? "lost");
    else if (e.t === "ended") {
      const end = roomEnd(e);
      if (typeof end === "string") this.#notice("info", end);
      else if (end) this.#failure ??= end;
    }
  }

  /** Sends the layers that are needed, and no others (dynacast). */
  #activate(sender: MediaSender): void {
    const video = sender.stats().tracks.filter((t) => t.kind === "video");
    for (const [i, { rid }] of video.entries()) {
      const one = rid === undefined && this.#wanted.length > 0;
      sender.setActive(i, this.#wanted === "all" || one || this.#wanted.includes(rid ?? ""));
    }
  }

  #onDown(peerId: string, detail: string): void {
    if (this.#o.once) {
      this.fail(new RoomtapError("peer-lost", detail));
      return;
    }
    const name = this.#peers.get(peerId)?.name ?? "a peer";
    this.#notice("warn", `connection to ${name}: ${detail}; trying again`);
  }

  #sendStatus(): void {
    const host = this.#host;
    if (!host) return;
    const now = monotonicNow();
    const cpu = process.cpuUsage();
    const links = host.statistics(now).map((l) => ({ ...l, sent: l.sender?.stats() }));
    this.#o.report({
      t: "status",
      phase: this.#phase(),
      elapsedMs: this.elapsedMs,
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
          const scope = { link: linkId, at: wallMillis(now + this.wallOffsetMs) };
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

  #phase(): StatusMessage["phase"] {
    if (this.#finishing) return "finishing";
    return this.#joined ? "publishing" : "joining";
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
        codec: t.format.codec,
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
    this.#o.report({ t: "notice", level, text });
  }
}

/** What is sent of a kind, as agreed: one stream, or simulcast layers, the smallest first. */
function outgoing(media: readonly NegotiatedMedia[], kind: "audio" | "video"): OutgoingTrackOptions[] {
  const m = media.find((x) => x.kind === kind && x.send);
  const send = m?.send;
  const codec =
    send && codecByName(kind === "audio" ? "opus" : send.payload.codec === "h264" ? "h264" : "vp8");
  if (!m || !send || !codec) return [];
  const common = {
    codec,
    payloadType: send.payload.payloadType,
    fmtp: send.payload.fmtp,
    mid: m.mid,
    extensions: sendExtensionIds(m.extensions),
  };
  return (send.layers ?? [send]).map((s) => ({
    ...common,
    ssrc: s.ssrc,
    ...("rid" in s ? { rid: s.rid } : {}),
    ...(s.rtx ? { rtx: s.rtx } : {}),
  }));
}
