import { readdirSync } from "node:fs";
import type { MatroskaTrack } from "../../core/containers/matroska/track.ts";
import { type DocType, MatroskaWriter } from "../../core/containers/matroska/writer.ts";
import type { RoomtapError } from "../../core/fault.ts";
import type { CodecName, Frame } from "../../core/frame.ts";
import { type Micros, micros } from "../../core/time.ts";
import { BlockWriter } from "./block-writer.ts";
import type { FileOpened } from "./journal.ts";
import { DEFAULT_FRAME_NS, matroskaBlock, matroskaTrack } from "./matroska-codecs.ts";
import { fitsWebm } from "./output.ts";

/** Options of a file. */
export type MediaFileOptions = {
  readonly id: string;
  readonly path: string;
  readonly docType: DocType;
  /** Session time that becomes zero in the file. */
  readonly startUs: Micros;
  readonly opened: FileOpened;
  readonly onFailure: (error: RoomtapError) => void;
};

/** A Matroska file on its way to disk. */
export class MediaFile {
  readonly id: string;
  readonly opened: FileOpened;
  readonly #startUs: number;
  readonly #disk: BlockWriter;
  readonly #writer: MatroskaWriter;
  #tracks: MatroskaTrack[] = [];
  #headerWritten = false;
  /** Tracks that wait for a keyframe because the disk was too slow. */
  readonly #dropping = new Set<number>();

  private constructor(o: MediaFileOptions) {
    this.id = o.id;
    this.opened = o.opened;
    this.#startUs = o.startUs;
    this.#disk = new BlockWriter(o.path, o.onFailure);
    this.#writer = new MatroskaWriter(o.docType, []);
  }

  /** Creates the file. Throws a RoomtapError `output-unwritable` or `disk-full`. */
  static create(o: MediaFileOptions): MediaFile {
    return new MediaFile(o);
  }

  /** Stems of the files that a session directory holds already. */
  static stemsIn(directory: string): string[] {
    return readdirSync(directory).map((name) =>
      name.replace(/\.(webm|mkv|mp4|part|journal)+$/g, "").replace(/\.(webm|mkv|mp4)$/, ""),
    );
  }

  /** Octets written or queued. */
  get bytes(): number {
    return this.#writer.length;
  }

  /** The disk is behind: frames are dropped. */
  get full(): boolean {
    return this.#disk.full;
  }

  /** Session time at which the last block ends. */
  get endUs(): Micros {
    return micros(this.#startUs + this.#writer.endMs * 1000);
  }

  /** What the file is now; a codec that WebM lacks makes it Matroska. */
  get docType(): DocType {
    return this.#writer.docType;
  }

  /** The header has room for a track that begins with this frame. */
  accepts(codec: CodecName, first: Frame): boolean {
    return this.#writer.fits([...this.#tracks, matroskaTrack(this.#tracks.length + 1, codec, first)]);
  }

  /** Adds a track under a number that no other has, also while blocks are being written. */
  addTrack(number: number, codec: CodecName, first: Frame | undefined): void {
    // Players and tools take the first track for the main one: that is the picture.
    const tracks = [...this.#tracks, matroskaTrack(number, codec, first)].sort(
      (a, b) => rank(a) - rank(b) || a.number - b.number,
    );
    this.#setTracks(tracks, fitsWebm([codec]) ? this.docType : "matroska");
  }

  /** The picture has another size from here on; the track is described by the largest. */
  pictureSize(number: number, width: number, height: number): void {
    const track = this.#tracks.find((t) => t.number === number);
    if (track?.kind !== "video" || track.width * track.height >= width * height) return;
    this.#setTracks(this.#tracks.map((t) => (t === track ? { ...track, width, height } : t)));
  }

  /** Writes a frame. False: it was dropped, as are the track's next ones until a keyframe. */
  block(number: number, time: Micros, frame: Frame): boolean {
    const isVideo = this.#tracks.find((t) => t.number === number)?.kind === "video";
    if (this.full || (!frame.keyframe && this.#dropping.has(number))) {
      this.#dropping.add(number);
      return false;
    }
    this.#dropping.delete(number);
    const duration = isVideo ? DEFAULT_FRAME_NS / 1e6 : (frame.duration ?? 20_000) / 1000;
    this.#write(number, time, Math.round(duration), frame.keyframe, matroskaBlock(frame));
    return true;
  }

  /** Writes a packet of silence, 20 ms long. */
  silence(number: number, time: Micros, packet: Uint8Array): void {
    this.#write(number, time, 20, true, packet);
  }

  /** Resolves when the disk has all blocks that were written until now. */
  drained(): Promise<void> {
    return this.#disk.drained();
  }

  /** Completes and closes the file. Its name is still the temporary one. `whole`: nothing failed on the way. */
  async finish(): Promise<{ bytes: number; durationMs: number; whole: boolean }> {
    this.#disk.push(this.#writer.finish());
    await this.#disk.close();
    return { bytes: this.#writer.length, durationMs: this.#writer.endMs, whole: !this.#disk.failed };
  }

  #write(number: number, time: Micros, durationMs: number, keyframe: boolean, data: Uint8Array): void {
    if (!this.#headerWritten) this.#disk.push([this.#writer.header()]);
    this.#headerWritten = true;
    const timeMs = Math.max(0, Math.round((time - this.#startUs) / 1000));
    this.#disk.push(this.#writer.block(number, timeMs, durationMs, keyframe, data));
  }

  #setTracks(tracks: MatroskaTrack[], docType = this.docType): void {
    this.#tracks = tracks;
    const header = this.#writer.rewrite(tracks, docType);
    if (this.#headerWritten) this.#disk.push([header]);
  }
}

function rank(t: MatroskaTrack): number {
  return t.kind === "video" ? 0 : 1;
}
