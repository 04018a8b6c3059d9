/** One wire example of a codec, used in both directions where the sender would write the same. */
export type CodecCase = {
  readonly name: string;
  /** What comes out of the depacketizer; undefined: nothing decodable. */
  readonly frame: Uint8Array | undefined;
  readonly payloads: readonly Uint8Array[];
  readonly keyframe?: boolean;
  readonly size?: readonly [number, number];
  /** Microseconds, audio. */
  readonly duration?: number;
  /** Our sender writes exactly these payloads for `sent` (default: the frame) at this limit. */
  readonly sender?: { readonly maxPayload: number; readonly sent?: Uint8Array };
};
