import { readdirSync, readFileSync } from "node:fs";
import type { SessionDescription } from "../../../src/core/sdp/description.ts";
import { parseSdp } from "../../../src/core/sdp/parse.ts";

/** From the project's root, where all tests run, the compiled ones of `npm run fuzz` too. */
const folder = "test/vectors/sdp/";

/** Every recorded description by file name, without ".sdp" (see PROVENANCE.md there). */
export const recorded: ReadonlyMap<string, string> = new Map(
  readdirSync(folder)
    .filter((f) => f.endsWith(".sdp"))
    .sort()
    .map((f) => [f.slice(0, -4), readFileSync(`${folder}${f}`, "utf8")]),
);

/** Reads a description that must be readable. */
export function read(sdp: string): SessionDescription {
  const d = parseSdp(sdp);
  if (!d) throw new Error(`cannot read:\n${sdp}`);
  return d;
}

/** Recorded offers of one page in order, "page-<shape>-1", "-2", ... */
export function pageOffers(shape: string): SessionDescription[] {
  return numbered((n) => `page-${shape}-${n}`);
}

/** A page's recorded answers to our offers of one shape, in order. */
export function pageAnswers(shape: string): SessionDescription[] {
  return numbered((n) => `own-${shape}-${n}-answer`);
}

function numbered(name: (n: number) => string): SessionDescription[] {
  const out: SessionDescription[] = [];
  for (let n = 1; recorded.has(name(n)); n++) out.push(read(recorded.get(name(n)) ?? ""));
  if (out.length === 0) throw new Error(`no recording ${name(1)}`);
  return out;
}
