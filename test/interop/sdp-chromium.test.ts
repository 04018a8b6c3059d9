import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import type { NegotiatedMedia } from "../../src/core/sdp/negotiated.ts";
import { read } from "../core/sdp/corpus.ts";
import { findChromium, launchChromium } from "../support/chromium.ts";
import { describeWith } from "../support/requires.ts";
import { describeBody, negotiator, ownShapes, pageShapes, talker } from "../support/sdp-shapes.ts";

/** One transceiver of the page, and what its sender and receiver settled on. */
type Transceiver = {
  readonly mid: string | null;
  readonly kind: "audio" | "video";
  readonly current: string | null;
  readonly sends: readonly number[];
  readonly takes: readonly number[];
};

/** What the page says after a step: its description, and its transceivers. */
type Told = { readonly sdp: string; readonly transceivers: readonly Transceiver[] };

declare const window: {
  offer(step: string): Promise<string>;
  complete(sdp: string): Promise<Told>;
  answer(sdp: string, step: string): Promise<Told>;
};

/** Runs in the page: one peer connection over fake media, driven step by step. */
const pageScript = `
  const Run = Object.getPrototypeOf(async () => {}).constructor;
  const ready = (async () => {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
    const canvas = document.createElement('canvas');
    canvas.getContext('2d');
    const media = {
      audio: stream.getAudioTracks()[0],
      video: stream.getVideoTracks()[0],
      screen: canvas.captureStream(5).getVideoTracks()[0],
    };
    const pc = new RTCPeerConnection();
    const add = (track) => pc.addTrack(track, new MediaStream([track]));
    return { pc, media, run: (step) => new Run('pc', 'media', 'add', step)(pc, media, add) };
  })();
  const told = (pc) => ({
    sdp: pc.localDescription.sdp,
    transceivers: pc.getTransceivers().map((t) => ({
      mid: t.mid,
      kind: t.receiver.track.kind,
      current: t.currentDirection,
      sends: t.sender.getParameters().codecs.map((c) => c.payloadType),
      takes: t.receiver.getParameters().codecs.map((c) => c.payloadType),
    })),
  });
  window.offer = async (step) => {
    const { pc, run } = await ready;
    await run(step);
    await pc.setLocalDescription();
    return pc.localDescription.sdp;
  };
  window.complete = async (sdp) => {
    const { pc } = await ready;
    await pc.setRemoteDescription({ type: 'answer', sdp });
    return told(pc);
  };
  window.answer = async (sdp, step) => {
    const { pc, run } = await ready;
    await pc.setRemoteDescription({ type: 'offer', sdp });
    await run(step);
    await pc.setLocalDescription();
    return told(pc);
  };
`;

const captureTo = process.env.ROOMTAP_SDP_CAPTURE;

/** Keeps a description for the unit tests (test/vectors/sdp), when asked to. Addresses are left out. */
function capture(name: string, sdp: string): void {
  if (captureTo === undefined) return;
  const folder = fileURLToPath(new URL("../vectors/sdp/", import.meta.url));
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    `${folder}${name}.sdp`,
    sdp.replace(/^a=candidate:.*\r\n/gm, "").replace(/^c=IN .*\r/gm, "c=IN IP4 0.0.0.0\r"),
  );
}

/** The direction of one side's transceiver, seen from that side, out of what ours agreed. */
function expectedDirection(m: NegotiatedMedia): string {
  if (m.receiving) return m.send ? "sendrecv" : "sendonly";
  return m.send ? "recvonly" : "inactive";
}

/** Both sides see every m-line the same way, and every payload type in use is agreed. */
function expectAgreement(media: readonly NegotiatedMedia[], told: Told): void {
  const theirs = told.transceivers.filter((t) => t.current !== null && t.current !== "stopped");
  const byMid = new Map(media.map((m) => [m.mid, m]));
  expect(Object.fromEntries(theirs.map((t) => [t.mid, `${t.kind} ${t.current}`]))).toEqual(
    Object.fromEntries(media.map((m) => [m.mid, `${m.kind} ${expectedDirection(m)}`])),
  );
  for (const t of theirs) {
    const m = byMid.get(t.mid ?? "");
    const agreed = m?.payloads.map((p) => p.payloadType) ?? [];
    if (m?.receiving) {
      // The first is what it will send with.
      expect(agreed).toContain(t.sends[0]);
    }
    if (m?.send) {
      const rtx = m.send.rtx ? [m.send.rtx.payloadType] : [];
      expect(t.takes).toEqual(expect.arrayContaining([m.send.payload.payloadType, ...rtx]));
    }
  }
}

describeWith("descriptions between Chromium and us", [findChromium()], () => {
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    browser = await launchChromium();
  });

  afterAll(async () => {
    await browser?.close();
  });

  beforeEach(async () => {
    page = await (await browser.newContext()).newPage();
    // Cameras need a secure origin; this one never leaves the browser.
    await page.route("https://sdp.test/", (route) =>
      route.fulfill({ contentType: "text/html", body: `<script>${pageScript}</script>` }),
    );
    await page.goto("https://sdp.test/");
  });

  afterEach(async () => {
    await page.context().close();
  });

  it.each(pageShapes)("Chromium takes our answers to its offer: $name", async (shape) => {
    const ours = negotiator();
    for (const [i, step] of shape.steps.entries()) {
      const sdp = await page.evaluate((s) => window.offer(s), step);
      capture(`page-${shape.name}-${i + 1}`, sdp);
      const answer = describeBody(ours.acceptOffer(read(sdp), shape.plan), "passive", i + 1);
      expectAgreement(ours.media, await page.evaluate((s) => window.complete(s), answer));
    }
  });

  it.each(ownShapes)("Chromium answers our offers: $name", async (shape) => {
    const ours = negotiator();
    for (const [i, wish] of shape.plans.entries()) {
      const offer = describeBody(ours.createOffer(wish), "actpass", i + 1);
      const told = await page.evaluate(([s, p]) => window.answer(s, p), [offer, shape.page] as const);
      capture(`own-${shape.name}-${i + 1}-answer`, told.sdp);
      expect(ours.applyAnswer(read(told.sdp))).toBe(true);
      expectAgreement(ours.media, told);
    }
  });

  it("both sides offer in turn: the page stops the m-line that carries our camera, and we send on a new one", async () => {
    const ours = negotiator();
    const weOffer = async (step: string) => {
      const offer = describeBody(ours.createOffer(talker), "actpass");
      const told = await page.evaluate(([s, p]) => window.answer(s, p), [offer, step] as const);
      expect(ours.applyAnswer(read(told.sdp))).toBe(true);
      expectAgreement(ours.media, told);
    };
    const pageOffers = async (step: string) => {
      const offer = read(await page.evaluate((s) => window.offer(s), step));
      // The page took the active DTLS role in its first answer, and roles stay.
      const answer = describeBody(ours.acceptOffer(offer, talker), "passive");
      expectAgreement(ours.media, await page.evaluate((s) => window.complete(s), answer));
    };
    await weOffer("add(media.audio); add(media.video);");
    expect(ours.media.map((m) => m.receiving)).toEqual([true, true]);
    await pageOffers("pc.getTransceivers()[1].stop();");
    expect(ours.media.map((m) => m.mid)).toEqual(["0"]);
    expect(ours.unsent(talker).map((t) => t.id)).toEqual(["cam"]);
    await weOffer("");
    expect(ours.media.map((m) => [m.kind, m.send !== undefined])).toEqual([
      ["audio", true],
      ["video", true],
    ]);
    expect(ours.unsent(talker)).toEqual([]);
    await pageOffers("add(media.screen);");
    expect(ours.media.filter((m) => m.kind === "video" && m.receiving)).toHaveLength(1);
  });
});
