import type { Frame } from "../../src/core/frame.ts";
import type { RemoteTrack } from "../../src/core/room.ts";
import { millis } from "../../src/core/time.ts";
import type { Stage } from "../../src/sinks/stage/stage.ts";
import type { SampleStore } from "../../src/sources/sample-store.ts";

const STEP_MS = 4;

/** Somebody on a stage who sends a clip in real time, as if it had begun at `epoch` for all of them. */
export class StageGuest {
  readonly id: string;
  readonly name: string;
  camera = true;
  microphone = true;
  /** Later than they should be, milliseconds. */
  lateMs = 0;
  /** Of the keyframes that were asked for. */
  asked = 0;
  readonly #stage: Stage;
  readonly #now: () => number;
  readonly #epoch: number;
  readonly #next = { video: 0, audio: 0 };
  #clip: SampleStore;
  #wanted: SampleStore;
  #timer: NodeJS.Timeout | undefined;
  #sending = false;

  constructor(o: {
    readonly stage: Stage;
    readonly clip: SampleStore;
    readonly id: string;
    readonly name: string;
    readonly now: () => number;
    readonly epoch: number;
  }) {
    this.#stage = o.stage;
    this.#clip = o.clip;
    this.#wanted = o.clip;
    this.id = o.id;
    this.name = o.name;
    this.#now = o.now;
    this.#epoch = o.epoch;
  }

  /** Comes in and sends. */
  join(): void {
    this.#stage.peer("join", { id: this.id, name: this.name, recorder: false });
    this.#stage.track("add", this.#track("video"));
    this.#stage.track("add", this.#track("audio"));
    const atUs = (this.#now() - this.#epoch) * 1000;
    for (const kind of ["video", "audio"] as const) {
      const { samples, durationUs } = this.#samples(kind);
      const loops = Math.floor(atUs / durationUs);
      const inside = samples.findIndex((s) => s.time >= atUs - loops * durationUs);
      this.#next[kind] = loops * samples.length + Math.max(0, inside);
    }
    this.#timer = setInterval(() => this.#send(), STEP_MS);
  }

  /** Sends another clip from its next keyframe on. */
  use(clip: SampleStore): void {
    this.#wanted = clip;
  }

  leave(): void {
    this.stop();
    this.#stage.track("remove", this.#track("video"));
    this.#stage.track("remove", this.#track("audio"));
    this.#stage.peer("leave", { id: this.id, name: this.name, recorder: false });
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #send(): void {
    for (const kind of ["video", "audio"] as const)
      for (;;) {
        const { samples, durationUs } = this.#samples(kind);
        const n = this.#next[kind];
        const i = n % samples.length;
        const sample = samples[i];
        if (!sample) break;
        const atMs = this.#epoch + (Math.floor(n / samples.length) * durationUs + sample.time) / 1000;
        if (atMs + this.lateMs > this.#now()) break;
        this.#next[kind]++;
        if (kind === "video") this.#video(i, sample.keyframe === true, atMs);
        else if (this.microphone) this.#give("audio", "opus", this.#clip.read("audio", i), true, atMs);
      }
  }

  #video(i: number, keyframe: boolean, atMs: number): void {
    if (keyframe) this.#clip = this.#wanted;
    // A camera that comes back begins with a keyframe.
    if (!this.camera) this.#sending = false;
    else if (keyframe) this.#sending = true;
    const { video } = this.#clip;
    if (this.#sending && video)
      this.#give("video", video.codec, this.#clip.read("video", i), keyframe, atMs, video);
  }

  #give(
    kind: "video" | "audio",
    codec: Frame["codec"],
    data: Uint8Array,
    keyframe: boolean,
    atMs: number,
    size?: { readonly width: number; readonly height: number },
  ): void {
    const shape = keyframe && size ? { width: size.width, height: size.height } : { duration: 20_000 };
    const frame = { codec, data, keyframe, rtpTime: 0, lostBefore: 0, ...shape };
    this.#stage.frame(`${this.id}/${kind}`, frame, millis(atMs));
  }

  #samples(kind: "video" | "audio") {
    const { index } = this.#clip;
    const samples = (kind === "video" ? index.video : index.audio) ?? [];
    return {
      samples: samples as readonly { time: number; keyframe?: boolean }[],
      durationUs: index.durationUs,
    };
  }

  #track(kind: "video" | "audio"): RemoteTrack {
    const source = kind === "video" ? "camera" : "microphone";
    return { id: `${this.id}/${kind}`, peerId: this.id, kind, source, linkId: "l", mid: "0" };
  }
}
