/** Messages of STUN and TURN (RFC 8489 section 5, RFC 8656). Addresses are as people write them. */

/** Kinds of messages, in the order of their class bits. */
const KINDS = ["request", "indication", "success", "error"] as const;

/** What a message is. */
export type StunKind = (typeof KINDS)[number];

/** Methods that Roomtap asks for, or looks at. */
export const StunMethod = { binding: 0x001, allocate: 0x003, refresh: 0x004 } as const;

/** Attributes that Roomtap reads or writes. */
export const StunAttribute = {
  username: 0x0006,
  messageIntegrity: 0x0008,
  errorCode: 0x0009,
  lifetime: 0x000d,
  realm: 0x0014,
  nonce: 0x0015,
  xorRelayedAddress: 0x0016,
  requestedTransport: 0x0019,
  xorMappedAddress: 0x0020,
} as const;

/** A message as it was read; memory of values is that of the datagram. */
export type StunMessage = {
  readonly kind: StunKind;
  readonly method: number;
  /** Twelve octets. */
  readonly transaction: Uint8Array;
  /** The first of each type. */
  readonly attributes: ReadonlyMap<number, Uint8Array>;
};

/** Why a server refuses: 300..699, with its words, which are a stranger's. */
export type StunRefusal = { readonly code: number; readonly reason: string };

const HEADER = 20;
const MAGIC = [0x21, 0x12, 0xa4, 0x42] as const;

/** Reads a datagram; undefined: it is no message. Attributes behind one that does not fit are left out. */
export function readStun(b: Uint8Array): StunMessage | undefined {
  const u16 = (at: number) => ((b[at] ?? 0) << 8) | (b[at + 1] ?? 0);
  if (b.length < HEADER || (b[0] ?? 0xff) > 0x3f || u16(2) + HEADER > b.length) return undefined;
  if (MAGIC.some((v, i) => b[4 + i] !== v)) return undefined;
  const type = u16(0);
  const kind = KINDS[((type & 0x0100) >> 7) | ((type & 0x0010) >> 4)];
  if (kind === undefined) return undefined;
  const attributes = new Map<number, Uint8Array>();
  const end = HEADER + u16(2);
  for (let at = HEADER; at + 4 <= end; ) {
    const [attribute, length] = [u16(at), u16(at + 2)];
    if (at + 4 + length > end) break;
    if (!attributes.has(attribute)) attributes.set(attribute, b.subarray(at + 4, at + 4 + length));
    at += 4 + ((length + 3) & ~3);
  }
  const method = (type & 0x000f) | ((type & 0x00e0) >> 1) | ((type & 0x3e00) >> 2);
  return { kind, method, transaction: b.subarray(8, HEADER), attributes };
}

/**
 * Writes a request. `integrity`: makes the HMAC-SHA1 (20 octets) of what comes before MESSAGE-INTEGRITY, whose length the
 * header has by then (RFC 8489 section 14.5); absent: there is none.
 */
export function writeStunRequest(
  method: number,
  transaction: Uint8Array,
  attributes: readonly (readonly [type: number, value: Uint8Array])[],
  integrity?: (message: Uint8Array) => Uint8Array,
): Uint8Array {
  const body = attributes.reduce((n, [, v]) => n + 4 + ((v.length + 3) & ~3), 0);
  const out = new Uint8Array(HEADER + body + (integrity ? 24 : 0));
  const u16 = (at: number, v: number) => {
    out[at] = v >> 8;
    out[at + 1] = v & 0xff;
  };
  // Requests have no class bits; methods up to 0xf lie in the lowest four.
  u16(0, method & 0x0f);
  u16(2, out.length - HEADER);
  out.set(MAGIC, 4);
  out.set(transaction.subarray(0, 12), 8);
  let at = HEADER;
  for (const [type, value] of attributes) {
    u16(at, type);
    u16(at + 2, value.length);
    out.set(value, at + 4);
    at += 4 + ((value.length + 3) & ~3);
  }
  if (integrity) {
    u16(at, StunAttribute.messageIntegrity);
    u16(at + 2, 20);
    out.set(integrity(out.subarray(0, at)).subarray(0, 20), at + 4);
  }
  return out;
}

/** An XOR-MAPPED-ADDRESS or XOR-RELAYED-ADDRESS (RFC 8489 section 14.2) as `host:port`; undefined: it is none. */
export function xorAddress(m: StunMessage, attribute: number): string | undefined {
  const v = m.attributes.get(attribute);
  const v6 = v?.[1] === 2;
  if (!v || v.length < (v6 ? 20 : 8) || (v[1] !== 1 && !v6)) return undefined;
  const key = [...MAGIC, ...m.transaction];
  const port = (((v[2] ?? 0) << 8) | (v[3] ?? 0)) ^ 0x2112;
  const octets = Array.from(v.subarray(4, v6 ? 20 : 8), (octet, i) => octet ^ (key[i] ?? 0));
  if (!v6) return `${octets.join(".")}:${port}`;
  const words = Array.from({ length: 8 }, (_, i) =>
    (((octets[2 * i] ?? 0) << 8) | (octets[2 * i + 1] ?? 0)).toString(16),
  );
  return `[${words.join(":")}]:${port}`;
}

/** The ERROR-CODE of a message; undefined: it has none. */
export function stunRefusal(m: StunMessage): StunRefusal | undefined {
  const v = m.attributes.get(StunAttribute.errorCode);
  if (!v || v.length < 4) return undefined;
  const letters = Array.from(v.subarray(4, 64), (c) =>
    c >= 0x20 && c < 0x7f ? String.fromCharCode(c) : "?",
  );
  return { code: ((v[2] ?? 0) & 7) * 100 + (v[3] ?? 0), reason: letters.join("") };
}
