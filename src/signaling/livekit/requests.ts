import type { Description, IceCandidate, LocalTrack } from "../../core/room.ts";
import { Quality, Source, type TargetValue, TrackType } from "./messages.ts";
import { ProtoWriter } from "./wire.ts";

/*
 * What we say to a LiveKit server: SignalRequests (livekit_rtc.proto), each as the octets of one WebSocket message.
 */

const LEAVE_CLIENT_INITIATED = 1;

const request = (no: number, m: ProtoWriter): Uint8Array => new ProtoWriter().message(no, m).finish();

/**
 * What joins in the dialect with a single connection: a WrappedJoinRequest for the address, in base64 for URLs. We say
 * ourselves what we take, track by track.
 */
export function joinRequest(protocol: number): string {
  const client = new ProtoWriter().int(3, protocol).string(4, process.platform).string(6, "roomtap");
  const settings = new ProtoWriter().bool(1, false);
  const join = new ProtoWriter().message(1, client).message(2, settings);
  const octets = new ProtoWriter().message(2, join).finish();
  // With padding: the server insists on it.
  return Buffer.from(octets).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
}

/** A description; `id`: that of the server's offer for an answer, ours for an offer. */
export function describe(d: Description, id: number): Uint8Array {
  return request(d.type === "offer" ? 1 : 2, sessionDescription(d, id));
}

/** A SessionDescription. */
export function sessionDescription(d: Description, id: number): ProtoWriter {
  return new ProtoWriter().string(1, d.type).string(2, d.sdp).int(3, id);
}

/** A candidate of ours. */
export function trickle(c: IceCandidate, target: TargetValue): Uint8Array {
  const init = {
    candidate: c.candidate,
    sdpMid: c.mid ?? "",
    sdpMLineIndex: c.index ?? 0,
  };
  return request(3, new ProtoWriter().string(1, JSON.stringify(init)).int(2, target));
}

/** Announces a track of ours; its description follows when the server has agreed. */
export function addTrack(t: LocalTrack): Uint8Array {
  return request(4, addTrackRequest(t));
}

/** An AddTrackRequest. The id of the track is the second word of its a=msid: by it the server knows it again. */
export function addTrackRequest(t: LocalTrack): ProtoWriter {
  const video = t.kind === "video";
  const m = new ProtoWriter()
    .string(1, t.id)
    .string(2, t.source)
    .int(3, video ? TrackType.video : TrackType.audio)
    .int(8, sources[t.source] ?? Source.unknown);
  if (!video) return m.bool(13, true);
  const layers = videoLayers(t);
  for (const layer of layers) m.message(9, layer);
  const codec = new ProtoWriter().string(1, t.codec).string(2, t.id);
  for (const layer of layers) codec.message(4, layer);
  return m.message(10, codec.int(5, ONE_LAYER_PER_STREAM));
}

const ONE_LAYER_PER_STREAM = 1;

const sources: Readonly<Record<LocalTrack["source"], number>> = {
  unknown: Source.unknown,
  camera: Source.camera,
  microphone: Source.microphone,
  screen: Source.screen,
  "screen-audio": Source.screenAudio,
};

/** Qualities of the layers of a track, the smallest picture first. A single stream is of high quality. */
export function layerQualities(t: LocalTrack): readonly number[] {
  const count = t.layers?.length ?? 1;
  if (count <= 1) return [Quality.high];
  return count === 2 ? [Quality.low, Quality.medium] : [Quality.low, Quality.medium, Quality.high];
}

function videoLayers(t: LocalTrack): ProtoWriter[] {
  return layerQualities(t).map((quality, i) =>
    new ProtoWriter()
      .int(1, quality)
      .int(6, i)
      .string(7, t.layers?.[i] ?? ""),
  );
}

/** Takes tracks, or no more of them. */
export function subscribe(sids: readonly string[], take: boolean): Uint8Array {
  return request(6, new ProtoWriter().strings(1, sids).bool(2, take));
}

/** Which layer of a simulcast video we want; see `Quality`. */
export function chooseQuality(sids: readonly string[], quality: number): Uint8Array {
  return request(7, new ProtoWriter().strings(1, sids).int(4, quality));
}

/** Keeps the session alive. `rttMs`: of the last one. */
export function ping(nowMs: number, rttMs: number): Uint8Array {
  return request(16, new ProtoWriter().int(1, nowMs).int(2, rttMs));
}

/** The same for servers before 1.4. */
export function plainPing(nowMs: number): Uint8Array {
  return new ProtoWriter().int(14, nowMs).finish();
}

/** Good-bye. */
export function leave(): Uint8Array {
  return request(8, new ProtoWriter().int(2, LEAVE_CLIENT_INITIATED));
}
