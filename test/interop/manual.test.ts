import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { RecordResult } from "../../src/bot/record.ts";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { verifyRecording } from "../../src/sources/ground-truth/verify.ts";
import { recorded } from "../core/sdp/corpus.ts";
import { findChromium, launchChromium } from "../support/chromium.ts";
import { type CliRun, startCli } from "../support/cli.ts";
import { inspectFile } from "../support/inspect-file.ts";
import { describeWith } from "../support/requires.ts";
import { until } from "../support/until.ts";

declare const document: { getElementById(id: string): { value: string; textContent: string } };

const BLOB = /^e[\w-]{300,}$/m;
const ANSWER = /^\{"type":"answer".*\}$/m;

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "roomtap-manual-"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** The result of a recording that was told to print nothing but JSON at its end. */
function resultOf(stdout: string): RecordResult {
  return JSON.parse(stdout);
}

it("the clip published and recorded through two pipes has its frames, and sound and picture agree", async () => {
  const recorder = startCli(["record", "manual:", "--out", folder, "--duration", "6s", "--json"], {
    input: true,
  });
  const [offer] = await recorder.seen(BLOB);
  const publisher = startCli(["publish", `manual:${offer}`, "--name", "Truth"]);
  try {
    const [answer] = await publisher.seen(BLOB, 60_000);
    // What is wrong is refused, and the right one taken afterwards.
    recorder.child.stdin?.write(`${offer}\n`);
    await recorder.seen(/our own offer/);
    recorder.child.stdin?.write(`${answer}\n`);
    const recorded = await recorder.done;
    expect(recorded.stderr).not.toMatch(/error|warn/);
    expect(recorded.code).toBe(0);
    const [file] = resultOf(recorded.stdout).files;
    expect(file?.participant).toBe("Truth");
    const v = await verifyRecording(file?.path ?? "", { ffmpeg: await locateFfmpeg() });
    const { numbers, ...figures } = v;
    console.log("manual", JSON.stringify(figures));
    expect(v.decodeErrors).toBe(0);
    expect(v.offset.p95).toBeLessThanOrEqual(40);
    expect(numbers.length).toBeGreaterThanOrEqual(0.99 * 6 * 30);
  } finally {
    publisher.kill("SIGINT");
    recorder.kill("SIGKILL");
  }
  expect((await publisher.done).code).toBe(0);
});

it("a terminal takes descriptions longer than its lines, and then its keys", async () => {
  // A terminal by itself cuts lines at 4096 characters.
  const offer = JSON.stringify({ type: "offer", sdp: recorded.get("page-many-1") });
  expect(offer.length).toBeGreaterThan(10_000);
  const command = `stty cols 120 rows 40 && exec ${process.execPath} bin/roomtap.js record manual: --out ${folder}`;
  const terminal = spawn("script", ["-qfec", command, "/dev/null"], {
    env: { ...process.env, TERM: "xterm" },
  });
  let seen = "";
  terminal.stdout.setEncoding("utf8").on("data", (text: string) => {
    seen += text;
  });
  const shows = (what: RegExp) => until(`${what}`, () => what.test(seen), 30_000);
  try {
    const code = once(terminal, "exit");
    await shows(/paste the other side's answer/);
    // As a terminal does it: no more at once than the other side's buffer has room for.
    for (let i = 0; i < offer.length; i += 1000) {
      const echoed = seen.length + Math.min(1000, offer.length - i);
      terminal.stdin.write(offer.slice(i, i + 1000));
      await until("the echo", () => seen.length >= echoed, 30_000);
    }
    terminal.stdin.write("\r");
    await shows(/our answer.*:\s+\{"type":"answer"/);
    await shows(/waiting for media/);
    terminal.stdin.write("q");
    expect((await code)[0]).toBe(7);
  } finally {
    terminal.kill("SIGKILL");
  }
});

describeWith("a page of a tutorial in Chromium", [findChromium()], () => {
  let browser: Browser;
  const runs: CliRun[] = [];

  beforeAll(async () => {
    browser = await launchChromium(["--use-fake-device-for-media-stream=fps=30"]);
  });

  afterAll(async () => {
    for (const run of runs) run.kill("SIGKILL");
    await browser?.close();
  });

  function start(args: readonly string[]): CliRun {
    const run = startCli(args, { input: true });
    runs.push(run);
    return run;
  }

  async function open(): Promise<Page> {
    const page = await (await browser.newContext()).newPage();
    await page.goto(pathToFileURL("samples/manual/index.html").href);
    return page;
  }

  /** What the page made, once all candidates are in it. */
  async function ours(page: Page): Promise<string> {
    const made = await page.waitForFunction(() => document.getElementById("ours").value);
    return String(await made.jsonValue());
  }

  async function take(page: Page, text: string): Promise<void> {
    await page.fill("#theirs", text);
    await page.click("#take");
  }

  // Side by side: neither has much to do.
  it.concurrent("is recorded when its offer is pasted", async () => {
    const page = await open();
    await page.click("#offer");
    const recorder = start(["record", "manual:", "--out", folder, "--duration", "4s"]);
    await recorder.seen(BLOB);
    recorder.child.stdin?.write(`${await ours(page)}\n`);
    await take(page, (await recorder.seen(ANSWER))[0]);
    const { code, stdout } = await recorder.done;
    expect(code).toBe(0);
    const [path = ""] = /^\/\S+\.webm/m.exec(stdout) ?? [];
    const inside = await inspectFile(path);
    expect(inside.errors).toEqual([]);
    expect(inside.video?.decoded).toBeGreaterThan(4 * 15);
    expect(inside.audio?.endMs).toBeGreaterThan(3900);
  });

  it.concurrent("shows what is published to it, and answers offers itself", async () => {
    const page = await open();
    const publisher = start(["publish", "manual:"]);
    await publisher.seen(/paste the other side's offer/, 60_000);
    publisher.child.stdin?.write("\n");
    await take(page, (await publisher.seen(BLOB))[0]);
    publisher.child.stdin?.write(`${await ours(page)}\n`);
    await page.waitForFunction(() => {
      const video = document.getElementById("remote") as unknown as {
        currentTime: number;
        videoWidth: number;
      };
      return video.currentTime > 2 && video.videoWidth === 1280;
    });
    publisher.kill("SIGINT");
    expect((await publisher.done).code).toBe(0);
    await page.waitForFunction(() => document.getElementById("state").textContent !== "connected");
  });
});
