/** Writes bits and Exp-Golomb numbers, without emulation prevention. */
export class BitWriter {
  #bits = "";
  u(n: number, v: number): this {
    this.#bits += v.toString(2).padStart(n, "0");
    return this;
  }
  ue(v: number): this {
    const code = (v + 1).toString(2);
    this.#bits += "0".repeat(code.length - 1) + code;
    return this;
  }
  se(v: number): this {
    return this.ue(v > 0 ? 2 * v - 1 : -2 * v);
  }
  bytes(): Uint8Array {
    const text = `${this.#bits}1`;
    return Uint8Array.from(text.match(/.{1,8}/g) ?? [], (b) => Number.parseInt(b.padEnd(8, "0"), 2));
  }
}
