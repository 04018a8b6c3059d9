import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createPushes } from "../../src/sinks/push/targets.ts";
import { feedPlan } from "../support/program-feed.ts";
import { someFormat, somePicture } from "../support/program-samples.ts";
import { mountUnavailable, tinyDisk } from "../support/tiny-disk.ts";
import { until } from "../support/until.ts";

const unavailable = mountUnavailable();
if (unavailable !== undefined) process.stderr.write(`skipped: push to a full disk: ${unavailable}\n`);

test.skipIf(unavailable !== undefined)("a disk that fills up costs its file, and no other one", async () => {
  const disk = await tinyDisk(6 << 20);
  const folder = mkdtempSync(join(tmpdir(), "roomtap-push-disk-"));
  const notices: string[] = [];
  const targets = [join(disk.path, "full.mp4"), join(folder, "fine.mp4")];
  const sinks = createPushes(
    targets.map((url) => ({ kind: "file", url })),
    feedPlan,
    { ffmpeg: "ffmpeg", onNotice: (_, text) => notices.push(text), random: () => 0 },
  );
  const [full, fine] = sinks;
  try {
    for (const s of sinks) s.format(someFormat());
    for (let i = 0; i < 120; i++) {
      for (const s of sinks) s.sample(somePicture(i, 100_000));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await until("it is full", () => full?.status().state === "retrying");
    expect(full?.status().detail).toBe("the disk is full");
    expect(notices).toContainEqual(expect.stringMatching(/full\.mp4\.part is not complete, and has what/));
    // The next attempt sees that nothing is free, and leaves nothing behind.
    await until(
      "it is tried again",
      () => (full?.status().attempts ?? 0) > 1 || full?.sample(somePicture(120)),
    );
    await until("it is still full", () => full?.status().state === "retrying");
    expect(readdirSync(disk.path)).toEqual(["full.mp4.part"]);
    expect(statSync(join(disk.path, "full.mp4.part")).size).toBeGreaterThan(4 << 20);
    expect(fine?.status()).toMatchObject({ state: "running", dropped: 0, attempts: 1 });
    expect(notices).toContainEqual(expect.stringMatching(/the disk is full/));
  } finally {
    await Promise.all(sinks.map((s) => s.close()));
    expect(readdirSync(folder)).toEqual(["fine.mp4"]);
    rmSync(folder, { recursive: true });
    await disk.close();
  }
});
