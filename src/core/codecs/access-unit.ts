import { concat, equalBytes } from "../bytes.ts";
import { START_CODE, trimmedEnd } from "./annex-b.ts";
import type { JoinedFrame } from "./codec.ts";
import type { NalRole, NalSyntax } from "./nal-syntax.ts";
import type { ParameterSetCache } from "./parameter-set-cache.ts";
import { hasRecoveryPoint } from "./recovery-point.ts";

/** Octets of a slice that surely hold the id of its picture parameter set. */
const SLICE_HEAD = 32;

/**
 * Collects the NAL units of one access unit from packets and makes an Annex B frame of them, with the parameter
 * sets in front where decoding can begin.
 */
export class AccessUnit {
  readonly #syntax: NalSyntax;
  readonly #sets: ParameterSetCache;
  readonly #parts: Uint8Array[] = [];
  readonly #inBand: Uint8Array[] = [];
  /** Index in `#parts` where the open NAL unit begins; -1: none is open. */
  #open = -1;
  #pictures = 0;
  #key = false;
  #recovery = false;
  /** Picture parameter sets that the slices name. Only read where decoding can begin. */
  readonly #setIds: number[] = [];

  constructor(syntax: NalSyntax, sets: ParameterSetCache) {
    this.#syntax = syntax;
    this.#sets = sets;
  }

  /** Adds the whole NAL unit p[from, to). */
  nal(p: Uint8Array, from: number, to: number): void {
    this.#dropOpen();
    const end = trimmedEnd(p, from, to);
    const role = this.#syntax.role(p, from);
    if (role === "drop" || end - from < this.#syntax.headerLength) return;
    const nal = p.subarray(from, end);
    this.#parts.push(START_CODE, nal);
    this.#note(role, nal);
  }

  /** Begins a NAL unit that comes in parts: its header, and what p[from...) holds of it. */
  begin(header: Uint8Array, p: Uint8Array, from: number): void {
    this.#dropOpen();
    this.#open = this.#parts.length;
    this.#parts.push(START_CODE, header, p.subarray(from));
  }

  /** Continues the NAL unit with p[from...); nothing when its beginning is missing. */
  more(p: Uint8Array, from: number): void {
    if (this.#open >= 0) this.#parts.push(p.subarray(from));
  }

  /** The NAL unit that was begun is complete. One that never is does not count. */
  end(): void {
    if (this.#open < 0) return;
    const parts = this.#parts;
    const header = parts[this.#open + 1];
    const first = parts[this.#open + 2];
    const last = parts.pop();
    if (!header || !first || !last) return;
    parts.push(last.subarray(0, trimmedEnd(last, 0, last.length)));
    const role = this.#syntax.role(header, 0);
    if (role === "drop") this.#dropOpen();
    else if (role === "slice" || role === "key") {
      this.#note(role, concat([header, first.subarray(0, SLICE_HEAD)]));
    } else this.#note(role, concat(parts.slice(this.#open + 1)));
    this.#open = -1;
  }

  /** The frame; undefined without picture data, or for a random access point whose parameter sets are unknown. */
  finish(): JoinedFrame | undefined {
    this.#dropOpen();
    if (this.#pictures === 0) return undefined;
    const active = this.#key || this.#recovery ? this.#sets.active(this.#setIds) : undefined;
    if (!active) return this.#key ? undefined : { data: concat(this.#parts), keyframe: false };
    const { nals, width, height } = active;
    const complete = nals.every((set) => this.#inBand.some((n) => equalBytes(n, set)));
    const front = complete ? [] : nals.flatMap((set) => [START_CODE, set]);
    const data = concat([...front, ...this.#parts]);
    if (this.#key) return { data, keyframe: true, width, height };
    return { data, keyframe: false, recovery: true, width, height };
  }

  #note(role: NalRole, nal: Uint8Array): void {
    if (role === "set") {
      this.#sets.learn(nal);
      this.#inBand.push(nal);
    } else if (role === "sei") {
      this.#recovery ||= hasRecoveryPoint(nal, this.#syntax.headerLength);
    } else if (role === "slice" || role === "key") {
      this.#pictures++;
      this.#key ||= role === "key";
      if (role === "key" || this.#recovery) this.#noteSlice(nal);
    }
  }

  #noteSlice(nal: Uint8Array): void {
    // An id that cannot be read is one that nobody knows.
    const id = this.#syntax.slicePictureSet(nal) ?? -1;
    if (!this.#setIds.includes(id)) this.#setIds.push(id);
  }

  #dropOpen(): void {
    if (this.#open >= 0) this.#parts.length = this.#open;
    this.#open = -1;
  }
}
