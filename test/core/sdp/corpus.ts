import { readdirSync, readFileSync } from "node:fs";
import type { MediaSection, SessionDescription } from "../../../src/core/sdp/description.ts";
import { parseSdp } from "../../../src/core/sdp/parse.ts";

/** From the project's root, where all tests run, the compiled ones of `npm run fuzz` too. */
function load(folder: string): ReadonlyMap<string, string> {
  const files = readdirSync(folder).filter((f) => f.endsWith(".sdp"));
  return new Map(files.sort().map((f) => [f.slice(0, -4), readFileSync(`${folder}/${f}`, "utf8")]));
}

/** Every recorded description of Chromium by file name, without ".sdp" (see PROVENANCE.md there). */
export const recorded: ReadonlyMap<string, string> = load("test/vectors/sdp");

/** Descriptions as other stacks write them, by file name, without ".sdp" (see PROVENANCE.md there). */
export const stacks: ReadonlyMap<string, string> = load("test/core/sdp/corpus");

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

/** What writing keeps: a refused m-line is only its name, its kind and its place; data have nothing that media have. */
export function kept(d: SessionDescription): SessionDescription {
  const media = d.media.map((m): MediaSection => {
    const refused = m.port === 0 && !m.bundleOnly;
    const bare: MediaSection = {
      kind: m.kind,
      port: m.port,
      protocol: m.protocol,
      mid: m.mid,
      direction: m.kind === "application" ? "sendrecv" : "inactive",
      codecs: [],
      extensions: [],
      ssrcs: new Map(),
      ssrcGroups: [],
      rids: [],
      bundleOnly: m.bundleOnly,
      rtcpMux: false,
      rtcpRsize: false,
      extmapAllowMixed: false,
    };
    if (refused) return { ...bare, bundleOnly: false };
    if (m.kind === "application") {
      const { maxMessageSize } = m;
      const data = { ...bare, sctpPort: m.sctpPort ?? 5000 };
      return maxMessageSize === undefined ? data : { ...data, maxMessageSize };
    }
    const { sctpPort: _port, maxMessageSize: _size, ...rest } = m;
    return { ...rest, ssrcs: new Map([...m.ssrcs].map(([id, { cname = "roomtap" }]) => [id, { cname }])) };
  });
  return { ...d, media };
}
