/** A rendition as players choose it (RFC 8216 section 4.3.4.2). */
export type Variant = {
  readonly uri: string;
  /** Bits per second: the largest of any segment, and over all. */
  readonly bandwidth: number;
  readonly averageBandwidth: number;
  readonly width: number;
  readonly height: number;
  readonly framesPerSecond: number;
  /** RFC 6381 names, like `avc1.4D401E`. */
  readonly codecs: readonly string[];
};

/** The playlist of playlists. The first variant is the one that players begin with. */
export function multivariantPlaylistText(variants: readonly Variant[], independentSegments: boolean): string {
  const lines = [
    "#EXTM3U",
    "#EXT-X-VERSION:6",
    ...(independentSegments ? ["#EXT-X-INDEPENDENT-SEGMENTS"] : []),
  ];
  for (const v of variants) {
    const attributes = [
      `BANDWIDTH=${Math.ceil(v.bandwidth)}`,
      `AVERAGE-BANDWIDTH=${Math.ceil(v.averageBandwidth)}`,
      `CODECS="${v.codecs.join(",")}"`,
      `RESOLUTION=${v.width}x${v.height}`,
      `FRAME-RATE=${v.framesPerSecond.toFixed(3)}`,
    ];
    lines.push(`#EXT-X-STREAM-INF:${attributes.join(",")}`, v.uri);
  }
  return `${lines.join("\n")}\n`;
}
