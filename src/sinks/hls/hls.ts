import { multivariantPlaylistText } from "../../core/containers/hls/multivariant-playlist.ts";
import type { RoomtapError } from "../../core/fault.ts";
import type {
  ProgramFormat,
  ProgramPlan,
  ProgramSample,
  ProgramSink,
  SinkStatus,
} from "../program/program.ts";
import { HlsDirectory } from "./directory.ts";
import { HlsRendition } from "./rendition.ts";
import type { HlsEdge, HlsFile, HlsSource } from "./source.ts";

/** How a stream is cut and kept. Times in milliseconds. */
export type HlsSinkOptions = {
  /** A segment ends at the first keyframe about here. 1000 to 10 000. */
  readonly segmentMs: number;
  /** Length of Low-Latency HLS parts, at most; undefined: none. Only with `fmp4`. */
  readonly partMs?: number;
  /** Segments in the playlist; at least 3. */
  readonly window: number;
  /**
   * The playlist keeps all segments from the beginning on. A directory holds those that are old; without one memory does,
   * up to 256 MiB of each rendition, and what is older becomes a gap.
   */
  readonly event: boolean;
  readonly container: "fmp4" | "ts";
  /** Where it is written too. */
  readonly directory?: string;
  /** Writing fails, and is tried again; called once until it works again. */
  readonly onFailure: (error: RoomtapError) => void;
  /** The directory can be written again. */
  readonly onRecovered?: () => void;
};

/** Segments of an event that wait for a disk that does not take them, of each rendition. */
const MAX_WAITING = 64;

/** A program as HTTP Live Streaming: in memory for a server, and in a directory. */
export class HlsSink implements ProgramSink, HlsSource {
  readonly name = "hls";
  readonly targetDuration: number;
  readonly partTarget: number | undefined;
  readonly event: boolean;
  readonly #renditions: readonly HlsRendition[];
  readonly #directory: HlsDirectory | undefined;
  readonly #listeners = new Set<() => void>();
  #ended = false;
  #closing: Promise<void> | undefined;

  constructor(plan: ProgramPlan, o: HlsSinkOptions) {
    const segment = o.segmentMs / 1000;
    this.targetDuration = Math.ceil(segment);
    this.partTarget = o.partMs === undefined || o.container === "ts" ? undefined : o.partMs / 1000;
    this.event = o.event;
    const { directory, onFailure, onRecovered } = o;
    this.#directory =
      directory === undefined
        ? undefined
        : new HlsDirectory({
            ...{ directory, renditions: plan.renditions.map((r) => r.name), onFailure },
            ...(onRecovered ? { onRecovered } : {}),
            // A window forgets by itself; an event would wait for ever.
            maxWaiting: o.event ? MAX_WAITING * plan.renditions.length : undefined,
            onDropped: (path) => this.#lost(path),
            onRemade: () => this.#writeAgain(),
          });
    this.#renditions = plan.renditions.map((rendition) => {
      const { name } = rendition;
      return new HlsRendition({
        ...{ rendition, container: o.container, segment, targetDuration: this.targetDuration },
        part: this.partTarget,
        window: o.event ? undefined : o.window,
        archived: this.#directory !== undefined,
        zeroAt: plan.zeroAt,
        run: Math.floor(plan.zeroAt / 1000).toString(36),
        onFile: (file, content) => {
          // Parts are for those who fetch them before the segment is whole.
          if (!file.includes(".part-")) this.#directory?.file(`${name}/${file}`, content.body);
        },
        onSegment: () => this.#publish(name),
        onChange: () => this.#changed(),
        onGone: (file) => this.#directory?.remove(`${name}/${file}`),
      });
    });
  }

  get ended(): boolean {
    return this.#ended;
  }

  get renditions(): readonly string[] {
    return this.#renditions.map((r) => r.name);
  }

  /** Segments of the best rendition so far. */
  get segments(): number {
    return this.#renditions[0]?.segments ?? 0;
  }

  format(f: ProgramFormat): void {
    this.#renditions[f.rendition]?.format(f);
  }

  sample(s: ProgramSample): void {
    if (s.rendition === undefined) for (const r of this.#renditions) r.sample(s);
    else this.#renditions[s.rendition]?.sample(s);
  }

  interruption(): void {
    for (const r of this.#renditions) r.interruption();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  status(): SinkStatus {
    const bytes = this.#renditions.reduce((n, r) => n + r.bytes, 0);
    const failure = this.#directory?.failure;
    const state = this.#ended ? "ended" : bytes === 0 ? "waiting" : failure ? "retrying" : "running";
    return { state, bytes, dropped: 0, attempts: 1, ...(failure ? { detail: failure } : {}) };
  }

  multivariant(): string | undefined {
    const variants = this.#renditions.map((r) => r.variant);
    if (variants.some((v) => v === undefined)) return undefined;
    return multivariantPlaylistText(
      variants.filter((v) => v !== undefined),
      this.#renditions.every((r) => r.independent),
    );
  }

  playlist(rendition: string, o: { readonly skip?: boolean } = {}): string | undefined {
    const others = this.#renditions.filter((r) => r.name !== rendition);
    const reports = others.map((r) => r.report).filter((r) => r !== undefined);
    return this.#named(rendition)?.playlist({ lowLatency: true, skip: o.skip === true, reports });
  }

  edge(rendition: string): HlsEdge | undefined {
    return this.#named(rendition)?.edge;
  }

  file(path: string): HlsFile | undefined {
    const [rendition = "", name = "", ...more] = path.split("/");
    if (more.length > 0) return undefined;
    return this.#named(rendition)?.file(name) ?? this.#written(rendition, name);
  }

  promised(path: string): boolean {
    return this.#renditions.some((r) => r.hint !== undefined && path === `${r.name}/${r.hint}`);
  }

  onChange(cb: () => void): () => void {
    this.#listeners.add(cb);
    return () => this.#listeners.delete(cb);
  }

  async #close(): Promise<void> {
    this.#ended = true;
    for (const r of this.#renditions) r.end();
    await this.#directory?.close();
  }

  /** A segment of an event that is not in memory any more. */
  #written(rendition: string, name: string): HlsFile | undefined {
    const extension = /^seg-[a-z0-9]+-\d{6,}\.(m4s|ts)$/.exec(name)?.[1];
    if (!this.event || extension === undefined || !this.#named(rendition)) return undefined;
    const body = this.#directory?.read(`${rendition}/${name}`);
    const type = extension === "ts" ? "video/mp2t" : "video/iso.segment";
    return body && { type, body: [body], length: body.length };
  }

  #named(rendition: string): HlsRendition | undefined {
    return this.#renditions.find((r) => r.name === rendition);
  }

  #publish(rendition: string): void {
    const directory = this.#directory;
    if (!directory) return;
    const text = this.#named(rendition)?.playlist({ lowLatency: false });
    if (text !== undefined) directory.playlist(`${rendition}/index.m3u8`, text);
    const all = this.multivariant();
    if (all !== undefined) directory.playlist("index.m3u8", all);
  }

  /** A segment that the directory could not take in time. */
  #lost(path: string): void {
    const [rendition = "", name = ""] = path.split("/");
    this.#named(rendition)?.lose(name);
  }

  /** The directory is empty: somebody removed it. */
  #writeAgain(): void {
    for (const r of this.#renditions) {
      for (const [name, file] of r.listed)
        if (file) this.#directory?.file(`${r.name}/${name}`, file.body);
        else r.lose(name);
      this.#publish(r.name);
    }
  }

  #changed(): void {
    for (const cb of [...this.#listeners]) cb();
  }
}
