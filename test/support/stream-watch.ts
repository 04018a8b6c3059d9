import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { PlaylistLint, type ReadSegment, readPlaylist } from "./hls-lint.ts";

/** What a segment of fragmented MP4 begins with. Times in ticks of 90 kHz. */
export type InspectedSegment = {
  readonly videoTime: number;
  /** Begins with a keyframe. */
  readonly keyframe: boolean;
};

/** Reads a segment box by box; throws where it is not whole. */
export function inspectSegment(bytes: Buffer): InspectedSegment {
  let videoTime: number | undefined;
  let keyframe: boolean | undefined;
  const walk = (from: number, to: number, track: { id: number }) => {
    for (let at = from; at < to; ) {
      const size = bytes.readUInt32BE(at);
      const type = bytes.toString("latin1", at + 4, at + 8);
      if (size < 8 || at + size > to)
        throw new Error(`${type} of ${size} octets does not fit at ${at} of ${to}`);
      const body = at + 8;
      if (type === "moof") walk(body, at + size, { id: 0 });
      else if (type === "traf") walk(body, at + size, { id: 0 });
      else if (type === "tfhd") track.id = bytes.readUInt32BE(body + 4);
      else if (type === "tfdt" && track.id === 1) videoTime ??= Number(bytes.readBigUInt64BE(body + 4));
      else if (type === "trun" && track.id === 1 && keyframe === undefined) {
        // Count, data offset; then duration, size and flags of the first sample.
        const flags = bytes.readUInt32BE(body + 16 + 4);
        keyframe = (flags & 0x1_0000) === 0;
      }
      at += size;
    }
  };
  walk(0, bytes.length, { id: 0 });
  if (videoTime === undefined || keyframe === undefined) throw new Error("a segment without pictures");
  return { videoTime, keyframe };
}

/** A player that follows a rendition over HTTP as Low-Latency HLS wants it, and checks all that it gets. */
export class HttpWatcher {
  readonly lint = new PlaylistLint();
  readonly #url: string;
  readonly #segments = new Map<
    number,
    InspectedSegment & { readonly time: number; readonly discontinuity: boolean }
  >();
  readonly #stopped = new AbortController();
  #done: Promise<void> | undefined;
  reloads = 0;

  /** `url`: of the rendition's playlist. */
  constructor(url: string) {
    this.#url = url;
  }

  start(): void {
    this.#done = this.#follow();
  }

  /** Until the stream's end, or now. Returns what was wrong. */
  async stop(): Promise<string[]> {
    this.#stopped.abort();
    await this.#done;
    return [...this.lint.problems, ...this.#drift()];
  }

  /** Resolves at the stream's end. */
  async ended(): Promise<string[]> {
    await this.#done;
    return [...this.lint.problems, ...this.#drift()];
  }

  async #follow(): Promise<void> {
    let query = "";
    while (!this.#stopped.signal.aborted) {
      const answer = await fetch(`${this.#url}${query}`, { signal: this.#stopped.signal }).catch(
        () => undefined,
      );
      if (!answer) return;
      const text = await answer.text().catch(() => "");
      if (answer.status === 503) continue;
      if (answer.status !== 200) {
        this.lint.problems.push(`${answer.status} for ${query}`);
        return;
      }
      this.reloads++;
      const p = this.lint.push(text);
      for (const s of p.segments) await this.#check(s, p.independent);
      if (p.ended) return;
      const next = p.mediaSequence + p.skipped + p.segments.length;
      query = `?_HLS_msn=${next}&_HLS_part=${p.openParts.length}`;
    }
  }

  async #check(s: ReadSegment, independent: boolean): Promise<void> {
    if (this.#segments.has(s.msn)) return;
    const answer = await fetch(new URL(s.uri, this.#url)).catch(() => undefined);
    if (!answer?.ok) {
      if (!this.#stopped.signal.aborted) this.lint.problems.push(`${s.uri} is listed and not there`);
      return;
    }
    const inside = inspectSegment(Buffer.from(await answer.arrayBuffer()));
    this.#segments.set(s.msn, { ...inside, time: s.time, discontinuity: s.discontinuity });
    if (independent && !inside.keyframe) this.lint.problems.push(`${s.uri} does not begin with a keyframe`);
  }

  /** Program date times against the times of the pictures themselves, over all that was seen. */
  #drift(): string[] {
    const all = [...this.#segments.values()];
    const zero = all[0] && all[0].time - all[0].videoTime / 90;
    return all.flatMap((s) => {
      const off = s.time - s.videoTime / 90 - (zero ?? 0);
      return Math.abs(off) < 100 ? [] : [`the time of a segment is ${off} ms off its pictures`];
    });
  }
}

/** Reads a directory as a web server would, every 50 ms, and notes everything that is not whole. */
export class DirectoryWatcher {
  readonly problems: string[] = [];
  readonly lint = new PlaylistLint();
  readonly #folder: string;
  readonly #read = new Set<string>();
  readonly #timer: NodeJS.Timeout;
  #busy = false;
  looks = 0;

  /** `folder`: of a rendition. */
  constructor(folder: string) {
    this.#folder = folder;
    this.#timer = setInterval(() => void this.#look(), 50);
  }

  stop(): string[] {
    clearInterval(this.#timer);
    return [...this.problems, ...this.lint.problems];
  }

  async #look(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      const text = await readFile(join(this.#folder, "index.m3u8"), "utf8").catch(() => undefined);
      if (text === undefined) return;
      this.looks++;
      const p = readPlaylist(text);
      this.lint.push(text);
      for (const { uri, map } of p.segments) {
        for (const name of [uri, ...(map === undefined ? [] : [map])]) {
          if (this.#read.has(name)) continue;
          this.#read.add(name);
          const bytes = await readFile(join(this.#folder, name));
          if (name === uri) inspectSegment(bytes);
        }
      }
    } catch (error) {
      this.problems.push(error instanceof Error ? error.message : String(error));
    } finally {
      this.#busy = false;
    }
  }
}
