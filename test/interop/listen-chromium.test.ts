import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findChromium, launchChromium } from "../support/chromium.ts";
import { startCli } from "../support/cli.ts";
import { describeWith } from "../support/requires.ts";

const TOKEN = "page-token-4410";

/** Code of a page that calls endpoints: what any tutorial has. */
const pageScript = `
  async function gathered(pc) {
    await pc.setLocalDescription();
    await new Promise((resolve) => {
      pc.onicegatheringstatechange = () => pc.iceGatheringState === "complete" && resolve();
      pc.onicegatheringstatechange();
    });
    return pc.localDescription;
  }
  async function publish(url, token) {
    window.sending = new RTCPeerConnection();
    const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 640, height: 360 } });
    for (const track of media.getTracks()) sending.addTransceiver(track, { direction: "sendonly", streams: [media] });
    const { sdp: body } = await gathered(sending);
    const headers = { "Content-Type": "application/sdp", Authorization: "Bearer " + token };
    const response = await fetch(url, { method: "POST", headers, body });
    await sending.setRemoteDescription({ type: "answer", sdp: await response.text() });
    window.session = new URL(response.headers.get("Location"), url).href;
    return [response.status, response.headers.get("ETag")];
  }
  async function hangUp(token) {
    const { status } = await fetch(session, { method: "DELETE", headers: { Authorization: "Bearer " + token } });
    return status;
  }
  async function watch(url) {
    window.watching = new RTCPeerConnection();
    watching.addTransceiver("audio", { direction: "recvonly" });
    watching.addTransceiver("video", { direction: "recvonly" });
    const offer = await gathered(watching);
    const headers = { "Content-Type": "application/json" };
    const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(offer) });
    await watching.setRemoteDescription(await response.json());
  }
  async function framesSeen() {
    const all = [...(await watching.getStats()).values()];
    return all.find((s) => s.type === "inbound-rtp" && s.kind === "video")?.framesDecoded ?? 0;
  }
`;

describeWith("a page that calls", [findChromium()], () => {
  let browser: Browser;
  let page: Page;
  let folder: string;
  const site = createServer((_, response) => response.setHeader("content-type", "text/html").end("<p>page"));

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "roomtap-page-"));
    browser = await launchChromium();
    page = await browser.newPage();
    // A page of another origin, which has to be asked about.
    await new Promise<void>((resolve) => {
      site.listen(0, "127.0.0.1", resolve);
    });
    await page.goto(`http://localhost:${(site.address() as AddressInfo).port}/`);
    await page.addScriptTag({ content: pageScript });
  });

  afterAll(async () => {
    await browser?.close();
    site.close();
    await rm(folder, { recursive: true, force: true });
  });

  test("is recorded, is shown what is published, and hangs up", async () => {
    const wanted = ["--listen-token", TOKEN, "--once", "--json", "--out", folder];
    const recorder = startCli(["record", "whip-listen://127.0.0.1:0/live", ...wanted]);
    const publisher = startCli(["publish", "offer-listen://127.0.0.1:0/offer"]);
    const at = async (run: typeof recorder) => (await run.seen(/callers come to (http\S+)/, 60_000))[1] ?? "";
    try {
      const target = JSON.stringify(`${await at(recorder)}/Page`);
      const [status, etag] = await page.evaluate<[number, string]>(`publish(${target}, "${TOKEN}")`);
      expect([status, etag]).toEqual([201, expect.stringMatching(/^"\w+"$/)]);
      await recorder.seen(/recording .*Page \[/, 30_000);
      await page.evaluate(`watch(${JSON.stringify(await at(publisher))})`);
      await page.waitForFunction("framesSeen().then((n) => n > 45)", undefined, { polling: 100 });
      expect(await page.evaluate(`hangUp("${TOKEN}")`)).toBe(200);
      const { code, stdout, stderr } = await recorder.done;
      expect([code, stderr]).toEqual([0, expect.not.stringMatching(/error|page-token/)]);
      const { files } = JSON.parse(stdout);
      expect(files).toMatchObject([{ participant: "Page" }]);
      expect(files[0].tracks.map((t: { kind: string }) => t.kind).sort()).toEqual(["audio", "video"]);
      expect(files[0].durationMs).toBeGreaterThan(1000);
      expect(files[0].tracks.find((t: { kind: string }) => t.kind === "video").frames).toBeGreaterThan(20);
    } finally {
      recorder.kill("SIGKILL");
      publisher.kill("SIGINT");
    }
    expect((await publisher.done).code).toBe(0);
  });
});
