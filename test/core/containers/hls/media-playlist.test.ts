import { describe, expect, test } from "vitest";
import {
  type MediaPlaylist,
  mediaPlaylistText,
  skippedSegments,
} from "../../../../src/core/containers/hls/media-playlist.ts";
import { multivariantPlaylistText } from "../../../../src/core/containers/hls/multivariant-playlist.ts";

const ZERO = Date.UTC(2026, 0, 1);
const segment = (n: number, o: { map?: string; discontinuity?: boolean; gap?: boolean } = {}) => ({
  ...{ uri: `${n}.m4s`, duration: 2, parts: [], programDateTime: ZERO + 2000 * n },
  ...{ discontinuity: false, map: "a.mp4", ...o },
});
const playlist = (o: Partial<MediaPlaylist> = {}): MediaPlaylist => ({
  ...{ targetDuration: 2, mediaSequence: 7, discontinuitySequence: 0, event: false, ended: false },
  ...{ independentSegments: true, segments: [segment(0), segment(1)] },
  ...o,
});
const lowLatency = {
  ...{ partTarget: 0.25, partHoldBack: 0.75, hint: "2.part-1.m4s" },
  open: {
    ...{ programDateTime: ZERO + 4000, discontinuity: false, map: "a.mp4" },
    parts: [{ uri: "2.part-0.m4s", duration: 0.25, independent: true }],
  },
  reports: [{ uri: "../b/index.m3u8", lastMsn: 9, lastPart: 0 }],
};

describe("a media playlist", () => {
  test("says times to the millisecond, and the map once", () => {
    const segments = [{ ...segment(0), programDateTime: ZERO + 7.9 }, segment(1)];
    expect(mediaPlaylistText(playlist({ segments })).split("\n")).toEqual([
      ...["#EXTM3U", "#EXT-X-VERSION:6", "#EXT-X-TARGETDURATION:2", "#EXT-X-MEDIA-SEQUENCE:7"],
      ...["#EXT-X-INDEPENDENT-SEGMENTS", '#EXT-X-MAP:URI="a.mp4"'],
      ...["#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.007Z", "#EXTINF:2.00000,", "0.m4s"],
      ...["#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:02.000Z", "#EXTINF:2.00000,", "1.m4s", ""],
    ]);
  });

  test("says the map again behind a discontinuity, be it the same", () => {
    const segments = [segment(0), segment(1, { discontinuity: true }), segment(2, { map: "b.mp4" })];
    const tags = mediaPlaylistText(playlist({ segments, discontinuitySequence: 3 })).match(
      /#EXT-X-(MAP|DISC).*/g,
    );
    expect(tags).toEqual([
      "#EXT-X-DISCONTINUITY-SEQUENCE:3",
      '#EXT-X-MAP:URI="a.mp4"',
      "#EXT-X-DISCONTINUITY",
      '#EXT-X-MAP:URI="a.mp4"',
      '#EXT-X-MAP:URI="b.mp4"',
    ]);
  });

  test("offers parts, what comes next, and the way to wait for it", () => {
    const text = mediaPlaylistText(playlist({ lowLatency, canSkipUntil: 12 }));
    for (const line of [
      "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12.00000,PART-HOLD-BACK=0.75000,HOLD-BACK=6.00000",
      "#EXT-X-PART-INF:PART-TARGET=0.25000",
      '#EXT-X-PART:DURATION=0.25000,URI="2.part-0.m4s",INDEPENDENT=YES',
      '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="2.part-1.m4s"',
      '#EXT-X-RENDITION-REPORT:URI="../b/index.m3u8",LAST-MSN=9,LAST-PART=0',
    ])
      expect(text.split("\n")).toContain(line);
  });

  test("ends without promising anything", () => {
    const text = mediaPlaylistText(playlist({ lowLatency, ended: true, event: true }));
    expect(text).not.toContain("PRELOAD-HINT");
    expect(text).toContain("#EXT-X-PLAYLIST-TYPE:EVENT\n");
    expect(text.endsWith("\n#EXT-X-ENDLIST\n")).toBe(true);
  });

  test("has the version of what it uses", () => {
    const version = (p: MediaPlaylist, skip = 0) => /VERSION:(\d+)/.exec(mediaPlaylistText(p, skip))?.[1];
    expect(version(playlist())).toBe("6");
    expect(version(playlist({ segments: [segment(0, { gap: true })] }))).toBe("8");
    expect(version(playlist({ canSkipUntil: 12 }), 1)).toBe("9");
  });

  test("leaves out only what lies before the skip boundary, and repeats no map that is known", () => {
    const p = playlist({ segments: Array.from({ length: 10 }, (_, n) => segment(n)), canSkipUntil: 12 });
    expect(skippedSegments(p)).toBe(4);
    expect(skippedSegments({ ...p, lowLatency })).toBe(4);
    expect(skippedSegments({ ...p, segments: p.segments.slice(0, 6) })).toBe(0);
    expect(skippedSegments(playlist())).toBe(0);
    const text = mediaPlaylistText(p, 4);
    expect(text).toContain("#EXT-X-SKIP:SKIPPED-SEGMENTS=4\n");
    expect(text).not.toContain("EXT-X-MAP");
    expect(text).not.toContain("\n3.m4s");
    expect(text).toContain("\n4.m4s");
  });
});

test("a playlist of playlists says what each one needs", () => {
  const text = multivariantPlaylistText(
    [
      {
        ...{ uri: "a/index.m3u8", bandwidth: 650_000.2, averageBandwidth: 500_000, width: 640, height: 360 },
        ...{ framesPerSecond: 30, codecs: ["avc1.4D401E", "mp4a.40.2"] },
      },
    ],
    false,
  );
  expect(text.split("\n")).toEqual([
    ...["#EXTM3U", "#EXT-X-VERSION:6"],
    '#EXT-X-STREAM-INF:BANDWIDTH=650001,AVERAGE-BANDWIDTH=500000,CODECS="avc1.4D401E,mp4a.40.2",RESOLUTION=640x360,FRAME-RATE=30.000',
    ...["a/index.m3u8", ""],
  ]);
});
