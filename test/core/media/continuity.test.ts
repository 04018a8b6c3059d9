import { expect, it } from "vitest";
import type { PayloadInfo } from "../../../src/core/codecs/codec.ts";
import { Continuity } from "../../../src/core/media/continuity.ts";

const plain: PayloadInfo = { start: true, end: false, keyframe: false, discardable: false, media: true };

function layered(temporalId: number, tl0PicIdx: number, layerSync = false): PayloadInfo {
  return { ...plain, temporalId, tl0PicIdx, layerSync };
}

function after(keyframe: PayloadInfo): Continuity {
  const c = new Continuity();
  c.keyframe(keyframe);
  return c;
}

it("without picture ids and layers every loss is harmful", () => {
  const c = after(plain);
  expect(c.judge(plain)).toBe("pass");
  c.suspect();
  expect(c.judge(plain)).toBe("broken");
});

it.each([7, 15])("picture ids of %i bits follow each other across their wrap", (bits) => {
  const top = 2 ** bits - 1;
  const picture = (pictureId: number) => ({ ...plain, pictureId, pictureIdBits: bits });
  const c = after(picture(top));
  c.suspect();
  expect(c.judge(picture(0))).toBe("pass");
  c.suspect();
  expect(c.judge(picture(2))).toBe("broken");
});

it("picture ids of different width say nothing", () => {
  const c = after({ ...plain, pictureId: 5, pictureIdBits: 7 });
  c.suspect();
  expect(c.judge({ ...plain, pictureId: 6, pictureIdBits: 15 })).toBe("broken");
});

it("as many pictures may be missing as are known to be referred to by none", () => {
  const picture = (pictureId: number) => ({ ...plain, pictureId, pictureIdBits: 15 });
  const c = after(picture(10));
  c.lostDiscardable(1);
  c.suspect();
  expect(c.judge(picture(12))).toBe("pass");
  c.lostDiscardable(1);
  c.suspect();
  expect(c.judge(picture(15))).toBe("broken");
});

it("base frames follow each other across the wrap of their index", () => {
  const c = after(layered(0, 255));
  c.suspect();
  expect(c.judge(layered(0, 0))).toBe("pass");
  c.suspect();
  expect(c.judge(layered(0, 2))).toBe("broken");
});

it("an upper frame of an unknown base frame is broken", () => {
  const c = after(layered(0, 3));
  c.suspect();
  expect(c.judge(layered(1, 4, true))).toBe("broken");
});

it("an encoder that never synchronises its upper layers is asked for a keyframe, its base goes on", () => {
  const c = after(layered(0, 0));
  c.suspect();
  const verdicts = [];
  for (let i = 1; i <= 40; i++) verdicts.push(c.judge(layered(0, i)), c.judge(layered(1, i)));
  expect(verdicts.filter((v) => v === "pass")).toHaveLength(40);
  expect(verdicts.filter((v) => v === "skip")).toHaveLength(39);
  expect(verdicts.filter((v) => v === "stuck")).toHaveLength(1);
  c.keyframe(layered(0, 41));
  expect(c.judge(layered(1, 41))).toBe("pass");
});

it("a frame that says higher layers may be entered after it opens them, but is not one to enter at", () => {
  const frame = (temporalId: number, tl0PicIdx: number) => ({
    ...plain,
    temporalId,
    tl0PicIdx,
    switchUp: true,
  });
  const c = after(frame(0, 3));
  c.suspect();
  expect(c.judge(frame(0, 4))).toBe("pass");
  expect(c.judge(frame(2, 4))).toBe("pass");
  c.suspect();
  expect(c.judge(frame(2, 4))).toBe("skip");
  expect(c.judge(frame(0, 5))).toBe("pass");
  expect(c.judge(frame(1, 5))).toBe("pass");
});
