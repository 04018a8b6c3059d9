import { fmtpValue } from "../fmtp.ts";
import type { MediaSection, SdpCodec, SdpRid } from "./description.ts";

/** Streams of one side; a hostile description cannot name more. */
const MAX_LAYERS = 16;
/** Restrictions of RFC 8851 section 5 that bind the sender only. "depend" is not among them: layers stand alone. */
const knownRestrictions: ReadonlySet<string> = new Set([
  ...["pt", "max-width", "max-height", "max-fps", "max-fs", "max-br", "max-pps", "max-bpp"],
]);

/** One stream of a=simulcast: its alternatives, the most wanted first (RFC 8853 section 5.1). */
type SimulcastStream = readonly { readonly rid: string; readonly paused: boolean }[];

/** The layers of an m-line that we take: what our answer says of them. */
export type AcceptedLayers = {
  /** a=rid lines with direction recv. */
  readonly rids: readonly SdpRid[];
  /** Value of a=simulcast; undefined: none. */
  readonly simulcast: string | undefined;
};

/** Nothing of the kind. */
export const noLayers: AcceptedLayers = { rids: [], simulcast: undefined };

/**
 * What an answer takes of the layers that an offered section sends. Of alternatives the first that fits is taken;
 * a layer is refused when no payload type it is restricted to is among `codecs`, when it has a restriction that
 * nobody knows (RFC 8851 section 6.3), or when it depends on another. What is paused stays so: without the "~" the
 * sender would start what its user has switched off.
 */
export function acceptLayers(m: MediaSection, codecs: readonly SdpCodec[]): AcceptedLayers {
  const offered = new Map<string, SdpRid>();
  for (const r of m.rids) {
    const accepted = r.direction === "send" ? acceptRid(r, codecs) : undefined;
    if (accepted && !offered.has(r.id) && offered.size < MAX_LAYERS) offered.set(r.id, accepted);
  }
  if (m.simulcast === undefined) return { rids: [...offered.values()], simulcast: undefined };
  const old = /\brid=/.test(m.simulcast);
  const rids: SdpRid[] = [];
  const value: string[] = [];
  for (const alternatives of simulcastStreams(m.simulcast, "send")) {
    const taken = alternatives.find((a) => offered.has(a.rid));
    const rid = taken && offered.get(taken.rid);
    if (!rid) continue;
    offered.delete(rid.id);
    rids.push(rid);
    value.push(`${taken.paused ? "~" : ""}${rid.id}`);
  }
  if (rids.length === 0) return noLayers;
  return { rids, simulcast: `recv ${old ? "rid=" : ""}${value.join(";")}` };
}

/** RIDs of our layers that the other side's description takes and does not pause, in our order. */
export function takenLayers(remote: MediaSection, ours: readonly string[]): string[] {
  const declared = new Set(remote.rids.filter((r) => r.direction === "recv").map((r) => r.id));
  const wanted = new Set<string>();
  for (const [first] of simulcastStreams(remote.simulcast ?? "", "recv")) {
    if (first && !first.paused && declared.has(first.rid)) wanted.add(first.rid);
  }
  return ours.filter((rid) => wanted.has(rid));
}

/** The lists of one direction. Also as drafts of RFC 8853 wrote it, "send rid=a;b", which Firefox once did. */
function simulcastStreams(value: string, direction: "send" | "recv"): SimulcastStream[] {
  const list = new RegExp(`(?:^|\\s)${direction}\\s+(?:rid=)?(\\S+)`).exec(value)?.[1] ?? "";
  const streams = list.split(";", MAX_LAYERS).map((stream) =>
    stream.split(",", MAX_LAYERS).flatMap((s) => {
      const m = /^(~?)([A-Za-z0-9_-]{1,255})$/.exec(s);
      return m ? [{ rid: m[2] ?? "", paused: m[1] === "~" }] : [];
    }),
  );
  return streams.filter((s) => s.length > 0);
}

/** The rid as our answer has it, restricted to payload types that we take; undefined: refused. */
function acceptRid(r: SdpRid, codecs: readonly SdpCodec[]): SdpRid | undefined {
  const restrictions = r.params === "" ? [] : r.params.split(";").map((p) => p.trim());
  for (const p of restrictions) {
    if (!knownRestrictions.has((p.split("=")[0] ?? "").trim().toLowerCase())) return undefined;
  }
  const types = fmtpValue(r.params, "pt")?.split(",").map(Number);
  const taken = types?.filter((pt) => codecs.some((c) => c.payloadType === pt));
  if (taken?.length === 0) return undefined;
  const params = restrictions.map((p) => (taken && /^pt\s*=/i.test(p) ? `pt=${taken.join(",")}` : p));
  return { id: r.id, direction: "recv", params: params.join(";") };
}
