/** Samples at 48 kHz of the shortest packet there is: silence is any number of these long. */
export const SILENCE_UNIT = 120;

/** Fullband CELT frames of one channel by their length in units, longest first (RFC 6716 section 3.1). */
const frames = [
  { units: 8, toc: 31 << 3 },
  { units: 4, toc: 30 << 3 },
  { units: 2, toc: 29 << 3 },
  { units: 1, toc: 28 << 3 },
] as const;

/** A packet of silence and its length in samples at 48 kHz. */
export type SilentPacket = { readonly data: Uint8Array; readonly samples: number };

/**
 * Silence, `units` long in all, in packets of up to 20 ms. `streams`: how many Opus packets make a packet of
 * multichannel sound; all but the last of them say their length (RFC 7845 section 3, RFC 6716 appendix B).
 */
export function* opusSilence(units: number, streams: number): Generator<SilentPacket> {
  let left = units;
  for (const { units: length, toc } of frames) {
    if (left < length) continue;
    const inner = Array.from({ length: streams - 1 }, () => [toc, 2, 0xff, 0xfe]).flat();
    const packet = { data: Uint8Array.from([...inner, toc, 0xff, 0xfe]), samples: length * SILENCE_UNIT };
    for (; left >= length; left -= length) yield packet;
  }
}
