import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { findChromium, launchChromium } from "./chromium.ts";

/** Code of a page that takes a seat in a VideoRoom, as Janus' own demo does, and moves a picture with a tone. */
const script = `
  window.early = [];
  window.janus = async (url) => {
    const socket = new WebSocket(url, "janus-protocol");
    await new Promise((resolve, reject) => Object.assign(socket, { onopen: resolve, onerror: reject }));
    const waiting = new Map();
    let [session, handle, n] = [0, 0, 0];
    socket.onmessage = ({ data }) => {
      const m = JSON.parse(data);
      if (m.janus === "trickle") window.early.push(m.candidate);
      if (m.janus === "trickle") window.hear?.();
      if (m.janus === "ack" || !waiting.has(m.transaction)) return;
      waiting.get(m.transaction)(m);
      waiting.delete(m.transaction);
    };
    const ask = (body) => new Promise((resolve) => {
      const transaction = String(++n);
      waiting.set(transaction, resolve);
      const more = { ...(session ? { session_id: session } : {}), ...(handle ? { handle_id: handle } : {}) };
      socket.send(JSON.stringify({ transaction, ...more, ...body }));
    });
    session = (await ask({ janus: "create" })).data.id;
    handle = (await ask({ janus: "attach", plugin: "janus.plugin.videoroom" })).data.id;
    setInterval(() => socket.send(JSON.stringify({ janus: "keepalive", session_id: session, transaction: "k" })), 20000);
    return async (body, jsep) => {
      const m = await ask({ janus: "message", body, ...(jsep ? { jsep } : {}) });
      return { ...m.plugindata?.data, jsep: m.jsep };
    };
  };
  window.stage = () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 360 });
    document.body.append(canvas);
    const pen = canvas.getContext("2d");
    let n = 0;
    setInterval(() => {
      pen.fillStyle = "hsl(" + (n % 360) + " 60% 50%)";
      pen.fillRect(0, 0, 640, 360);
      pen.fillStyle = "white";
      pen.fillRect((n++ * 5) % 640, 100, 60, 60);
    }, 1000 / 30);
    const audio = new AudioContext();
    const tone = audio.createOscillator();
    const out = audio.createMediaStreamDestination();
    tone.connect(out);
    tone.start();
    return new MediaStream([...canvas.captureStream(30).getTracks(), ...out.stream.getTracks()]);
  };
  window.take = async (url, room, display) => {
    window.say = await janus(url);
    window.media = stage();
    return await say({ request: "join", ptype: "publisher", room, display });
  };
  window.publish = async () => {
    window.pc = new RTCPeerConnection();
    window.hear = undefined;
    for (const track of media.getTracks()) pc.addTransceiver(track, { direction: "sendonly", streams: [media] });
    await pc.setLocalDescription();
    await new Promise((resolve) => {
      pc.onicegatheringstatechange = () => pc.iceGatheringState === "complete" && resolve();
      pc.onicegatheringstatechange();
    });
    const { jsep } = await say({ request: "publish", audio: true, video: true }, pc.localDescription);
    await pc.setRemoteDescription(jsep);
    window.hear = () => {
      for (const c of early.splice(0)) if (!c.completed) pc.addIceCandidate(c);
    };
    hear();
    await new Promise((resolve) => {
      pc.onconnectionstatechange = () => pc.connectionState === "connected" && resolve();
      pc.onconnectionstatechange();
    });
  };
  window.unpublish = async () => {
    await say({ request: "unpublish" });
    pc.close();
  };
  window.framesSent = async () => {
    const all = [...(await pc.getStats()).values()];
    return all.find((s) => s.type === "outbound-rtp" && s.kind === "video")?.framesSent ?? 0;
  };
`;

declare const window: {
  take(url: string, room: number, display: string): Promise<{ id: number }>;
  publish(): Promise<void>;
  unpublish(): Promise<void>;
  framesSent(): Promise<number>;
  say(body: object): Promise<{ error?: string; participants?: { id: number; display: string }[] }>;
};

/** A Chromium inside of a Janus server's network namespace, with a seat in one of its rooms. The caller closes it. */
export class JanusPage {
  readonly #browser: Browser;
  readonly #page: Page;
  readonly #folder: string;
  readonly #room: number;

  private constructor(browser: Browser, page: Page, folder: string, room: number) {
    this.#browser = browser;
    this.#page = page;
    this.#folder = folder;
    this.#room = room;
  }

  /** `prefix` runs a program inside of the namespace; `url`: of the server's WebSocket. */
  static async open(prefix: readonly string[], url: string, room: number, name: string): Promise<JanusPage> {
    const folder = mkdtempSync(join(tmpdir(), "roomtap-janus-page-"));
    const program = join(folder, "chromium");
    const browsers = findChromium().path ?? "chromium";
    writeFileSync(program, `#!/bin/sh\nexec ${prefix.join(" ")} ${browsers} "$@"\n`);
    chmodSync(program, 0o755);
    const browser = await launchChromium([], program);
    try {
      const page = await browser.newPage();
      await page.goto("about:blank");
      await page.evaluate(script);
      await page.evaluate(([u, r, n]) => window.take(u, r, n), [url, room, name] as const);
      return new JanusPage(browser, page, folder, room);
    } catch (error) {
      await browser.close();
      throw error;
    }
  }

  /** Resolves once it is connected. */
  publish(): Promise<void> {
    return this.#page.evaluate(() => window.publish());
  }

  unpublish(): Promise<void> {
    return this.#page.evaluate(() => window.unpublish());
  }

  framesSent(): Promise<number> {
    return this.#page.evaluate(() => window.framesSent());
  }

  /** Removes a participant from the room. */
  async kick(name: string): Promise<void> {
    const room = this.#room;
    const { participants = [] } = await this.ask({ request: "listparticipants", room });
    const id = participants.find((p) => p.display === name)?.id;
    if (id === undefined) throw new Error(`${name} is not among ${JSON.stringify(participants)}`);
    await this.ask({ request: "kick", room, id });
  }

  /** Ends the room. */
  async destroy(): Promise<void> {
    await this.ask({ request: "destroy", room: this.#room });
  }

  /** A request of the plugin. Rejects where it is refused. */
  async ask(body: object): Promise<{ participants?: { id: number; display: string }[] }> {
    const answer = await this.#page.evaluate((b) => window.say(b), body);
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  }

  async close(): Promise<void> {
    await this.#browser.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
