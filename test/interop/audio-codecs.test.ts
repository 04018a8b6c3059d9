import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { Codec } from "../../src/core/codecs/codec.ts";
import { decodeG711, pcma, pcmu } from "../../src/core/codecs/g711.ts";
import { g722 } from "../../src/core/codecs/g722.ts";
import { multiopus } from "../../src/core/codecs/multiopus.ts";
import { opus } from "../../src/core/codecs/opus.ts";
import { MatroskaReader } from "../../src/core/containers/matroska/reader.ts";
import { micros } from "../../src/core/time.ts";
import { TestSession } from "../sinks/recorder/session.ts";
import { ffmpegWith, Workshop } from "../support/encoder.ts";
import { inspectFile } from "../support/inspect-file.ts";
import { describeWith } from "../support/requires.ts";

/*
 * Sound by real encoders, carried over RTP payloads, recorded, and decoded by ffmpeg: nothing is lost or moved, and
 * the tone is still the tone.
 */

const SECONDS = 4;
const TONE_HZ = 440;
const tone = ["-f", "lavfi", "-i", `sine=frequency=${TONE_HZ}:duration=${SECONDS}`];
const surround = [
  "-f",
  "lavfi",
  "-i",
  `sine=frequency=${TONE_HZ}:duration=${SECONDS},aformat=channel_layouts=mono,pan=5.1|c0=c0|c1=c0|c2=c0|c3=c0|c4=c0|c5=c0`,
];
const ffmpeg = ffmpegWith("libopus");
const workshop = new Workshop();
afterAll(() => workshop.remove());

/** Packets of 20 ms of a raw file of 64 kbit/s. */
function octets(name: string, encoder: string, rate: number, format: string): Uint8Array[] {
  const args = [...tone, "-ac", "1", "-ar", `${rate}`, "-c:a", encoder, "-f", format];
  const all = workshop.make(ffmpeg, name, args);
  return Array.from({ length: all.length / 160 }, (_, i) => all.subarray(160 * i, 160 * i + 160));
}

/** Packets that ffmpeg put into Matroska. */
function packets(name: string, input: readonly string[], options: readonly string[]): Uint8Array[] {
  const file = workshop.make(ffmpeg, name, [...input, "-c:a", "libopus", ...options, "-f", "matroska"]);
  const reader = new MatroskaReader();
  const events = [...reader.push(file), ...reader.end()];
  return events.flatMap((e) => (e.t === "block" ? [file.slice(e.offset, e.offset + e.size)] : []));
}

/** Records the packets as a receiver would hand them on; path of the file. */
async function recorded(
  codec: Codec,
  sent: readonly Uint8Array[],
  o: { fmtp?: string; format?: "mkv" | "webm" | "mp4" | "ogg" } = {},
): Promise<{ path: string; session: TestSession; us: number }> {
  const session = new TestSession({ format: o.format ?? "mkv", ffmpeg: ffmpeg.path ?? "" });
  const mic = session.add("mic", { name: codec.name });
  const depacketizer = codec.depacketizer(o.fmtp);
  const packetizer = codec.packetizer();
  let time = 0;
  for (const packet of sent) {
    for (const { payload } of packetizer.packetize(packet, { keyframe: true, maxPayload: 1200 })) {
      if (!depacketizer.inspect(payload)) throw new Error("a payload was refused");
      const frame = depacketizer.join([payload]);
      if (!frame) throw new Error("a payload held nothing");
      session.recorder.frame(mic, {
        ...frame,
        codec: codec.name,
        time: micros(time),
        rtpTime: Math.round((time * codec.clockRate) / 1e6),
        lostBefore: 0,
      });
      time += frame.duration ?? 0;
    }
    session.recorder.tick(micros(time));
  }
  await session.finish();
  expect(session.failures).toEqual([]);
  const [closed] = session.entriesOf("file-close");
  return { path: join(session.directory, closed?.path ?? ""), session, us: time };
}

/** The strongest frequency of the first channel, by counting how often it rises through zero. */
function frequencyOf(path: string): { hz: number; channels: number } {
  const probe = execFileSync(
    ffmpeg.path ?? "",
    ["-v", "error", "-i", path, "-f", "s16le", "-ac", "1", "-ar", "48000", "-"],
    {
      maxBuffer: 1 << 26,
    },
  );
  const info = execFileSync("sh", ["-c", `"${ffmpeg.path}" -hide_banner -i "${path}" 2>&1 || true`], {
    encoding: "utf8",
  });
  const channels = /5\.1/.test(info) ? 6 : /stereo/.test(info) ? 2 : 1;
  const pcm = new Int16Array(probe.buffer, probe.byteOffset, probe.length >> 1).subarray(
    24_000,
    24_000 + 96_000,
  );
  let rises = 0;
  for (let i = 1; i < pcm.length; i++) if ((pcm[i - 1] ?? 0) < 0 && (pcm[i] ?? 0) >= 0) rises++;
  return { hz: rises / 2, channels };
}

const cases: readonly {
  name: string;
  codec: Codec;
  sent: () => Uint8Array[];
  decodes: string;
  fmtp?: string;
  format?: "mkv" | "webm" | "mp4" | "ogg";
  channels?: number;
}[] = [
  {
    name: "mu-law",
    codec: pcmu,
    sent: () => octets("m.ul", "pcm_mulaw", 8000, "mulaw"),
    decodes: "pcm_s16le",
  },
  { name: "A-law", codec: pcma, sent: () => octets("a.al", "pcm_alaw", 8000, "alaw"), decodes: "pcm_s16le" },
  { name: "G.722", codec: g722, sent: () => octets("g.g722", "g722", 16_000, "g722"), decodes: "adpcm_g722" },
  {
    name: "A-law into WebM",
    codec: pcma,
    sent: () => octets("a.al", "pcm_alaw", 8000, "alaw"),
    decodes: "opus",
    format: "webm",
  },
  {
    name: "G.722 into MP4",
    codec: g722,
    sent: () => octets("g.g722", "g722", 16_000, "g722"),
    decodes: "aac",
    format: "mp4",
  },
  {
    name: "mu-law into Ogg",
    codec: pcmu,
    sent: () => octets("m.ul", "pcm_mulaw", 8000, "mulaw"),
    decodes: "opus",
    format: "ogg",
  },
  {
    name: "G.722 into Ogg",
    codec: g722,
    sent: () => octets("g.g722", "g722", 16_000, "g722"),
    decodes: "opus",
    format: "ogg",
  },
  ...[2.5, 20, 60].map((ms) => ({
    name: `Opus in packets of ${ms} ms into Ogg`,
    codec: opus,
    sent: () => packets(`o${ms}.mka`, tone, ["-frame_duration", `${ms}`, "-b:a", "32k"]),
    decodes: "opus",
    format: "ogg" as const,
  })),
  {
    name: "Opus of six channels into Ogg",
    codec: multiopus,
    sent: () => packets("s.mka", surround, ["-mapping_family", "1", "-b:a", "192k"]),
    decodes: "opus",
    format: "ogg",
    fmtp: "channel_mapping=0,4,1,2,3,5;coupled_streams=2;num_streams=4",
    channels: 6,
  },
  ...[2.5, 5, 10, 20, 40, 60].map((ms) => ({
    name: `Opus in packets of ${ms} ms`,
    codec: opus,
    sent: () => packets(`o${ms}.mka`, tone, ["-frame_duration", `${ms}`, "-b:a", "32k"]),
    decodes: "opus",
  })),
  {
    name: "Opus of six channels",
    codec: multiopus,
    sent: () => packets("s.mka", surround, ["-mapping_family", "1", "-b:a", "192k"]),
    decodes: "opus",
    fmtp: "channel_mapping=0,4,1,2,3,5;coupled_streams=2;num_streams=4",
    channels: 6,
  },
];

describeWith("sound of real encoders", [ffmpeg], () => {
  test.each(cases)("$name keeps its length and its tone", async (c) => {
    const sent = c.sent();
    expect(sent.length).toBeGreaterThan(50);
    const { path, session, us } = await recorded(c.codec, sent, c);
    const { audio, errors } = await inspectFile(path);
    expect(errors).toEqual([]);
    expect(audio?.codec).toContain(c.decodes);
    expect(Math.abs(us / 1e6 - SECONDS)).toBeLessThan(0.1);
    expect(Math.abs((audio?.durationMs ?? 0) - us / 1000)).toBeLessThan(30);
    const { hz, channels } = frequencyOf(path);
    expect(Math.abs(hz - TONE_HZ)).toBeLessThan(2);
    expect(channels).toBe(c.channels ?? channels);
    session.close();
  });

  test.each([
    ["pcmu", "mulaw"],
    ["pcma", "alaw"],
  ] as const)("every code of %s is the sample that ffmpeg makes of it", (law, format) => {
    const codes = Uint8Array.from({ length: 256 }, (_, i) => i);
    const args = ["-v", "error", "-f", format, "-ar", "8000", "-ac", "1", "-i", "-", "-f", "s16le", "-"];
    const theirs = new Uint8Array(execFileSync(ffmpeg.path ?? "", args, { input: codes }));
    expect([...decodeG711(law, codes)]).toEqual([...theirs]);
  });
});
