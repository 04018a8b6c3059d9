import { seededRandom } from "../../src/core/random.ts";
import type { LinkPlan, LocalTrack } from "../../src/core/room.ts";
import { defaultCapabilities } from "../../src/core/sdp/capabilities.ts";
import type { Setup, TransportParams } from "../../src/core/sdp/description.ts";
import { type DescriptionBody, Negotiator } from "../../src/core/sdp/negotiator.ts";
import { withTransport } from "../../src/core/sdp/raw-transport.ts";
import { writeSdp } from "../../src/core/sdp/write.ts";

/** Valid parameters of an ICE and DTLS agent that does not exist: enough where only descriptions meet. */
export const inventedTransport: TransportParams = {
  ufrag: "rmtp",
  pwd: "0123456789abcdefghijklmn",
  fingerprint: `sha-256 ${Array.from({ length: 32 }, (_, i) => (i + 16).toString(16).toUpperCase()).join(":")}`,
  setup: "actpass",
  iceLite: false,
  candidates: [],
  endOfCandidates: false,
};

/** A negotiator whose SSRCs are the same every time. */
export function negotiator(seed = 1, cname = "roomtap"): Negotiator {
  return new Negotiator({ random: seededRandom(seed), capabilities: defaultCapabilities, cname });
}

/** The description as it would travel. */
export function describeBody(body: DescriptionBody, setup: Setup, version = 1): string {
  return writeSdp(
    withTransport(body, inventedTransport, { sessionId: "4611731400430051336", version, setup }),
  );
}

/** A stream of ours by its name. */
export function localTrack(id: "mic" | "cam" | "screen" | "h264" | "mic2"): LocalTrack {
  if (id === "mic" || id === "mic2") return { id, kind: "audio", source: "microphone", codec: "opus" };
  if (id === "h264") return { id, kind: "video", source: "camera", codec: "h264" };
  return { id, kind: "video", source: id === "cam" ? "camera" : "screen", codec: "vp8" };
}

/** A plan in few words. */
export function plan(
  send: readonly Parameters<typeof localTrack>[0][],
  audio = 0,
  video = 0,
  data = false,
): LinkPlan {
  return { send: send.map(localTrack), receive: { audio, video }, data };
}

/** The plans of programs: one that only takes, one that only gives, one that does both. */
export const recorder: LinkPlan = plan([], 1, 2);
/** See `recorder`. */
export const publisher: LinkPlan = plan(["mic", "cam"]);
/** See `recorder`. */
export const talker: LinkPlan = plan(["mic", "cam"], 1, 1);

/** What a page does before each of its offers: the body of `async (pc, media, ctx) => { ... }`. */
export type PageShape = { readonly name: string; readonly plan: LinkPlan; readonly steps: readonly string[] };

/** Offers that a browser makes. */
export const pageShapes: readonly PageShape[] = [
  { name: "audio-video", plan: recorder, steps: ["add(media.audio); add(media.video);"] },
  { name: "audio-video-both-ways", plan: talker, steps: ["add(media.audio); add(media.video);"] },
  {
    name: "audio-video-data",
    plan: plan([], 1, 1, true),
    steps: ["add(media.audio); add(media.video); pc.createDataChannel('files');"],
  },
  {
    name: "data-refused",
    plan: recorder,
    steps: ["pc.createDataChannel('files'); add(media.audio);"],
  },
  {
    name: "screen",
    plan: recorder,
    steps: ["add(media.audio); add(media.video);", "add(media.screen);"],
  },
  {
    name: "simulcast",
    plan: recorder,
    steps: [
      `add(media.audio);
       pc.addTransceiver(media.video, { direction: 'sendonly', sendEncodings: [
         { rid: 'q', scaleResolutionDownBy: 4 }, { rid: 'h', scaleResolutionDownBy: 2 }, { rid: 'f' }] });`,
    ],
  },
  { name: "video-only", plan: recorder, steps: ["add(media.video);"] },
  {
    name: "recvonly",
    plan: publisher,
    steps: [
      "pc.addTransceiver('audio', { direction: 'recvonly' }); pc.addTransceiver('video', { direction: 'recvonly' });",
    ],
  },
  {
    name: "removed",
    plan: recorder,
    steps: ["add(media.audio); add(media.video);", "pc.getTransceivers()[1].stop();", "add(media.screen);"],
  },
  {
    name: "paused",
    plan: talker,
    steps: [
      "add(media.audio); add(media.video);",
      "pc.getTransceivers()[1].direction = 'inactive';",
      "pc.getTransceivers()[1].direction = 'sendrecv';",
    ],
  },
  {
    name: "h264",
    plan: recorder,
    steps: [
      `const t = pc.addTransceiver(media.video, { direction: 'sendonly' });
       const { codecs } = RTCRtpReceiver.getCapabilities('video');
       t.setCodecPreferences(codecs.filter((c) => /h264|rtx/i.test(c.mimeType)));`,
    ],
  },
  {
    name: "many",
    plan: plan(["mic", "cam"], 1, 2),
    steps: ["for (let i = 0; i < 3; i++) { pc.addTransceiver('audio'); pc.addTransceiver('video'); }"],
  },
];

/** What we plan for each of our offers, and what a page does before it answers each. */
export type OwnShape = {
  readonly name: string;
  readonly plans: readonly LinkPlan[];
  /** Runs after the offer was set and before the answer is made. */
  readonly page: string;
};

const answerWithTracks = `for (const t of pc.getTransceivers()) {
  const track = media[t.receiver.track.kind];
  if (t.sender.track || t.direction === 'stopped' || !track) continue;
  await t.sender.replaceTrack(track.clone());
  t.direction = 'sendrecv';
}`;

/** Offers that we make. */
export const ownShapes: readonly OwnShape[] = [
  { name: "recorder", plans: [recorder], page: answerWithTracks },
  { name: "recorder-data", plans: [plan([], 1, 1, true)], page: answerWithTracks },
  { name: "publisher", plans: [publisher], page: "" },
  { name: "talker", plans: [talker], page: answerWithTracks },
  { name: "video-only", plans: [plan(["cam"])], page: "" },
  { name: "h264", plans: [plan(["h264"])], page: "" },
  {
    name: "unwanted",
    plans: [recorder],
    page: "for (const t of pc.getTransceivers()) t.direction = 'inactive';",
  },
  { name: "screen-later", plans: [publisher, plan(["mic", "cam", "screen"])], page: "" },
  {
    name: "camera-off-and-on",
    plans: [plan(["mic", "cam"]), plan(["mic"]), plan(["mic", "cam"])],
    page: "",
  },
  { name: "screen-in-place-of-camera", plans: [publisher, plan(["mic", "screen"])], page: "" },
  { name: "grows", plans: [plan([], 1, 1), plan(["mic"], 2, 3)], page: answerWithTracks },
  { name: "stopped-by-page", plans: [talker, talker], page: "const v = pc.getTransceivers()[1]; v?.stop();" },
];
