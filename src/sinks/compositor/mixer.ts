/** No sample gets above this. */
const CEILING = 32_767;
/** How much of what is missing to full volume comes back with every sample: in about a fifth of a second. */
const RECOVERY = 1 / 9600;

/**
 * Adds voices up. Where they are too loud together, all are turned down at once and come back slowly; one voice alone
 * passes unchanged. Interleaved stereo, 16 bits.
 */
export class Mixer {
  #gain = 1;
  #sum = new Int32Array(0);

  /** Starts a piece of so many samples. */
  begin(samples: number): void {
    if (this.#sum.length !== samples) this.#sum = new Int32Array(samples);
    else this.#sum.fill(0);
  }

  /** Adds a voice from sample `at` on. */
  add(voice: Int16Array, count: number, at: number): void {
    const sum = this.#sum;
    for (let i = 0; i < count; i++) sum[at + i] = (sum[at + i] ?? 0) + (voice[i] ?? 0);
  }

  /** The piece, as little-endian octets. */
  end(): Uint8Array {
    const sum = this.#sum;
    const out = new Uint8Array(2 * sum.length);
    for (let i = 0; i < sum.length; i += 2) {
      const peak = Math.max(Math.abs(sum[i] ?? 0), Math.abs(sum[i + 1] ?? 0));
      this.#gain = Math.min(CEILING / Math.max(1, peak), this.#gain + (1 - this.#gain) * RECOVERY);
      for (let c = i; c < i + 2; c++) {
        const v = Math.round((sum[c] ?? 0) * this.#gain);
        out[2 * c] = v & 0xff;
        out[2 * c + 1] = (v >> 8) & 0xff;
      }
    }
    return out;
  }
}
