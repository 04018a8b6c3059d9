import type { ProgramFormat, ProgramSample } from "../program/program.ts";

/** A sample on its way out. */
export type PushSample = {
  readonly kind: "video" | "audio";
  readonly data: ProgramSample["data"];
  readonly keyframe: boolean;
  /** Milliseconds since the keyframe that its connection begins with; not rounded. */
  readonly timeMs: number;
  readonly format: ProgramFormat;
};

/** Why a connection ended, or none came about. */
export type PushFailure = {
  /** For people, without secrets. */
  readonly text: string;
  /** To try again cannot help. */
  readonly final?: boolean;
};

/** What a link says of itself. It says nothing before whoever opened it has it, nor after `onClosed`. */
export type PushLinkEvents = {
  /** Samples may be sent. */
  readonly onOpen: () => void;
  /** There is room again, after a `send` that returned false. */
  readonly onRoom: () => void;
  /** Something went out. */
  readonly onMoved: () => void;
  /** The end, once. Without a failure: it was asked for. */
  readonly onClosed: (failure?: PushFailure) => void;
};

/** One connection, one process or one file: a target's way out until it breaks or is ended. Its calls never throw. */
export interface PushLink {
  /** Octets that went out. */
  readonly bytes: number;
  /** Nothing that was sent waits to go out. */
  readonly idle: boolean;
  /** Takes the next sample, the first one a keyframe. False: enough for now, `onRoom` follows. */
  send(s: PushSample): boolean;
  /** Whether samples of another format may follow. False: they need another link. */
  takes(format: ProgramFormat): boolean;
  /** Nothing more comes: the stream is completed, and `onClosed` follows. */
  end(): void;
  /** Ends at once, with `onClosed` soon after. */
  abort(): void;
}

/** Begins a link. */
export type OpenLink = (format: ProgramFormat, events: PushLinkEvents) => PushLink;
