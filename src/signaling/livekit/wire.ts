/*
 * The protobuf wire format (https://protobuf.dev/programming-guides/encoding), as much of it as LiveKit's messages use:
 * varints, octets, strings, messages in messages. Fields go by number; what is not asked for is passed over.
 */

const text = new TextDecoder();
const utf8 = new TextEncoder();
/** A varint of 64 bits. */
const MAX_VARINT_OCTETS = 10;

type Field = { readonly no: number; readonly value: number | Uint8Array };

/** A message that was read. A message inside it that is broken breaks the outermost one: see `whole`. */
export class ProtoMessage {
  readonly #fields: readonly Field[];
  readonly #state: { whole: boolean };

  private constructor(octets: Uint8Array, state: { whole: boolean }) {
    const fields = readFields(octets);
    if (!fields) state.whole = false;
    this.#fields = fields ?? [];
    this.#state = state;
  }

  /** Never throws; `whole` tells whether all that was asked for so far could be read. */
  static read(octets: Uint8Array): ProtoMessage {
    return new ProtoMessage(octets, { whole: true });
  }

  get whole(): boolean {
    return this.#state.whole;
  }

  /** Numbers of the fields that are there, in order. */
  get numbers(): number[] {
    return this.#fields.map((f) => f.no);
  }

  /** An integer, enum or bool; 0 when absent. Exact up to 2^53. */
  int(no: number): number {
    const value = this.#last(no);
    return typeof value === "number" ? value : 0;
  }

  bool(no: number): boolean {
    return this.int(no) !== 0;
  }

  /** Empty when absent. */
  string(no: number): string {
    const value = this.#last(no);
    return value instanceof Uint8Array ? text.decode(value) : "";
  }

  strings(no: number): string[] {
    return this.#octets(no).map((o) => text.decode(o));
  }

  message(no: number): ProtoMessage | undefined {
    const value = this.#last(no);
    return value instanceof Uint8Array ? new ProtoMessage(value, this.#state) : undefined;
  }

  messages(no: number): ProtoMessage[] {
    return this.#octets(no).map((o) => new ProtoMessage(o, this.#state));
  }

  #last(no: number): number | Uint8Array | undefined {
    return this.#fields.findLast((f) => f.no === no)?.value;
  }

  #octets(no: number): Uint8Array[] {
    return this.#fields.flatMap((f) => (f.no === no && f.value instanceof Uint8Array ? [f.value] : []));
  }
}

function readFields(octets: Uint8Array): Field[] | undefined {
  const out: Field[] = [];
  let at = 0;
  const varint = (): number | undefined => {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < MAX_VARINT_OCTETS; i++) {
      const octet = octets[at++];
      if (octet === undefined) return undefined;
      value += (octet & 0x7f) * scale;
      if (octet < 0x80) return value;
      scale *= 128;
    }
    return undefined;
  };
  while (at < octets.length) {
    const key = varint();
    if (key === undefined || key < 8 || key > 0xffff_ffff) return undefined;
    const [no, type] = [Math.floor(key / 8), key % 8];
    if (type === 0) {
      const value = varint();
      if (value === undefined) return undefined;
      out.push({ no, value });
      continue;
    }
    const length = type === 1 ? 8 : type === 5 ? 4 : type === 2 ? varint() : undefined;
    if (length === undefined || length > octets.length - at) return undefined;
    // Of floating-point numbers none matters here.
    if (type === 2) out.push({ no, value: octets.subarray(at, at + length) });
    at += length;
  }
  return out;
}

/** Writes a message. Zeros, empty strings and `false` are left out, as the format has it for absent fields. */
export class ProtoWriter {
  readonly #octets: number[] = [];

  /** A non-negative integer up to 2^53, or an enum. */
  int(no: number, value: number): this {
    if (value === 0) return this;
    this.#varint(no * 8);
    this.#varint(value);
    return this;
  }

  bool(no: number, value: boolean): this {
    return this.int(no, value ? 1 : 0);
  }

  string(no: number, value: string): this {
    return value === "" ? this : this.bytes(no, utf8.encode(value));
  }

  strings(no: number, values: readonly string[]): this {
    for (const value of values) this.bytes(no, utf8.encode(value));
    return this;
  }

  /** Also when it is empty: that it is there says something. */
  message(no: number, value: ProtoWriter): this {
    return this.bytes(no, value.finish());
  }

  bytes(no: number, value: Uint8Array): this {
    this.#varint(no * 8 + 2);
    this.#varint(value.length);
    for (const octet of value) this.#octets.push(octet);
    return this;
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.#octets);
  }

  #varint(value: number): void {
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 128)) this.#octets.push((rest % 128) + 128);
    this.#octets.push(rest);
  }
}
