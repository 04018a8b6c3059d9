import { expect, test } from "vitest";
import type { PacketTrack } from "../../../src/ffmpeg/packet-check.ts";
import type { FileTrack } from "../../../src/sinks/recorder/journal.ts";
import { trackFindings, tracksInWords } from "../../../src/sinks/verify/check-tracks.ts";
import type { Layout } from "../../../src/sinks/verify/layout.ts";

const video: FileTrack = { kind: "video", codec: "vp8", frames: 1000, width: 640, height: 360 };
const audio: FileTrack = { kind: "audio", codec: "opus", frames: 1000 };
const stored = (kind: "audio" | "video", codec: string, more: Partial<PacketTrack> = {}): PacketTrack => ({
  ...{ kind, codec, packets: 1000, startMs: 0, endMs: 0, lastMs: 0, typicalMs: 0 },
  ...{ holes: [], holeCount: 0, repeated: 0, overlaps: 0 },
  ...more,
});
const layout = (width: number, height: number): Layout => ({
  ...{ container: "webm", problems: [], video: [{ width, height }] },
});
const unsaid: Layout = { container: "mp4", problems: [] };
const found = (expected: readonly FileTrack[], tracks: readonly PacketTrack[], l = layout(640, 360)) =>
  trackFindings(expected, { tracks, backwards: 0 }, l).map((f) => f.message);

test("tracks as they are described have no findings, in whatever order", () => {
  expect(found([video, audio], [stored("audio", "opus"), stored("video", "vp8")])).toEqual([]);
  const sized = stored("video", "vp8", { width: 640, height: 360 });
  expect(found([video], [sized], unsaid)).toEqual([]);
  // What the container says counts: a decoder sees the first picture, which may be a smaller one.
  expect(found([video], [stored("video", "vp8", { width: 320, height: 180 })])).toEqual([]);
});

test.each<[FileTrack["codec"], string]>([
  ["opus", "opus"],
  ["multiopus", "opus"],
  ["pcma", "pcm_s16le"],
  ["pcmu", "pcm_s16le"],
  ["g722", "adpcm_g722"],
  ["aac", "aac"],
])("%s stands in files as %s", (codec, name) => {
  expect(found([{ ...audio, codec }], [stored("audio", name)])).toEqual([]);
  expect(found([{ ...audio, codec }], [stored("audio", "mp3")])).toEqual([`the audio is mp3, not ${codec}`]);
});

test("another number of tracks, codec or size, and missing frames are told", () => {
  expect(found([video, audio], [stored("video", "vp8")])).toEqual(["it has 0 audio tracks, not 1"]);
  expect(found([video], [stored("video", "hevc")])).toEqual(["the video is hevc, not vp8"]);
  expect(found([{ ...video, codec: "h265" }], [stored("video", "hevc")])).toEqual([]);
  expect(found([video], [stored("video", "vp8")], layout(320, 360))).toEqual([
    "the picture is 320x360, not 640x360",
  ]);
  expect(found([video], [stored("video", "vp8", { packets: 991 })])).toEqual([]);
  expect(found([video], [stored("video", "vp8", { packets: 900 })])).toEqual([
    "the video has 900 frames, not 1000",
  ]);
});

test("tracks are put into words", () => {
  const tracks = [stored("video", "h264", { width: 4, height: 2 }), stored("audio", "aac")];
  expect(tracksInWords({ tracks, backwards: 0 }, unsaid)).toBe("h264 4x2 + aac");
  expect(tracksInWords({ tracks: [], backwards: 0 }, unsaid)).toBe("none");
});
