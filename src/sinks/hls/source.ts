/**
 * What an HTTP server needs of a live HLS stream (RFC 8216, draft-pantos-hls-rfc8216bis): everything is in memory, and
 * nothing else can be asked for. Paths are relative to the stream's root, without a leading slash.
 */
export interface HlsSource {
  /** The playlist of playlists; undefined: there is nothing to play yet. */
  multivariant(): string | undefined;
  /** Names of the renditions; the playlist of one is `NAME/index.m3u8`. */
  readonly renditions: readonly string[];
  /** A rendition's playlist as it is now; undefined: nothing to play yet, or no such rendition. */
  playlist(rendition: string, o?: { readonly skip?: boolean }): string | undefined;
  /** How far a rendition is; undefined: nothing yet. */
  edge(rendition: string): HlsEdge | undefined;
  /** A segment, initialization section or part by its path, when it is there whole. */
  file(path: string): HlsFile | undefined;
  /** The path is a part that a playlist has promised (EXT-X-PRELOAD-HINT) and that comes next. */
  promised(path: string): boolean;
  /** Calls back after every change: a part, a segment, the end. Returns how to stop that. */
  onChange(cb: () => void): () => void;
  /** Playlists have their EXT-X-ENDLIST: there is no next. */
  readonly ended: boolean;
  /** Seconds: EXT-X-TARGETDURATION, and PART-TARGET or undefined where there are no parts. */
  readonly targetDuration: number;
  readonly partTarget: number | undefined;
  /** Whether playlists are complete from the beginning on (`--event`). */
  readonly event: boolean;
}

/** The newest thing in a playlist (draft-pantos-hls-rfc8216bis section 6.2.5.2). */
export type HlsEdge = {
  /** Media sequence number of the segment that is being made. */
  readonly nextMsn: number;
  /** How many of its parts are there. */
  readonly parts: number;
};

/** Something that can be fetched; it never changes. */
export type HlsFile = {
  readonly type: "video/mp4" | "video/mp2t" | "video/iso.segment";
  readonly body: readonly Uint8Array[];
  readonly length: number;
};
