import { existsSync } from "node:fs";
import { defineConfig } from "vitest/config";

const common = { root: ".", testTimeout: 10_000, hookTimeout: 30_000 };

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
          name: "interop",
          include: ["test/interop/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
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
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
