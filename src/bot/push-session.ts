import { RoomtapError } from "../core/fault.ts";
import { type LiveSample, LiveSamples } from "../core/media/live-samples.ts";
import { MediaSender } from "../core/media/media-sender.ts";
import type { LocalTrack } from "../core/room.ts";
import type { Millis } from "../core/time.ts";
import { monotonicNow } from "../peer/pump.ts";
import type { DoneMessage, FromChild, PushJob } from "./job.ts";
import { type SenderParts, SendSession, type SentContent } from "./send-session.ts";

/** Reports of a receiver come every few seconds; one that stopped reporting is gone long before ICE finds out (30 s). */
const SILENCE_MS = 10_000;
/** Share of the pictures' rate that the pacer has besides, for pictures that are harder than others. */
const HEADROOM = 1.2;

/**
 * Sends a stream that the supervisor hands over, over one connection, and ends with it. Runs in the child process.
 */
export class PushSession implements SentContent {
  readonly #job: PushJob;
  readonly #session: SendSession;
  #live: LiveSamples | undefined;
  #sender: MediaSender | undefined;

  constructor(job: PushJob, report: (m: FromChild) => void) {
    this.#job = job;
    this.#session = new SendSession({ call: job, content: this, once: true, report });
  }

  /** Leave and end. Idempotent. */
  stop(): void {
    this.#session.stop();
  }

  /** Joins, sends until something ends it. Never rejects. */
  run(): Promise<DoneMessage> {
    return this.#session.run();
  }

  /** The next frame; dropped while there is no connection. */
  sample(s: LiveSample): void {
    this.#live?.push(s, monotonicNow());
    this.#session.flush();
  }

  open(): readonly LocalTrack[] {
    const { profile } = this.#job;
    return [
      { id: "audio", kind: "audio", source: "microphone", codec: "opus" },
      { id: "video", kind: "video", source: "camera", codec: "h264", profile },
    ];
  }

  sender(_peerId: string, parts: SenderParts): MediaSender {
    const live = new LiveSamples(parts.start);
    this.#live = live;
    this.#sender = new MediaSender({
      ...parts,
      live,
      read: () => live.read(),
      targetBps: HEADROOM * this.#job.bitrate,
    });
    return this.#sender;
  }

  tick(now: Millis): void {
    const heardAt = this.#sender?.heardAt;
    if (heardAt === undefined || now - heardAt < SILENCE_MS) return;
    const words = `nothing was heard of the receiver for ${SILENCE_MS / 1000} s`;
    this.#session.fail(new RoomtapError("peer-lost", words));
  }
}
