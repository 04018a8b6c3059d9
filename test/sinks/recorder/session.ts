import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RoomtapError } from "../../../src/core/fault.ts";
import type { CodecName, Frame } from "../../../src/core/frame.ts";
import { type Micros, micros } from "../../../src/core/time.ts";
import { Journal, type JournalEntry, readJournal } from "../../../src/sinks/recorder/journal.ts";
import type { FileFormat } from "../../../src/sinks/recorder/output.ts";
import type { RecordingPolicy } from "../../../src/sinks/recorder/policy.ts";
import { Recorder, type RecorderTrack } from "../../../src/sinks/recorder/recorder.ts";
import { blocksOf, readEvents } from "../../support/matroska.ts";

/** Session time of milliseconds. */
export const ms = (n: number): Micros => micros(n * 1000);

/** An Opus packet of 20 ms at `at` milliseconds; it carries its time. */
export const soundAt = (at: number): Frame => ({
  codec: "opus",
  data: Uint8Array.of(0xfc, at & 0xff, (at >> 8) & 0xff, 1),
  keyframe: true,
  time: ms(at),
  rtpTime: at * 48,
  lostBefore: 0,
  duration: 20_000,
});

/** A picture at `at` milliseconds; a keyframe where a size is given. */
export const pictureAt = (at: number, size?: readonly [number, number], codec: CodecName = "vp8"): Frame => ({
  codec,
  data:
    codec === "h264"
      ? h264(size !== undefined)
      : Uint8Array.of(size ? 0x10 : 0x11, 0, 0, 0x9d, 1, 0x2a, at & 0xff, at >> 8),
  keyframe: size !== undefined,
  time: ms(at),
  rtpTime: at * 90,
  lostBefore: 0,
  ...(size ? { width: size[0], height: size[1] } : {}),
});

/** An access unit: SPS, PPS and an IDR slice, or another slice. */
function h264(keyframe: boolean): Uint8Array {
  const sps = [0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0x8c, 0x68, 0x05, 0x00, 0x5b, 0xa1];
  const pps = [0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80];
  return Uint8Array.from(keyframe ? [...sps, ...pps, 0, 0, 0, 1, 0x65, 1, 2] : [0, 0, 0, 1, 0x41, 1, 2]);
}

/** A recorder on a directory of its own. `close` removes it. */
export class TestSession {
  readonly directory: string;
  readonly journal: Journal;
  readonly recorder: Recorder;
  readonly failures: RoomtapError[] = [];
  /** Tracks of which a keyframe was asked. */
  readonly wanted: string[] = [];

  constructor(
    o: {
      format?: "auto" | FileFormat;
      directory?: string;
      attempt?: number;
      ffmpeg?: string;
      policy?: RecordingPolicy;
    } = {},
  ) {
    this.directory = o.directory ?? mkdtempSync(join(tmpdir(), "roomtap-recorder-"));
    this.journal = new Journal(this.directory);
    this.recorder = new Recorder({
      directory: this.directory,
      format: o.format ?? "auto",
      ffmpeg: o.ffmpeg ?? "",
      journal: this.journal,
      attempt: o.attempt ?? 0,
      onFailure: (error) => this.failures.push(error),
      requestKeyframe: (id) => this.wanted.push(id),
      ...(o.policy ? { policy: o.policy } : {}),
    });
  }

  get entries(): JournalEntry[] {
    return readJournal(this.directory);
  }

  entriesOf<T extends JournalEntry["t"]>(t: T): Extract<JournalEntry, { t: T }>[] {
    return this.entries.filter((e): e is Extract<JournalEntry, { t: T }> => e.t === t);
  }

  add(
    id: string,
    o: Partial<Omit<RecorderTrack, "participant">> & { who?: string; name?: string } = {},
  ): string {
    const who = o.who ?? "p1";
    const kind = o.kind ?? (/mic|audio/.test(id) ? "audio" : "video");
    const source = o.source ?? (kind === "audio" ? "microphone" : "camera");
    const trackId = `${who}:${id}`;
    this.recorder.addTrack({
      id: trackId,
      kind,
      source,
      participant: { id: who, name: o.name ?? "Alice", recorder: false },
    });
    return trackId;
  }

  /** Feeds sound and pictures (25/s, keyframes each second) of a time span, as they come. */
  feed(
    mic: string | undefined,
    cam: string | undefined,
    from: number,
    to: number,
    size: readonly [number, number] = [640, 360],
  ): void {
    for (let t = from; t < to; t += 20) {
      if (mic) this.recorder.frame(mic, soundAt(t));
      if (cam && t % 40 === 0)
        this.recorder.frame(cam, pictureAt(t, (t - from) % 1000 === 0 ? size : undefined));
      if (t % 100 === 0) this.recorder.tick(ms(t));
    }
    this.recorder.tick(ms(to));
  }

  async finish(): Promise<void> {
    await this.recorder.finish();
    await this.recorder.convert({ skip: new AbortController().signal, onProgress: () => undefined });
  }

  /** The blocks of a file: [track, milliseconds]. */
  blocks(name: string): [number, number][] {
    return blocksOf(this.events(name)).map((b) => [b.track, b.timeMs]);
  }

  events(name: string) {
    return readEvents(new Uint8Array(readFileSync(join(this.directory, name))));
  }

  close(): void {
    this.journal.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
