import { statSync } from "node:fs";
import { type Millis, millis } from "../../core/time.ts";
import { PacketFile } from "./packet-file.ts";
import type { LoadedTable } from "./read-table.ts";
import { dumpPaths, type TimedEvent } from "./table.ts";

/** What comes next in a session: a packet, or anything else. */
export type Played =
  | { readonly t: "packet"; readonly link: string; readonly bytes: Uint8Array; readonly at: Millis }
  | { readonly t: "event"; readonly event: TimedEvent; readonly at: Millis };

/**
 * Gives the packets and events of a dump in the order in which the session got them. Packets of several
 * connections in the same millisecond come in the order of the connections: the receivers do not see a difference.
 */
export class DumpPlayer {
  readonly #events: readonly TimedEvent[];
  readonly #paths: string[];
  readonly #files = new Map<string, PacketFile>();
  readonly #total: number;
  readonly #complete: boolean;
  /** Nothing of the dump is later. */
  readonly #end: number;
  #empty = true;
  #opened = 0;
  #nextEvent = 0;
  #readBefore = 0;
  #packets = 0;
  #damaged = false;
  #now = 0;
  #next: Played | undefined;

  /** `file`: of the first connection. Opens every file once. Throws a RoomtapError `media-invalid`. */
  constructor(file: string, table: LoadedTable) {
    const { packets } = dumpPaths(file);
    this.#events = table.events;
    const links = Math.max(1, table.events.filter((e) => e.t === "opened").length);
    this.#paths = Array.from({ length: links }, (_, i) => packets(i + 1));
    this.#complete = table.complete;
    this.#end = table.events.findLast((e) => e.t === "end")?.at ?? Number.POSITIVE_INFINITY;
    for (const path of this.#paths) {
      const probe = new PacketFile(path);
      if (probe.next) this.#empty = false;
      probe.close();
    }
    this.#total = this.#paths.reduce((n, path) => n + statSync(path).size, 0);
    this.#next = this.#find();
  }

  /** What comes next; undefined: nothing. */
  get next(): Played | undefined {
    return this.#next;
  }

  /** There is not a single packet. */
  get empty(): boolean {
    return this.#empty;
  }

  /** Packets taken so far. */
  get packets(): number {
    return this.#packets;
  }

  /** Share of the packets read, 0..1. */
  get share(): number {
    let read = this.#readBefore;
    for (const f of this.#files.values()) read += f.read;
    return this.#total === 0 ? 1 : Math.min(1, read / this.#total);
  }

  /** Something in the files is no packet and was left out, or packets are missing that the table counts. */
  get damaged(): boolean {
    return this.#damaged || [...this.#files.values()].some((f) => f.damaged);
  }

  /** Goes on to what comes behind `next`. */
  take(): void {
    const next = this.#next;
    if (!next) return;
    if (next.t === "packet") {
      this.#packets++;
      this.#files.get(next.link)?.take();
    } else {
      this.#nextEvent++;
      this.#follow(next.event);
    }
    this.#next = this.#find();
  }

  /** Idempotent. */
  close(): void {
    for (const link of [...this.#files.keys()]) this.#drop(link);
  }

  #follow(e: TimedEvent): void {
    if (e.t === "opened") {
      this.#drop(e.link);
      const path = this.#paths[this.#opened++];
      if (path !== undefined) this.#files.set(e.link, new PacketFile(path));
    } else if (e.t === "closed") this.#drop(e.link);
  }

  #drop(link: string): void {
    const file = this.#files.get(link);
    if (!file) return;
    file.close();
    this.#files.delete(link);
    this.#readBefore += file.read;
    this.#damaged ||= file.damaged;
  }

  #find(): Played | undefined {
    const event = this.#events[this.#nextEvent];
    let link: string | undefined;
    let first: PacketFile["next"];
    for (const [name, file] of this.#files) {
      const { next } = file;
      const wanted = event ? (event.after[name] ?? 0) : Number.POSITIVE_INFINITY;
      if (!next && event && file.taken < wanted && this.#complete) this.#damaged = true;
      if (!next || file.taken >= wanted) continue;
      if (first && first.at <= next.at) continue;
      first = next;
      link = name;
    }
    if (first && link !== undefined) {
      return { t: "packet", link, bytes: first.bytes, at: this.#time(first.at) };
    }
    return event && { t: "event", event, at: this.#time(event.at) };
  }

  /** Time never goes back, nor beyond the end, whatever the files say. */
  #time(at: number): Millis {
    this.#now = Math.max(this.#now, Math.min(at, this.#end));
    return millis(this.#now);
  }
}
