import { existsSync } from "node:fs";
import { ExitCode, type ExitCodeValue, RoomtapError } from "../core/fault.ts";
import type { Courier, LayerWish, RoomEvent, RoomSession } from "../core/room.ts";
import type { Millis } from "../core/time.ts";
import { PeerHost } from "../peer/host.ts";
import { nativeTransports } from "../peer/native.ts";
import { Pump, sessionClock } from "../peer/pump.ts";
import { makeDirectory } from "../sinks/directory.ts";
import { diskError } from "../sinks/recorder/block-writer.ts";
import { recoverSession } from "../sinks/recorder/recover.ts";
import { RtpDump, type RtpDumpOptions } from "../sinks/rtpdump/dump.ts";
import { DiskWatch } from "./disk-guard.ts";
import type { DoneMessage, FromChild, RecordJob, StatusMessage } from "./job.ts";
import { joinRoom, roomLabel } from "./join.ts";
import { ParticipantMeter } from "./participant-meter.ts";
import { Recording } from "./recording.ts";
import { roomEnd } from "./room-end.ts";
import { everything, selects } from "./selection.ts";
import { networkOf } from "./transports.ts";

const STATUS_MS = 1000;

/**
 * One room, recorded: runs in the child process. Its clock counts whole milliseconds from its start; everything that
 * the files depend on comes in at such times, and goes into the dump as well when there is one.
 */
export class RecordSession {
  readonly #job: RecordJob;
  readonly #report: (m: FromChild) => void;
  readonly #courier: Courier;
  readonly #abandon: () => void;
  readonly #now = sessionClock();
  /** Unix milliseconds of the clock's zero. */
  readonly #start = Date.now();
  readonly #meter = new ParticipantMeter(this.#start, (id) =>
    this.#recording?.keyframeRequest(id, this.#now()),
  );
  readonly #stop = new AbortController();
  readonly #skip = new AbortController();
  #host: PeerHost | undefined;
  #dump: RtpDump | undefined;
  #recording: Recording | undefined;
  #disk: DiskWatch | undefined;
  #failure: RoomtapError | undefined;
  #emptySince = this.#now();
  #finishing = false;
  #paused: boolean;
  /** Nothing that still happens concerns the files. */
  #ended = false;
  #progress: number | undefined;
  #session: RoomSession | undefined;
  /** Asked for while the call went on. */
  #layer: LayerWish | undefined;
  /** The room's address without secrets. */
  #label = "";

  /** `abandon`: ends the process at once; another one goes on in the session. */
  constructor(job: RecordJob, report: (m: FromChild) => void, courier: Courier, abandon: () => void) {
    this.#job = job;
    this.#report = report;
    this.#courier = courier;
    this.#abandon = abandon;
    this.#paused = job.paused === true;
  }

  /** Finish the files, leave, end. Idempotent. */
  stop(): void {
    this.#stop.abort();
  }

  /** Do not wait for conversions. */
  skip(): void {
    this.#skip.abort();
  }

  /** Leaves out what comes from now on. Idempotent. */
  pause(): void {
    this.#paused = true;
    if (this.#recording && !this.#ended) this.#recording.pause(this.#event({ t: "pause" }));
    this.#sendStatus();
  }

  /** Takes again what comes. Idempotent. */
  resume(): void {
    this.#paused = false;
    if (this.#recording && !this.#ended) this.#recording.resume(this.#event({ t: "resume" }));
    this.#sendStatus();
  }

  /** Receives another simulcast layer from now on. */
  prefer(layer: LayerWish): void {
    this.#layer = layer;
    this.#session?.prefer?.(layer);
  }

  /** Joins, records until something ends it, finishes. Never rejects. */
  async run(): Promise<DoneMessage> {
    const timers: NodeJS.Timeout[] = [];
    try {
      this.#label = await roomLabel(this.#job);
      const host = this.#open();
      timers.push(setInterval(() => this.#sendStatus("joining"), STATUS_MS));
      const { participant, selection } = this.#job;
      const session = await joinRoom(
        host,
        this.#job,
        {
          recorder: true,
          publish: [],
          receive: true,
          wants: (c) =>
            (participant === undefined || c.name === participant) && selects(selection ?? everything, c),
          courier: this.#courier,
        },
        this.#stop.signal,
      );
      this.#session = session;
      if (this.#layer !== undefined) session.prefer?.(this.#layer);
      await this.#record(session, host, timers);
    } catch (error) {
      const unbegun = this.#stop.signal.aborted && this.#recording === undefined;
      if (!unbegun) this.#failure ??= asFailure(error);
    } finally {
      for (const t of timers) clearInterval(t);
      await this.#dump?.finish();
      this.#recording?.close();
    }
    return this.#done();
  }

  #open(): PeerHost {
    this.#dump = this.#openDump();
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
      onFrame: (linkId, mid, frame) => this.#recording?.frame(linkId, mid, frame),
      onDigit: (linkId, mid, digit) => this.#recording?.digit(linkId, mid, digit),
      onTick: (at) => this.#tick(at),
      ...(this.#dump ? { tap: this.#dump } : {}),
      log,
    });
    return this.#host;
  }

  #openDump(): RtpDump | undefined {
    const { dumpFile, startedAt, attempt, format, durationMs, zeroAt } = this.#job;
    const { participant, selection, policy, collapsePauses } = this.#job;
    if (dumpFile === undefined) return undefined;
    const options: RtpDumpOptions = {
      file: dumpFile,
      session: {
        version: 1,
        start: this.#start,
        startedAt,
        attempt,
        room: this.#label,
        format,
        ...(participant === undefined ? {} : { participant }),
        ...(selection === undefined ? {} : { selection }),
        ...(policy === undefined ? {} : { policy }),
        ...(collapsePauses === undefined ? {} : { collapsePauses }),
        ...(durationMs === undefined ? {} : { durationMs }),
        ...(zeroAt === undefined ? {} : { zeroAt }),
      },
      onFailure: (error) =>
        this.#notice("warn", `the dump ends here, the recording goes on: ${error.message}`),
    };
    try {
      return RtpDump.create(options);
    } catch (error) {
      // Asked for and impossible from the start; later it is no reason to lose the rest of a call.
      if (attempt === 0 || !(error instanceof RoomtapError)) throw error;
      options.onFailure(error);
      return undefined;
    }
  }

  async #record(session: RoomSession, host: PeerHost, timers: NodeJS.Timeout[]): Promise<void> {
    const job = this.#job;
    // Takes its time with long files: the heartbeat goes on.
    if (job.attempt > 0) await recoverSession(job.directory);
    clearInterval(timers.pop());
    const recording = new Recording({
      ...job,
      room: this.#label,
      start: this.#start,
      firstMedia: (linkId) => host.firstMedia(linkId),
      requestKeyframe: (linkId, mid) => host.requestKeyframe(linkId, mid),
      onFailure: (error) => this.#fail(error),
    });
    this.#recording = recording;
    this.#disk = new DiskWatch({
      directory: job.directory,
      onShort: (text) => this.#notice("warn", text),
      onFull: (error) => this.#fail(error),
    });
    if (this.#paused) this.pause();
    this.#sendStatus();
    timers.push(setInterval(() => this.#sendStatus(), STATUS_MS));
    const events = this.#follow(session, recording);
    await new Promise<void>((resolve) => {
      if (this.#stop.signal.aborted) resolve();
      this.#stop.signal.addEventListener("abort", () => resolve(), { once: true });
      void events.then(resolve);
    });
    recording.stop(this.#event({ t: "stop" }));
    this.#finishing = true;
    this.#sendStatus();
    await session.leave();
    await host.close();
    this.#event({ t: "end" });
    this.#ended = true;
    await this.#dump?.finish();
    await recording.finish(this.#meter.statistics());
    await recording.convert(this.#skip.signal, (share) => {
      this.#progress = share;
    });
  }

  async #follow(session: RoomSession, recording: Recording): Promise<void> {
    for await (const e of session.events) {
      if (!this.#ended) this.#onEvent(e, recording);
      if (e.t === "ended") return;
    }
  }

  #onEvent(e: RoomEvent, recording: Recording): void {
    switch (e.t) {
      case "peer": {
        const now = this.#event({ t: "peer", op: e.op, peer: e.peer });
        recording.peer(e.op, e.peer, now);
        if (recording.participants.length === 0) this.#emptySince = now;
        break;
      }
      case "track":
        // Of a mute the media tell: nothing comes, or silence does.
        if (e.op === "mute" || e.op === "unmute") break;
        this.#event({ t: "track", op: e.op, track: e.track });
        recording.track(e.op, e.track);
        break;
      case "signalling":
        this.#connection(recording, "signalling", e.op === "lost" ? "down" : "up");
        this.#notice(
          e.op === "lost" ? "warn" : "info",
          e.op === "lost" ? `signalling lost: ${e.detail ?? ""}` : "signalling is back",
        );
        break;
      case "link":
        this.#connection(recording, "media", e.op, e.peerId);
        if (e.op === "down")
          this.#notice(
            "warn",
            `connection to ${recording.peerOf(e.peerId)?.name ?? "a peer"}: ${e.detail ?? "lost"}; trying again`,
          );
        break;
      case "ended": {
        const end = roomEnd(e);
        if (typeof end === "string") this.#notice("info", end);
        else if (end) this.#failure ??= end;
      }
    }
  }

  #connection(recording: Recording, what: "signalling" | "media", op: "down" | "up", peerId?: string): void {
    const who = peerId === undefined ? {} : { peerId };
    recording.connection(what, op, this.#event({ t: "connection", what, op, ...who }), peerId);
  }

  /** Something other than a packet happens now, and comes after every frame so far. Returns when. */
  #event(e: Parameters<RtpDump["event"]>[0]): Millis {
    const now = this.#now();
    this.#dump?.event(e, now);
    this.#host?.settle(now);
    return now;
  }

  #tick(at: Millis): void {
    const recording = this.#recording;
    if (!recording) return;
    recording.tick(at);
    const { untilEmptyMs } = this.#job;
    const empty =
      untilEmptyMs !== undefined &&
      recording.participants.length === 0 &&
      at - this.#emptySince >= untilEmptyMs;
    if (recording.over(at) || empty) this.stop();
  }

  #elapsedMs(): number {
    return this.#recording?.elapsedMs(this.#now()) ?? 0;
  }

  #sendStatus(phase?: StatusMessage["phase"]): void {
    const host = this.#host;
    if (!host) return;
    this.#dump?.flush();
    const cpu = process.cpuUsage();
    const now = this.#now();
    const recording = this.#recording;
    const disk = this.#disk;
    if (recording && !this.#finishing) this.#keepDirectory();
    if (recording && !this.#finishing) void disk?.check(now, recording.diskUse(now));
    const zeroAt = recording?.zeroAt ?? this.#job.zeroAt;
    const running = this.#paused ? "paused" : recording?.started ? "recording" : "waiting";
    this.#report({
      t: "status",
      phase: phase ?? (this.#finishing ? "finishing" : running),
      elapsedMs: this.#elapsedMs(),
      ...(zeroAt === undefined ? {} : { zeroAt }),
      participants: this.#meter.measure(
        now,
        recording?.participants ?? [],
        host.statistics(now),
        (linkId, mid) => recording?.trackOf(linkId, mid),
        (participantId) => recording?.bytesOf(participantId) ?? 0,
      ),
      faults: host.faults.snapshot(),
      packets: host.packets,
      cpuMs: (cpu.user + cpu.system) / 1000,
      ...(disk?.status === undefined ? {} : { disk: disk.status }),
      ...(this.#progress === undefined ? {} : { progress: this.#progress }),
    });
  }

  /** Somebody removed the session directory: what was in it is gone, but the call goes on. */
  #keepDirectory(): void {
    const { directory } = this.#job;
    if (existsSync(directory)) return;
    this.#notice("error", `${directory} was removed; what comes from now on is recorded in it anew`);
    try {
      makeDirectory(directory);
    } catch (cause) {
      this.#fail(diskError(directory, cause));
      return;
    }
    this.#abandon();
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

function asFailure(error: unknown): RoomtapError {
  if (error instanceof RoomtapError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new RoomtapError("internal", message, { cause: error });
}
