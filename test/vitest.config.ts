import { existsSync } from "node:fs";
import { defineConfig } from "vitest/config";

/** Interop tests that leave the machine time for another: they run side by side. The others need all of it. */
const files = [
  ...["audio-codecs", "codecs-ffmpeg", "conversion", "ground-truth", "h26x-ffmpeg", "hls-directory"],
  ...["network-profiles", "ogg", "ogg-conversion", "render-media", "repair-conversion", "stream-containers"],
  ...["verify", "replay", "render", "pictures", "policies", "live-decoders", "program-encoder"],
  ...["sdp-chromium", "room-page", "push", "push-disk", "push-late", "aac-to-opus"],
  ...["janus", "janus-page", "livekit", "manual", "plugin", "offer-aiortc", "whip-whep", "samples"],
  ...["turn", "nat"],
].map((name) => `test/interop/${name}.test.ts`);

/**
 * Elsewhere's machine is nobody's: what fails there is tried once more, and the report names it. At one's own desk a
 * test that fails now and then is to be seen.
 */
const retry = process.env.CI === "true" ? 1 : 0;

const common = { retry, root: ".", testTimeout: 30_000, hookTimeout: 30_000 };

export default defineConfig({
  test: {
    reporters: [
      "default",
      ...(existsSync("test/support/summary-reporter.ts") ? ["./test/support/summary-reporter.ts"] : []),
    ],
    projects: [
      {
        test: {
          ...common,
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/interop/**", "test/long/**"],
          pool: "threads",
          isolate: false,
          maxWorkers: 3,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...common,
          name: "files",
          include: files,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...common,
          name: "interop",
          include: ["test/interop/**/*.test.ts"],
          exclude: files,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          ...common,
          name: "long",
          include: ["test/long/**/*.test.ts"],
          testTimeout: 3_600_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          maxWorkers: 1,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
