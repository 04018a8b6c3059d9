import { mkdirSync } from "node:fs";
import { ExitCode, type ExitCodeValue, RoomtapError } from "../core/fault.ts";
import type { Frame } from "../core/frame.ts";
import type { PlacedFrame } from "../core/media/received-track.ts";
import type { Peer, RemoteTrack, RoomEvent, RoomSession } from "../core/room.ts";
import { micros } from "../core/time.ts";
import { PeerHost } from "../peer/host.ts";
import { nativeTransports } from "../peer/native.ts";
import { monotonicNow, Pump } from "../peer/pump.ts";
import { Journal } from "../sinks/recorder/journal.ts";
import { Recorder } from "../sinks/recorder/recorder.ts";
import { recoverSession } from "../sinks/recorder/recover.ts";
import { adapterFor } from "./adapters.ts";
import type { DoneMessage, FromChild, RecordJob, StatusMessage } from "./job.ts";
import { ParticipantMeter } from "./participant-meter.ts";
import { SessionClock } from "./session-clock.ts";

const TICK_MS = 100;
const STATUS_MS = 1000;
/** After the asked-for duration, packets of its last moment may still come or be repaired. */
const DURATION_GRACE_MS = 400;

type RecordedTrack = { readonly track: RemoteTrack; readonly participant: Peer };

/** One room, recorded: runs in the child process. */
export class RecordSession {
  readonly #job: RecordJob;
  readonly #report: (m: FromChild) => void;
  readonly #clock: SessionClock;
  readonly #host: PeerHost;
  readonly #meter = new ParticipantMeter(Date.now() - monotonicNow());
  readonly #stop = new AbortController();
  readonly #skip = new AbortController();
  readonly #peers = new Map<string, Peer>();
  readonly #tracks = new Map<string, RecordedTrack>();
  #recorder: Recorder | undefined;
  #journal: Journal | undefined;
  #failure: RoomtapError | undefined;
  #emptySince = monotonicNow();
  #finishing = false;
  /** Length of the recording, once it is over. */
  #endedMs: number | undefined;
  #progress: number | undefined;

  constructor(job: RecordJob, report: (m: FromChild) => void) {
    this.#job = job;
    this.#report = report;
    this.#clock = new SessionClock(Date.now() - monotonicNow(), job.zeroAt);
    const log = (level: string, text: string) => {
      if (level === "warn" || level === "error") this.#notice(level, text);
    };
    this.#host = new PeerHost({
      transports: nativeTransports((where, error) =>
        log("error", `${where}: ${error instanceof Error ? error.message : "unknown failure"}`),
      ),
      pump: new Pump(),
      random: Math.random,
      cname: `roomtap-${Math.random().toString(36).slice(2, 12)}`,
      maxBitrate: job.maxBitrate,
      onFrame: (linkId, mid, frame) => this.#onFrame(linkId, mid, frame),
      log,
    });
  }

  /** Finish the files, leave, end. Idempotent. */
  stop(): void {
    this.#stop.abort();
  }

  /** Do not wait for conversions. */
  skip(): void {
    this.#skip.abort();
  }

  /** Joins, records until something ends it, finishes. Never rejects. */
  async run(): Promise<DoneMessage> {
    const timers: NodeJS.Timeout[] = [];
    try {
      const adapter = adapterFor(this.#job.room);
      timers.push(setInterval(() => this.#sendStatus("joining"), STATUS_MS));
      const session = await adapter.join(
        this.#host,
        this.#job.room,
        {
          name: this.#job.name,
          recorder: true,
          publish: [],
          receive: true,
          ...(this.#job.token === undefined ? {} : { token: this.#job.token }),
          ...(this.#job.insecure === undefined ? {} : { insecure: this.#job.insecure }),
        },
        this.#stop.signal,
      );
      clearInterval(timers.pop());
      await this.#record(session, timers);
      return this.#done();
    } catch (error) {
      if (this.#stop.signal.aborted && this.#recorder === undefined) return this.#done();
      this.#failure ??=
        error instanceof RoomtapError
          ? error
          : new RoomtapError("internal", messageOf(error), { cause: error });
      return this.#done();
    } finally {
      for (const t of timers) clearInterval(t);
      this.#journal?.close();
    }
  }

  async #record(session: RoomSession, timers: NodeJS.Timeout[]): Promise<void> {
    mkdirSync(this.#job.directory, { recursive: true });
    if (this.#job.attempt > 0) await recoverSession(this.#job.directory);
    const journal = new Journal(this.#job.directory);
    this.#journal = journal;
    journal.append({
      t: "session",
      version: 1,
      room: this.#job.room.replace(/[?#].*$/, ""),
      startedAt: this.#job.startedAt,
      attempt: this.#job.attempt,
    });
    const recorder = new Recorder({
      directory: this.#job.directory,
      format: this.#job.format,
      ffmpeg: this.#job.ffmpeg,
      journal,
      attempt: this.#job.attempt,
      onFailure: (error) => this.#fail(error),
    });
    this.#recorder = recorder;
    const limit = this.#job.durationMs;
    recorder.limit(limit === undefined ? undefined : micros(limit * 1000));
    this.#sendStatus();
    timers.push(setInterval(() => this.#tick(recorder, limit), TICK_MS));
    timers.push(setInterval(() => this.#sendStatus(), STATUS_MS));
    const events = this.#follow(session, recorder, journal);
    await new Promise<void>((resolve) => {
      if (this.#stop.signal.aborted) resolve();
      this.#stop.signal.addEventListener("abort", () => resolve(), { once: true });
      void events.then(resolve);
    });
    this.#endedMs = this.#elapsedMs();
    this.#finishing = true;
    this.#sendStatus();
    await session.leave();
    await this.#host.close();
    await recorder.finish();
    for (const s of this.#meter.statistics()) journal.append({ t: "statistics", ...s });
    journal.append({ t: "faults", counts: this.#host.faults.snapshot() });
    await recorder.convert({
      skip: this.#skip.signal,
      onProgress: (share) => {
        this.#progress = share;
      },
    });
    journal.append({ t: "end", atMs: this.#elapsedMs() });
  }

  async #follow(session: RoomSession, recorder: Recorder, journal: Journal): Promise<void> {
    for await (const e of session.events) {
      this.#onEvent(e, recorder, journal);
      if (e.t === "ended") return;
    }
  }

  #onEvent(e: RoomEvent, recorder: Recorder, journal: Journal): void {
    switch (e.t) {
      case "peer":
        if (e.op === "join") {
          this.#peers.set(e.peer.id, e.peer);
          if (!e.peer.recorder) {
            journal.append({
              t: "participant",
              id: e.peer.id,
              name: e.peer.name,
              joinedMs: this.#elapsedMs(),
            });
          }
        } else {
          this.#peers.delete(e.peer.id);
          recorder.removeParticipant(e.peer.id);
          if (!e.peer.recorder)
            journal.append({ t: "participant-left", id: e.peer.id, leftMs: this.#elapsedMs() });
        }
        if (!this.#occupied()) this.#emptySince = monotonicNow();
        break;
      case "track":
        this.#onTrack(e.op, e.track, recorder);
        break;
      case "signalling":
        this.#notice(
          e.op === "lost" ? "warn" : "info",
          e.op === "lost" ? `signalling lost: ${e.detail ?? ""}` : "signalling is back",
        );
        break;
      case "link":
        if (e.op === "down")
          this.#notice(
            "warn",
            `connection to ${this.#peers.get(e.peerId)?.name ?? "a peer"}: ${e.detail ?? "lost"}; trying again`,
          );
        break;
      case "ended":
        if (e.reason !== "left" && e.reason !== "room-closed") {
          this.#failure ??=
            e.error instanceof RoomtapError ? e.error : new RoomtapError("signal-closed", "the room ended");
        }
    }
  }

  #onTrack(op: "add" | "remove", track: RemoteTrack, recorder: Recorder): void {
    const key = `${track.linkId}/${track.mid}`;
    const participant = this.#peers.get(track.peerId);
    if (op === "remove") {
      this.#tracks.delete(key);
      recorder.removeTrack(track.id);
    } else if (participant && this.#wanted(participant)) {
      this.#tracks.set(key, { track, participant });
      recorder.addTrack({ id: track.id, kind: track.kind, source: track.source, participant });
    }
  }

  #onFrame(linkId: string, mid: string, f: PlacedFrame): void {
    const entry = this.#tracks.get(`${linkId}/${mid}`);
    if (!entry || !this.#recorder) return;
    const { local, ...rest } = f;
    const first = !this.#clock.started;
    const frame: Frame = { ...rest, time: this.#clock.at(local, this.#host.firstMedia(linkId)) };
    if (first) this.#journal?.append({ t: "first-media", at: Math.round(this.#clock.zeroAt ?? 0) });
    this.#recorder.frame(entry.track.id, frame);
  }

  #tick(recorder: Recorder, limitMs: number | undefined): void {
    const now = monotonicNow();
    const time = this.#clock.peek(now);
    if (time !== undefined) recorder.tick(time);
    const over = limitMs !== undefined && time !== undefined && time / 1000 >= limitMs + DURATION_GRACE_MS;
    const empty =
      this.#job.untilEmptyMs !== undefined &&
      !this.#occupied() &&
      now - this.#emptySince >= this.#job.untilEmptyMs;
    if (over || empty) this.stop();
  }

  #occupied(): boolean {
    for (const p of this.#peers.values()) if (!p.recorder) return true;
    return false;
  }

  #wanted(p: Peer): boolean {
    return this.#job.participant === undefined || p.name === this.#job.participant;
  }

  #elapsedMs(): number {
    if (this.#endedMs !== undefined) return this.#endedMs;
    const here = this.#clock.peek(monotonicNow());
    return Math.max(0, Math.round((here ?? 0) / 1000));
  }

  #sendStatus(phase?: StatusMessage["phase"]): void {
    const cpu = process.cpuUsage();
    const links = this.#host.statistics(monotonicNow());
    this.#report({
      t: "status",
      phase: phase ?? (this.#finishing ? "finishing" : this.#clock.started ? "recording" : "waiting"),
      elapsedMs: this.#elapsedMs(),
      ...(this.#clock.zeroAt === undefined ? {} : { zeroAt: this.#clock.zeroAt }),
      participants: this.#meter.measure(
        monotonicNow(),
        [...this.#peers.values()].filter((p) => !p.recorder),
        links,
        (linkId, mid) => this.#tracks.get(`${linkId}/${mid}`)?.track,
        (participantId) => this.#recorder?.bytesOf(participantId) ?? 0,
      ),
      faults: this.#host.faults.snapshot(),
      packets: this.#host.packets,
      cpuMs: (cpu.user + cpu.system) / 1000,
      ...(this.#progress === undefined ? {} : { progress: this.#progress }),
    });
  }

  #fail(error: RoomtapError): void {
    this.#failure ??= error;
    this.stop();
  }

  #notice(level: "info" | "warn" | "error", text: string): void {
    this.#report({ t: "notice", level, text });
  }

  #done(): DoneMessage {
    const e = this.#failure;
    const exit: ExitCodeValue = e ? e.exitCode : ExitCode.ok;
    return {
      t: "done",
      exit,
      elapsedMs: this.#elapsedMs(),
      ...(e
        ? { error: { code: e.code, message: e.message, ...(e.hint === undefined ? {} : { hint: e.hint }) } }
        : {}),
    };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
