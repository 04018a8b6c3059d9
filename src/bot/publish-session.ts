import { closeSync, openSync, writeSync } from "node:fs";
import { RoomtapError } from "../core/fault.ts";
import { type FrameSent, MediaSender } from "../core/media/media-sender.ts";
import type { Courier, LocalTrack } from "../core/room.ts";
import { SampleStore } from "../sources/sample-store.ts";
import type { DoneMessage, FromChild, PublishJob } from "./job.ts";
import { type SenderParts, SendSession, type SentContent } from "./send-session.ts";

/** A synthetic participant: sends a prepared clip into a room. Runs in the child process. */
export class PublishSession implements SentContent {
  readonly #job: PublishJob;
  readonly #session: SendSession;
  #store: SampleStore | undefined;
  #sentLog: number | undefined;

  constructor(job: PublishJob, report: (m: FromChild) => void, courier: Courier) {
    this.#job = job;
    this.#session = new SendSession({ call: job, content: this, report, courier });
  }

  /** Leave and end. Idempotent. */
  stop(): void {
    this.#session.stop();
  }

  /** Joins, sends until something ends it. Never rejects. */
  run(): Promise<DoneMessage> {
    return this.#session.run();
  }

  open(): readonly LocalTrack[] {
    this.#store = SampleStore.open(this.#job.mediaFile);
    if (this.#job.sentLog !== undefined) this.#sentLog = openLog(this.#job.sentLog);
    return localTracks(this.#job, this.#store);
  }

  sender(peerId: string, parts: SenderParts): MediaSender {
    const store = this.#store;
    if (!store) throw new RoomtapError("internal", "there is no clip");
    return new MediaSender({
      ...parts,
      index: store.index,
      read: (track, i) => store.read(track, i),
      onFrameSent: (f) => this.#logFrame(peerId, f),
    });
  }

  tick(): void {
    const { durationMs } = this.#job;
    if (durationMs !== undefined && this.#session.elapsedMs >= durationMs) this.stop();
  }

  close(): void {
    this.#store?.close();
    if (this.#sentLog !== undefined) closeSync(this.#sentLog);
  }

  /** Written when the last packet of a frame went out, so that a receiver is compared with what was sent. */
  #logFrame(peer: string, f: FrameSent): void {
    if (this.#sentLog === undefined || f.track !== "video") return;
    const line = {
      loop: f.loop,
      number: f.index,
      time: Math.round((f.now + this.#session.wallOffsetMs) * 1000) / 1000,
      mediaTime: f.mediaTimeUs / 1000,
      keyframe: f.keyframe,
      peer,
    };
    try {
      writeSync(this.#sentLog, `${JSON.stringify(line)}\n`);
    } catch (cause) {
      const words = "the sent log cannot be written any more";
      this.#session.fail(new RoomtapError("output-unwritable", words, { cause }));
    }
  }
}

/** What is wanted and there: a song has no picture. */
function localTracks(job: PublishJob, store: SampleStore): LocalTrack[] {
  const out: LocalTrack[] = [];
  if (job.audio !== "none" && store.audio)
    out.push({ id: "audio", kind: "audio", source: "microphone", codec: job.audio });
  if (job.video !== "none" && store.video)
    out.push({ id: "video", kind: "video", source: "camera", codec: job.video });
  return out;
}

function openLog(path: string): number {
  try {
    return openSync(path, "w");
  } catch (cause) {
    throw new RoomtapError("output-unwritable", `cannot write the sent log ${path}`, {
      hint: "check the directory",
      cause,
    });
  }
}
