/** A description in JSON, as browsers write one. */
export type JsonDescription = { readonly type: "offer" | "answer"; readonly sdp: string };

/** Our offer. aiortc's example server does not answer without a word on what to do with the picture. */
export function jsonOffer(sdp: string): string {
  return JSON.stringify({ sdp, type: "offer", video_transform: "none" });
}

/** Reads a description of this type; undefined: it is none. Never throws. */
export function parseJsonDescription(
  body: string,
  type: JsonDescription["type"],
): JsonDescription | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return undefined;
  }
  if (typeof parsed !== "object" || parsed === null) return undefined;
  const { sdp, type: named } = parsed as { readonly sdp?: unknown; readonly type?: unknown };
  return typeof sdp === "string" && named === type && /^v=0\r?\n/.test(sdp) ? { type, sdp } : undefined;
}
