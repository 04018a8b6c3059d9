/*
 * Media playlists of HTTP Live Streaming (RFC 8216; parts, blocking reloads and delta updates:
 * draft-pantos-hls-rfc8216bis). Durations in seconds.
 */

/** A piece of a segment that can be fetched before the segment is whole. */
export type PlaylistPart = {
  readonly uri: string;
  readonly duration: number;
  /** Begins with a keyframe. */
  readonly independent: boolean;
};

/** What stands before a segment, or before the parts of one that is being made. */
export type SegmentStart = {
  /** Unix milliseconds of its first picture. */
  readonly programDateTime: number;
  /** It does not continue what came before. */
  readonly discontinuity: boolean;
  /** Address of its initialization section; undefined: it needs none. */
  readonly map: string | undefined;
};

/** A segment that is whole. */
export type PlaylistSegment = SegmentStart & {
  readonly uri: string;
  readonly duration: number;
  /** Empty: they are not offered any more, or never were. */
  readonly parts: readonly PlaylistPart[];
  /** It could not be kept: players go on with the next one. */
  readonly gap?: boolean;
};

/** How far another rendition is. */
export type RenditionReport = { readonly uri: string; readonly lastMsn: number; readonly lastPart: number };

/** What Low-Latency HLS adds. */
export type LowLatency = {
  /** Ceiling of the parts' durations. */
  readonly partTarget: number;
  /** How far players stay behind: at least twice the part target, better three times. */
  readonly partHoldBack: number;
  /** What is made of the next segment; undefined: nothing begins any more. */
  readonly open: (SegmentStart & { readonly parts: readonly PlaylistPart[] }) | undefined;
  /** Address of the part that comes next. */
  readonly hint: string | undefined;
  readonly reports: readonly RenditionReport[];
};

/** All that a playlist says. */
export type MediaPlaylist = {
  /** Integer; no segment's duration, rounded, is above it. Never changes. */
  readonly targetDuration: number;
  /** Number of the first segment; how many discontinuities were taken out before it. */
  readonly mediaSequence: number;
  readonly discontinuitySequence: number;
  /** Nothing is ever taken out. */
  readonly event: boolean;
  /** Nothing comes any more. */
  readonly ended: boolean;
  /** Every segment begins with a keyframe. */
  readonly independentSegments: boolean;
  readonly segments: readonly PlaylistSegment[];
  readonly lowLatency?: LowLatency;
  /** How many seconds before the end a delta update begins; undefined: there are none. */
  readonly canSkipUntil?: number;
};

/** Shortest live playlist, in target durations, that players may skip parts of (rfc8216bis section 4.4.3.8). */
export const SKIP_BOUNDARY = 6;

/** A playlist as text. `skip`: segments at its beginning that the player knows already. */
export function mediaPlaylistText(p: MediaPlaylist, skip = 0): string {
  const { lowLatency } = p;
  const lines = [
    "#EXTM3U",
    `#EXT-X-VERSION:${skip > 0 ? 9 : p.segments.some((s) => s.gap) ? 8 : 6}`,
    `#EXT-X-TARGETDURATION:${p.targetDuration}`,
    ...serverControl(p),
    ...(lowLatency ? [`#EXT-X-PART-INF:PART-TARGET=${seconds(lowLatency.partTarget)}`] : []),
    `#EXT-X-MEDIA-SEQUENCE:${p.mediaSequence}`,
    ...(p.discontinuitySequence > 0 ? [`#EXT-X-DISCONTINUITY-SEQUENCE:${p.discontinuitySequence}`] : []),
    ...(p.event ? ["#EXT-X-PLAYLIST-TYPE:EVENT"] : []),
    ...(p.independentSegments ? ["#EXT-X-INDEPENDENT-SEGMENTS"] : []),
    ...(skip > 0 ? [`#EXT-X-SKIP:SKIPPED-SEGMENTS=${skip}`] : []),
  ];
  let map = skip > 0 ? p.segments[skip - 1]?.map : undefined;
  for (const segment of p.segments.slice(skip)) {
    lines.push(...startLines(segment, map), ...segment.parts.map(partLine));
    if (segment.gap) lines.push("#EXT-X-GAP");
    lines.push(`#EXTINF:${seconds(segment.duration)},`, segment.uri);
    map = segment.map;
  }
  if (lowLatency?.open && lowLatency.open.parts.length > 0)
    lines.push(...startLines(lowLatency.open, map), ...lowLatency.open.parts.map(partLine));
  if (lowLatency?.hint !== undefined && !p.ended)
    lines.push(`#EXT-X-PRELOAD-HINT:TYPE=PART,URI="${lowLatency.hint}"`);
  for (const r of lowLatency?.reports ?? [])
    lines.push(`#EXT-X-RENDITION-REPORT:URI="${r.uri}",LAST-MSN=${r.lastMsn},LAST-PART=${r.lastPart}`);
  if (p.ended) lines.push("#EXT-X-ENDLIST");
  return `${lines.join("\n")}\n`;
}

/** How many segments at the beginning a delta update leaves out; 0: it makes no sense. */
export function skippedSegments(p: MediaPlaylist): number {
  if (p.canSkipUntil === undefined) return 0;
  const { segments } = p;
  let behind = (p.lowLatency?.open?.parts ?? []).reduce((sum, part) => sum + part.duration, 0);
  let first = segments.length;
  while (first > 0 && behind < p.canSkipUntil) behind += segments[--first]?.duration ?? 0;
  return first;
}

function serverControl({ lowLatency, canSkipUntil, targetDuration }: MediaPlaylist): string[] {
  const attributes = [
    ...(lowLatency ? ["CAN-BLOCK-RELOAD=YES"] : []),
    ...(canSkipUntil === undefined ? [] : [`CAN-SKIP-UNTIL=${seconds(canSkipUntil)}`]),
    ...(lowLatency ? [`PART-HOLD-BACK=${seconds(lowLatency.partHoldBack)}`] : []),
    ...(lowLatency ? [`HOLD-BACK=${seconds(3 * targetDuration)}`] : []),
  ];
  return attributes.length > 0 ? [`#EXT-X-SERVER-CONTROL:${attributes.join(",")}`] : [];
}

function startLines(s: SegmentStart, mapBefore: string | undefined): string[] {
  return [
    ...(s.discontinuity ? ["#EXT-X-DISCONTINUITY"] : []),
    ...(s.map !== undefined && (s.discontinuity || s.map !== mapBefore) ? [`#EXT-X-MAP:URI="${s.map}"`] : []),
    `#EXT-X-PROGRAM-DATE-TIME:${new Date(s.programDateTime).toISOString()}`,
  ];
}

function partLine(p: PlaylistPart): string {
  return `#EXT-X-PART:DURATION=${seconds(p.duration)},URI="${p.uri}"${p.independent ? ",INDEPENDENT=YES" : ""}`;
}

function seconds(s: number): string {
  return s.toFixed(5);
}
