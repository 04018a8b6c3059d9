import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { appendFileSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { codecByName } from "../../src/core/codecs/registry.ts";
import type { Frame } from "../../src/core/frame.ts";
import type { AssembledFrame } from "../../src/core/media/assembled-frame.ts";
import { FrameAssembler } from "../../src/core/media/assembler.ts";
import { emptyRtpView, parseRtp, payloadOf } from "../../src/core/rtp/packet.ts";
import { SequenceTracker } from "../../src/core/rtp/sequence.ts";
import { micros, millis } from "../../src/core/time.ts";
import { decodeCheck } from "../../src/ffmpeg/decode-check.ts";
import { drain, feed, Sender } from "../core/media/stream.ts";
import { TestSession } from "../sinks/recorder/session.ts";
import {
  accessUnits,
  type Clip,
  encodeClip,
  encoder,
  ffmpeg,
  type H26x,
  typesOf,
  workDirectory,
} from "../support/h26x.ts";
import { describeWith } from "../support/requires.ts";
import { until } from "../support/until.ts";

const FRAME_MS = 40;
const small: Clip = { size: "320x240", frames: 60 };

type Stream = {
  readonly name: string;
  readonly params: string;
  readonly clips: readonly Clip[];
  fmtp?: string;
};

const shapes: readonly Stream[] = [
  { name: "one slice", params: "keyint=30", clips: [small] },
  { name: "four slices and delimiters", params: "keyint=30:slices=4:aud=1", clips: [small] },
  { name: "a refresh in columns instead of keyframes", params: "keyint=25:intra-refresh=1", clips: [small] },
  {
    name: "three sizes",
    params: "keyint=30",
    clips: [
      { size: "320x240", frames: 30 },
      { size: "494x370", frames: 30 },
      { size: "176x144", frames: 30 },
    ],
  },
];

const streams: Readonly<Record<H26x, readonly Stream[]>> = {
  h264: [
    ...shapes,
    {
      name: "slices that fit a packet, in mode 0",
      params: "keyint=30:slice-max-size=900",
      clips: [small],
      fmtp: "packetization-mode=0",
    },
    {
      name: "High 4:4:4 without transform of 8x8",
      params: "keyint=30:profile=high444:8x8dct=0",
      clips: [small],
    },
  ],
  h265: [
    ...shapes,
    { name: "open groups of pictures, which begin with CRA", params: "keyint=30:open-gop=1", clips: [small] },
    { name: "three temporal layers", params: "keyint=30:temporal-layers=3", clips: [small] },
  ],
};

const work = workDirectory();
afterAll(() => work.remove());

/** Encodes a stream; its access units as they should arrive. */
function encoded(codec: H26x, s: Stream): { file: string; units: Uint8Array[] } {
  const file = work.path(`${codec}-${s.name}.bin`);
  if (!existsSync(file)) {
    for (const [i, clip] of s.clips.entries()) {
      const part = work.path(`${codec}-${s.name}-${i}.${codec}`);
      encodeClip(codec, clip, s.params, part);
      appendFileSync(file, readFileSync(part));
    }
  }
  const units = accessUnits(codec, file);
  expect(units).toHaveLength(s.clips.reduce((n, clip) => n + clip.frames, 0));
  return { file, units };
}

function codecOf(name: H26x) {
  const codec = codecByName(name);
  if (!codec) throw new Error(`${name} is not registered`);
  return codec;
}

/** Records frames 40 ms apart and decodes the file with ffmpeg. */
async function recorded(codec: H26x, frames: readonly AssembledFrame[]) {
  const session = new TestSession();
  try {
    const track = session.add("cam", { kind: "video" });
    for (const [i, f] of frames.entries()) {
      const frame: Frame = { ...f, codec, time: micros(i * FRAME_MS * 1000) };
      session.recorder.frame(track, frame);
      session.recorder.tick(frame.time);
    }
    await session.finish();
    const names = readdirSync(session.directory).filter((name) => name.endsWith(".mkv"));
    expect(names).toHaveLength(1);
    const path = join(session.directory, names[0] ?? "");
    return await decodeCheck(path, { ffmpeg: encoder.path ?? "" });
  } finally {
    session.close();
  }
}

/** The numbers of the access units that did not come back byte for byte. */
function differing(frames: readonly AssembledFrame[], units: readonly Uint8Array[]): number[] {
  return units.flatMap((unit, i) => (Buffer.compare(frames[i]?.data ?? Buffer.of(), unit) === 0 ? [] : [i]));
}

describeWith("H.264 and H.265 of real encoders", [encoder], () => {
  const all = (["h264", "h265"] as const).flatMap((codec) =>
    streams[codec].map((s) => [codec, s.name, s] as const),
  );

  describe.each(all)("%s with %s", (name, _, s) => {
    const codec = codecOf(name);
    let units: Uint8Array[] = [];
    beforeAll(() => {
      units = encoded(name, s).units;
    });

    test.each([64, 200, 576, 1200, 1400])("is the same after packets of %i octets", (maxPayload) => {
      const sender = codec.packetizer(s.fmtp);
      const receiver = codec.depacketizer(s.fmtp);
      const wrong = units.filter((unit, i) => {
        const payloads = sender.packetize(unit, { keyframe: i === 0, maxPayload }).map((c) => c.payload);
        if (payloads.some((p) => p.length > maxPayload || !receiver.inspect(p))) return true;
        return Buffer.compare(receiver.join(payloads)?.data ?? Buffer.of(), unit) !== 0;
      });
      expect(wrong).toEqual([]);
    });

    test("is whole and without errors in a recording", async () => {
      const assembler = new FrameAssembler({ codec, ...(s.fmtp ? { fmtp: s.fmtp } : {}) });
      const sender = new Sender(codec);
      const frames = units.flatMap((unit, i) => feed(assembler, sender.frame(unit), i * FRAME_MS));
      assembler.flush();
      frames.push(...drain(assembler, millis(units.length * FRAME_MS)));
      expect(differing(frames, units)).toEqual([]);
      const sizes = frames.flatMap((f) => (f.keyframe ? [`${f.width}x${f.height}`] : []));
      expect([...new Set(sizes)]).toEqual(s.clips.map((clip) => clip.size));
      expect(await recorded(name, frames)).toMatchObject({
        errors: 0,
        tracks: [{ kind: "video", frames: units.length }],
      });
    });
  });

  test("h264 that is joined after its only IDR picture is recorded from a recovery point on", async () => {
    // libx265 refreshes as well, but does not say where.
    const params = "keyint=25:intra-refresh=1";
    const { units } = encoded("h264", { name: "a long refresh", params, clips: [{ ...small, frames: 200 }] });
    const codec = codecOf("h264");
    const assembler = new FrameAssembler({ codec });
    const sender = new Sender(codec);
    const frames = units.slice(1).flatMap((unit, i) => feed(assembler, sender.frame(unit), i * FRAME_MS));
    assembler.flush();
    frames.push(...drain(assembler, millis(units.length * FRAME_MS)));
    expect(frames[0]).toMatchObject({ keyframe: true, width: 320, height: 240 });
    expect(frames.filter((f) => f.keyframe)).toHaveLength(1);
    // Held back for five seconds and until the next refresh; the decoder shows what is refreshed as a whole.
    expect(frames.length).toBeGreaterThan(200 - 5000 / FRAME_MS - 26);
    const { errors, tracks } = await recorded("h264", frames);
    expect(errors).toBe(0);
    expect(tracks[0]?.frames).toBeGreaterThan(frames.length - 25);
  });

  describe.each(["h264", "h265"] as const)("%s from ffmpeg's own RTP sender", (name) => {
    const s: Stream = { name: "two slices", params: "keyint=20:slices=2", clips: [small] };

    test("with parameter sets in band is the encoder's output", async () => {
      const { file, units } = encoded(name, s);
      const received = await receive(name, file, ["-f", name === "h264" ? "h264" : "hevc"], units.length);
      expect(differing(received.frames, units)).toEqual([]);
      expect(received.stats).toMatchObject({
        lostPackets: 0,
        malformedPackets: 0,
        gatedFrames: 0,
        keyframes: 3,
      });
      expect((await recorded(name, received.frames)).errors).toBe(0);
    });

    test("with parameter sets in the description only is the encoder's output with the sets in front", async () => {
      const mp4 = work.path(`${name}.mp4`);
      encodeClip(name, small, s.params, mp4);
      const bare = work.path(`${name}-bare.bin`);
      const [convert, format] = name === "h264" ? ["h264_mp4toannexb", "h264"] : ["hevc_mp4toannexb", "hevc"];
      // The encoder's name too, in SEI: where a stream begins with that, nobody knows whether something is missing.
      const drop = name === "h264" ? "6-8" : "32-34|39";
      const filters = `${convert},filter_units=remove_types=${drop}`;
      ffmpeg(["-i", mp4, "-c", "copy", "-bsf:v", filters, "-f", format, bare]);
      const units = accessUnits(name, bare);
      const received = await receive(name, mp4, [], units.length);
      expect(received.fmtp).toMatch(/sprop-/);
      const setTypes = name === "h264" ? [7, 8] : [32, 33, 34];
      for (const [i, unit] of units.entries()) {
        const f = received.frames[i];
        const tail = f?.data.subarray(f.data.length - unit.length) ?? Buffer.of();
        expect(Buffer.compare(tail, unit)).toBe(0);
        const front = f ? typesOf(name, f.data.subarray(0, f.data.length - unit.length)) : [];
        expect(front).toEqual(f?.keyframe ? setTypes : []);
      }
      expect(received.stats.keyframes).toBe(3);
      expect(await recorded(name, received.frames)).toMatchObject({
        errors: 0,
        tracks: [{ frames: small.frames }],
      });
    });
  });
});

/** Sends a file with ffmpeg over UDP, four times as fast as it plays, and takes it as a receiver does. */
async function receive(name: H26x, file: string, input: readonly string[], count: number) {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  socket.setRecvBufferSize(4 << 20);
  const datagrams: { bytes: Uint8Array; at: number }[] = [];
  socket.on("message", (bytes) => datagrams.push({ bytes, at: performance.now() }));
  const { port } = socket.address();
  const url = `rtp://127.0.0.1:${port}?rtcpport=${port}&pkt_size=1200`;
  const args = ["-nostdin", "-v", "error", "-readrate", "4", ...input, "-i", file, "-c", "copy", "-f", "rtp"];
  const child = spawn(encoder.path ?? "", [...args, "-payload_type", "96", url], {
    stdio: ["ignore", "pipe", 2],
  });
  let sdp = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    sdp += text;
  });
  const view = emptyRtpView();
  const isMedia = (bytes: Uint8Array) => parseRtp(bytes, view) && view.payloadType === 96;
  try {
    expect(await once(child, "close")).toEqual([0, null]);
    const markers = () => datagrams.filter((d) => isMedia(d.bytes) && view.marker).length;
    await until(`${count} pictures by UDP`, () => markers() >= count);
  } finally {
    socket.close();
  }
  const fmtp = /^a=fmtp:96 (.*)$/m.exec(sdp)?.[1]?.trim() ?? "";
  const codec = codecOf(name);
  const assembler = new FrameAssembler({ codec, fmtp });
  const sequence = new SequenceTracker(codec.clockRate);
  const frames: AssembledFrame[] = [];
  let base: number | undefined;
  for (const { bytes, at } of datagrams) {
    if (!isMedia(bytes)) continue;
    const extSeq = sequence.accept(view.seq, view.timestamp);
    if (extSeq === undefined) continue;
    base ??= view.timestamp;
    const arrival = millis(at);
    // The clip is shorter than the clock's wrap, whose middle the first timestamp is moved to.
    const rtpTime = ((view.timestamp - base) | 0) + 2 ** 31;
    assembler.push({ extSeq, rtpTime, marker: view.marker, payload: payloadOf(view), arrival }, arrival);
    frames.push(...drain(assembler, arrival));
  }
  assembler.flush();
  frames.push(...drain(assembler, millis(performance.now())));
  return { frames, stats: assembler.stats, fmtp };
}
