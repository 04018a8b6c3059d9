import type { Frame } from "../../core/frame.ts";
import type { Framing } from "../../ffmpeg/decode-pictures.ts";
import type { Shot } from "../compositor/painter.ts";
import { TILE_RGB } from "../compositor/style.ts";
import { matroskaBlock, matroskaTrack, splitsFile } from "../recorder/matroska-codecs.ts";
import { DecoderSlot } from "./decoder-slot.ts";
import type { PlayoutDelay } from "./playout-delay.ts";
import type { FeedContext } from "./sound-feed.ts";

/** Keyframes are asked for no more often. */
const ASK_MS = 1000;
/** A camera is off when it has sent nothing for so long. */
const QUIET_MS = 5000;
/** A size has to be wanted for so long: people come in groups. */
const SETTLE_MS = 400;
/** What is not wanted is decoded for a little longer. */
const LINGER_MS = 2000;
/** Pictures closer together than this share of a frame cannot both be seen. */
const TOO_CLOSE = 0.75;
const MAX_QUEUE = 90;

type Size = { readonly width: number; readonly height: number };

/** A participant's camera or screen, from frames to the picture of a moment. */
export class VideoFeed {
  readonly #c: FeedContext;
  readonly #delay: PlayoutDelay;
  readonly #slot: DecoderSlot;
  readonly #ask: () => void;
  #wanted: Size | undefined;
  #wantedAt = 0;
  /** What the decoder was started with. */
  #first: Frame | undefined;
  #framing: Framing | undefined;
  #needsKeyframe = true;
  #askedAt = Number.NEGATIVE_INFINITY;
  #frameAt = Number.NEGATIVE_INFINITY;
  readonly #queue: Shot[] = [];
  #shot: Shot | undefined;
  /** Arrays of pictures that nobody looks at any more. */
  #spare: Uint8Array[] = [];
  #decoded = 0;
  #shown = 0;
  #late = 0;
  #dropped = 0;

  /** `ask`: for a keyframe. */
  constructor(c: FeedContext, delay: PlayoutDelay, ask: () => void) {
    this.#c = c;
    this.#delay = delay;
    this.#ask = ask;
    this.#slot = new DecoderSlot(c.start, c.now);
  }

  /** There is a decoder. */
  get running(): boolean {
    return this.#slot.running;
  }

  /** When a frame last came, on the machine's clock. */
  get frameAt(): number {
    return this.#frameAt;
  }

  /** Pictures decoded, seen, that came too late; frames left out; decoders that were replaced. */
  get counters() {
    return {
      decoded: this.#decoded,
      shown: this.#shown,
      late: this.#late,
      dropped: this.#dropped,
      restarts: this.#slot.restarts,
    };
  }

  /** What it is to be decoded for; undefined: nobody looks. */
  want(size: Size | undefined): void {
    if (this.#wanted?.width === size?.width && this.#wanted?.height === size?.height) return;
    this.#wanted = size;
    this.#wantedAt = this.#c.now();
  }

  /** A frame. */
  frame(frame: Frame, atMs: number): void {
    this.#frameAt = this.#c.now();
    const size = this.#wanted;
    if (!size && !this.#slot.running) {
      this.#needsKeyframe = true;
      return;
    }
    if (size && frame.keyframe && (this.#needsKeyframe || this.#outdated(size, frame)))
      this.#start(size, frame);
    if (this.#needsKeyframe || !this.#slot.running) {
      this.#needsKeyframe = true;
      if (size) this.#dropped++;
      return;
    }
    if (this.#slot.push(atMs, frame.keyframe, matroskaBlock(frame))) return;
    // What waits there would only come later and later.
    this.#slot.stop();
    this.#dropped++;
    this.#needsKeyframe = true;
  }

  /** The picture of a moment, on the time of its sender; undefined: there is none. */
  at(atMs: number): Shot | undefined {
    let next = this.#queue[0];
    while (next && next.picture.atMs <= atMs) {
      if (this.#shot) this.#spare.push(this.#shot.picture.pixels);
      this.#shot = next;
      this.#queue.shift();
      next = this.#queue[0];
      if (!next || next.picture.atMs > atMs) this.#shown++;
    }
    return this.#shot;
  }

  /** Looks after the decoder, and asks for keyframes. */
  check(now: number): void {
    this.#slot.check(now);
    const size = this.#wanted;
    if (!size) {
      if (this.#slot.running && now - this.#wantedAt > LINGER_MS) this.#rest();
      return;
    }
    if (!this.#slot.running) this.#needsKeyframe = true;
    // Of a camera that sends nothing there is nothing to be had.
    if (!this.#slot.free || now - this.#frameAt > QUIET_MS) return;
    const resize = now - this.#wantedAt > SETTLE_MS && this.#framing && !sameSize(this.#framing, size);
    if ((!this.#needsKeyframe && !resize) || now - this.#askedAt < ASK_MS) return;
    this.#askedAt = now;
    this.#ask();
  }

  async close(): Promise<void> {
    this.#queue.length = 0;
    await this.#slot.close();
  }

  /** Nobody looks: there is no picture until somebody does. */
  #rest(): void {
    this.#slot.stop();
    this.#needsKeyframe = true;
    this.#queue.length = 0;
    this.#shot = undefined;
    this.#spare = [];
    this.#framing = undefined;
  }

  /** A decoder that begins with this keyframe would do better. */
  #outdated(size: Size, frame: Frame): boolean {
    if (!this.#slot.running || !this.#first || !this.#framing) return true;
    if (frame.codec !== this.#first.codec || splitsFile(this.#first, frame)) return true;
    return (frame.rotation ?? 0) !== this.#framing.rotation || !sameSize(this.#framing, size);
  }

  #start(size: Size, frame: Frame): void {
    if (!this.#slot.free) return;
    const { width, height } = size;
    const framing: Framing = { width, height, margin: TILE_RGB, rotation: frame.rotation ?? 0 };
    if (this.#framing && !sameSize(this.#framing, size)) this.#spare = [];
    this.#framing = framing;
    this.#first = frame;
    this.#needsKeyframe = false;
    const octets = (width * height * 3) / 2;
    this.#slot.start({
      track: matroskaTrack(1, frame.codec, frame),
      picture: framing,
      room: (n) => (n === octets && this.#spareOf(n)) || new Uint8Array(n),
      onOutput: (atMs, pixels, fresh) => {
        if (pixels.length === octets) this.#picture({ picture: { atMs, pixels }, width, height }, fresh);
      },
    });
  }

  #spareOf(octets: number): Uint8Array | undefined {
    const spare = this.#spare.pop();
    return spare?.length === octets ? spare : undefined;
  }

  #picture(shot: Shot, fresh: boolean): void {
    this.#decoded++;
    const { atMs } = shot.picture;
    const after = this.#c.now() - atMs;
    if (after > this.#delay.ms && !fresh) this.#late++;
    // A decoder that is starting says nothing about the way to it.
    if (!fresh) this.#delay.came(after, this.#c.now());
    if (this.#shot && atMs <= this.#shot.picture.atMs) return;
    const last = this.#queue.at(-1);
    if (last && atMs <= last.picture.atMs) return;
    const before = this.#queue.at(-2);
    const close = last && before && last.picture.atMs - before.picture.atMs < TOO_CLOSE * this.#c.frameMs;
    // The newest may be the last one for long, and stays.
    if (last && (close || this.#queue.length >= MAX_QUEUE)) {
      this.#queue.pop();
      this.#spare.push(last.picture.pixels);
    }
    this.#queue.push(shot);
  }
}

function sameSize(a: Size, b: Size): boolean {
  return a.width === b.width && a.height === b.height;
}
