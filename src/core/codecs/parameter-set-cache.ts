import { equalBytes } from "../bytes.ts";
import type { NalSyntax, ParameterSet } from "./nal-syntax.ts";

/** Real sets are a few hundred octets long. With the ids there are, this bounds the memory of a track to 1.2 MB. */
const MAX_SET_LENGTH = 4096;

/** The sets a picture needs, those first that others refer to, and its size in pixels. */
export type ActiveSets = {
  readonly nals: readonly Uint8Array[];
  readonly width: number;
  readonly height: number;
};

type Known = {
  readonly nal: Uint8Array;
  readonly set: ParameterSet;
  /** The set it refers to is the one it was sent with. */
  fresh: boolean;
};

/** Remembers the parameter sets of a track by kind and id, whether they came in band or in the description. */
export class ParameterSetCache {
  readonly #syntax: NalSyntax;
  /** By depth, then by id. */
  readonly #known: readonly Map<number, Known>[];

  constructor(syntax: NalSyntax) {
    this.#syntax = syntax;
    this.#known = Array.from({ length: syntax.pictureSetDepth + 1 }, () => new Map<number, Known>());
  }

  /** Keeps a copy of `nal` when it is a parameter set that parses. */
  learn(nal: Uint8Array): void {
    const set = nal.length <= MAX_SET_LENGTH ? this.#syntax.parseSet(nal) : undefined;
    const ofDepth = set && this.#known[set.depth];
    if (!set || !ofDepth) return;
    const known = ofDepth.get(set.id);
    if (known && equalBytes(known.nal, nal)) {
      known.fresh = true;
      return;
    }
    ofDepth.set(set.id, { nal: nal.slice(), set, fresh: true });
    for (const child of this.#known[set.depth + 1]?.values() ?? []) {
      if (child.set.parentId === set.id) child.fresh = false;
    }
  }

  /**
   * The sets for a picture whose slices name these picture parameter sets; undefined when one is unknown. Other
   * picture parameter sets of the same parent come along, for the pictures that follow may name them.
   */
  active(ids: readonly number[]): ActiveSets | undefined {
    const depth = this.#syntax.pictureSetDepth;
    const pictureSets = this.#known[depth];
    const [first] = ids;
    const leaf = first === undefined ? undefined : pictureSets?.get(first)?.set;
    if (!pictureSets || !leaf || !ids.every((id) => pictureSets.has(id))) return undefined;
    const nals: Uint8Array[] = [];
    let size: ParameterSet | undefined;
    let child = leaf;
    for (let d = depth - 1; d >= 0; d--) {
      const parent = this.#known[d]?.get(child.parentId);
      if (!parent) return undefined;
      nals.unshift(parent.nal);
      child = parent.set;
      if (d === depth - 1) size = child;
    }
    if (size?.width === undefined || size.height === undefined) return undefined;
    for (const [id, p] of pictureSets) {
      if (ids.includes(id) || (p.fresh && p.set.parentId === leaf.parentId)) nals.push(p.nal);
    }
    return { nals, width: size.width, height: size.height };
  }
}
