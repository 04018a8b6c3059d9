/**
 * What a NAL unit is to an access unit: dropped on the way (delimiters, filler, other layers), a parameter set,
 * a message to the decoder before the picture, picture data, picture data of a random access point, or
 * anything else.
 */
export type NalRole = "drop" | "set" | "sei" | "slice" | "key" | "other";

/** One parameter set among others. Depth 0 refers to no other, each further depth to one of the depth before. */
export type ParameterSet = {
  readonly depth: number;
  readonly id: number;
  /** Id of the set it refers to; 0 at depth 0. */
  readonly parentId: number;
  /** Pixels, where the set says it. */
  readonly width?: number;
  readonly height?: number;
};

/** What H.264 and H.265 do not have in common, as far as RTP and files are concerned. */
export type NalSyntax = {
  /** Octets of a NAL unit's header. */
  readonly headerLength: number;
  /** Depth of picture parameter sets, the ones that slices name. */
  readonly pictureSetDepth: number;
  /** Role of the NAL unit that begins at byte `i`. */
  role(b: Uint8Array, i: number): NalRole;
  /** Reads a parameter set; undefined when it makes no sense or is none. */
  parseSet(nal: Uint8Array): ParameterSet | undefined;
  /** Id of the picture parameter set a slice uses; the beginning of the slice is enough. */
  slicePictureSet(nal: Uint8Array): number | undefined;
};
