import type { Subject } from "./measure.ts";

/** What one unit leaves behind: octets on the heap, and octets in buffers (frames that were put together). */
export type Garbage = { readonly heapBytesPerPacket: number; readonly bufferBytesPerPacket: number };

/** Runs that count. */
const RUNS = 5;

/**
 * Measures what a subject allocates per unit: the growth of the heap over a run between two collections. The
 * smallest of several runs, because a collection in between only makes it look like more or nothing at all.
 */
export function garbage(subject: Subject, o: { readonly collect: () => void }): Garbage {
  const heap: number[] = [];
  const buffers: number[] = [];
  for (let i = 0; i < RUNS; i++) {
    subject.prepare?.();
    o.collect();
    const before = process.memoryUsage();
    const units = subject.run();
    const after = process.memoryUsage();
    heap.push((after.heapUsed - before.heapUsed) / units);
    buffers.push((after.arrayBuffers - before.arrayBuffers) / units);
  }
  const positive = (list: number[]) => Math.max(0, Math.round(Math.min(...list.filter((n) => n >= 0))));
  return { heapBytesPerPacket: positive(heap), bufferBytesPerPacket: positive(buffers) };
}
