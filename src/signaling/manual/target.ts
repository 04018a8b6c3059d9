import { RoomtapError } from "../../core/fault.ts";
import type { IceServer } from "../../core/room.ts";
import type { BlobForm } from "./blob.ts";

/** What a `manual:` address says. */
export type ManualTarget = {
  /** The other side's description, as it was given. */
  readonly text?: string;
  /** A file that has it. */
  readonly file?: string;
  /** How ours is written; absent: as the other side's was, or as a blob. */
  readonly form?: BlobForm;
  readonly iceServers: readonly IceServer[];
};

const HINT =
  "write it like manual: or manual:BLOB or manual:@FILE, with ?as=json or ?ice=stun:HOST:PORT behind it";
const STUN = /^stuns?:(?:\[[0-9a-f:.]+\]|[^:?\s[\]/@#]+)(?::\d{1,5})?$/i;

/** Reads `manual:[BLOB | @FILE][?as=blob|json|sdp][&ice=stun:...]`. Throws a RoomtapError `usage`. */
export function parseManualTarget(address: string): ManualTarget {
  const m = /^manual:(.*?)(?:\?([^?]*))?$/is.exec(address.trim());
  if (!m) throw new RoomtapError("usage", "the manual: address cannot be read", { hint: HINT });
  const given = (m[1] ?? "").trim();
  const query = new URLSearchParams(m[2] ?? "");
  for (const key of query.keys())
    if (key !== "as" && key !== "ice")
      throw new RoomtapError("usage", `manual: addresses have no option ${key}`, { hint: HINT });
  const form = query.get("as") ?? undefined;
  if (form !== undefined && form !== "blob" && form !== "json" && form !== "sdp")
    throw new RoomtapError("usage", `manual: cannot write a description as ${form}`, { hint: HINT });
  const urls = query.getAll("ice");
  const bad = urls.find((url) => !STUN.test(url));
  if (bad !== undefined) throw new RoomtapError("usage", `${bad} is not a STUN server`, { hint: HINT });
  return {
    ...(given.startsWith("@") ? { file: given.slice(1) } : given === "" ? {} : { text: given }),
    ...(form === undefined ? {} : { form }),
    iceServers: urls.map((url) => ({ urls: [url] })),
  };
}
