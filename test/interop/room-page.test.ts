import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { createRoomServer, type RoomServer } from "../../src/server/room-server.ts";
import { findChromium, launchChromium } from "../support/chromium.ts";
import { describeWith } from "../support/requires.ts";
import { RoomClient } from "../support/room-client.ts";
import { type BuiltPage, buildPage } from "../support/web-page.ts";

/** One row of `window.roomtap.stats()`. */
type Row = { type: string; kind: string; codec?: string; [counter: string]: unknown };

declare const window: { roomtap: { stats(): Promise<Row[]> } };

describeWith("the page in Chromium", [findChromium()], () => {
  let built: BuiltPage;
  let browser: Browser;
  let server: RoomServer;
  const problems: string[] = [];

  beforeAll(async () => {
    [built, browser] = await Promise.all([buildPage(), launchChromium()]);
  });

  afterAll(async () => {
    await browser?.close();
    await built?.remove();
  });

  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    await server.close();
    // Errors of the page, and everything that the content security policy stopped.
    expect(problems.splice(0)).toEqual([]);
  });

  async function serve(o: Parameters<typeof createRoomServer>[0] = {}): Promise<void> {
    server = await createRoomServer({ webRoot: built.webRoot, ...o });
  }

  async function open(query: string, path = ""): Promise<Page> {
    const context = await browser.newContext();
    const page = await context.newPage();
    page.on("pageerror", (e) => problems.push(String(e)));
    page.on("console", (m) => {
      if (m.type() === "error" && !/WebSocket connection/.test(m.text())) problems.push(m.text());
    });
    await page.goto(`${server.url}${path}${query}`);
    return page;
  }

  const enter = (name: string, more = "") => open(`?room=demo&name=${name}&autojoin=1${more}`);

  const stats = (page: Page) => page.evaluate(() => window.roomtap.stats());

  const sum = async (page: Page, type: string, kind: string, counter: string): Promise<number> => {
    const rows = (await stats(page)).filter((r) => r.type === type && r.kind === kind);
    return rows.reduce((total, r) => total + Number(r[counter] ?? 0), 0);
  };

  /** The tile of another participant, by name. */
  const tile = (page: Page, name: string) => page.getByRole("article", { name, exact: true });

  async function plays(page: Page, name: string): Promise<void> {
    const video = tile(page, name).locator("video");
    const width = () => video.evaluate((v) => Number(Reflect.get(v, "videoWidth")));
    await expect.poll(width, { timeout: 20_000 }).toBeGreaterThan(0);
    const time = () => video.evaluate((v) => Number(Reflect.get(v, "currentTime")));
    const before = await time();
    await expect.poll(time, { timeout: 10_000 }).toBeGreaterThan(before + 0.5);
  }

  async function decodesMore(page: Page): Promise<void> {
    const frames = () => sum(page, "inbound-rtp", "video", "framesDecoded");
    const before = await frames();
    await expect.poll(frames, { timeout: 20_000 }).toBeGreaterThan(before + 10);
  }

  it("shows two people to each other, with sound", async () => {
    await serve();
    const ann = await enter("Ann");
    const bob = await enter("Bob");
    await Promise.all([plays(ann, "Bob"), plays(bob, "Ann")]);
    await Promise.all([decodesMore(ann), decodesMore(bob)]);
    expect(await sum(ann, "inbound-rtp", "audio", "packetsReceived")).toBeGreaterThan(0);
    await expect.poll(() => sum(bob, "outbound-rtp", "video", "frameWidth")).toBe(1280);

    await ann.getByRole("button", { name: /^Mute microphone/ }).click();
    await tile(bob, "Ann").locator(".label .icon").waitFor({ state: "visible" });
    await ann.keyboard.press("v");
    await expect.poll(() => tile(bob, "Ann").getAttribute("class")).toContain("no-video");

    await ann.getByRole("button", { name: "Leave the room" }).click();
    await ann.getByRole("heading", { name: "You left the room" }).waitFor();
    await tile(bob, "Ann").waitFor({ state: "detached" });
    await bob.getByText("Nobody else is here yet.").waitFor();
  });

  it("shows a badge while somebody records, and no tile", async () => {
    await serve();
    const ann = await enter("Ann");
    await expect.poll(() => server.stats.peers).toBe(1);
    const recorder = await RoomClient.join(server.wsUrl, { room: "demo", name: "Tape", recorder: true });
    const badge = ann.locator("#recording");
    await badge.waitFor({ state: "visible" });
    expect(await badge.getAttribute("title")).toBe("Recorded by Tape");
    expect(await tile(ann, "Tape").count()).toBe(0);
    recorder.leave();
    await badge.waitFor({ state: "hidden" });
  });

  it("shares a screen as a second picture, and stops", async () => {
    await serve();
    const ann = await enter("Ann");
    const bob = await enter("Bob");
    await plays(ann, "Bob");
    for (let round = 0; round < 2; round++) {
      await bob.getByRole("button", { name: "Share your screen" }).click();
      await plays(ann, "Bob’s screen");
      await plays(ann, "Bob");
      await bob.getByRole("button", { name: "Stop sharing your screen" }).click();
      await tile(ann, "Bob’s screen").waitFor({ state: "detached" });
    }
    // The second round took the m-line of the first.
    const mids = (await stats(bob)).filter((r) => r.type === "outbound-rtp").map((r) => r.mid);
    expect(new Set(mids).size).toBeLessThanOrEqual(4);
    await plays(ann, "Bob");
  });

  it("joins three people who all see each other, also one without devices", async () => {
    await serve();
    const silent = await enter("Silent", "&audio=0&video=0");
    const ann = await enter("Ann");
    const bob = await enter("Bob");
    await Promise.all([plays(silent, "Ann"), plays(silent, "Bob"), plays(ann, "Bob"), plays(bob, "Ann")]);
    expect(await tile(ann, "Silent").getAttribute("class")).toContain("no-video");

    await silent.getByRole("button", { name: /^Turn camera on/ }).click();
    await Promise.all([plays(ann, "Silent"), plays(bob, "Silent")]);
  });

  it.each(["vp8", "h264"])("sends %s when asked", async (codec) => {
    await serve();
    const ann = await enter("Ann", `&codec=${codec}`);
    const bob = await enter("Bob", "&video=0&audio=0");
    await plays(bob, "Ann");
    const row = (await stats(ann)).find((r) => r.type === "outbound-rtp" && r.kind === "video");
    expect(row?.codec).toBe(`video/${codec.toUpperCase()}`);
  });

  it("keeps the pictures moving while the room server is away, and comes back to its successor", async () => {
    await serve();
    const ann = await enter("Ann");
    const bob = await enter("Bob");
    await plays(ann, "Bob");
    const { port, stats: before } = server;
    expect(before.peers).toBe(2);
    await server.close();
    await ann.getByText("Reconnecting").waitFor();
    await decodesMore(ann);
    // A new server knows nobody, but gives the pages the ids that they had for each other.
    await serve({ port });
    await ann.getByText("Reconnecting").waitFor({ state: "hidden" });
    await bob.getByText("Reconnecting").waitFor({ state: "hidden" });
    await Promise.all([plays(ann, "Bob"), plays(bob, "Ann")]);
    expect(await tile(ann, "Bob").count()).toBe(1);
  });

  it("keeps its connections when only the signalling broke", async () => {
    await serve();
    const ann = await enter("Ann");
    const bob = await open("?room=demo&name=Bob");
    const sockets: { close(): void }[] = [];
    await bob.routeWebSocket(/\/ws$/, (ws) => {
      const upstream = ws.connectToServer();
      sockets.push({ close: () => void upstream.close({ code: 3001 }) });
    });
    await bob.reload();
    await bob.getByRole("button", { name: "Join" }).click();
    await plays(ann, "Bob");
    const received = await sum(ann, "inbound-rtp", "video", "framesDecoded");
    sockets.shift()?.close();
    await expect.poll(() => sockets.length).toBe(1);
    await expect.poll(() => server.stats).toMatchObject({ peers: 2, connections: 2 });
    await decodesMore(ann);
    // A new connection would have begun to count from nothing.
    expect(await sum(ann, "inbound-rtp", "video", "framesDecoded")).toBeGreaterThan(received);
    expect(await tile(ann, "Bob").count()).toBe(1);
  });

  it("offers anew, under a new link name, to a peer that does not answer", async () => {
    await serve();
    const mute = await RoomClient.join(server.wsUrl, { room: "demo", name: "Mute" });
    await enter("Ann");
    await mute.next("peer-joined");
    const links: string[] = [];
    while (links.length < 2) {
      const message = await mute.nextOf("signal");
      if (!("sdp" in message.data)) continue;
      expect(message.data).toMatchObject({
        sdp: { type: "offer" },
        media: { 0: "microphone", 1: "camera" },
      });
      expect(message.data.sdp.sdp).toContain("m=application");
      links.push(message.data.link ?? "");
    }
    expect(new Set(links).size).toBe(2);
  });

  it("asks for the server's token, and takes it from the link", async () => {
    await serve({ token: "open sesame" });
    const ann = await enter("Ann");
    await ann.getByLabel("Token of this server").fill("open sesame");
    await ann.getByRole("button", { name: "Join" }).click();
    await expect.poll(() => server.stats.peers).toBe(1);
    const link = await ann.locator("#alone-link").inputValue();
    expect(link).toBe(`${server.url}r/demo#token=open+sesame`);
    const bob = await open(`${new URL(link).hash}`, "r/demo");
    await bob.getByRole("button", { name: "Join" }).click();
    await plays(ann, "Guest");
  });

  it("says so when it is removed", async () => {
    await serve();
    const ann = await enter("Ann");
    await expect.poll(() => server.stats.peers).toBe(1);
    const { welcome } = await RoomClient.join(server.wsUrl, { room: "demo" });
    server.kick("demo", welcome.peers[0]?.id ?? "");
    await ann.getByRole("heading", { name: "You were removed" }).waitFor();
    expect(server.stats.peers).toBe(1);
  });

  it("says so when the room is full, and gets in later", async () => {
    await serve({ maxPeers: 1 });
    const first = await RoomClient.join(server.wsUrl, { room: "demo" });
    const ann = await enter("Ann");
    await ann.getByRole("heading", { name: "The room is full" }).waitFor();
    first.leave();
    await first.closed;
    await ann.getByRole("button", { name: "Back to the room" }).click();
    await ann.getByRole("button", { name: "Join" }).click();
    await expect.poll(() => server.stats.peers).toBe(1);
    const spy = await RoomClient.open(server.wsUrl);
    spy.sendJoin({ room: "demo" });
    expect((await spy.closed).code).toBe(4002);
  });

  it("shows names as text, whatever they contain", async () => {
    await serve();
    const ann = await enter("Ann");
    await expect.poll(() => server.stats.peers).toBe(1);
    const name = "<img src=x onerror=alert(1)>";
    await RoomClient.join(server.wsUrl, { room: "demo", name });
    await tile(ann, name).waitFor();
    expect(await ann.locator("#grid img").count()).toBe(0);
  });
});
