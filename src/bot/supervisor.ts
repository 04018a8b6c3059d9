import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Backoff } from "../core/backoff.ts";
import { ExitCode } from "../core/fault.ts";
import type { Courier } from "../core/room.ts";
import type {
  DoneMessage,
  FromChild,
  Job,
  NoticeMessage,
  RelayMessage,
  StatusMessage,
  ToChild,
} from "./job.ts";

/** When a child counts as stuck. Milliseconds. */
export type SupervisorLimits = {
  /** A child reports every second; this long without a word it hangs. */
  readonly silenceMs: number;
  /** Until its first word: loading the addon on a busy machine takes its time. */
  readonly startMs: number;
  /** A core's worth of CPU time without a single packet, for this long, is a spinning native thread. */
  readonly spinMs: number;
  /** How often to look for silence. */
  readonly watchMs: number;
};

const defaultLimits: SupervisorLimits = {
  silenceMs: 6000,
  startMs: 20_000,
  spinMs: 2500,
  watchMs: 1000,
};
const SPIN_SHARE = 0.9;
/** Attempts in a row that never got into the room. */
const MAX_FAILED_STARTS = 3;
/** What a child says on stderr, kept for the error message. */
const STDERR_TAIL = 2000;

/** A supervised child process. */
export type Supervised = {
  /** Resolves once, when the work is over. Never rejects. */
  readonly done: Promise<DoneMessage>;
  /** Finish the files, leave, end. */
  stop(): void;
  /** Do not wait for conversions. */
  skip(): void;
  /** Leave out what comes from now on, or take it again. A child that has to be started again is told by its job. */
  pause(): void;
  resume(): void;
  /** Tells the running child something; lost where there is none. `left`: called when it is on its way, or was lost. */
  send(message: ToChild, left?: () => void): void;
  /** Process id of the running child, for tests and status. */
  readonly pid: number | undefined;
};

/** Options of `supervise`. */
export type SuperviseOptions = {
  /** The work for an attempt, from 0; `last`: what the attempt before reported last. */
  readonly job: (attempt: number, last: StatusMessage | undefined) => Job;
  readonly onStatus: (status: StatusMessage) => void;
  readonly onNotice: (notice: NoticeMessage) => void;
  /** What a child that relays a room tells. */
  readonly onRelay?: (message: RelayMessage) => void;
  /** Absent: nobody carries anything. */
  readonly courier?: Courier | undefined;
  /** The child ended and is started again: what it told of the room is void. */
  readonly onReplaced?: () => void;
  /** Program of the child; default: the media process. */
  readonly script?: string;
  readonly limits?: SupervisorLimits;
};

/**
 * Runs a job in a child process and starts it again when it dies or hangs: a native abort costs one part of
 * one recording, not the session.
 */
export function supervise(o: SuperviseOptions): Supervised {
  const supervisor = new Supervisor(o);
  supervisor.start();
  return supervisor;
}

class Supervisor implements Supervised {
  readonly done: Promise<DoneMessage>;
  readonly #o: SuperviseOptions;
  readonly #limits: SupervisorLimits;
  readonly #backoff = new Backoff({ baseMs: 200, capMs: 2000, random: Math.random });
  #resolve: (m: DoneMessage) => void = () => undefined;
  #child: ChildProcess | undefined;
  #attempt = 0;
  #failedStarts = 0;
  #lastEver: StatusMessage | undefined;
  #last: StatusMessage | undefined;
  #heardAt = 0;
  #spin: { at: number; packets: number; cpuMs: number } | undefined;
  #finished: DoneMessage | undefined;
  #stopping = false;
  /** The watchdog ended this child and said so. */
  #replaced = false;
  #stderr = "";
  #watchdog: NodeJS.Timeout | undefined;
  #restart: NodeJS.Timeout | undefined;

  constructor(o: SuperviseOptions) {
    this.#o = o;
    this.#limits = o.limits ?? defaultLimits;
    this.done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): void {
    const child = fork(this.#o.script ?? fileURLToPath(new URL("./child.js", import.meta.url)), [], {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      execArgv: [],
      // Media are octets, which JSON does not know.
      serialization: "advanced",
    });
    this.#child = child;
    this.#last = undefined;
    this.#spin = undefined;
    this.#replaced = false;
    this.#stderr = "";
    this.#heardAt = Date.now() + this.#limits.startMs - this.#limits.silenceMs;
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_TAIL);
    });
    child.on("message", (m) => this.#onMessage(m as FromChild));
    child.on("error", () => undefined);
    child.on("close", (code, signal) => this.#onClose(code, signal));
    this.send({ t: "start", job: this.#o.job(this.#attempt, this.#lastEver) });
    this.#watchdog = setInterval(() => this.#watch(), this.#limits.watchMs);
  }

  stop(): void {
    this.#stopping = true;
    if (this.#restart !== undefined) {
      clearTimeout(this.#restart);
      this.#resolve({ t: "done", exit: ExitCode.ok, elapsedMs: this.#lastEver?.elapsedMs ?? 0 });
    } else this.send({ t: "stop" });
  }

  skip(): void {
    this.send({ t: "skip" });
  }

  pause(): void {
    this.send({ t: "pause" });
  }

  resume(): void {
    this.send({ t: "resume" });
  }

  send(m: ToChild, left: () => void = () => undefined): void {
    // A child that just died answers with its close event.
    if (this.#child?.connected) this.#child.send(m, () => left());
    else left();
  }

  #onMessage(m: FromChild): void {
    this.#heardAt = Date.now();
    switch (m.t) {
      case "status":
        this.#watchSpin(m);
        this.#last = m;
        this.#lastEver = m;
        this.#o.onStatus(m);
        if (m.phase !== "joining") this.#failedStarts = 0;
        break;
      case "notice":
        this.#o.onNotice(m);
        break;
      case "done":
        this.#finished = m;
        break;
      case "give":
        this.#o.courier?.give(m.text, m.note);
        break;
      case "ask":
        void this.#ask(m.prompt);
        break;
      default:
        this.#o.onRelay?.(m);
    }
  }

  async #ask(prompt: string): Promise<void> {
    const child = this.#child;
    const line = await this.#o.courier?.line(prompt).catch(() => undefined);
    // Another child begins with a description of its own.
    if (child === this.#child) this.send({ t: "line", ...(line === undefined ? {} : { line }) });
  }

  #onClose(code: number | null, signal: NodeJS.Signals | null): void {
    clearInterval(this.#watchdog);
    this.#child = undefined;
    if (this.#finished) {
      this.#resolve(this.#finished);
      return;
    }
    const how = signal ? `by ${signal}` : `with code ${code}`;
    if (this.#stopping) {
      this.#resolve({ t: "done", exit: ExitCode.ok, elapsedMs: this.#lastEver?.elapsedMs ?? 0 });
      return;
    }
    if (this.#last === undefined || this.#last.phase === "joining") this.#failedStarts++;
    if (this.#failedStarts >= MAX_FAILED_STARTS) {
      const said = this.#stderr.trim().split("\n").at(-1) ?? "";
      const error = {
        code: "child-failed",
        message: `the media process ended ${how} ${MAX_FAILED_STARTS} times${said ? `: ${said.slice(0, 200)}` : ""}`,
        hint: "does the native addon load on this machine? try: node -e \"import('node-datachannel')\"",
      };
      this.#resolve({
        t: "done",
        exit: ExitCode.unexpected,
        error,
        elapsedMs: this.#lastEver?.elapsedMs ?? 0,
      });
      return;
    }
    this.#attempt++;
    this.#o.onReplaced?.();
    if (!this.#replaced) {
      this.#o.onNotice({ t: "notice", level: "warn", text: `the media process ended ${how}; rejoining` });
    }
    this.#restart = setTimeout(() => {
      this.#restart = undefined;
      this.start();
    }, this.#backoff.next());
  }

  #watch(): void {
    if (Date.now() - this.#heardAt > this.#limits.silenceMs) this.#kill("it does not answer");
  }

  /** Compares reports, which say how much CPU time was used until the moment they were made. */
  #watchSpin(m: StatusMessage): void {
    const spin = this.#spin;
    const now = this.#heardAt;
    // Finishing files, also those of the attempt before, is work without packets.
    const files = m.phase === "finishing" || m.phase === "joining";
    const elapsed = now - (spin?.at ?? now);
    if (!files && spin?.packets === m.packets && elapsed < this.#limits.spinMs) return;
    if (!files && spin?.packets === m.packets && m.cpuMs - spin.cpuMs > SPIN_SHARE * elapsed)
      this.#kill("it burns a core and handles nothing");
    this.#spin = { at: now, packets: m.packets, cpuMs: m.cpuMs };
  }

  #kill(why: string): void {
    if (this.#replaced) return;
    this.#replaced = true;
    this.#o.onNotice({
      t: "notice",
      level: "warn",
      text: `the media process is stuck (${why}) and is replaced`,
    });
    this.#child?.kill("SIGKILL");
  }
}
