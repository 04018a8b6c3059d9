import type { RoomtapError } from "../../core/fault.ts";
import { PictureDecoder } from "../../ffmpeg/decode-pictures.ts";
import { probePicture } from "../../ffmpeg/pictures.ts";
import type { Clip } from "./cast.ts";
import type { Shot } from "./painter.ts";
import { TILE_RGB } from "./style.ts";
import type { ClipUse } from "./usage.ts";

/** What decoders need. */
export type ReelOptions = {
  readonly ffmpeg: string;
  /** Absolute path of a file of the manifest. */
  readonly pathOf: (file: { readonly path: string }) => string;
  readonly signal: AbortSignal;
  /** Called with what a decoder failed of. */
  readonly onFailure: (clip: Clip, failure: RoomtapError) => void;
};

/** Processes are started so long before their first picture is due, milliseconds. */
const WARM_UP_MS = 2000;

type Reel = {
  readonly use: ClipUse;
  readonly decoder: PictureDecoder;
  shot: Shot | undefined;
  /** Its failure was told. */
  failed: boolean;
};

/** Plays the videos of a composition: which picture of each is to be seen at a time. Times only grow. */
export class Reels {
  readonly #waiting: ClipUse[];
  readonly #running = new Map<Clip, Reel>();
  readonly #o: ReelOptions;

  constructor(uses: readonly ClipUse[], o: ReelOptions) {
    this.#waiting = uses.toSorted((a, b) => a.clip.fromMs - b.clip.fromMs);
    this.#o = o;
  }

  /** Goes to a time; `reachMs`: a picture may be so much early, to be nearer to its time than the one before. */
  async advance(atMs: number, reachMs: number): Promise<void> {
    for (
      let next = this.#waiting[0];
      next && next.clip.fromMs <= atMs + WARM_UP_MS;
      next = this.#waiting[0]
    ) {
      this.#waiting.shift();
      if (next.clip.toMs > atMs) await this.#start(next);
    }
    for (const [clip, reel] of this.#running) {
      if (clip.toMs <= atMs) {
        this.#running.delete(clip);
        await reel.decoder.close();
      } else if (clip.fromMs <= atMs + reachMs) await this.#turn(clip, reel, atMs - clip.startMs + reachMs);
    }
  }

  /** What a clip shows until the next `advance`; undefined: nothing yet. */
  shotOf(clip: Clip): Shot | undefined {
    return this.#running.get(clip)?.shot;
  }

  /** Ends all processes. Idempotent. */
  async close(): Promise<void> {
    this.#waiting.length = 0;
    await Promise.all([...this.#running.values()].map((r) => r.decoder.close()));
    this.#running.clear();
  }

  async #start(use: ClipUse): Promise<void> {
    const { clip, width, height, spans } = use;
    const { ffmpeg, signal, pathOf } = this.#o;
    const path = pathOf(clip);
    const decoder = new PictureDecoder({
      ffmpeg,
      path,
      width,
      height,
      margin: TILE_RGB,
      rotation: (await probePicture(path))?.rotation ?? 0,
      fromMs: clip.fromMs - clip.startMs,
      signal,
      ...(spans
        ? { spans: spans.map((s) => ({ fromMs: s.fromMs - clip.startMs, toMs: s.toMs - clip.startMs })) }
        : {}),
    });
    this.#running.set(clip, { use, decoder, shot: undefined, failed: false });
  }

  /** Takes all pictures up to a time on the file's timeline. */
  async #turn(clip: Clip, reel: Reel, fileMs: number): Promise<void> {
    const { pictures } = reel.decoder;
    while (!pictures.drained) {
      if (!pictures.head) await pictures.ready();
      const { head } = pictures;
      if (head && head.atMs > fileMs) return;
      pictures.take();
      if (!head) continue;
      if (reel.shot) reel.decoder.giveBack(reel.shot.picture);
      reel.shot = { picture: head, width: reel.use.width, height: reel.use.height };
    }
    if (pictures.failure && !reel.failed) this.#o.onFailure(clip, pictures.failure);
    reel.failed = pictures.failure !== undefined;
  }
}
