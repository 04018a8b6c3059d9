/**
 * Two families. A `Fault` is a fact about lossy or hostile input: counted, never thrown. A `RoomtapError`
 * is a failed operation with a stable code, a cause and, where possible, a hint for the person at the shell.
 */

/** Names of countable faults of the media path and the signalling. */
export type Fault =
  | "rtp-malformed"
  | "rtp-unknown-ssrc"
  | "rtp-unknown-payload-type"
  | "rtp-duplicate"
  | "rtp-late"
  | "rtcp-malformed"
  | "payload-malformed"
  | "payload-unsupported"
  | "timestamp-outlier"
  | "frame-incomplete"
  | "frame-gated"
  | "queue-overflow"
  | "signal-malformed"
  | "signal-unexpected"
  | "candidate-rejected";

/** Counts faults by name. */
export class FaultCounter {
  readonly #counts = new Map<Fault, number>();

  /** Adds `n` to the count of `fault`. */
  count(fault: Fault, n = 1): void {
    this.#counts.set(fault, (this.#counts.get(fault) ?? 0) + n);
  }

  /** Count of one fault. */
  of(fault: Fault): number {
    return this.#counts.get(fault) ?? 0;
  }

  /** A plain object of all non-zero counts. */
  snapshot(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }
}

/** Process exit codes; the table stands in the README. */
export const ExitCode = {
  ok: 0,
  unexpected: 1,
  usage: 2,
  signalling: 3,
  media: 4,
  output: 5,
  threshold: 6,
  noMedia: 7,
  invalidRun: 8,
  incomplete: 9,
  transfer: 10,
  interrupted: 130,
} as const;

/** One of the documented exit codes. */
export type ExitCodeValue = (typeof ExitCode)[keyof typeof ExitCode];

/** Stable error codes and the exit code each ends the program with. */
export const errorExit = {
  usage: ExitCode.usage,
  "room-scheme": ExitCode.usage,
  "media-invalid": ExitCode.usage,
  "signal-refused": ExitCode.signalling,
  "signal-closed": ExitCode.signalling,
  "signal-protocol": ExitCode.signalling,
  auth: ExitCode.signalling,
  "room-full": ExitCode.signalling,
  kicked: ExitCode.signalling,
  "ice-failed": ExitCode.media,
  "peer-lost": ExitCode.media,
  negotiation: ExitCode.media,
  "ice-restart": ExitCode.media,
  "ffmpeg-missing": ExitCode.output,
  "ffmpeg-failed": ExitCode.output,
  "output-unwritable": ExitCode.output,
  "disk-full": ExitCode.output,
  "no-media": ExitCode.noMedia,
  incomplete: ExitCode.incomplete,
  "child-failed": ExitCode.unexpected,
  internal: ExitCode.unexpected,
} as const satisfies Record<string, ExitCodeValue>;

/** Stable name of a failed operation. */
export type ErrorCode = keyof typeof errorExit;

/** A failed operation. `message` says what happened in one line, `hint` what to do about it. */
export class RoomtapError extends Error {
  override readonly name = "RoomtapError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, o: { hint?: string; cause?: unknown } = {}) {
    super(message, o.cause === undefined ? undefined : { cause: o.cause });
    this.code = code;
    this.hint = o.hint;
  }

  /** The exit code this error ends the program with. */
  get exitCode(): ExitCodeValue {
    return errorExit[this.code];
  }
}
