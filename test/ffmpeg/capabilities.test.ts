import { expect, test } from "vitest";
import { parseCapabilities } from "../../src/ffmpeg/capabilities.ts";

/** Lines in the form that ffmpeg prints, for a build with the features of 5.1 and for one without. */
const newer = {
  version:
    "ffmpeg version 5.1.9-0+deb12u1 Copyright (c) 2000-2026 the FFmpeg developers\nbuilt with gcc 12\n",
  encoders: [
    "Encoders:",
    " V..... = Video",
    " A..... = Audio",
    " .F.... = Frame-level multithreading",
    " ------",
    " V....D libvpx               libvpx VP8 (codec vp8)",
    " VFSX.D experimental         (codec none)",
    " A....D libopus              libopus Opus (codec opus)",
  ].join("\n"),
  muxers: [
    "File formats:",
    " D. = Demuxing supported",
    " .E = Muxing supported",
    " --",
    "  E mp4             MP4 (MPEG-4 Part 14)",
    " DE mov,mpegts      two names",
    " D  aac             only read",
  ].join("\n"),
  protocols: "Supported file protocols:\nInput:\n  async\n  pipe\nOutput:\n  pipe\n  srt\n",
  filters: [
    "Filters:",
    "  T.. = Timeline support",
    "  | = Source or sink filter",
    " ... abench            A->A       Benchmark part of a filtergraph.",
    " TSC xstack            N->V       Stack video inputs.",
    " ... anullsrc          |->A       Null audio source.",
  ].join("\n"),
  help: [
    "Advanced per-file options:",
    "-fpre filename      set options from indicated preset file",
    "Advanced Video options:",
    "-fps_mode           set framerate mode for matching video streams",
  ].join("\n"),
};

test("reads what a build can do from its own lists", () => {
  const c = parseCapabilities(newer);
  expect(c.version).toBe("5.1.9-0+deb12u1");
  expect([...c.encoders]).toEqual(["libvpx", "experimental", "libopus"]);
  expect([...c.muxers]).toEqual(["mp4", "mov", "mpegts"]);
  expect([...c.protocols]).toEqual(["pipe", "srt"]);
  expect([...c.filters]).toEqual(["abench", "xstack", "anullsrc"]);
  expect(c.fpsMode).toBe(true);
  expect(c.presetFiles).toBe(true);
});

test("a build of the day has a name for a version, and no -fps_mode when it is old", () => {
  const c = parseCapabilities({
    ...newer,
    version: "ffmpeg version N-47683-g0e8eb07980-static Copyright (c) 2000-2018 the FFmpeg developers\n",
    help: "-vsync              video sync method\n",
  });
  expect(c.version).toBe("N-47683-g0e8eb07980-static");
  expect(c.fpsMode).toBe(false);
  expect(c.presetFiles).toBe(false);
});

test("text that says nothing means that nothing is there", () => {
  const c = parseCapabilities({
    version: "",
    encoders: "",
    muxers: "",
    protocols: "",
    filters: "",
    help: "",
  });
  expect(c.version).toBe("unknown");
  for (const list of [c.encoders, c.muxers, c.protocols, c.filters]) expect(list.size).toBe(0);
});
