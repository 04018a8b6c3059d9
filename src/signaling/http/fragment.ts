/** Descriptions, line by line, as HTTP dialects exchange them, and fragments of them for trickle ICE (RFC 8840). */

/** Candidates taken from one fragment. */
const MAX_CANDIDATES = 64;

/** Candidates of a description, each as its line says it. */
export function candidatesOf(sdp: string): string[] {
  return linesOf(sdp).filter((line) => line.startsWith("a=candidate:"));
}

/** A description without its candidates. */
export function withoutCandidates(sdp: string): string {
  return sdp.replace(/^a=(?:candidate:|end-of-candidates).*(?:\r?\n|$)/gm, "");
}

/** The description has all candidates. */
export function isComplete(sdp: string): boolean {
  return linesOf(sdp).includes("a=end-of-candidates");
}

/** The answer refuses every stream: it may then name no transport, and cannot be applied. */
export function refusesAll(answer: string): boolean {
  const media = linesOf(answer).filter((line) => line.startsWith("m="));
  return media.length > 0 && media.every((line) => /^m=\w+ 0 /.test(line));
}

/**
 * Our offer as endpoints want it. We begin DTLS (RFC 9725 section 4.4.3 lets a client): an endpoint that began it
 * when it made its answer would be there before the answer with its fingerprint is.
 */
export function clientOffer(sdp: string): string {
  return sdp
    .replace(/^a=setup:actpass(?=\r?$)/gm, "a=setup:active")
    .replace(/^a=rtcp-mux(?=\r?$)/gm, "a=rtcp-mux\r\na=rtcp-mux-only");
}

/**
 * What a description has and the server was not told, as a fragment (RFC 8840 section 4.4); undefined: nothing.
 * `known`: lines from `candidatesOf`.
 */
export function trickleFragment(sdp: string, known: ReadonlySet<string>): string | undefined {
  const lines = linesOf(sdp);
  const fresh = candidatesOf(sdp).filter((line) => !known.has(line));
  const complete = isComplete(sdp);
  if (fresh.length === 0 && !complete) return undefined;
  const first = (start: string) => lines.filter((line) => line.startsWith(start)).slice(0, 1);
  const out = [
    ...first("a=group:BUNDLE"),
    ...["m=", "a=mid:", "a=ice-ufrag:", "a=ice-pwd:"].flatMap(first),
    ...fresh,
    ...(complete ? ["a=end-of-candidates"] : []),
  ];
  return `${out.join("\r\n")}\r\n`;
}

/** What a fragment says. */
export type Fragment = {
  /** User name of the ICE session that it belongs to. */
  readonly ufrag: string | undefined;
  /** Candidates, without `a=`. */
  readonly candidates: readonly string[];
};

/** Reads a fragment that a client sent; undefined: it is none. */
export function parseFragment(text: string): Fragment | undefined {
  const lines = linesOf(text);
  const candidates = candidatesOf(text).map((line) => line.slice(2));
  const ufrag = lines.find((line) => line.startsWith("a=ice-ufrag:"))?.slice(12);
  const says = candidates.length > 0 || ufrag !== undefined || lines.includes("a=end-of-candidates");
  return says && candidates.length <= MAX_CANDIDATES ? { ufrag, candidates } : undefined;
}

/** ICE user name of a description: that of its first section which has one. */
export function ufragOf(sdp: string): string | undefined {
  return linesOf(sdp)
    .find((line) => line.startsWith("a=ice-ufrag:"))
    ?.slice(12);
}

function linesOf(sdp: string): string[] {
  return sdp.split(/\r?\n/);
}
