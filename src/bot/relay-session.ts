import { ExitCode, RoomtapError } from "../core/fault.ts";
import type { PlacedFrame } from "../core/media/received-track.ts";
import type { Courier, Peer, RemoteTrack, RoomEvent, RoomSession } from "../core/room.ts";
import { millis } from "../core/time.ts";
import { PeerHost } from "../peer/host.ts";
import { nativeTransports } from "../peer/native.ts";
import { Pump, sessionClock } from "../peer/pump.ts";
import type { DoneMessage, FromChild, RelayJob, StatusMessage } from "./job.ts";
import { joinRoom } from "./join.ts";
import { machineNow } from "./machine-clock.ts";
import { ParticipantMeter } from "./participant-meter.ts";
import { roomEnd } from "./room-end.ts";
import { networkOf } from "./transports.ts";

const STATUS_MS = 1000;
/** Octets on their way to the supervisor; more, and pictures are left out until a keyframe. */
const MAX_UNSENT = 16 * 1024 * 1024;

/**
 * One room, handed over: runs in the child process and gives the supervisor what it receives, frame by frame. Whatever
 * is made of it lives there, and survives this process.
 */
export class RelaySession {
  readonly #job: RelayJob;
  readonly #report: (m: FromChild, sent?: () => void) => void;
  readonly #courier: Courier;
  readonly #now = sessionClock();
  /** From the session's clock to the machine's. */
  readonly #offset = machineNow();
  readonly #meter = new ParticipantMeter(Date.now());
  readonly #stop = new AbortController();
  readonly #peers = new Map<string, Peer>();
  /** By link and m-line. */
  readonly #tracks = new Map<string, RemoteTrack>();
  /** Tracks whose pictures are of no use before a keyframe. */
  readonly #gated = new Set<string>();
  #host: PeerHost | undefined;
  #failure: RoomtapError | undefined;
  #joined = false;
  #finishing = false;
  #media = false;
  #unsent = 0;
  #leftOut = 0;

  /** `report`: `sent` is called when the message has left the process. */
  constructor(job: RelayJob, report: (m: FromChild, sent?: () => void) => void, courier: Courier) {
    this.#job = job;
    this.#report = report;
    this.#courier = courier;
  }

  /** Leave and end. Idempotent. */
  stop(): void {
    this.#stop.abort();
  }

  /** Somebody waits for a keyframe of a track. */
  keyframe(trackId: string): void {
    for (const { id, linkId, mid } of this.#tracks.values())
      if (id === trackId) this.#host?.requestKeyframe(linkId, mid);
  }

  /** Joins, hands over until something ends it. Never rejects. */
  async run(): Promise<DoneMessage> {
    const job = this.#job;
    const status = setInterval(() => this.#sendStatus(), STATUS_MS);
    try {
      const host = this.#open();
      const session = await joinRoom(
        host,
        job,
        {
          // It is shown to others: they see the badge that recorders have.
          recorder: true,
          publish: [],
          receive: true,
          courier: this.#courier,
        },
        this.#stop.signal,
      );
      this.#joined = true;
      this.#sendStatus();
      await this.#follow(session);
      this.#finishing = true;
      await session.leave();
      await host.close();
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#failure ??= asFailure(error);
    } finally {
      clearInterval(status);
    }
    const e = this.#failure;
    return {
      t: "done",
      exit: e ? e.exitCode : ExitCode.ok,
      elapsedMs: this.#now(),
      ...(e
        ? { error: { code: e.code, message: e.message, ...(e.hint === undefined ? {} : { hint: e.hint }) } }
        : {}),
    };
  }

  #open(): PeerHost {
    const log = (level: string, text: string) => {
      if (level === "info" || level === "warn" || level === "error") this.#notice(level, text);
    };
    this.#host = new PeerHost({
      ...networkOf(
        this.#job,
        nativeTransports((where, error) =>
          log("error", `${where}: ${error instanceof Error ? error.message : "unknown failure"}`),
        ),
        log,
      ),
      pump: new Pump(this.#now),
      random: Math.random,
      cname: `roomtap-${Math.random().toString(36).slice(2, 12)}`,
      maxBitrate: this.#job.maxBitrate,
      onFrame: (linkId, mid, frame) => this.#frame(linkId, mid, frame),
      log,
    });
    return this.#host;
  }

  #frame(linkId: string, mid: string, f: PlacedFrame): void {
    const track = this.#tracks.get(`${linkId}/${mid}`);
    if (!track) return;
    this.#media = true;
    if (this.#job.measureOnly) return;
    if (this.#unsent > MAX_UNSENT || (this.#gated.has(track.id) && !f.keyframe)) {
      this.#leaveOut(track);
      return;
    }
    this.#gated.delete(track.id);
    const { local, data, ...rest } = f;
    const size = data.length;
    this.#unsent += size;
    const atMs = millis(this.#offset + local);
    this.#report({ t: "frame", trackId: track.id, atMs, frame: { ...rest, data } }, () => {
      this.#unsent -= size;
    });
  }

  #leaveOut(track: RemoteTrack): void {
    this.#leftOut++;
    if (track.kind !== "video" || this.#gated.has(track.id)) return;
    this.#gated.add(track.id);
    this.#host?.requestKeyframe(track.linkId, track.mid);
  }

  async #follow(session: RoomSession): Promise<void> {
    const stopped = new Promise<void>((resolve) => {
      if (this.#stop.signal.aborted) resolve();
      this.#stop.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    const ended = (async () => {
      for await (const e of session.events) {
        this.#onEvent(e);
        if (e.t === "ended") return;
      }
    })();
    await Promise.race([stopped, ended]);
  }

  #onEvent(e: RoomEvent): void {
    switch (e.t) {
      case "peer":
        if (e.op === "join") this.#peers.set(e.peer.id, e.peer);
        else this.#peers.delete(e.peer.id);
        this.#report(e);
        break;
      case "track":
        if (e.op === "mute" || e.op === "unmute") break;
        if (e.op === "add") this.#tracks.set(`${e.track.linkId}/${e.track.mid}`, e.track);
        else this.#tracks.delete(`${e.track.linkId}/${e.track.mid}`);
        this.#report({ ...e, op: e.op });
        break;
      case "signalling":
        if (e.op === "lost") this.#notice("warn", `signalling lost: ${e.detail ?? ""}`);
        else this.#notice("info", "signalling is back");
        break;
      case "link":
        if (e.op === "down")
          this.#notice(
            "warn",
            `connection to ${this.#peers.get(e.peerId)?.name ?? "a peer"}: ${e.detail ?? "lost"}; trying again`,
          );
        break;
      case "ended": {
        const end = roomEnd(e);
        if (typeof end === "string") this.#notice("info", end);
        else if (end) this.#failure ??= end;
      }
    }
  }

  #sendStatus(): void {
    const host = this.#host;
    if (!host) return;
    const cpu = process.cpuUsage();
    const now = this.#now();
    const faults = host.faults.snapshot();
    this.#report({
      t: "status",
      phase: this.#phase(),
      elapsedMs: now,
      participants: this.#meter.measure(
        now,
        [...this.#peers.values()].filter((p) => !p.recorder),
        host.statistics(now),
        (linkId, mid) => this.#tracks.get(`${linkId}/${mid}`),
        () => 0,
      ),
      faults: this.#leftOut > 0 ? { ...faults, "relay-overrun": this.#leftOut } : faults,
      packets: host.packets,
      cpuMs: (cpu.user + cpu.system) / 1000,
    });
  }

  #phase(): StatusMessage["phase"] {
    if (this.#finishing) return "finishing";
    if (!this.#joined) return "joining";
    if (!this.#media) return "waiting";
    return this.#job.measureOnly ? "measuring" : "streaming";
  }

  #notice(level: "info" | "warn" | "error", text: string): void {
    this.#report({ t: "notice", level, text });
  }
}

function asFailure(error: unknown): RoomtapError {
  if (error instanceof RoomtapError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new RoomtapError("internal", message, { cause: error });
}
