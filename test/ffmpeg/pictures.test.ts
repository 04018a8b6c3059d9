import { expect, test } from "vitest";
import { commandArguments } from "../../src/ffmpeg/command.ts";
import { sheetCommand } from "../../src/ffmpeg/pictures.ts";

test("a sheet is a grid that holds all stills", () => {
  const grids = [1, 2, 3, 12, 13].map((n) => {
    const filters = sheetCommand(n, 4, []).videoFilters ?? [];
    return /tile=(\d+x\d+):/.exec(filters.join())?.[1];
  });
  expect(grids).toEqual(["4x1", "4x1", "4x1", "4x3", "4x4"]);
});

test("labels are named by files of ours, each on its own still, and are no instructions", () => {
  const filters = sheetCommand(2, 2, ["label-0.txt", "label-1.txt"]).videoFilters ?? [];
  const texts = filters.filter((f) => f.startsWith("drawtext"));
  expect(texts).toHaveLength(2);
  for (const [i, text] of texts.entries()) {
    expect(text).toContain(`textfile=label-${i}.txt:expansion=none:enable=eq(n\\,${i}):`);
    expect(text).not.toMatch(/[:=]text=/);
  }
});

test("the stills come in raw and the sheet goes out as a picture, without a file", () => {
  const args = commandArguments(sheetCommand(3, 2, []));
  expect(args.join(" ")).toContain("-f rawvideo -pix_fmt yuv420p -s 320x180 -r 1 -i pipe:0");
  expect(args.at(-1)).toBe("pipe:1");
});
