import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { StatusMessage } from "../../src/bot/job.ts";
import { checkWhipTargets, createWhipPushes } from "../../src/bot/whip-push.ts";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { findChromium } from "../support/chromium.ts";
import { runCli, startCli } from "../support/cli.ts";
import { type EncodedStream, encodeStream } from "../support/encoded-stream.ts";
import { feedPlan, ProgramFeed } from "../support/program-feed.ts";
import { describeWith } from "../support/requires.ts";
import { WhipBrowser, type WhipReception } from "../support/whip-endpoint.ts";

const TOKEN = "whip-test-token-77";
const script = fileURLToPath(new URL("../../dist/bot/child.js", import.meta.url));

/** Sound and picture of one time are played together, as a browser manages to; it takes its seconds to get there. */
const LIPS_MS = 60;

/** Pictures are seen, and their sound with them. */
const plays = (pictures: number) => (r: WhipReception) =>
  r.framesDecoded > pictures && Math.abs(r.soundAheadMs ?? LIPS_MS) < LIPS_MS;

/** Waits until the browser's statistics are as wanted. */
async function received(
  browser: WhipBrowser,
  what: string,
  is: (r: WhipReception) => boolean,
  capMs = 40_000,
): Promise<WhipReception> {
  const end = performance.now() + capMs;
  for (;;) {
    const r = await browser.reception();
    if (r && is(r)) return r;
    if (performance.now() > end) throw new Error(`not within ${capMs} ms: ${what}; ${JSON.stringify(r)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

describeWith("a WHIP endpoint that is Chromium", [findChromium()], () => {
  let browser: WhipBrowser;
  let ffmpeg: string;
  let folder: string;
  let stream: EncodedStream;

  beforeAll(async () => {
    ffmpeg = await locateFfmpeg();
    folder = await mkdtemp(join(tmpdir(), "roomtap-whip-"));
    stream = await encodeStream(join(folder, "stream.flv"), 320, 180);
    browser = await WhipBrowser.start(TOKEN);
  });

  afterAll(async () => {
    await browser.close();
    await rm(folder, { recursive: true, force: true });
  });

  test("plays the clip that is published to it, until the session is ended", async () => {
    const publisher = startCli(["publish", `whip+${browser.url}`], { env: { ROOMTAP_TOKEN: TOKEN } });
    try {
      const r = await received(browser, "picture and sound", plays(60));
      console.log("publish", JSON.stringify(r));
      expect(r).toMatchObject({ videoCodec: "video/VP8", packetsLost: 0 });
      expect(r.audioEnergy).toBeGreaterThan(0);
      publisher.kill("SIGINT");
      const { code, stderr } = await publisher.done;
      expect([code, stderr]).toEqual([0, expect.not.stringMatching(/error|whip-stream-key/)]);
      expect(browser.requests.at(-1)).toBe("DELETE /sessions/1");
      expect(await browser.reception()).toBeUndefined();
    } finally {
      publisher.kill("SIGKILL");
    }
  });

  test("refuses a wrong token: exit code 3, and nothing secret is said", async () => {
    const wrong = "wrong-token-4711";
    const { code, stderr, stdout } = await runCli(["publish", `whip+${browser.url}`], {
      env: { ROOMTAP_TOKEN: wrong },
    });
    expect(code).toBe(3);
    expect(stderr).toMatch(/wants other credentials \(401: no: Bearer \*\*\*\)/);
    expect(stdout + stderr).not.toMatch(new RegExp(`${wrong}|whip-stream-key`));
  });

  test("plays a program that is pushed to it, is killed, comes back and plays on", async () => {
    const statuses: StatusMessage[] = [];
    const notices: string[] = [];
    const targets = [{ url: browser.url, token: TOKEN }];
    await checkWhipTargets(targets, ffmpeg);
    const [sink] = createWhipPushes(targets, feedPlan, {
      ffmpeg,
      script,
      onNotice: (level, text) => notices.push(`${level}: ${text}`),
      onStatus: (_, status) => statuses.push(status),
      random: () => 0,
    });
    if (!sink) throw new Error("no sink");
    const feed = new ProgramFeed(stream, [sink]);
    try {
      const first = await received(browser, "picture and sound", plays(45));
      console.log("push", JSON.stringify(first));
      expect(first).toMatchObject({ videoCodec: "video/H264", width: 320, height: 180, packetsLost: 0 });
      expect(first.audioEnergy).toBeGreaterThan(0);
      expect(first.concealedSamples / first.samplesReceived).toBeLessThan(0.1);
      const { state, attempts } = sink.status();
      expect(state).toBe("running");
      await browser.kill();
      await browser.open();
      const again = await received(browser, "picture and sound again", plays(45));
      console.log("push again", JSON.stringify(again), JSON.stringify(notices));
      expect(sink.status()).toMatchObject({ state: "running" });
      expect(sink.status().attempts).toBeGreaterThan(attempts);
      expect(notices.join()).not.toMatch(/whip-stream-key|whip-test-token/);
      expect(JSON.stringify(statuses.at(-1)?.statistics)).toContain("pliCount");
    } finally {
      await feed.end();
    }
    expect(sink.status().state).toBe("ended");
    expect(browser.requests.at(-1)).toBe("DELETE /sessions/1");
  });
});
