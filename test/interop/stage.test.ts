import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { machineNow } from "../../src/bot/machine-clock.ts";
import { LiveDecoder } from "../../src/ffmpeg/decode-live.ts";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { type Box, gapOf, gridBoxes } from "../../src/sinks/compositor/layout.ts";
import { Stage } from "../../src/sinks/stage/stage.ts";
import { pairOffsets } from "../../src/sources/ground-truth/lipsync.ts";
import { ToneEnvelope, toneOnsets } from "../../src/sources/ground-truth/sound.ts";
import { LOOP_FRAMES } from "../../src/sources/ground-truth/spec.ts";
import { readStrip } from "../../src/sources/ground-truth/strip.ts";
import { prepareMedia } from "../../src/sources/prepare.ts";
import { SampleStore } from "../../src/sources/sample-store.ts";
import { StageGuest } from "../support/stage-guest.ts";

const [WIDTH, HEIGHT, FPS] = [640, 360, 30];
const DELAY_MS = 300;
const LAG = (DELAY_MS * FPS) / 1000;

const clips: SampleStore[] = [];
let ffmpeg: string;

beforeAll(async () => {
  ffmpeg = await locateFfmpeg();
  const make = async (video: "vp8" | "h264", width: number, height: number) =>
    clips.push(
      SampleStore.open(
        await prepareMedia({ media: "test", video, audio: "opus", size: { width, height }, ffmpeg }),
      ),
    );
  await make("vp8", 320, 180);
  await make("vp8", 640, 360);
  await make("h264", 640, 360);
});
afterAll(() => {
  for (const clip of clips) clip.close();
});

/** Reads the frame numbers of the tiles as they are made. */
class Reader {
  /** By picture: the number on the only tile, on the left of two, on the right one. */
  readonly seen: { readonly alone: number | undefined; readonly pair: readonly (number | undefined)[] }[] =
    [];
  readonly #boxes: readonly Box[];

  constructor() {
    const gap = gapOf(WIDTH, HEIGHT);
    const area = { x: gap, y: gap, width: WIDTH - 2 * gap, height: HEIGHT - 2 * gap };
    this.#boxes = [...gridBoxes(1, area, gap), ...gridBoxes(2, area, gap)];
  }

  read(pixels: Uint8Array, index: number): void {
    const [alone, ...pair] = this.#boxes.map((box) => {
      const gray = new Uint8Array(box.width * box.height);
      for (let y = 0; y < box.height; y++) {
        const at = (box.y + y) * WIDTH + box.x;
        gray.set(pixels.subarray(at, at + box.width), y * box.width);
      }
      return readStrip(gray, box.width, box.height);
    });
    while (this.seen.length < index) this.seen.push({ alone: undefined, pair: [] });
    this.seen.push({ alone, pair });
  }
}

test("a stage goes on, exactly, while people come, change everything and go, and decoders die", async () => {
  const [small, large, other] = clips;
  if (!small || !large || !other) throw new Error("no clips");
  const reader = new Reader();
  const tones = new ToneEnvelope();
  const decoders: { readonly video: boolean; readonly decoder: LiveDecoder }[] = [];
  const pids = new Set<number>();
  let [next, heard, holes] = [0, 0, 0];
  const epoch = machineNow();
  const stage: Stage = new Stage(
    {
      ...{ ffmpeg, width: WIDTH, height: HEIGHT, fps: FPS, show: { kind: "grid" } },
      ...{ now: machineNow, zero: epoch, delayMs: DELAY_MS },
      onPicture: (pixels, index) => {
        if (next > 0 && index !== next) holes++;
        next = index + 1;
        reader.read(pixels, index);
      },
      onSound: (samples, first) => {
        if (heard === 0) tones.push(new Int16Array(first));
        else if (first !== heard) holes++;
        heard = first + samples.length / 4;
        tones.push(Int16Array.from({ length: samples.length / 4 }, (_, i) => readSample(samples, i)));
      },
      requestKeyframe: () => undefined,
    },
    {
      start: (d) => {
        const decoder = new LiveDecoder({ ...d, ffmpeg });
        decoders.push({ video: d.picture !== undefined, decoder });
        return decoder;
      },
    },
  );
  const at = async (ms: number) => {
    await wait(Math.max(0, epoch + ms - machineNow()));
    for (const { decoder } of decoders) if (decoder.pid !== undefined) pids.add(decoder.pid);
  };
  // Names would stand where the numbers are.
  const common = { stage, name: "", now: machineNow, epoch };
  const ada = new StageGuest({ ...common, clip: small, id: "ada" });
  const bob = new StageGuest({ ...common, clip: other, id: "bob" });
  bob.microphone = false;
  await at(400);
  ada.join();
  await at(2500);
  bob.join();
  await at(4000);
  ada.use(large);
  await at(5500);
  const killed = decoders.findLast((d) => d.video && d.decoder.pid !== undefined)?.decoder.pid;
  if (killed !== undefined) process.kill(killed, "SIGKILL");
  await at(8200);
  bob.camera = false;
  await at(10_500);
  bob.camera = true;
  await at(12_500);
  const status = stage.status();
  bob.leave();
  await at(13_500);
  ada.leave();
  await at(14_000);
  await stage.close();

  expect(holes).toBe(0);
  expect(next).toBeGreaterThan((13.8 * FPS) | 0);
  expect(heard).toBeGreaterThan(13.8 * 48_000);
  expect(status).toMatchObject({ participants: 2 });
  expect(status.restarts).toBeGreaterThanOrEqual(1);
  const { seen } = reader;
  /** Pictures from one time to another that are at most a picture away from the one that belongs there. */
  const exact = (fromMs: number, toMs: number, of: (s: (typeof seen)[number]) => number | undefined) => {
    const part = seen.slice((fromMs * FPS) / 1000, (toMs * FPS) / 1000);
    const good = part.filter((s, i) => {
      const n = of(s);
      if (n === undefined) return false;
      const due = (fromMs * FPS) / 1000 + i - LAG;
      return Math.abs(((due - n + 1.5 * LOOP_FRAMES) % LOOP_FRAMES) - LOOP_FRAMES / 2) <= 1;
    });
    return good.length / part.length;
  };
  // One of the two may have been the one whose decoder was killed.
  const either = (fromMs: number, toMs: number) =>
    [0, 1].map((k) => exact(fromMs, toMs, (s) => s.pair[k] ?? undefined)).toSorted((a, b) => b - a);
  expect(exact(1500, 2400, (s) => s.alone)).toBeGreaterThan(0.95);
  expect(either(4000, 5400)[1]).toBeGreaterThan(0.95);
  // The other one is not touched by it, and this one is back within keyframes a second apart.
  expect(either(5700, 7000)[0]).toBeGreaterThan(0.95);
  expect(either(7600, 8100)[1]).toBeGreaterThan(0.95);
  expect(exact(9800, 10_400, (s) => s.pair[1])).toBe(0);
  expect(exact(9800, 10_400, (s) => s.pair[0])).toBeGreaterThan(0.95);
  expect(exact(11_900, 12_400, (s) => s.pair[1])).toBeGreaterThan(0.95);
  expect(exact(12_900, 13_400, (s) => s.alone)).toBeGreaterThan(0.95);

  const numbers = seen.map((s) => s.alone ?? s.pair[0]);
  const flashes = numbers.flatMap((n, i) =>
    n !== undefined && n % FPS === 0 && numbers[i - 1] !== n ? [i / FPS] : [],
  );
  const offsets = pairOffsets(flashes, toneOnsets(tones.levels));
  expect(offsets.length).toBeGreaterThanOrEqual(10);
  expect(Math.max(...offsets.map(Math.abs))).toBeLessThan(40);
  for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow();
}, 40_000);

function readSample(samples: Uint8Array, i: number): number {
  return (((samples[4 * i + 1] ?? 0) << 24) >> 16) | (samples[4 * i] ?? 0);
}
