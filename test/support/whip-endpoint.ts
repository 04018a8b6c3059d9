import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser, Page } from "playwright-core";
import { launchChromium } from "./chromium.ts";

/** What the browser made of the session that it has now. */
export type WhipReception = {
  readonly framesDecoded: number;
  readonly keyFramesDecoded: number;
  readonly width: number;
  readonly height: number;
  readonly videoCodec: string;
  readonly packetsLost: number;
  readonly samplesReceived: number;
  readonly concealedSamples: number;
  readonly audioEnergy: number;
  /** When what is heard now was made, after what is seen now; milliseconds. */
  readonly soundAheadMs: number | undefined;
};

/** A WHIP endpoint that is a browser: Chromium answers the offers, decodes and plays what comes. */
export class WhipBrowser {
  /** Requests, as `POST /path`. */
  readonly requests: string[] = [];
  readonly #browser: Browser;
  readonly #token: string | undefined;
  #page: Page | undefined;
  #server: Server | undefined;
  #port = 0;

  private constructor(browser: Browser, token: string | undefined) {
    this.#browser = browser;
    this.#token = token;
  }

  static async start(token?: string): Promise<WhipBrowser> {
    const endpoint = new WhipBrowser(await launchChromium(), token);
    await endpoint.open();
    return endpoint;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/live/whip-stream-key`;
  }

  /** Serves, on the port of before. */
  async open(): Promise<void> {
    this.#page = await this.#browser.newPage();
    await this.#page.addScriptTag({ content: pageScript });
    const server = createServer((request, response) => {
      this.#handle(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
    });
    this.#server = server;
    await new Promise<void>((resolve) => {
      server.listen(this.#port, "127.0.0.1", resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
  }

  /** Is gone, without a word. */
  async kill(): Promise<void> {
    const server = this.#server;
    server?.closeAllConnections();
    await new Promise((resolve) => {
      server ? server.close(resolve) : resolve(undefined);
    });
    await this.#page?.close();
  }

  async reception(): Promise<WhipReception | undefined> {
    return await this.#page?.evaluate("reception()");
  }

  async close(): Promise<void> {
    this.#server?.closeAllConnections();
    this.#server?.close();
    await this.#browser.close();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests.push(`${request.method} ${request.url}`);
    let body = "";
    for await (const chunk of request) body += chunk;
    if (this.#token !== undefined && request.headers.authorization !== `Bearer ${this.#token}`) {
      response.writeHead(401, { "content-type": "text/plain" }).end(`no: ${request.headers.authorization}`);
      return;
    }
    const page = this.#page;
    if (request.method === "POST" && page) {
      const sdp = await page.evaluate<string>(`answer(${JSON.stringify(body)})`);
      response.writeHead(201, { "content-type": "application/sdp", location: "/sessions/1" }).end(sdp);
    } else if (request.method === "DELETE" && page) {
      await page.evaluate("hangUp()");
      response.writeHead(200).end();
    } else response.writeHead(405).end();
  }
}

/** Runs in the page: one session, replaced by the next. */
const pageScript = `
  let pc;
  async function answer(offer) {
    hangUp();
    pc = new RTCPeerConnection();
    const player = document.querySelector("video") ?? document.body.appendChild(document.createElement("video"));
    player.autoplay = true;
    pc.ontrack = (e) => { player.srcObject = e.streams[0]; };
    await pc.setRemoteDescription({ type: "offer", sdp: offer });
    await pc.setLocalDescription(await pc.createAnswer());
    await new Promise((resolve) => {
      pc.onicegatheringstatechange = () => pc.iceGatheringState === "complete" && resolve();
      pc.onicegatheringstatechange();
    });
    return pc.localDescription.sdp;
  }
  function hangUp() {
    pc?.close();
    pc = undefined;
  }
  async function reception() {
    if (!pc) return undefined;
    const all = [...(await pc.getStats()).values()];
    const of = (kind) => all.find((s) => s.type === "inbound-rtp" && s.kind === kind);
    const [video, audio] = [of("video"), of("audio")];
    const playing = [video, audio].map((s) => s?.estimatedPlayoutTimestamp);
    return {
      framesDecoded: video?.framesDecoded ?? 0,
      keyFramesDecoded: video?.keyFramesDecoded ?? 0,
      width: video?.frameWidth ?? 0,
      height: video?.frameHeight ?? 0,
      videoCodec: all.find((s) => s.id === video?.codecId)?.mimeType ?? "",
      packetsLost: (video?.packetsLost ?? 0) + (audio?.packetsLost ?? 0),
      samplesReceived: audio?.totalSamplesReceived ?? 0,
      concealedSamples: audio?.concealedSamples ?? 0,
      audioEnergy: audio?.totalAudioEnergy ?? 0,
      soundAheadMs: playing.every((t) => t !== undefined) ? playing[1] - playing[0] : undefined,
    };
  }
`;
