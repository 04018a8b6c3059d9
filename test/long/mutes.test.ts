import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { concat, putU32, u32 } from "../../src/core/bytes.ts";
import { FaultCounter } from "../../src/core/fault.ts";
import { ConnectionReceiver } from "../../src/core/media/connection-receiver.ts";
import { seededRandom } from "../../src/core/random.ts";
import { buildRtp } from "../../src/core/rtp/packet.ts";
import { buildSenderReport, compound } from "../../src/core/rtp/rtcp/build.ts";
import type { NegotiatedMedia } from "../../src/core/sdp/negotiated.ts";
import { micros, wallMillis, wallToNtp } from "../../src/core/time.ts";
import { Journal, readJournal } from "../../src/sinks/recorder/journal.ts";
import { manifestOf } from "../../src/sinks/recorder/manifest.ts";
import { Recorder } from "../../src/sinks/recorder/recorder.ts";
import { keyframe640x480 } from "../core/codecs/vp8.cases.ts";
import { blocksOf, readEvents } from "../support/matroska.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

/*
 * Two hours with a microphone that is muted in three ways, and a sender whose clock is 200 ppm fast. Every frame
 * carries the number of its slot, so the file itself tells when what it holds was captured.
 */

const MINUTE = 60_000;
const LENGTH = 120 * MINUTE;
const SPEED = 1 + 200e-6;
const DELAY = 20;
const WALL = 1_700_000_000_000;
const FPS = 10;

type Microphone = "on" | "dtx" | "silent" | "inactive";

/** Each way for a while, again and again, and on at the end. */
function microphone(t: number): Microphone {
  if (t >= LENGTH - 2 * MINUTE) return "on";
  const minute = Math.floor(t / MINUTE) % 20;
  if (minute >= 3 && minute < 6) return "dtx";
  if (minute >= 9 && minute < 12) return "silent";
  return minute >= 15 && minute < 18 ? "inactive" : "on";
}

const audioSection = (receiving: boolean): NegotiatedMedia => ({
  receiving,
  extensions: new Map(),
  remoteSsrcs: [{ ssrc: 10, cname: "sender" }],
  remoteRids: [],
  rtcpRsize: false,
  mid: "0",
  kind: "audio",
  payloads: [{ payloadType: 111, codec: "opus", clockRate: 48_000, channels: 2, fmtp: "", feedback: [] }],
});
const videoSection: NegotiatedMedia = {
  ...audioSection(true),
  remoteSsrcs: [{ ssrc: 20, cname: "sender" }],
  mid: "1",
  kind: "video",
  payloads: [{ payloadType: 96, codec: "vp8", clockRate: 90_000, fmtp: "", feedback: ["nack", "nack pli"] }],
};

test("muted three ways for two hours on a clock 200 ppm off, sound and picture end within 40 ms of each other", async () => {
  const directory = mkdtempSync(join(tmpdir(), "roomtap-mutes-"));
  const journal = new Journal(directory);
  const failures: unknown[] = [];
  const recorder = new Recorder({
    directory,
    format: "webm",
    ffmpeg: "",
    journal,
    attempt: 0,
    onFailure: (e) => failures.push(e),
  });
  const participant = { id: "p", name: "p", recorder: false };
  recorder.addTrack({ id: "0", kind: "audio", source: "microphone", participant });
  recorder.addTrack({ id: "1", kind: "video", source: "camera", participant });

  const random = seededRandom(3);
  const receiver = new ConnectionReceiver({
    random,
    cname: "r",
    maxBitrate: 4e6,
    faults: new FaultCounter(),
  });
  receiver.configure([audioSection(true), videoSection]);
  const clock = new VirtualClock();
  const push = clock.attach<Uint8Array, NonNullable<ReturnType<typeof receiver.poll>>>(receiver, (out) => {
    if (out.t !== "frame") return;
    const { local, ...frame } = out.frame;
    recorder.frame(out.mid, { ...frame, time: micros(Math.max(0, Math.round(local * 1000))) });
  });
  const arrival = (t: number) => Math.ceil(t + DELAY + 3 * random());
  const audioRtp = (t: number) => (4_000_000_000 + Math.round(t * 48 * SPEED)) % 2 ** 32;
  const videoRtp = (t: number) => (1000 + Math.round(t * 90 * SPEED)) % 2 ** 32;
  const sent = { audio: 0, video: 0 };

  let slot = 0;
  let state: Microphone = "on";
  const audio = () => {
    const t = (slot * 20) / SPEED;
    const now = microphone(t);
    if ((now === "inactive") !== (state === "inactive"))
      receiver.configure([audioSection(now !== "inactive"), videoSection]);
    // DTX: a packet without a frame every 400 ms (RFC 6716 section 2.1.9).
    const dtx = now === "dtx" && slot % 20 === 0;
    if (now === "on" || dtx) {
      const number = new Uint8Array(4);
      putU32(number, 0, slot);
      const payload = dtx ? Uint8Array.of(0xfc) : concat([Uint8Array.of(0xfc), number, new Uint8Array(8)]);
      const seq = (65_000 + sent.audio++) & 0xffff;
      // The first packet after silence is marked (RFC 7587 section 4.2).
      const marker = state !== "on" && now === "on";
      const p = buildRtp({ payloadType: 111, ssrc: 10, seq, timestamp: audioRtp(t), marker, payload });
      clock.at(arrival(t), () => push(p));
    }
    state = now;
    slot++;
    if ((slot * 20) / SPEED < LENGTH) clock.at((slot * 20) / SPEED, audio);
  };
  const video = () => {
    const n = sent.video++;
    const t = (n * 1000) / FPS;
    const number = new Uint8Array(4);
    putU32(number, 0, n);
    const head = n % (10 * FPS) === 0 ? keyframe640x480 : Uint8Array.of(0x31);
    const payload = concat([Uint8Array.of(0x90, 0x80, 0x80 | ((n >> 8) & 0x7f), n & 0xff), head, number]);
    const seq = (65_000 + n) & 0xffff;
    const p = buildRtp({ payloadType: 96, ssrc: 20, seq, timestamp: videoRtp(t), marker: true, payload });
    clock.at(arrival(t), () => push(p));
    if (((n + 1) * 1000) / FPS < LENGTH) clock.at(((n + 1) * 1000) / FPS, video);
  };
  const report = () => {
    const t = clock.now;
    const ntp = wallToNtp(wallMillis(WALL + t * SPEED));
    const base = { ntp, octets: 0, reports: [], packets: 0 };
    if (microphone(t) === "on" || microphone(t) === "dtx") {
      const a = buildSenderReport({ ...base, ssrc: 10, rtpTime: audioRtp(t) });
      clock.at(arrival(t), () => push(compound([a])));
    }
    const v = buildSenderReport({ ...base, ssrc: 20, rtpTime: videoRtp(t) });
    clock.at(arrival(t), () => push(compound([v])));
    clock.after(1000, report);
  };
  audio();
  video();
  clock.at(500, report);
  for (let t = 100; t <= LENGTH + 3000; t += 100) {
    clock.runUntil(t);
    recorder.tick(micros(t * 1000));
    if (t % 10_000 === 0) await recorder.drained();
  }
  await recorder.finish();
  await recorder.convert({ skip: new AbortController().signal, onProgress: () => undefined });
  journal.close();
  expect(failures).toEqual([]);

  const entries = readJournal(directory);
  const file = new Uint8Array(readFileSync(join(directory, "p.webm")));
  const blocks = blocksOf(readEvents(file)).map((b) => ({
    ...b,
    data: file.subarray(b.offset, b.offset + b.size),
  }));
  const start = entries.find((e) => e.t === "file-open")?.startMs ?? 0;
  const worst = { audio: 0, decoded: 0, video: 0 };
  let last = { audio: 0, video: 0 };
  let index = 0;
  for (const b of blocks) {
    const isVideo = b.track === 1;
    if (!isVideo) {
      // A player counts samples: what it plays is where the packets before it end.
      worst.decoded = Math.max(worst.decoded, Math.abs(index++ * 20 - b.timeMs));
      if (b.data.length < 5) continue;
    }
    const n = u32(b.data, isVideo ? b.data.length - 4 : 1);
    if (!isVideo && n === 0 && index > 1) continue;
    const captured = isVideo ? (n * 1000) / FPS : (n * 20) / SPEED;
    const error = b.timeMs + start - captured - DELAY;
    const kind = isVideo ? "video" : "audio";
    if (captured > MINUTE) worst[kind] = Math.max(worst[kind], Math.abs(error));
    last = { ...last, [kind]: error };
  }
  console.log("mutes", JSON.stringify({ worst, last, blocks: blocks.length, sent }));
  expect(blocks.filter((b) => b.track === 1)).toHaveLength(sent.video);
  expect(Math.abs(last.audio - last.video)).toBeLessThan(40);
  expect(Math.max(worst.audio, worst.video)).toBeLessThan(40);
  expect(worst.decoded).toBeLessThan(40);
  const { events } = manifestOf(entries);
  const muted = events.filter((e) => e.type === "mute" && e.kind === "audio");
  const unmuted = events.filter((e) => e.type === "unmute" && e.kind === "audio");
  // Two ways, six times. A microphone that sends packets of silence is a quiet one.
  expect([muted.length, unmuted.length]).toEqual([12, 12]);
  rmSync(directory, { recursive: true, force: true });
}, 600_000);
