import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { equalBytes } from "../../src/core/bytes.ts";
import { joinAnnexB, splitAnnexB } from "../../src/core/codecs/annex-b.ts";
import { NalType, nalType } from "../../src/core/codecs/h264-nal.ts";
import type { PlacedFrame } from "../../src/core/media/received-track.ts";
import { micros } from "../../src/core/time.ts";
import { Journal } from "../../src/sinks/recorder/journal.ts";
import { Recorder } from "../../src/sinks/recorder/recorder.ts";
import { groundTruthClip } from "../../src/sources/ground-truth/generate.ts";
import { verifyRecording } from "../../src/sources/ground-truth/verify.ts";
import { SampleStore } from "../../src/sources/sample-store.ts";
import { type NetworkProfile, networkProfiles } from "../support/netem.ts";
import { describeWith, findProgram } from "../support/requires.ts";
import { type CallResult, virtualCall } from "../support/virtual-call.ts";

/*
 * A real clip over every emulated network, written to a file and decoded: what repair brings back in time must
 * leave no trace, and what it does not bring back must cost the frames that need it and no others.
 */

const SECONDS = 12;
const REPAIRED = ["nack", "nack pli", "transport-cc", "goog-remb"];
const UNREPAIRED = ["nack pli", "transport-cc", "goog-remb"];
/** Loses a share of the packets, doubles one in twenty and lets one in five be overtaken by its neighbours. */
const losing = (share: number): NetworkProfile => ({
  ...networkProfiles.clean,
  loss: { good: share, bad: 0, toBad: 0, toGood: 1 },
  reorder: { probability: 0.2, byMs: 20 },
  duplicate: 0.05,
});
const profiles: Readonly<Record<string, NetworkProfile>> = {
  ...networkProfiles,
  "1 % loss": losing(0.01),
  "5 % loss": losing(0.05),
  "20 % loss": losing(0.2),
};
const repaired = ["wifi", "lossy", "bursty", "reordering", "far", "1 % loss", "5 % loss"];
/** Networks without repair; and one that loses more than a sender may spend on repairs. */
const unrepaired: readonly (readonly [string, string, readonly string[]])[] = [
  ...["lossy", "bursty", "1 % loss", "5 % loss", "20 % loss"].map((n) => [n, "without", UNREPAIRED] as const),
  ["20 % loss", "in spite of", REPAIRED] as const,
];
const ffmpeg = { name: "ffmpeg", path: findProgram("ffmpeg"), install: "apt-get install ffmpeg" };

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "roomtap-networks-"));
});
afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

describeWith("over emulated networks", [ffmpeg], () => {
  const clips = new Map<string, SampleStore>();
  const clip = async (codec: "vp8" | "h264") => {
    const known = clips.get(codec);
    if (known) return known;
    const size = { width: 640, height: 360 };
    const path = await groundTruthClip({ codec, size, ffmpeg: ffmpeg.path ?? "", cacheDir: dir });
    const store = SampleStore.open(path);
    clips.set(codec, store);
    return store;
  };
  const call = async (codec: "vp8" | "h264", network: string, feedback: readonly string[]) => {
    const store = await clip(codec);
    return virtualCall({
      index: store.index,
      read: (kind, sample) => store.read(kind, sample),
      video: codec,
      profile: profiles[network] ?? networkProfiles.clean,
      seed: 7,
      seconds: SECONDS,
      feedback,
    });
  };
  /** Writes what came out as the recorder does, and decodes it. */
  const recorded = async (name: string, result: CallResult) => {
    const directory = await mkdtemp(join(dir, `${name}-`));
    const journal = new Journal(directory);
    const failures: unknown[] = [];
    const recorder = new Recorder({
      directory,
      format: "mkv",
      ffmpeg: "",
      journal,
      attempt: 0,
      onFailure: (error) => failures.push(error),
    });
    const participant = { id: "p", name: "p", recorder: false };
    recorder.addTrack({ id: "p:audio", kind: "audio", source: "microphone", participant });
    recorder.addTrack({ id: "p:video", kind: "video", source: "camera", participant });
    const zero = Math.min(...result.frames.map((f) => f.frame.local));
    for (const { kind, frame } of result.frames) {
      const { local, ...rest } = frame;
      const time = micros(Math.round((local - zero) * 1000));
      recorder.frame(`p:${kind}`, { ...rest, time });
      recorder.tick(time);
    }
    await recorder.finish();
    journal.close();
    expect(failures).toEqual([]);
    return verifyRecording(join(directory, "p.mkv"), { ffmpeg: ffmpeg.path ?? "" });
  };

  test.each(
    (["vp8", "h264"] as const).flatMap((codec) => repaired.map((network) => [codec, network] as const)),
  )("%s over a %s network, repaired, is what it is over a clean one", async (codec, network) => {
    const clean = await call(codec, "clean", REPAIRED);
    const result = await call(codec, network, REPAIRED);
    expect(result.dropped + (network === "reordering" ? 1 : 0)).toBeGreaterThan(0);
    for (const kind of ["video", "audio"] as const) {
      const want = framesOf(clean, kind);
      const got = framesOf(result, kind);
      // Nobody can know of the very last packet, should that be lost.
      expect(got.length).toBeGreaterThanOrEqual(want.length - 1);
      expect(got.findIndex((f, i) => !sameMedia(f, want[i]))).toBe(-1);
    }
    for (const t of result.tracks) expect(t.ledger.lost + t.ledger.pending).toBe(0);
    const file = await recorded(`${codec}-${network}`, result);
    expect(file).toMatchObject({ missing: 0, duplicated: 0, outOfOrder: 0, unreadable: 0, decodeErrors: 0 });
    // Sound moves once, by half a packet at most, when its true place in time becomes known.
    expect(file.audioHolesMs).toBeLessThanOrEqual(10);
    expect(file.offset.p95).toBeLessThan(25);
  });

  test.each((["vp8", "h264"] as const).flatMap((codec) => unrepaired.map((u) => [codec, ...u] as const)))(
    "%s over a %s network %s repair lacks only what a gap made useless",
    async (codec, network, _, feedback) => {
      const clean = framesOf(await call(codec, "clean", feedback), "video");
      const result = await call(codec, network, feedback);
      const got = framesOf(result, "video");
      expect(got.length).toBeLessThan(clean.length);
      expect(got.length).toBeGreaterThan(clean.length / 40);
      const all = new Map(clean.map((f, i) => [relative(f, clean[0]), i]));
      let last = -1;
      for (const f of got) {
        const i = all.get(relative(f, clean[0])) ?? -1;
        expect(i).toBeGreaterThan(last);
        expect(samePicture(codec, f, clean[i])).toBe(true);
        // Behind a gap nothing passes before a keyframe.
        if (i !== last + 1) expect(f.keyframe).toBe(true);
        last = i;
      }
      expect(result.tracks.find((t) => t.kind === "video")?.ledger.lost).toBeGreaterThan(0);
      const file = await recorded(`${codec}-${network}-unrepaired`, result);
      expect(file.frames).toBe(got.length);
      expect(file).toMatchObject({ outOfOrder: 0, unreadable: 0, decodeErrors: 0 });
    },
  );
});

function framesOf(result: CallResult, kind: "audio" | "video"): PlacedFrame[] {
  return result.frames.flatMap((f) => (f.kind === kind ? [f.frame] : []));
}

/** Ticks since `first`; every call of the test sends with the same timestamps. */
function relative(f: PlacedFrame, first: PlacedFrame | undefined): number {
  return f.rtpTime - (first?.rtpTime ?? 0);
}

/**
 * The same but for what stands beside the picture: where the packet with the parameter sets is lost, those that are
 * known serve, and the remarks (SEI) that came with them are missing.
 */
function samePicture(codec: "vp8" | "h264", a: PlacedFrame, b: PlacedFrame | undefined): boolean {
  if (b === undefined || codec === "vp8") return sameMedia(a, b);
  return sameMedia({ ...a, data: withoutSei(a.data) }, { ...b, data: withoutSei(b.data) });
}

function withoutSei(annexB: Uint8Array): Uint8Array {
  return joinAnnexB(splitAnnexB(annexB).filter((nal) => nalType(nal) !== NalType.sei));
}

function sameMedia(a: PlacedFrame, b: PlacedFrame | undefined): boolean {
  return (
    b !== undefined && a.rtpTime === b.rtpTime && a.keyframe === b.keyframe && equalBytes(a.data, b.data)
  );
}
