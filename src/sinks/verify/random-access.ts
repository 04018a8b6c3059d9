import { type FileHandle, open } from "node:fs/promises";

/** Small reads are answered from a window of this many octets: who walks over a file reads small and close. */
const WINDOW = 8192;
const SMALL = 512;

/** A file that is read at places. Memory: what was asked for last. */
export class RandomAccessFile {
  #window: { readonly at: number; readonly bytes: Uint8Array } = { at: 0, bytes: new Uint8Array(0) };
  readonly #handle: FileHandle;
  readonly size: number;

  private constructor(handle: FileHandle, size: number) {
    this.#handle = handle;
    this.size = size;
  }

  /** Opens a file; the caller closes it. Rejects with the system's error. */
  static async open(path: string): Promise<RandomAccessFile> {
    const handle = await open(path, "r");
    return new RandomAccessFile(handle, (await handle.stat()).size);
  }

  /** Octets from `at` on: as many as asked for, fewer where the file ends. */
  async read(at: number, length: number): Promise<Uint8Array> {
    if (length > SMALL) return await this.#read(at, length);
    const { bytes, at: start } = this.#window;
    if (at < start || Math.min(at + length, this.size) > start + bytes.length)
      this.#window = { at, bytes: await this.#read(at, WINDOW) };
    const from = at - this.#window.at;
    return this.#window.bytes.subarray(from, from + length);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #read(at: number, length: number): Promise<Uint8Array> {
    const wanted = Math.max(0, Math.min(length, this.size - at));
    const bytes = new Uint8Array(wanted);
    let n = 0;
    while (n < wanted) {
      const { bytesRead } = await this.#handle.read(bytes, n, wanted - n, at + n);
      if (bytesRead === 0) break;
      n += bytesRead;
    }
    return bytes.subarray(0, n);
  }
}
