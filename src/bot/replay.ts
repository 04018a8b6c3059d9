import { resolve } from "node:path";
import { setImmediate } from "node:timers/promises";
import { ExitCode, FaultCounter, RoomtapError } from "../core/fault.ts";
import { ConnectionReceiver } from "../core/media/connection-receiver.ts";
import { ReceivingEngine } from "../core/media/receiving-engine.ts";
import { seededRandom } from "../core/random.ts";
import { type Millis, millis } from "../core/time.ts";
import { locateFfmpeg } from "../ffmpeg/locate.ts";
import type { LinkStatistics } from "../peer/host.ts";
import { LossyPath } from "../sinks/rtpdump/lossy-path.ts";
import { DumpPlayer, type Played } from "../sinks/rtpdump/player.ts";
import { type LoadedTable, readDumpTable } from "../sinks/rtpdump/read-table.ts";
import type { TimedEvent } from "../sinks/rtpdump/table.ts";
import { finishSession } from "./finish-session.ts";
import type { OutputFormat } from "./job.ts";
import { ParticipantMeter } from "./participant-meter.ts";
import { type RecordResult, resultOf } from "./record.ts";
import { Recording } from "./recording.ts";
import { sessionDirectory } from "./session-directory.ts";

/** Packets between two looks at the rest of the program. */
const SLICE = 2000;
/** Counters are read this often, in the session's time. */
const MEASURE_MS = 1000;
/** Default ceiling of `record`: what it states to senders does not change what is recorded. */
const MAX_BITRATE = 4_000_000;

/** What to replay, and how. */
export type ReplayOptions = {
  /** The dump's first file, as given to `--dump-rtp`; its table is beside it. */
  readonly file: string;
  /** Directory under which the session directory is made; default `recordings`. */
  readonly out?: string;
  /** Default: that of the recording. */
  readonly format?: OutputFormat;
  readonly ffmpeg?: string;
  /** Share of the media packets that are lost on the way, 0..1; default 0. */
  readonly loss?: number;
  /** Of the loss; default 1. */
  readonly seed?: number;
  /** A repair comes this long after it was asked for; default 50. */
  readonly rttMs?: number;
  /** Default true: what is lost and asked for comes again. */
  readonly retransmit?: boolean;
  /** Aborting finishes the files where the replay is. */
  readonly stop?: AbortSignal;
  /** Aborting skips conversions that are still to be done. */
  readonly skip?: AbortSignal;
  readonly onProgress?: (progress: ReplayProgress) => void;
  readonly onNotice?: (text: string) => void;
};

/** How far a replay is. */
export type ReplayProgress = {
  readonly phase: "replaying" | "converting";
  /** Length of the recording so far, milliseconds. */
  readonly elapsedMs: number;
  /** Share of the phase, 0..1. */
  readonly share: number;
};

/** How a replay ended. */
export type ReplayResult = RecordResult & {
  /** Packets read from the dump. */
  readonly packets: number;
  /** What the emulated network dropped, and how many repairs it brought. */
  readonly dropped: number;
  readonly repaired: number;
  /** What was wrong with what came in, by kind. */
  readonly faults: Readonly<Record<string, number>>;
};

/**
 * Records a dump as if it came from the network now, as fast as the machine can: the same dump gives the same
 * files as the live session, octet by octet. Rejects with a RoomtapError (media-invalid, output-unwritable, ...).
 */
export async function replay(o: ReplayOptions): Promise<ReplayResult> {
  const file = resolve(o.file);
  const table = readDumpTable(file);
  const player = new DumpPlayer(file, table);
  try {
    if (player.empty) {
      throw new RoomtapError("media-invalid", `${o.file} holds no packets`, {
        hint: "nobody was connected while it was written, or it was cut off",
      });
    }
    const format = o.format ?? table.session.format;
    const optional = (format === "mkv" || format === "ogg") && o.ffmpeg === undefined;
    const ffmpeg = await locateFfmpeg(o.ffmpeg).catch((error: unknown) => {
      if (optional) return "";
      throw error;
    });
    const { room, startedAt } = table.session;
    const directory = sessionDirectory(resolve(o.out ?? "recordings"), room, startedAt);
    return await new Replay(o, table, player, { directory, format, ffmpeg }).run();
  } finally {
    player.close();
  }
}

class Replay {
  readonly #o: ReplayOptions;
  readonly #table: LoadedTable;
  readonly #player: DumpPlayer;
  readonly #directory: string;
  readonly #faults = new FaultCounter();
  readonly #engine: ReceivingEngine;
  readonly #recording: Recording;
  readonly #meter: ParticipantMeter;
  readonly #path: LossyPath | undefined;
  /** Links that are open, and whose they are. */
  readonly #links = new Map<string, string>();
  #now = millis(0);
  #ended = false;
  #failure: RoomtapError | undefined;

  constructor(
    o: ReplayOptions,
    table: LoadedTable,
    player: DumpPlayer,
    to: { readonly directory: string; readonly format: OutputFormat; readonly ffmpeg: string },
  ) {
    this.#o = o;
    this.#table = table;
    this.#player = player;
    this.#directory = to.directory;
    this.#meter = new ParticipantMeter(table.session.start);
    const { loss = 0, seed = 1, rttMs = 50, retransmit = true } = o;
    this.#path =
      loss > 0 ? new LossyPath({ loss, random: seededRandom(seed), rttMs, retransmit }) : undefined;
    this.#engine = new ReceivingEngine({
      onFrame: (link, mid, frame) => this.#recording.frame(link, mid, frame),
      onDigit: (link, mid, digit) => this.#recording.digit(link, mid, digit),
      onRtcp: (link, data, now) => this.#path?.onRtcp(link, data, now),
      onTick: (at) => this.#tick(at),
    });
    this.#recording = new Recording({
      ...table.session,
      ...to,
      firstMedia: (link) => this.#engine.receiver(link)?.firstMedia,
      requestKeyframe: (link, mid) => this.#engine.requestKeyframe(link, mid),
      onFailure: (error) => {
        this.#failure ??= error;
      },
    });
  }

  async run(): Promise<ReplayResult> {
    const { stop, skip = new AbortController().signal } = this.#o;
    try {
      for (let steps = 1; !this.#ended && !this.#failure && stop?.aborted !== true && this.#step(); steps++) {
        if (steps % SLICE !== 0) continue;
        await this.#recording.drained();
        this.#progress("replaying", this.#player.share);
        await setImmediate();
      }
      this.#leave();
      await this.#recording.finish(this.#meter.statistics());
      this.#mustBeWritten();
      await this.#recording.convert(skip, (share) => this.#progress("converting", share));
    } finally {
      this.#recording.close();
    }
    return await this.#result(skip);
  }

  /** Does what is due first: a deadline, a repair that arrives, or what comes next in the dump. */
  #step(): boolean {
    const { next } = this.#player;
    const input = next === undefined ? undefined : startOf(next);
    const repair = this.#path?.deadline;
    const due = this.#engine.deadline;
    if (next === undefined || input === undefined) return false;
    const arrival = repair !== undefined && repair <= input ? repair : input;
    if (due !== undefined && due <= arrival) this.#engine.advance(due);
    else if (arrival === repair) this.#repair(repair);
    else {
      if (next.t === "packet") this.#packet(next.link, next.bytes, next.at);
      else this.#event(next.event, next.at);
      this.#now = millis(Math.max(this.#now, next.at));
      this.#player.take();
    }
    return true;
  }

  #repair(now: Millis): void {
    const arrived = this.#path?.poll(now);
    if (arrived) this.#engine.packet(arrived.link, arrived.bytes, now);
  }

  #packet(link: string, bytes: Uint8Array, now: Millis): void {
    if (this.#path?.passes(link, bytes, now) === false) return;
    this.#engine.packet(link, bytes, now);
  }

  #event(e: TimedEvent, now: Millis): void {
    switch (e.t) {
      case "opened":
        this.#open(e.link, e.peerId, e.seed, now);
        break;
      case "agreed":
        this.#path?.configure(e.link, e.media);
        this.#engine.configure(e.link, e.media, now);
        break;
      case "closed":
        this.#close(e.link, now);
        break;
      case "stalled":
        this.#engine.stall(e.lagMs, now);
        break;
      case "peer":
        this.#engine.settle(now);
        this.#recording.peer(e.op, e.peer, now);
        break;
      case "track":
        this.#engine.settle(now);
        this.#recording.track(e.op, e.track);
        break;
      case "connection":
        this.#engine.settle(now);
        this.#recording.connection(e.what, e.op, now, e.peerId);
        break;
      case "pause":
        this.#engine.settle(now);
        this.#recording.pause(now);
        break;
      case "resume":
        this.#engine.settle(now);
        this.#recording.resume(now);
        break;
      case "stop":
        this.#engine.settle(now);
        this.#recording.stop(now);
        break;
      case "end":
        this.#engine.settle(now);
        this.#ended = true;
    }
  }

  #open(link: string, peerId: string, seed: number, now: Millis): void {
    this.#close(link, now);
    const random = seededRandom(seed);
    const receiver = new ConnectionReceiver({
      random,
      cname: "replay",
      maxBitrate: MAX_BITRATE,
      faults: this.#faults,
    });
    this.#engine.open(link, receiver, now);
    this.#links.set(link, peerId);
  }

  #close(link: string, now: Millis): void {
    if (!this.#links.has(link)) return;
    this.#measure(now);
    this.#engine.close(link, now);
    this.#links.delete(link);
  }

  /** The dump is over, or was stopped here. */
  #leave(): void {
    this.#recording.stop(this.#now);
    for (const link of [...this.#links.keys()]) this.#close(link, this.#now);
    this.#engine.settle(this.#now);
  }

  #tick(at: Millis): void {
    this.#recording.tick(at);
    if (at % MEASURE_MS === 0) this.#measure(at);
  }

  #measure(now: Millis): void {
    const links: LinkStatistics[] = [...this.#links].flatMap(([linkId, peerId]) => {
      const receiver = this.#engine.receiver(linkId)?.statistics(now);
      if (!receiver) return [];
      return [{ linkId, peerId, state: "connected", pair: undefined, receiver, sender: undefined }];
    });
    const { participants } = this.#recording;
    const trackOf = (link: string, mid: string) => this.#recording.trackOf(link, mid);
    this.#meter.measure(now, participants, links, trackOf, () => 0);
  }

  #mustBeWritten(): void {
    if (this.#failure) throw this.#failure;
  }

  async #result(skip: AbortSignal): Promise<ReplayResult> {
    let failure: Error | undefined;
    const manifest = await finishSession(this.#directory, {
      // The recording has its pictures.
      ffmpeg: "",
      skip,
      onFailure: (error) => {
        failure ??= error;
      },
    });
    if (failure) throw failure;
    const { damaged, packets } = this.#player;
    if (this.#failure) this.#notice(this.#failure.message);
    if (damaged) this.#notice("the dump is damaged: a part of its packets could not be read");
    else if (!this.#table.complete)
      this.#notice("the dump was not ended in order: its last moment may be missing");
    const exit = damaged ? ExitCode.incomplete : (this.#failure?.exitCode ?? ExitCode.ok);
    const { dropped, repaired } = this.#path?.counts ?? { dropped: 0, repaired: 0 };
    const faults = this.#faults.snapshot();
    return { ...resultOf(this.#directory, manifest, exit), packets, dropped, repaired, faults };
  }

  #progress(phase: ReplayProgress["phase"], share: number): void {
    this.#o.onProgress?.({ phase, elapsedMs: this.#recording.elapsedMs(this.#now), share });
  }

  #notice(text: string): void {
    this.#o.onNotice?.(text);
  }
}

/** From when on it matters: a stall is known at its end only. */
function startOf(p: Played): number {
  return p.t === "event" && p.event.t === "stalled" ? p.at - p.event.lagMs : p.at;
}
