/** Base64 (RFC 4648 section 4) without host helpers: the core has neither Buffer nor atob. */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Bytes of base64 text; padding may be missing. undefined when a character is not of the alphabet. */
export function fromBase64(text: string): Uint8Array | undefined {
  const body = text.replace(/=+$/, "");
  if (body.length % 4 === 1) return undefined;
  const out = new Uint8Array(Math.floor((body.length * 3) / 4));
  let bits = 0;
  let held = 0;
  let n = 0;
  for (const c of body) {
    const v = ALPHABET.indexOf(c);
    if (v < 0) return undefined;
    bits = ((bits << 6) | v) & 0xffff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      out[n++] = bits >> held;
    }
  }
  return out;
}
