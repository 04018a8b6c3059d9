import type { MediaKind } from "../frame.ts";

/** A codec we can negotiate, as data: what stands in our own offers and what we accept in others'. */
export type Capability = {
  /** RTP payload name, compared without case. */
  readonly name: string;
  readonly kind: MediaKind;
  readonly clockRate: number;
  readonly channels?: number;
  /** Receive parameters for our own offers. */
  readonly fmtp: string;
  /** Payload type in our own offers while it is free; absent: never offered, and video then answered last. */
  readonly payloadType?: number;
  /** Payload type of its retransmissions in our own offers; absent: no RTX. */
  readonly rtxPayloadType?: number;
};

/** Feedback we understand as a receiver and answer as a sender, where the other side has it too. */
export const videoFeedback: readonly string[] = ["goog-remb", "transport-cc", "ccm fir", "nack", "nack pli"];
/** Audio: NACK only when the other side offers it. */
export const audioFeedback: readonly string[] = ["transport-cc", "nack"];

/** Header extensions that we read or write. */
export const knownExtensions: readonly string[] = [
  "urn:ietf:params:rtp-hdrext:sdes:mid",
  "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
  "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
  "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
  "urn:3gpp:video-orientation",
  "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
  "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
  "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
];

/** Extensions that only make sense on one kind of m-line. */
export const videoOnlyExtensions: ReadonlySet<string> = new Set([
  "urn:3gpp:video-orientation",
  "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
  "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
]);
/** See `videoOnlyExtensions`. */
export const audioOnlyExtensions: ReadonlySet<string> = new Set([
  "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
]);

/** H.264 receive parameters: level 5.2 with asymmetry, so that senders are not held to 720p. */
const h264 = (profile: string, mode: 0 | 1) =>
  `level-asymmetry-allowed=1;packetization-mode=${mode};profile-level-id=${profile}`;

/** Everything Roomtap can record, in order of preference. */
export const defaultCapabilities: readonly Capability[] = [
  {
    name: "opus",
    kind: "audio",
    clockRate: 48000,
    channels: 2,
    fmtp: "minptime=10;useinbandfec=1;stereo=1",
    payloadType: 111,
  },
  { name: "multiopus", kind: "audio", clockRate: 48000, fmtp: "" },
  { name: "red", kind: "audio", clockRate: 48000, channels: 2, fmtp: "" },
  { name: "G722", kind: "audio", clockRate: 8000, fmtp: "", payloadType: 9 },
  { name: "PCMU", kind: "audio", clockRate: 8000, fmtp: "", payloadType: 0 },
  { name: "PCMA", kind: "audio", clockRate: 8000, fmtp: "", payloadType: 8 },
  { name: "CN", kind: "audio", clockRate: 8000, fmtp: "", payloadType: 13 },
  { name: "telephone-event", kind: "audio", clockRate: 48000, fmtp: "0-15", payloadType: 110 },
  { name: "telephone-event", kind: "audio", clockRate: 8000, fmtp: "0-15", payloadType: 126 },
  { name: "VP8", kind: "video", clockRate: 90000, fmtp: "", payloadType: 96, rtxPayloadType: 97 },
  {
    name: "H264",
    kind: "video",
    clockRate: 90000,
    fmtp: h264("42e034", 1),
    payloadType: 102,
    rtxPayloadType: 103,
  },
  {
    name: "H264",
    kind: "video",
    clockRate: 90000,
    fmtp: h264("420034", 1),
    payloadType: 104,
    rtxPayloadType: 105,
  },
  {
    name: "H264",
    kind: "video",
    clockRate: 90000,
    fmtp: h264("4d0034", 1),
    payloadType: 106,
    rtxPayloadType: 107,
  },
  {
    name: "H264",
    kind: "video",
    clockRate: 90000,
    fmtp: h264("640034", 1),
    payloadType: 108,
    rtxPayloadType: 109,
  },
  {
    name: "H264",
    kind: "video",
    clockRate: 90000,
    fmtp: h264("42e034", 0),
    payloadType: 112,
    rtxPayloadType: 113,
  },
  // Profile 0 only, 8 bits (AV1: or 10) and 4:2:0, which every decoder has.
  {
    name: "VP9",
    kind: "video",
    clockRate: 90000,
    fmtp: "profile-id=0",
    payloadType: 98,
    rtxPayloadType: 99,
  },
  // Level 5.1, so that senders are not held to the 720p of the default 3.1.
  {
    name: "AV1",
    kind: "video",
    clockRate: 90000,
    fmtp: "level-idx=13;profile=0;tier=0",
    payloadType: 100,
    rtxPayloadType: 101,
  },
  // Not every player of a recording can decode it.
  { name: "H265", kind: "video", clockRate: 90000, fmtp: "" },
];
