/** Names that strangers choose: what people call themselves, and what rooms are called. */

/** Most code points of a participant's name or a room's name. */
export const NAME_CODE_POINTS = 64;

/**
 * Control, format (bidi overrides, zero-width marks), surrogate and private-use characters, line and
 * paragraph separators. The two joiners stay: Persian, Hindi and emoji need them.
 */
const unprintable = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;

/**
 * A participant's name made fit to show: NFC, one line, nothing invisible, at most 64 code points. Empty when
 * nothing readable is left. Still data: it goes into text nodes and is never a path or markup.
 */
export function cleanName(raw: string): string {
  const visible = raw.slice(0, 1024).normalize("NFC").replace(unprintable, " ").replace(/\s+/gu, " ").trim();
  return [...visible].slice(0, NAME_CODE_POINTS).join("").trim();
}

const roomPattern = /^[\p{L}\p{N}\p{M}_.~-]{1,64}$/u;

/** The canonical form of a room name (NFC letters, digits and `_.~-`), or undefined when it is not one. */
export function roomName(raw: string): string | undefined {
  if (raw.length > 256) return undefined;
  const name = raw.normalize("NFC");
  // URL parsers remove these two as path segments.
  if (name === "." || name === "..") return undefined;
  return roomPattern.test(name) ? name : undefined;
}
