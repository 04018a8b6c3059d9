import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { splitObus } from "../../src/core/codecs/av1-obu.ts";
import type { Codec } from "../../src/core/codecs/codec.ts";
import { codecByName } from "../../src/core/codecs/registry.ts";
import type { CodecName, Frame } from "../../src/core/frame.ts";
import type { AssembledFrame } from "../../src/core/media/assembled-frame.ts";
import { FrameAssembler } from "../../src/core/media/assembler.ts";
import { micros, millis } from "../../src/core/time.ts";
import { type DecodeCheck, decodeCheck } from "../../src/ffmpeg/decode-check.ts";
import { drain, feed, Sender } from "../core/media/stream.ts";
import { TestSession } from "../sinks/recorder/session.ts";
import { ffmpegWith, ivfFrames, Workshop } from "../support/encoder.ts";
import { describeWith, type Program } from "../support/requires.ts";

const FRAME_MS = 40;
const FRAMES = 50;
const small = ["320x240"] as const;

/** What an encoder is asked for, and how its file reads. */
type Stream = {
  readonly codec: CodecName;
  readonly name: string;
  /** ffmpeg's name of the encoder, and its options. */
  readonly encoder: string;
  readonly options: readonly string[];
  /** One clip of two seconds for each size, one behind the other. */
  readonly sizes: readonly string[];
  readonly extension: string;
  /** The frames as they should arrive. */
  readonly frames: (file: Uint8Array) => readonly Uint8Array[];
  /** Files that a recording of it takes. */
  readonly files: number;
};

const vp9 = {
  codec: "vp9",
  encoder: "libvpx-vp9",
  extension: "ivf",
  frames: ivfFrames,
  files: 1,
  sizes: small,
} as const;
const realtime = "-deadline realtime -lag-in-frames 0 -cpu-used 8 -g 20 -b:v 1M".split(" ");

const av1 = { codec: "av1", extension: "ivf", files: 1, sizes: small } as const;
/** Temporal units without what RTP does not carry. */
const units = (file: Uint8Array) =>
  ivfFrames(file).map((unit) => {
    const kept = splitObus(unit).filter((o) => o.type !== 2 && o.type !== 15);
    return Buffer.concat(kept.map((o) => unit.subarray(o.from, o.end)));
  });
const aom = "-usage realtime -cpu-used 8 -g 20 -b:v 1M".split(" ");

const streams: readonly Stream[] = [
  { ...vp9, name: "one frame each", options: realtime },
  {
    ...vp9,
    name: "hidden frames in superframes",
    options: "-deadline good -cpu-used 5 -auto-alt-ref 1 -lag-in-frames 16 -g 25 -b:v 1M".split(" "),
  },
  {
    ...vp9,
    name: "4:4:4 and tiles",
    options: [...realtime, "-pix_fmt", "yuv444p", "-tile-columns", "1", "-error-resilient", "1"],
  },
  { ...vp9, name: "three sizes", options: realtime, sizes: ["320x240", "494x370", "176x144"] },
  { ...av1, name: "one frame each", encoder: "libaom-av1", options: aom, frames: units },
  {
    ...av1,
    name: "tile groups",
    encoder: "libaom-av1",
    options: [...aom, "-tiles", "2x2", "-aom-params", "num-tile-groups=4"],
    sizes: ["640x480"],
    frames: units,
  },
  {
    ...av1,
    name: "hidden frames",
    encoder: "libsvtav1",
    options: ["-preset", "12", "-g", "25"],
    frames: units,
  },
  {
    ...av1,
    name: "three sizes",
    encoder: "libaom-av1",
    options: aom,
    sizes: ["320x240", "494x370", "176x144"],
    frames: units,
    files: 3,
  },
];

const workshop = new Workshop();
afterAll(() => workshop.remove());

function encoded(program: Program, s: Stream): Uint8Array[] {
  return s.sizes.flatMap((size) => {
    const source = ["-f", "lavfi", "-i", `testsrc2=size=${size}:rate=25`, "-frames:v", String(FRAMES)];
    const args = [...source, "-pix_fmt", "yuv420p", "-c:v", s.encoder, ...s.options];
    const frames = s.frames(workshop.make(program, `${s.codec}-${s.name}-${size}.${s.extension}`, args));
    expect(frames).toHaveLength(FRAMES);
    return [...frames];
  });
}

function codecOf(name: CodecName): Codec {
  const codec = codecByName(name);
  if (!codec) throw new Error(`${name} is not registered`);
  return codec;
}

/** Sends frames in packets of every kind and takes them as a receiver does. */
function received(codec: Codec, frames: readonly Uint8Array[]): AssembledFrame[] {
  const assembler = new FrameAssembler({ codec });
  const sender = new Sender(codec);
  const out = frames.flatMap((frame, i) => feed(assembler, sender.frame(frame), i * FRAME_MS));
  assembler.flush();
  out.push(...drain(assembler, millis(frames.length * FRAME_MS)));
  return out;
}

/** Records frames 40 ms apart; every file, decoded with ffmpeg. */
async function recorded(program: Program, codec: CodecName, frames: readonly AssembledFrame[]) {
  const session = new TestSession();
  try {
    const track = session.add("cam", { kind: "video" });
    for (const [i, f] of frames.entries()) {
      const frame: Frame = { ...f, codec, time: micros(i * FRAME_MS * 1000) };
      session.recorder.frame(track, frame);
      session.recorder.tick(frame.time);
    }
    await session.finish();
    const checks: DecodeCheck[] = [];
    for (const name of readdirSync(session.directory).filter((n) => /\.(webm|mkv)$/.test(n))) {
      checks.push(await decodeCheck(join(session.directory, name), { ffmpeg: program.path ?? "" }));
    }
    return checks;
  } finally {
    session.close();
  }
}

/** The numbers of the frames that did not come back byte for byte. */
function differing(frames: readonly AssembledFrame[], sent: readonly Uint8Array[]): number[] {
  return sent.flatMap((f, i) => (Buffer.compare(frames[i]?.data ?? Buffer.of(), f) === 0 ? [] : [i]));
}

const pictures = (checks: readonly DecodeCheck[]) =>
  checks.reduce((n, c) => n + (c.tracks.find((t) => t.kind === "video")?.frames ?? 0), 0);

describe.each(streams)("$codec of $encoder with $name", (s) => {
  const program = ffmpegWith(s.encoder);
  describeWith("in real bitstreams", [program], () => {
    const codec = codecOf(s.codec);
    let frames: Uint8Array[] = [];
    beforeAll(() => {
      frames = encoded(program, s);
    });

    test.each([64, 200, 576, 1200, 1400])("is the same after packets of %i octets", (maxPayload) => {
      const sender = codec.packetizer();
      const receiver = codec.depacketizer();
      const wrong = frames.flatMap((frame, i) => {
        const payloads = sender.packetize(frame, { keyframe: i === 0, maxPayload }).map((c) => c.payload);
        if (payloads.some((p) => p.length > maxPayload || !receiver.inspect(p))) return [i];
        return Buffer.compare(receiver.join(payloads)?.data ?? Buffer.of(), frame) === 0 ? [] : [i];
      });
      expect(wrong).toEqual([]);
    });

    test("is whole and without errors in a recording", async () => {
      const out = received(codec, frames);
      expect(differing(out, frames)).toEqual([]);
      const sizes = out.flatMap((f) => (f.keyframe ? [`${f.width}x${f.height}`] : []));
      expect([...new Set(sizes)]).toEqual(s.sizes);
      const checks = await recorded(program, s.codec, out);
      expect(checks).toHaveLength(s.files);
      expect(checks.flatMap((c) => c.messages)).toEqual([]);
      expect(checks.map((c) => c.errors)).toEqual(checks.map(() => 0));
      expect(pictures(checks)).toBe(frames.length);
    });
  });
});

const vpx = ffmpegWith("libvpx-vp9");
describeWith("vp9 with several frames in a picture, as spatial layers are sent", [vpx], () => {
  test("loses none of them, thanks to the index of the superframe", async () => {
    const [plain] = streams;
    const frames = plain ? encoded(vpx, plain) : [];
    const sender = new Sender(codecOf("vp9"));
    const assembler = new FrameAssembler({ codec: codecOf("vp9") });
    const out = Array.from({ length: FRAMES / 2 }, (_, picture) => {
      const payloads = [0, 1].map((layer) => {
        const frame = frames[2 * picture + layer] ?? Buffer.of();
        // I, P but for the very first, L, B, E; picture id; SID and D; TL0PICIDX.
        const head = [picture + layer === 0 ? 0xac : 0xec, 0x80, picture, 3 * layer, picture];
        return Uint8Array.from([...head, ...frame]);
      });
      return feed(assembler, sender.raw(payloads), picture * FRAME_MS);
    }).flat();
    expect(out).toHaveLength(FRAMES / 2);
    const checks = await recorded(vpx, "vp9", out);
    expect(checks.flatMap((c) => c.messages)).toEqual([]);
    expect(pictures(checks)).toBe(FRAMES);
  });
});
