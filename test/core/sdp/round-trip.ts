import { isDeepStrictEqual } from "node:util";
import { parseSdp } from "../../../src/core/sdp/parse.ts";
import { writeSdp } from "../../../src/core/sdp/write.ts";
import { kept } from "./corpus.ts";

/** Reads, writes and reads again: what is wrong with that; "unreadable": it is no description, or has no m-line in use, which have ICE and DTLS when we write; undefined: nothing. */
export function roundTrip(sdp: string): string | undefined {
  const d = parseSdp(sdp);
  if (!d?.media.some((m) => m.port !== 0 || m.bundleOnly)) return "unreadable";
  const first = kept(d);
  const written = writeSdp(first);
  const again = parseSdp(written);
  if (!again) return `what was written cannot be read: ${written}`;
  return isDeepStrictEqual(kept(again), first)
    ? undefined
    : `what was written says something else: ${written}`;
}
