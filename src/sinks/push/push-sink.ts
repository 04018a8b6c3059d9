import { Backoff } from "../../core/backoff.ts";
import { equalBytes } from "../../core/bytes.ts";
import type { ProgramFormat, ProgramSample, ProgramSink, SinkStatus } from "../program/program.ts";
import { GopQueue, type Queued, type QueueLimits } from "./gop-queue.ts";
import type { OpenLink, PushFailure, PushLink, PushSample } from "./link.ts";

/** Nothing goes out for so long, although something waits to: the far end is taken for dead. */
const STALL_MS = 10_000;
const WATCH_MS = 1000;
/** Of an end: from asking for it to forcing it, and from there to not waiting for it. */
const END_MS = 7000;
const FORCE_MS = 1500;
/** Milliseconds between attempts, at least and at most. */
const RETRY_MIN_MS = 1000;
const RETRY_MAX_MS = 30_000;
/** A stream that went out for so long was a healthy one. */
const HEALTHY_MS = 10_000;
/** One that went out for so long is accepted: some servers say yes before they say no. */
const STEADY_MS = 1500;
/** The same complaint is repeated after so long. */
const REPEAT_MS = 600_000;
const QUEUE: QueueLimits = { bytes: 16 << 20, ms: 10_000 };

/** Of a link: none, not yet for samples, for samples, full, being ended for another one, being ended for good. */
type Phase = "closed" | "opening" | "open" | "full" | "changing" | "ending";

/** What a push needs. Callbacks must not throw. */
export type PushOptions = {
  /** For status and metrics, like `rtmp-2`. */
  readonly name: string;
  /** What people call the target, without its secrets. */
  readonly shown: string;
  readonly open: OpenLink;
  /** Index of the rendition that it carries (default 0, the best). */
  readonly rendition?: number;
  /** News for people, without secrets. */
  readonly onNotice?: (level: "info" | "warn" | "error", text: string) => void;
  /** What may wait (default 16 MiB, 10 s). */
  readonly limits?: QueueLimits;
  readonly random?: () => number;
};

/**
 * Carries one rendition to one target, again and again. Every connection begins at a keyframe, with time 0; what comes
 * while there is none, or while it is too slow, waits in a bounded queue and is dropped by groups of pictures. One that
 * breaks, or through which nothing goes for 10 s, is replaced after 1 to 30 s, longer every time.
 */
export class PushSink implements ProgramSink {
  readonly name: string;
  readonly #o: PushOptions;
  readonly #queue: GopQueue;
  readonly #backoff: Backoff;
  readonly #watch: NodeJS.Timeout;
  #format: ProgramFormat | undefined;
  #link: PushLink | undefined;
  #phase: Phase = "closed";
  /** Milliseconds of the program that are 0 on the link. */
  #base: number | undefined;
  #linkFormat: ProgramFormat | undefined;
  #openedAt = 0;
  #movedAt = 0;
  /** Since when something goes out through this link. */
  #firstMovedAt: number | undefined;
  /** It has gone on for a while: with this link, with any. */
  #steady = false;
  #carried = false;
  #endedAt: number | undefined;
  #retry: NodeJS.Timeout | undefined;
  /** Bytes of former links. */
  #bytes = 0;
  #stray = 0;
  #attempts = 0;
  /** Why it does not run. */
  #detail: string | undefined;
  /** Why a link is being aborted. */
  #verdict: PushFailure | undefined;
  #said = { text: "", at: Number.NEGATIVE_INFINITY };
  #failed = false;
  #ended = false;
  #closing: Promise<void> | undefined;
  #onOver: (() => void) | undefined;

  constructor(o: PushOptions) {
    this.name = o.name;
    this.#o = o;
    this.#queue = new GopQueue(o.limits ?? QUEUE);
    this.#backoff = new Backoff({
      baseMs: 2 * RETRY_MIN_MS,
      capMs: RETRY_MAX_MS,
      random: o.random ?? Math.random,
    });
    this.#watch = setInterval(() => this.#look(), WATCH_MS);
    this.#watch.unref();
  }

  format(f: ProgramFormat): void {
    if (f.rendition !== (this.#o.rendition ?? 0)) return;
    // The same one, so that nothing starts anew for an encoder that was.
    if (!this.#format || !sameFormat(this.#format, f)) this.#format = f;
  }

  sample(s: ProgramSample): void {
    if (this.#failed || this.#ended) return;
    if (s.kind === "video" && s.rendition !== (this.#o.rendition ?? 0)) return;
    if (!this.#format) {
      this.#stray++;
      return;
    }
    this.#queue.push(s, this.#format);
    const away = this.#phase === "closed" || this.#phase === "opening";
    if (away && s.kind === "video" && s.keyframe) this.#queue.keepNewest();
    if (this.#phase === "closed" && !this.#retry) this.#open();
    this.#pump();
  }

  interruption(): void {
    // Pictures up to here cannot be continued; those that wait can still be shown.
    this.#queue.breakOff();
  }

  close(): Promise<void> {
    this.#ended = true;
    this.#closing ??= this.#finish();
    return this.#closing;
  }

  status(): SinkStatus {
    const moves = this.#link !== undefined && this.#firstMovedAt !== undefined;
    const running = moves && (this.#steady || this.#detail === undefined);
    return {
      state: this.#state(running),
      bytes: this.#bytes + (this.#link?.bytes ?? 0),
      dropped: this.#queue.dropped + this.#stray,
      attempts: this.#attempts,
      ...(this.#detail === undefined ? {} : { detail: this.#detail }),
    };
  }

  #state(running: boolean): SinkStatus["state"] {
    if (this.#failed) return "failed";
    if (this.#ended) return "ended";
    if (running) return "running";
    return this.#detail === undefined ? "waiting" : "retrying";
  }

  #open(): void {
    const first = this.#queue.first;
    if (!first) return;
    this.#attempts++;
    this.#phase = "opening";
    this.#firstMovedAt = undefined;
    this.#steady = false;
    this.#base = undefined;
    this.#linkFormat = first.format;
    this.#openedAt = this.#movedAt = performance.now();
    const link = this.#o.open(first.format, {
      onOpen: () => {
        if (this.#phase === "opening") this.#phase = "open";
        this.#movedAt = performance.now();
        this.#pump();
      },
      onRoom: () => {
        if (this.#phase === "full") this.#phase = "open";
        this.#pump();
      },
      onMoved: () => this.#onMoved(),
      onClosed: (failure) => this.#onClosed(failure),
    });
    this.#link = link;
  }

  #pump(): void {
    while (this.#phase === "open" && this.#link) {
      const next = this.#queue.first;
      if (!next) break;
      if (next.format !== this.#linkFormat && !this.#link.takes(next.format)) {
        this.#end("changing");
        return;
      }
      this.#queue.shift();
      this.#linkFormat = next.format;
      this.#base ??= next.timeMs;
      // Sound of before the keyframe, which came after it.
      if (next.timeMs < this.#base) continue;
      if (this.#link.idle) this.#movedAt = performance.now();
      if (!this.#link.send(toSend(next, this.#base)) && this.#phase === "open") this.#phase = "full";
    }
    if (this.#ended && this.#phase === "open" && this.#queue.size === 0) this.#end("ending");
  }

  #onMoved(): void {
    const now = performance.now();
    this.#movedAt = now;
    this.#firstMovedAt ??= now;
    if (this.#steady || now - this.#firstMovedAt < STEADY_MS) return;
    this.#steady = true;
    this.#carried = true;
    if (this.#detail !== undefined) this.#o.onNotice?.("info", `${this.#title} goes out again`);
    this.#detail = undefined;
  }

  #end(phase: "changing" | "ending"): void {
    this.#phase = phase;
    this.#endedAt = performance.now();
    this.#link?.end();
  }

  #onClosed(failure: PushFailure | undefined): void {
    const phase = this.#phase;
    const now = performance.now();
    this.#bytes += this.#link?.bytes ?? 0;
    this.#link = undefined;
    this.#phase = "closed";
    this.#endedAt = undefined;
    if (this.#steady && now - this.#openedAt >= HEALTHY_MS) this.#backoff.reset();
    if (this.#ended) {
      this.#onOver?.();
      return;
    }
    if (phase === "changing" && !failure) {
      this.#open();
      return;
    }
    // What waits may begin in the middle of a group of pictures.
    this.#queue.keepNewest();
    const verdict = this.#verdict ?? failure ?? { text: "it ended" };
    this.#verdict = undefined;
    this.#complain(verdict, now);
  }

  #complain(failure: PushFailure, now: number): void {
    this.#detail = failure.text;
    // What went once may go again: a server may be short of what it knows for a while.
    this.#failed = failure.final === true && !this.#carried;
    if (this.#failed) {
      clearInterval(this.#watch);
      this.#queue.clear();
      this.#o.onNotice?.("error", `${this.#title}: ${failure.text}; it is not tried again`);
      return;
    }
    const wait = Math.max(RETRY_MIN_MS, this.#backoff.next());
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#open();
      this.#pump();
    }, wait);
    if (this.#said.text === failure.text && now - this.#said.at < REPEAT_MS && !this.#steady) return;
    this.#said = { text: failure.text, at: now };
    this.#o.onNotice?.(
      "warn",
      `${this.#title}: ${failure.text}; tried again in ${(wait / 1000).toFixed(1)} s`,
    );
  }

  /** Ends what stands still. */
  #look(): void {
    const link = this.#link;
    if (!link) return;
    const now = performance.now();
    const still = now - (this.#endedAt ?? this.#movedAt) >= (this.#endedAt === undefined ? STALL_MS : END_MS);
    const waits =
      this.#phase === "opening" ||
      this.#firstMovedAt === undefined ||
      !link.idle ||
      this.#endedAt !== undefined;
    if (!still || !waits) return;
    const s = STALL_MS / 1000;
    this.#verdict = {
      text: this.#firstMovedAt === undefined ? `no answer for ${s} s` : `it took nothing for ${s} s`,
    };
    link.abort();
  }

  async #finish(): Promise<void> {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    if (this.#link) {
      const over = new Promise<void>((resolve) => {
        this.#onOver = resolve;
      });
      const force = setTimeout(() => this.#link?.abort(), END_MS);
      const leave = setTimeout(() => this.#onOver?.(), END_MS + FORCE_MS);
      // Without a connection there is nothing to complete.
      if (this.#phase === "opening") this.#link.abort();
      else this.#pump();
      await over;
      clearTimeout(force);
      clearTimeout(leave);
    }
    clearInterval(this.#watch);
    this.#queue.clear();
  }

  get #title(): string {
    return `${this.name} (${this.#o.shown})`;
  }
}

function toSend({ sample, format, timeMs }: Queued, baseMs: number): PushSample {
  const { kind, data, keyframe } = sample;
  return { kind, data, keyframe, format, timeMs: timeMs - baseMs };
}

function sameFormat(a: ProgramFormat, b: ProgramFormat): boolean {
  return equalBytes(a.video.config, b.video.config) && equalBytes(a.audio.config, b.audio.config);
}
