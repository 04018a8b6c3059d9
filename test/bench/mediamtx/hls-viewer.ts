import { type ReadPlaylist, readPlaylist } from "../../support/hls-lint.ts";
import { pictureCount, videoTrackId } from "./fragments.ts";

/** Pictures that came together. `at`: Unix milliseconds of their last octet. */
export type Arrival = { readonly at: number; readonly pictures: number };

/**
 * A player of Low-Latency HLS that follows the newest part of a stream's pictures, with blocking reloads, and keeps what
 * came and when.
 */
export class HlsViewer {
  readonly arrivals: Arrival[] = [];
  /** The initialization section and all parts, one after another: a file. */
  readonly octets: Buffer[] = [];
  readonly #playlist: string;
  #track = 0;
  #cookie = "";

  /** `playlist`: address of the multivariant playlist. */
  constructor(playlist: string) {
    this.#playlist = playlist;
  }

  /** Follows until `stop` is aborted. Rejects when the stream cannot be played. */
  async follow(stop: AbortSignal): Promise<void> {
    const media = new URL(mediaPlaylist(await this.#text(this.#playlist, stop)), this.#playlist).href;
    let p = readPlaylist(await this.#text(media, stop));
    const map = p.segments.at(-1)?.map ?? p.segments[0]?.map;
    if (map === undefined) throw new Error("a playlist without an initialization section");
    const init = await this.#octets(new URL(map, media).href, stop);
    this.#track = videoTrackId(init);
    this.octets.push(init);
    // From the next segment on: whole, and with a keyframe in front.
    const first = end(p);
    const seen = new Set<string>();
    while (!stop.aborted) {
      for (const uri of newParts(p, first)) {
        if (seen.has(uri)) continue;
        seen.add(uri);
        const part = await this.#octets(new URL(uri, media).href, stop).catch((e: unknown) => {
          if (!stop.aborted) throw e;
        });
        if (!part) return;
        this.octets.push(part);
        const { timeOrigin } = performance;
        this.arrivals.push({
          at: timeOrigin + performance.now(),
          pictures: pictureCount(part, this.#track),
        });
      }
      const reload = new URL(media);
      reload.searchParams.set("_HLS_msn", String(end(p)));
      reload.searchParams.set("_HLS_part", String(p.openParts.length));
      const next = await this.#text(reload.href, stop).catch((e: unknown) => {
        if (!stop.aborted) throw e;
      });
      if (next === undefined) return;
      p = readPlaylist(next);
    }
  }

  async #text(url: string, stop: AbortSignal): Promise<string> {
    return (await this.#octets(url, stop)).toString();
  }

  async #octets(url: string, stop: AbortSignal): Promise<Buffer> {
    const answer = await fetch(url, { signal: stop, headers: this.#cookie ? { cookie: this.#cookie } : {} });
    if (!answer.ok) throw new Error(`${answer.status} for ${url}`);
    const set = answer.headers.getSetCookie().map((c) => c.split(";")[0] ?? "");
    if (set.length > 0) this.#cookie = set.join("; ");
    return Buffer.from(await answer.arrayBuffer());
  }
}

/** Media sequence number of the segment that is being made. */
function end(p: ReadPlaylist): number {
  return p.mediaSequence + p.skipped + p.segments.length;
}

function newParts(p: ReadPlaylist, first: number): string[] {
  const closed = p.segments.filter((s) => s.msn >= first).flatMap((s) => s.parts);
  return [...closed, ...(end(p) >= first ? p.openParts : [])].map((part) => part.uri);
}

/** Of the first variant. */
function mediaPlaylist(text: string): string {
  const uri = text.split("\n").find((line) => line.trim() !== "" && !line.startsWith("#"));
  if (uri === undefined) throw new Error(`no variant in ${text}`);
  return uri.trim();
}
