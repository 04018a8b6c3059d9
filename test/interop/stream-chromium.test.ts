import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { aacCodecString, avcCodecString } from "../../src/core/codecs/codec-strings.ts";
import { cmafHeader } from "../../src/core/containers/mp4/cmaf.ts";
import { findChromium, launchChromium } from "../support/chromium.ts";
import { cmafFragmentsOf, type EncodedStream, encodeStream, STREAM } from "../support/encoded-stream.ts";
import { describeWith } from "../support/requires.ts";

/* Fragmented MP4 in a browser's Media Source Extensions: two renditions, one fragment after the other. */

/** Behind 2^32 ticks of both clocks. */
const START = 50 * 3600;

/** Runs in the page: appends all pieces, then plays them at twice their speed. */
const PLAY = `async (o) => {
  const video = document.createElement("video");
  document.body.append(video);
  const source = new MediaSource();
  const next = (target, name) => new Promise((done) => target.addEventListener(name, done, { once: true }));
  const opened = next(source, "sourceopen");
  video.src = URL.createObjectURL(source);
  await opened;
  const buffer = source.addSourceBuffer(o.type);
  for (const piece of o.pieces) {
    const updated = next(buffer, "updateend");
    buffer.appendBuffer(Uint8Array.from(atob(piece), (c) => c.charCodeAt(0)));
    await updated;
  }
  source.endOfStream();
  const buffered = Array.from(video.buffered, (_, i) => [video.buffered.start(i), video.buffered.end(i)]);
  const sizes = [];
  const look = () => {
    if (video.videoWidth > 0 && sizes.at(-1) !== video.videoWidth) sizes.push(video.videoWidth);
  };
  video.addEventListener("resize", look);
  video.currentTime = o.start;
  video.playbackRate = 2;
  const over = Promise.race([next(video, "ended"), next(video, "error")]);
  await video.play();
  look();
  await over;
  const pictures = video.getVideoPlaybackQuality().totalVideoFrames;
  return { sizes, buffered, pictures, ended: video.ended, error: video.error?.message };
}`;

type Played = {
  readonly sizes: readonly number[];
  readonly buffered: readonly (readonly number[])[];
  readonly pictures: number;
  readonly ended: boolean;
  readonly error?: string;
};

describeWith("Chromium", [findChromium()], () => {
  let browser: Browser;
  let folder: string;
  let renditions: EncodedStream[];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "roomtap-mse-"));
    const sizes = [
      [320, 180],
      [160, 90],
    ] as const;
    [browser, ...renditions] = await Promise.all([
      launchChromium(),
      ...sizes.map(([w, h]) => encodeStream(join(folder, `${w}.flv`), w, h)),
    ]);
  });
  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("plays both renditions by turns, without a hole, at their times", async () => {
    const [best, other] = renditions;
    if (!best || !other) throw new Error("nothing was encoded");
    const type = `video/mp4; codecs="${avcCodecString(best.avcC)},${aacCodecString(best.asc)}"`;
    const base64 = (b: Uint8Array) => Buffer.from(b).toString("base64");
    // A second of each, and a last one: three fragments make a segment.
    const pieces = [best, other, best].flatMap((e, i) => [
      cmafHeader({ ...e, config: e.avcC }, { ...STREAM, config: e.asc }),
      ...cmafFragmentsOf(e, START)
        .slice(3 * i, 3 * i + 3)
        .flat(),
    ]);
    const page = await browser.newPage();
    const input = JSON.stringify({ type, pieces: pieces.map(base64), start: START });
    const played = await page.evaluate<Played>(`(${PLAY})(${input})`);
    expect(played.error).toBeUndefined();
    expect(played.sizes).toEqual([320, 160, 320]);
    expect(played.buffered).toHaveLength(1);
    const [[from = 0, to = 0] = []] = played.buffered;
    expect(from).toBeCloseTo(START, 2);
    expect(to - from).toBeGreaterThan(2.99);
    expect(played.ended).toBe(true);
    expect(played.pictures).toBeGreaterThan(80);
  });
});
