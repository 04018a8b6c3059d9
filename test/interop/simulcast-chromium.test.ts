import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, BrowserContext } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { findChromium, launchChromium } from "../support/chromium.ts";
import { inspectFile } from "../support/inspect-file.ts";
import { Attendee, type ServedRooms, serveRooms } from "../support/meeting.ts";
import { Recording } from "../support/recording.ts";
import { describeWith } from "../support/requires.ts";

/** What the page counts of one layer. */
type LayerSample = { readonly frames: number; readonly width: number; readonly plis: number };

declare const window: {
  layers: {
    /** Switches a layer off or on. */
    active(rid: string, active: boolean): Promise<void>;
    /** Counters of every layer by RID. */
    stats(): Promise<Record<string, LayerSample>>;
  };
};

/** Before the page: cameras are sent in three layers, whose senders the test can reach. */
const simulcast = `{
  const senders = [];
  const addTrack = RTCPeerConnection.prototype.addTrack;
  RTCPeerConnection.prototype.addTrack = function (track, ...streams) {
    if (track.kind !== 'video') return addTrack.call(this, track, ...streams);
    const sendEncodings = [
      { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 100000 },
      { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 300000 },
      { rid: 'f', maxBitrate: 1000000 },
    ];
    const { sender } = this.addTransceiver(track, { direction: 'sendrecv', streams, sendEncodings });
    senders.push(sender);
    return sender;
  };
  const current = () => senders.findLast((s) => s.track && s.transport?.state === 'connected');
  window.layers = {
    async active(rid, active) {
      const sender = current();
      const p = sender.getParameters();
      for (const e of p.encodings) if (e.rid === rid) e.active = active;
      await sender.setParameters(p);
    },
    async stats() {
      const out = {};
      for (const s of (await current()?.getStats())?.values() ?? [])
        if (s.type === 'outbound-rtp')
          out[s.rid] = { frames: s.framesSent ?? 0, width: s.frameWidth ?? 0, plis: s.pliCount ?? 0 };
      return out;
    },
  };
}`;

describeWith("a participant in Chromium that sends three layers", [findChromium()], () => {
  let browser: Browser;
  let rooms: ServedRooms;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "roomtap-simulcast-chromium-"));
    [browser, rooms] = await Promise.all([
      launchChromium(["--use-fake-device-for-media-stream=fps=30"]),
      serveRooms(),
    ]);
  });

  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
  });

  afterAll(async () => {
    await browser?.close();
    await rooms?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** A browser whose pages send layers. */
  const layered = {
    newContext: async (): Promise<BrowserContext> => {
      const context = await browser.newContext();
      await context.addInitScript(simulcast);
      return context;
    },
  };

  const stats = (a: Attendee) => a.page.evaluate(() => window.layers.stats());

  /** Waits until a layer is sent (or no longer is) at this width. */
  async function flows(a: Attendee, rid: string, flowing: boolean): Promise<void> {
    await expect
      .poll(
        async () => {
          const before = (await stats(a))[rid]?.frames ?? 0;
          await new Promise((resolve) => setTimeout(resolve, 300));
          return ((await stats(a))[rid]?.frames ?? 0) > before;
        },
        { timeout: 60_000 },
      )
      .toBe(flowing);
  }

  it("is recorded as one picture, down and up through its layers without a hole", async () => {
    const room = "layers";
    const attendee = await Attendee.join(layered, rooms.url, room, "Alice", { codec: "vp8" });
    const recording = new Recording(rooms.room(room), join(folder, room), ["--format", "mkv"]);
    await recording.fileOpened();
    await flows(attendee, "f", true);
    const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
    await pause(4000);
    await attendee.page.evaluate(() => window.layers.active("f", false));
    await flows(attendee, "f", false);
    await pause(4000);
    await attendee.page.evaluate(() => window.layers.active("f", true));
    await flows(attendee, "f", true);
    await pause(6000);
    const sent = await stats(attendee);
    recording.run.kill("SIGINT");
    const recorded = await recording.ended();
    expect(recorded.code).toBe(0);
    const { files } = recorded.result;
    const [file] = files;
    if (!file) throw new Error(`nothing was recorded: ${recorded.stderr}`);
    const inside = await inspectFile(file.path);
    const { longestGapMs, decoded } = inside.video ?? { longestGapMs: Number.POSITIVE_INFINITY, decoded: 0 };
    console.log(JSON.stringify({ longestGapMs, decoded, sent, tracks: file.tracks }));
    expect(files.length).toBe(1);
    expect(inside.errors).toEqual([]);
    expect(file.tracks.filter((t) => t.kind === "video")).toMatchObject([{ width: 1280, height: 720 }]);
    expect(longestGapMs).toBeLessThanOrEqual(1000);
    // The picture went on while its largest layer was off.
    expect(decoded).toBeGreaterThanOrEqual(0.9 * (sent.q?.frames ?? 0));
    expect(decoded).toBeGreaterThan(1.1 * (sent.f?.frames ?? 0));
  });
});
