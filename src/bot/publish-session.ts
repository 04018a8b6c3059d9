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
  /** By RID. */
  readonly #layers = new Map<string, SampleStore>();
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
    const store = SampleStore.open(this.#job.mediaFile);
    this.#store = store;
    for (const [i, file] of (this.#job.layerFiles ?? []).entries())
      this.#layers.set(RIDS[i] ?? "", openLayer(file, store));
    if (this.#layers.size > 0) this.#layers.set(RIDS[this.#layers.size] ?? "", store);
    if (this.#job.sentLog !== undefined) this.#sentLog = openLog(this.#job.sentLog);
    return localTracks(this.#job, store, [...this.#layers.keys()]);
  }

  sender(peerId: string, parts: SenderParts): MediaSender {
    const store = this.#store;
    if (!store) throw new RoomtapError("internal", "there is no clip");
    const rids = [parts.video ?? []].flat().map(({ rid }) => rid);
    const layers = rids.map((rid) => this.#layers.get(rid ?? "") ?? store);
    return new MediaSender({
      ...parts,
      index: store.index,
      read: (track, i, layer) => ((track === "video" ? layers[layer] : undefined) ?? store).read(track, i),
      onFrameSent: (f) => this.#logFrame(peerId, f, rids[f.layer]),
    });
  }

  tick(): void {
    const { durationMs } = this.#job;
    if (durationMs !== undefined && this.#session.elapsedMs >= durationMs) this.stop();
  }

  close(): void {
    this.#store?.close();
    for (const store of this.#layers.values()) store.close();
    if (this.#sentLog !== undefined) closeSync(this.#sentLog);
  }

  /** Written when the last packet of a frame went out, so that a receiver is compared with what was sent. */
  #logFrame(peer: string, f: FrameSent, rid: string | undefined): void {
    if (this.#sentLog === undefined || f.track !== "video") return;
    const line = {
      loop: f.loop,
      number: f.index,
      time: Math.round((f.now + this.#session.wallOffsetMs) * 1000) / 1000,
      mediaTime: f.mediaTimeUs / 1000,
      keyframe: f.keyframe,
      ...(rid === undefined ? {} : { rid }),
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

/** Names of layers that servers know, the smallest first. */
const RIDS: readonly string[] = ["q", "h", "f"];

/** One clock plays all layers: they must be the same pictures, with keyframes at the same ones. */
function openLayer(file: string, full: SampleStore): SampleStore {
  const layer = SampleStore.open(file);
  const keys = (s: SampleStore) => s.index.video?.map((v) => (v.keyframe ? 1 : 0)).join("");
  if (keys(layer) === keys(full)) return layer;
  layer.close();
  throw new RoomtapError("media-invalid", "the simulcast layers of this file do not fit each other", {
    hint: "leave out --simulcast, or use another ffmpeg with --ffmpeg",
  });
}

/** What is wanted and there: a song has no picture. */
function localTracks(job: PublishJob, store: SampleStore, rids: readonly string[]): LocalTrack[] {
  const out: LocalTrack[] = [];
  if (job.audio !== "none" && store.audio)
    out.push({ id: "audio", kind: "audio", source: "microphone", codec: job.audio });
  if (job.video !== "none" && store.video)
    out.push({
      ...{ id: "video", kind: "video", source: "camera", codec: job.video },
      ...(rids.length > 0 ? { layers: rids } : {}),
    });
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
