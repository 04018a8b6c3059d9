import type { CaptureTime } from "../rtp/extension-values.ts";
import { type Millis, millis, ntpToWall, type WallMillis, wallMillis } from "../time.ts";
import { ArrivalClock } from "./arrival-clock.ts";
import { AudioGrid } from "./audio-grid.ts";
import { OFFSET_WINDOW_MS, slew } from "./clock-offset.ts";
import { PauseJudge } from "./pause-judge.ts";
import { ReferenceClock, ReferenceGroup, type ReferenceModel } from "./reference-clock.ts";
import { StartGate } from "./start-gate.ts";

/** Reports that disagree with arrival by more are wrong: servers write them, and some write them badly. */
const REPORT_TRUST_MS = 250;
/** Capture may be this long before arrival: media servers decode, mix and encode on the way. */
const CAPTURE_TRUST_MS = 1500;
/** No frame is placed further from its arrival: only timestamps that mean nothing say so. */
const MAX_AHEAD_MS = 2000;
const MAX_AGE_MS = 60_000;

/** What places a track: the sender's wall clock of capture or of its reports, or arrival alone. */
export type TimelineModel =
  | { readonly by: "arrival" }
  | ({ readonly by: "capture" | "reports" } & ReferenceModel);

/** The clocks of one sender (one CNAME), shared by its tracks so that lips and voice keep together. */
export class SenderTimeline {
  readonly #reports = new ReferenceGroup(REPORT_TRUST_MS);
  readonly #captures = new ReferenceGroup(CAPTURE_TRUST_MS);

  /** A track of this sender. `clockRate` in Hz. */
  track(clockRate: number): TrackTimeline {
    return new TrackTimeline(this.#reports, this.#captures, clockRate);
  }
}

/**
 * Places the frames of one SSRC on local time: by capture times (abs-capture-time) where packets carry them, else by
 * sender reports, else by arrival.
 */
export class TrackTimeline {
  readonly #ratePerMs: number;
  readonly #reports: ReferenceClock;
  readonly #captures: ReferenceClock;
  /** Best arrivals of a long while: a queue on the path delays packets, not the sender. */
  readonly #arrivals: ArrivalClock;
  readonly #gate: StartGate;
  readonly #pauses: PauseJudge;
  readonly #grid = new AudioGrid();
  #captureSource: string | undefined;
  /** Local time = media time + offset, as applied to the last placed frame. */
  #offset: number | undefined;
  #lastRtp = 0;
  #lastLocal = Number.NEGATIVE_INFINITY;
  #restarts = 0;

  constructor(reports: ReferenceGroup, captures: ReferenceGroup, clockRate: number) {
    this.#ratePerMs = clockRate / 1000;
    this.#reports = new ReferenceClock(reports, clockRate);
    this.#captures = new ReferenceClock(captures, clockRate);
    this.#arrivals = new ArrivalClock(clockRate, OFFSET_WINDOW_MS);
    this.#gate = new StartGate(clockRate);
    this.#pauses = new PauseJudge(clockRate);
  }

  /** Reports or capture times place this track exactly (false: arrival times do, or nothing says that they are right). */
  get synchronized(): boolean {
    return this.#gate.open && (this.#captures.trusted || this.#reports.trusted);
  }

  /** The sender's reports, or its capture times, contradict arrival and are not used. */
  get distrusted(): boolean {
    return this.#captures.distrusted || this.#reports.distrusted;
  }

  /** Packets come live, no longer in the burst of old ones that some servers begin with. */
  get live(): boolean {
    return this.#gate.open;
  }

  /** Times that the mapping had to start anew (timestamp jumps, sender stalls). */
  get restarts(): number {
    return this.#restarts;
  }

  /** Times that the sender's clock was set; the media does not move with it. */
  get clockSteps(): number {
    return this.#reports.steps + this.#captures.steps;
  }

  /** What places the track now. */
  get model(): TimelineModel {
    if (this.#captures.trusted) return { by: "capture", ...this.#captures.model };
    return this.#reports.trusted ? { by: "reports", ...this.#reports.model } : { by: "arrival" };
  }

  /** Notes a sender report. `rtp` is unwrapped. */
  onReport(wall: WallMillis, rtp: number, arrival: Millis): void {
    if (this.#reports.push(wall, rtp, arrival, this.#arrived)) this.#pauses.acquit();
  }

  /**
   * Notes the capture time that a packet carries (abs-capture-time), its unwrapped timestamp and when it arrived.
   * `source`: whose clock it is, the first CSRC or else the SSRC. Without an offset to the sender's clock the time
   * is of the first sender of all: tracks that it captured keep together all the same.
   */
  onCaptureTime(capture: CaptureTime, source: number, rtp: number, arrival: Millis): void {
    const key = `${source}${capture.clockOffsetMs === undefined ? "" : " offset"}`;
    if (key !== this.#captureSource) {
      if (this.#captureSource !== undefined) this.#captures.reset(arrival);
      this.#captureSource = key;
    }
    const wall = wallMillis(ntpToWall(capture.ntp) + (capture.clockOffsetMs ?? 0));
    this.#captures.push(wall, rtp, arrival, this.#arrived);
  }

  /** Notes a media packet: its unwrapped timestamp and when it arrived. */
  onPacket(rtp: number, arrival: Millis): void {
    const parted = this.#pauses.push(rtp, arrival, this.#offset);
    if (parted && (this.#gate.open || this.#offset !== undefined)) this.#reanchor(rtp, arrival);
    this.#arrivals.push(rtp, arrival);
    if (!this.#gate.push(rtp, arrival)) return;
    this.#captures.review(rtp, arrival, this.#arrived);
    this.#reports.review(rtp, arrival, this.#arrived);
  }

  /**
   * Local time of a frame, strictly growing. The first frame takes the best mapping known; later ones move
   * towards a better one by at most 5 ms per second. `arrival`: when the frame's first packet came. `duration` in
   * microseconds, of sound: it follows without seams on what came before.
   */
  place(rtp: number, arrival: Millis, duration?: number): Millis {
    const media = rtp / this.#ratePerMs;
    const target = this.#target(rtp, arrival) ?? arrival - media;
    if (this.#offset === undefined) this.#offset = target;
    else this.#offset += slew(target - this.#offset, Math.max(0, rtp - this.#lastRtp) / this.#ratePerMs);
    this.#lastRtp = rtp;
    const local =
      duration === undefined
        ? media + this.#offset
        : this.#grid.place(media, this.#offset, Math.max(1, duration / 1000));
    const possible = Math.min(Math.max(local, arrival - MAX_AGE_MS), arrival + MAX_AHEAD_MS);
    this.#lastLocal = Math.max(this.#lastLocal + 1, possible);
    return millis(this.#lastLocal);
  }

  /** Local time of something that is no frame; it moves nothing. */
  locate(rtp: number, arrival: Millis): Millis {
    const media = rtp / this.#ratePerMs;
    return millis(media + (this.#offset ?? this.#target(rtp, arrival) ?? arrival - media));
  }

  /** Forgets the mapping: the timestamps started anew. */
  restart(): void {
    this.#reports.restart();
    this.#captures.restart();
    this.#pauses.reset();
    this.#unanchor();
  }

  /** Offset of the best arrivals; undefined while packets are old ones, replayed. */
  get #arrived(): number | undefined {
    return this.#gate.open ? this.#arrivals.offset : undefined;
  }

  #target(rtp: number, arrival: Millis): number | undefined {
    const arrived = this.#arrived;
    return (
      this.#captures.offsetAt(rtp, arrival, arrived) ??
      this.#reports.offsetAt(rtp, arrival, arrived) ??
      this.#arrivals.offset
    );
  }

  /** Timestamps and arrivals parted: frames go on at arrival, unless the sender's own clock explains it. */
  #reanchor(rtp: number, arrival: Millis): void {
    const now = arrival - rtp / this.#ratePerMs;
    const captured = this.#captures.offsetAt(rtp, arrival, now);
    const reported = this.#reports.offsetAt(rtp, arrival, now);
    if (captured === undefined) this.#captures.restart();
    if (reported === undefined) this.#reports.restart();
    this.#pauses.restart();
    this.#unanchor();
  }

  #unanchor(): void {
    this.#restarts++;
    this.#arrivals.reset();
    this.#grid.reset();
    this.#offset = undefined;
  }
}
