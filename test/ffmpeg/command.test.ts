import { describe, expect, test } from "vitest";
import { commandArguments } from "../../src/ffmpeg/command.ts";
import { conversionCommand } from "../../src/ffmpeg/convert.ts";

const recording = { input: "in.mkv", output: "out.part", audio: "opus" } as const;
const hd = { width: 1280, height: 720 } as const;
/** The arguments of a conversion as one line. */
const line = (c: Parameters<typeof conversionCommand>[0], fpsMode = true) =>
  commandArguments(conversionCommand(c, fpsMode)).join(" ");

describe("a command line", () => {
  test("keeps options with the input they belong to, and never asks the terminal", () => {
    const args = commandArguments({
      inputs: [{ source: "a.yuv", options: ["-f", "rawvideo"] }, { source: "b.wav" }],
      options: ["-c", "copy"],
      output: "o.mkv",
    });
    expect(args.join(" ")).toMatch(/-f rawvideo -i a\.yuv -i b\.wav .*-c copy o\.mkv$/);
    expect(args).toContain("-nostdin");
  });

  test("leaves the standard input alone when media comes through it", () => {
    const args = commandArguments({ inputs: [{ source: "stdin" }], options: [], output: "stdout" });
    expect(args).not.toContain("-nostdin");
    expect(args.join(" ")).toContain("-i pipe:0");
    expect(args.at(-1)).toBe("pipe:1");
  });

  test("takes a file name for what it is, spaces, quotes and all", () => {
    const source = `a "quoted" file; rm -rf $HOME.mkv`;
    expect(commandArguments({ inputs: [{ source }], options: [], output: "o" })).toContain(source);
  });
});

describe("a recording as MP4", () => {
  test("takes H.264 as it is", () => {
    const args = line({ ...recording, format: "mp4", video: { codec: "h264", ...hd } });
    expect(args).toContain("-c:v copy");
    expect(args).not.toContain("scale=");
    expect(args).toContain("-movflags +faststart");
  });

  test("puts H.264 whose picture size changed onto one canvas", () => {
    const args = line({ ...recording, format: "mp4", video: { codec: "h264", ...hd, resized: true } });
    expect(args).toContain("-c:v libx264 -preset veryfast");
    expect(args).toContain(
      "scale=1280:720:force_original_aspect_ratio=decrease,pad=1280:720:(ow-iw)/2:(oh-ih)/2",
    );
  });

  test("keeps the times of the frames, in the words that the build knows", () => {
    const c = { ...recording, format: "mp4", video: { codec: "vp8", ...hd } } as const;
    expect(line(c, true)).toContain("-fps_mode vfr");
    expect(line(c, true)).not.toContain("-vsync");
    expect(line(c, false)).toContain("-vsync vfr");
    expect(line(c, false)).not.toContain("-fps_mode");
  });

  test("has an even canvas, however odd the picture is", () => {
    const args = line({ ...recording, format: "mp4", video: { codec: "vp8", width: 641, height: 359 } });
    expect(args).toContain("pad=642:360");
  });

  test("of sound alone has no options for video", () => {
    const args = line({ ...recording, format: "mp4" });
    expect(args).toContain("-c:a aac");
    expect(args).not.toMatch(/-c:v|scale=|vfr/);
  });

  test("of pictures alone has no options for sound", () => {
    const args = line({
      input: "in.mkv",
      output: "out.part",
      format: "mp4",
      video: { codec: "vp8", ...hd },
    });
    expect(args).not.toMatch(/-c:a|aresample/);
  });
});

describe("a recording that stays Matroska", () => {
  test("is encoded where its pictures are brought to one size, in the codec's own family", () => {
    const video = { codec: "h264", ...hd, resized: true };
    expect(line({ ...recording, format: "mkv", video })).toMatch(/-c:v libx264.*-c:a copy -f matroska/);
    expect(line({ ...recording, format: "mkv", video: { ...video, codec: "vp9" } })).toContain("-c:v libvpx");
  });

  test("shows black where pictures are missing, and only there", () => {
    const fill = {
      with: "black",
      gaps: [
        { fromMs: 1000, toMs: 3500 },
        { fromMs: 9000, toMs: 9500 },
      ],
    } as const;
    const args = line({ ...recording, format: "mkv", video: { codec: "vp8", ...hd, fill } });
    expect(args).toContain("fps=30,drawbox=");
    expect(args).toContain("between(t,1.034,3.499)+between(t,9.034,9.499)");
    expect(
      line({ ...recording, format: "mkv", video: { codec: "vp8", ...hd, fill: { ...fill, with: "hold" } } }),
    ).toMatch(/fps=30,scale=/);
  });
});

test("a recording as WebM is encoded in VP8 and Opus", () => {
  const args = line({ ...recording, format: "webm", video: { codec: "h264", ...hd } });
  expect(args).toContain("-c:v libvpx -deadline realtime");
  expect(args).toContain("-c:a copy");
  expect(line({ ...recording, audio: "pcmu", format: "webm" })).toContain("-c:a libopus");
  expect(args).toMatch(/-f webm out\.part$/);
});

test("a recording as Ogg is its sound alone, all of it", () => {
  const args = line({ ...recording, audio: "pcmu", format: "ogg", video: { codec: "vp8", ...hd } });
  expect(args).toContain("-map 0:a? -c:a libopus");
  expect(args).not.toMatch(/0:v|-c:v|scale=/);
  expect(args).toMatch(/-f ogg out\.part$/);
});

test("every track of sound is taken, and the picture", () => {
  const args = line({ ...recording, format: "mp4", video: { codec: "vp8", ...hd } });
  expect(args).toContain("-map 0:v:0? -map 0:a?");
});
