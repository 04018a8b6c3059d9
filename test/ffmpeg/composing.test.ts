import { describe, expect, test } from "vitest";
import { commandArguments } from "../../src/ffmpeg/command.ts";
import { type CompositionFormat, encodingCommand, holdsPictures } from "../../src/ffmpeg/compose.ts";
import { decodingCommand } from "../../src/ffmpeg/decode-pictures.ts";
import { soundCommand } from "../../src/ffmpeg/decode-sound.ts";
import { textCommand } from "../../src/ffmpeg/draw-text.ts";
import { findFonts } from "../../src/ffmpeg/find-fonts.ts";
import { fontCoverage } from "../../src/ffmpeg/font-coverage.ts";

const hostile = "a'b:c,d;[e]%{eif\\:1}\n=.webm";
const path = `/tmp/${hostile}`;

describe("commands", () => {
  test("a path is an input and nothing else", () => {
    const picture = decodingCommand(
      { path, width: 64, height: 36, margin: 0x0a0b0c, rotation: 90, fromMs: 1500 },
      true,
    );
    for (const args of [commandArguments(picture), commandArguments(soundCommand({ path, fromMs: 20 }))]) {
      expect(args[args.indexOf("-i") + 1]).toBe(path);
      expect(args.filter((a) => a.includes(hostile))).toHaveLength(1);
    }
    expect(commandArguments(picture).join(" ")).toContain(":0x0a0b0c");
  });

  test("a text reaches ffmpeg by the name of a file, with nothing in it expanded", () => {
    const lines = [hostile, "", "b"].map((text) => ({ text, size: 20, width: 100 }));
    const args = commandArguments(textCommand(lines, ["font-0.ttf", undefined, undefined])).join(" ");
    expect(args).not.toContain("eif");
    expect(args.match(/expansion=none/g)).toHaveLength(2);
    expect(args).toContain("textfile=line-2.txt");
  });

  test("only the parts that are to be seen are decoded", () => {
    const spans = [
      { fromMs: 0, toMs: 1000 },
      { fromMs: 5000, toMs: 6500 },
    ];
    const o = { path, width: 64, height: 36, margin: 0, rotation: 0, fromMs: 0 } as const;
    const [select] = decodingCommand({ ...o, spans }, true).videoFilters ?? [];
    expect(select).toBe("select=between(t\\,0.000\\,1.000)+between(t\\,5.000\\,6.500)");
  });

  test.each<[CompositionFormat, boolean, string]>([
    ["mp4", true, "-c:v libx264"],
    ["webm", true, "-c:v libvpx"],
    ["mkv", true, "-c:a libopus"],
    ["m4a", false, "-c:a aac"],
    ["ogg", false, "-c:a libopus"],
    ["mp3", false, "-c:a libmp3lame"],
    ["wav", false, "-c:a pcm_s16le"],
  ])("%s is encoded as players expect it", (format, pictures, encoder) => {
    expect(holdsPictures(format)).toBe(pictures);
    const video = pictures ? { video: { fps: 30 } } : {};
    const args = commandArguments(encodingCommand({ format, output: "o.part", ...video }, false)).join(" ");
    expect(args).toContain(encoder);
    expect(args.includes("+faststart")).toBe(format === "mp4" || format === "m4a");
    expect(args).toMatch(/-f \S+ o\.part$/);
  });
});

describe("fonts", () => {
  test("the best that is found knows Latin, and none knows private characters", () => {
    const [best, ...others] = findFonts().map((font) => fontCoverage(font));
    if (best) expect([..."AZaz09é"].map((c) => best(c.codePointAt(0) ?? 0))).not.toContain(false);
    for (const covers of [best, ...others]) expect(covers?.(0x10fffd) ?? false).toBe(false);
  });

  test("what is no font covers nothing, and folders that are not there hold none", () => {
    expect(fontCoverage("/etc/passwd")).toBeUndefined();
    expect(fontCoverage("/no/such/font.ttf")).toBeUndefined();
    expect(findFonts(["/no/such/folder"])).toEqual([]);
  });
});
