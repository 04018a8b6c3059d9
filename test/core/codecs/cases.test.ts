import { describe, expect, it } from "vitest";
import type { Codec } from "../../../src/core/codecs/codec.ts";
import { codecByName, codecByRtpName, codecs } from "../../../src/core/codecs/registry.ts";
import type { CodecCase } from "./codec-case.ts";
import { codecFmtp, codecTables } from "./tables.ts";

function accepted(codec: Codec, c: CodecCase) {
  const depacketizer = codec.depacketizer(codecFmtp[codec.name]);
  return depacketizer.join(c.payloads.filter((p) => depacketizer.inspect(p) !== undefined));
}

describe.each(codecs.map((c) => [c.name, c] as const))("%s", (name, codec) => {
  const cases = codecTables[name] ?? [];

  it("has a table of cases", () => {
    expect(cases.length).toBeGreaterThan(5);
  });

  it.each(cases.map((c) => [c.name, c] as const))("receives %s", (_, c) => {
    const frame = accepted(codec, c);
    expect(frame?.data && [...frame.data]).toEqual(c.frame && [...c.frame]);
    if (!frame) return;
    expect(frame.keyframe).toBe(c.keyframe);
    expect([frame.width, frame.height]).toEqual(c.size ?? [undefined, undefined]);
    expect(frame.duration).toBe(c.duration);
  });

  const sendable = cases.filter((c) => c.sender);
  it.each(sendable.map((c) => [c.name, c] as const))("sends %s", (_, c) => {
    const sent = c.sender?.sent ?? c.frame ?? new Uint8Array(0);
    const maxPayload = c.sender?.maxPayload ?? 0;
    const chunks = codec.packetizer().packetize(sent, { keyframe: c.keyframe === true, maxPayload });
    expect(chunks.map((k) => [...k.payload])).toEqual(c.payloads.map((p) => [...p]));
    const markers = chunks.map((_k, i) => codec.kind === "video" && i === chunks.length - 1);
    expect(chunks.map((k) => k.marker)).toEqual(markers);
  });

  it("is found by its names", () => {
    expect(codecByName(codec.name)).toBe(codec);
    expect(codecByRtpName(codec.rtpName.toUpperCase())).toBe(codec);
    expect(codecByRtpName(codec.rtpName.toLowerCase())).toBe(codec);
  });
});

it("knows nothing of codecs it cannot carry", () => {
  expect(codecByRtpName("telephone-event")).toBeUndefined();
  expect(codecByRtpName("ilbc")).toBeUndefined();
});
