import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { findChromium, launchChromium } from "../support/chromium.ts";
import { serveRooms } from "../support/meeting.ts";
import { describeWith } from "../support/requires.ts";
import { streamDrama } from "../support/stream-drama.ts";

/*
 * The long form of test/interop/restream.test.ts.
 */

describeWith("a room restreamed for ten minutes", [findChromium()], () => {
  it("is one stream without a flaw, and takes no more memory at its end than early on", async () => {
    const folder = await mkdtemp(join(tmpdir(), "roomtap-restream-long-"));
    const [browser, rooms] = await Promise.all([launchChromium(), serveRooms()]);
    try {
      const { statuses, memoryMB, ...report } = await streamDrama({
        rooms,
        browser,
        folder,
        totalMs: 600_000,
      });
      console.log("drama", JSON.stringify({ ...report, memoryMB: memoryMB.filter((_, i) => i % 12 === 0) }));
      expect(report.problems).toEqual([]);
      expect(report).toMatchObject({ starts: 1, discontinuities: 0, lastPlaylistEnded: true, exit: 0 });
      expect(report.segments).toBeGreaterThanOrEqual(295);
      const early = Math.max(...memoryMB.slice(6, 30));
      expect(Math.max(...memoryMB.slice(-12))).toBeLessThan(1.3 * early);
      expect(statuses.at(-1)?.outputs).toMatchObject([{ name: "hls", dropped: 0 }]);
    } finally {
      await browser.close();
      await rooms.close();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
