import { opusPacketDuration } from "../../core/codecs/opus-packet.ts";
import { opusSilence } from "../../core/codecs/opus-silence.ts";
import { type OpusHead, withPreSkip } from "../../core/containers/ogg/opus-headers.ts";
import { OggOpusWriter } from "../../core/containers/ogg/opus-writer.ts";
import type { FileTrack } from "./journal.ts";
import { SoundPlacement } from "./sound-placement.ts";

const SAMPLES_PER_US = 0.048;

/** One stream of sound on its way into Ogg. Pages go to `write`, which is awaited: it may hold up. */
export class OggSound {
  readonly #head: OpusHead;
  readonly #write: (page: Uint8Array) => Promise<void>;
  readonly #placement = new SoundPlacement();
  readonly #writer: OggOpusWriter;
  #lead: number;
  #frames = 0;

  /** `firstMs`: when its first packet is; undefined: that is not known yet. */
  constructor(o: {
    readonly head: OpusHead;
    readonly headBytes: Uint8Array;
    readonly serial: number;
    readonly tags: Readonly<Record<string, string>>;
    readonly firstMs: number | undefined;
    readonly write: (page: Uint8Array) => Promise<void>;
  }) {
    this.#head = o.head;
    this.#write = o.write;
    const { units, preSkip } =
      o.firstMs === undefined ? { units: 0, preSkip: 0 } : this.#placement.begin(o.firstMs);
    this.#lead = units;
    this.#writer = new OggOpusWriter({ ...o, head: withPreSkip(o.headBytes, preSkip) });
  }

  /** How it stands in a manifest. */
  get track(): FileTrack {
    return { kind: "audio", codec: this.#head.family === 0 ? "opus" : "multiopus", frames: this.#frames };
  }

  /** Milliseconds that are played. */
  get durationMs(): number {
    return this.#writer.playable / 48;
  }

  /** The page of its parameters; those of all streams come first. */
  async first(): Promise<void> {
    await this.#write(this.#writer.first());
  }

  /** The pages of its comments. */
  async tags(): Promise<void> {
    for (const page of this.#writer.tags()) await this.#write(page);
    await this.#silence(this.#lead);
  }

  /** A block of the recording. What is no Opus packet is left out: silence takes its place. */
  async packet(timeMs: number, data: Uint8Array): Promise<void> {
    const us = opusPacketDuration(data);
    if (us === undefined) return;
    const samples = us * SAMPLES_PER_US;
    const units = this.#placement.place(timeMs, samples, data.length);
    if (units === undefined) return;
    await this.#silence(units);
    await this.#put(data, samples);
  }

  /** Other streams are beyond this time: silence until there, so that pages stand in the order of their times. */
  async reach(timeMs: number): Promise<void> {
    await this.#silence(this.#placement.reach(timeMs));
  }

  /** The last page. */
  async finish(): Promise<void> {
    await this.#write(this.#writer.finish());
  }

  async #silence(units: number): Promise<void> {
    for (const { data, samples } of opusSilence(units, this.#head.streams)) await this.#put(data, samples);
  }

  async #put(data: Uint8Array, samples: number): Promise<void> {
    this.#frames++;
    for (const page of this.#writer.packet(data, samples)) await this.#write(page);
  }
}
