/** What a bystander reads of a STUN message (RFC 8489 section 5): enough to tell people why a TURN server refuses. */
export type StunPeek = {
  readonly kind: "request" | "indication" | "success" | "error";
  /** 0x001 binding, 0x003 allocate, 0x004 refresh, ... */
  readonly method: number;
  /** Hexadecimal. */
  readonly transaction: string;
  readonly hasUsername: boolean;
  /** Of an error: 300..699 with its reason, which is a stranger's text. */
  readonly error?: { readonly code: number; readonly reason: string };
};

const MAGIC = 0x2112a442;
const USERNAME = 0x0006;
const ERROR_CODE = 0x0009;
const KINDS = ["request", "indication", "success", "error"] as const;

/** Reads a message; undefined: it is none. */
export function peekStun(b: Uint8Array): StunPeek | undefined {
  const u16 = (at: number) => ((b[at] ?? 0) << 8) | (b[at + 1] ?? 0);
  if (b.length < 20 || (b[0] ?? 0xff) > 0x3f || u16(2) + 20 > b.length) return undefined;
  if (u16(4) * 0x1_0000 + u16(6) !== MAGIC) return undefined;
  const type = u16(0);
  const method = (type & 0x000f) | ((type & 0x00e0) >> 1) | ((type & 0x3e00) >> 2);
  const kind = KINDS[((type & 0x0100) >> 7) | ((type & 0x0010) >> 4)];
  if (kind === undefined) return undefined;
  const transaction = Array.from(b.subarray(8, 20), (v) => v.toString(16).padStart(2, "0")).join("");
  let hasUsername = false;
  let error: StunPeek["error"];
  const end = 20 + u16(2);
  for (let at = 20; at + 4 <= end; ) {
    const [attribute, length] = [u16(at), u16(at + 2)];
    if (at + 4 + length > end) break;
    if (attribute === USERNAME) hasUsername = true;
    if (attribute === ERROR_CODE && length >= 4) {
      const code = ((b[at + 6] ?? 0) & 7) * 100 + (b[at + 7] ?? 0);
      const letters = b.subarray(at + 8, Math.min(at + 4 + length, at + 8 + 60));
      const reason = Array.from(letters, (v) => (v >= 0x20 && v < 0x7f ? String.fromCharCode(v) : "?")).join(
        "",
      );
      error = { code, reason };
    }
    at += 4 + ((length + 3) & ~3);
  }
  return { kind, method, transaction, hasUsername, ...(error ? { error } : {}) };
}
