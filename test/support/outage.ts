import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import type { Manifest } from "../../src/sinks/recorder/manifest.ts";
import { LOOP_FRAMES } from "../../src/sources/ground-truth/spec.ts";
import { verifyRecording } from "../../src/sources/ground-truth/verify.ts";
import { type CliRun, startCli } from "./cli.ts";
import { inspectFile } from "./inspect-file.ts";
import { NetworkCable } from "./netns.ts";
import { childrenOf } from "./processes.ts";
import { type Recorded, Recording } from "./recording.ts";

const PORT = "8080";
const ROOM = "outage";
const FRAME_MS = 1000 / 30;
/** A picture in the file is the one that was sent this long before or after at most. */
const SAME_MS = 1500;

/** Time that is missing in the recorded pictures, Unix milliseconds by the sender's log. */
export type Hole = { readonly from: number; readonly to: number; readonly ms: number };

/** What a recording with outages holds. */
export type OutageReport = Recorded & {
  /** Times of which pictures are missing. */
  readonly holes: readonly Hole[];
  /** Recorded pictures that nobody sent then. */
  readonly strangers: number;
  /** By file: sound against picture, 95th percentile in milliseconds, and errors in decoding. */
  readonly files: readonly { path: string; offsetMs: number; flashes: number; decodeErrors: number }[];
};

/**
 * A call over a cable that can be cut: the publisher of the ground-truth clip at the near end; the room server and
 * the recorder at the far end.
 */
export class CableCall {
  readonly cable: NetworkCable;
  readonly folder: string;
  readonly recording: Recording;
  #server: CliRun;
  #publishers = 0;
  #publisher: CliRun;

  private constructor(cable: NetworkCable, folder: string, server: CliRun) {
    this.cable = cable;
    this.folder = folder;
    this.#server = server;
    this.#publisher = this.#publish();
    this.recording = new Recording(this.#room, join(folder, "out"), [], { prefix: cable.far.prefix });
  }

  /** Resolves when media is recorded. The caller closes it. */
  static async start(): Promise<CableCall> {
    const folder = await mkdtemp(join(tmpdir(), "roomtap-outage-"));
    const cable = await NetworkCable.lay();
    const call = new CableCall(cable, folder, await serve(cable));
    try {
      await call.recording.fileOpened();
      return call;
    } catch (error) {
      await call.close();
      throw error;
    }
  }

  /** Waits until so much of the session has passed. */
  at(seconds: number): Promise<void> {
    return this.recording.sessionTime(seconds * 1000);
  }

  /** Cuts the cable for this long; returns for how long it really was. */
  async cut(what: "media" | "all", ms: number): Promise<number> {
    await this.cable.cut(what);
    const from = performance.now();
    await pause(ms);
    await this.cable.mend();
    return performance.now() - from;
  }

  /** Kills the room server and starts it again on the same port. */
  async restartServer(): Promise<void> {
    this.#server.kill("SIGKILL");
    await this.#server.done;
    this.#server = await serve(this.cable);
  }

  /** Kills the publisher without a word and starts it again under the same name. */
  async restartPublisher(): Promise<void> {
    const { pid = 0 } = this.#publisher.child;
    for (const p of [pid, ...childrenOf(pid).map((c) => c.pid)]) process.kill(p, "SIGKILL");
    await this.#publisher.done;
    this.#publisher = this.#publish();
    await this.#publisher.seen(/publishing/, 30_000);
  }

  /** Ends the recording and compares what is in its files with what was sent. */
  async report(): Promise<OutageReport> {
    this.recording.run.kill("SIGINT");
    const recorded = await this.recording.ended();
    const sent = this.#sent();
    const zero = this.recording.journal.find((e) => e.t === "first-media")?.at ?? Number.NaN;
    const ffmpeg = await locateFfmpeg();
    const files: OutageReport["files"][number][] = [];
    const shown: { time: number; number: number }[] = [];
    let strangers = 0;
    for (const file of recorded.manifest.files) {
      const path = join(recorded.result.session, file.path);
      const v = await verifyRecording(path, { ffmpeg });
      const times = (await inspectFile(path)).video?.times ?? [];
      for (const [i, number] of v.numbers.entries()) {
        const wall = zero + file.startMs + (times[i] ?? Number.NaN);
        const time = number === undefined ? undefined : nearest(sent.get(number) ?? [], wall);
        if (number === undefined || time === undefined || Math.abs(time - wall) > SAME_MS) strangers++;
        else shown.push({ time, number });
      }
      const { decodeErrors, offset } = v;
      files.push({ path, offsetMs: offset.p95, flashes: offset.count, decodeErrors });
    }
    shown.sort((a, b) => a.time - b.time);
    const holes = shown.flatMap((to, i) => {
      const before = shown[i - 1];
      // Where none is missing, the sender was late.
      if (!before || to.number === (before.number + 1) % LOOP_FRAMES) return [];
      const from = before.time + FRAME_MS;
      return [{ from, to: to.time, ms: to.time - from }];
    });
    return { ...recorded, holes, strangers, files };
  }

  /** Ends everything that still runs. */
  async close(): Promise<void> {
    for (const run of [this.recording.run, this.#publisher, this.#server]) {
      run.kill("SIGINT");
      const late = setTimeout(() => run.kill("SIGKILL"), 5000);
      await run.done;
      clearTimeout(late);
    }
    await this.cable.remove();
    await rm(this.folder, { recursive: true, force: true });
  }

  get #room(): string {
    return `ws://${this.cable.far.address}:${PORT}/${ROOM}`;
  }

  #publish(): CliRun {
    const log = join(this.folder, `sent-${++this.#publishers}.jsonl`);
    const { prefix } = this.cable.near;
    return startCli(["publish", this.#room, "--name", "Ann", "--sent-log", log], { prefix });
  }

  /** Times at which each picture was sent, Unix milliseconds, by its number. */
  #sent(): Map<number, number[]> {
    const out = new Map<number, number[]>();
    for (let i = 1; i <= this.#publishers; i++) {
      const text = readFileSync(join(this.folder, `sent-${i}.jsonl`), "utf8");
      // The last line of a publisher that was killed may be half a line.
      for (const line of text.slice(0, text.lastIndexOf("\n")).split("\n")) {
        const { number, time } = JSON.parse(line) as { number: number; time: number };
        const times = out.get(number);
        if (times) times.push(time);
        else out.set(number, [time]);
      }
    }
    return out;
  }
}

/** What the manifest says is missing of a kind of media, for longer than a repair takes. */
export function manifestGaps(m: Manifest, kind: "audio" | "video"): Manifest["gaps"] {
  return m.gaps.filter((g) => (g.kind === kind || g.kind === "all") && g.toMs - g.fromMs > 100);
}

/** One person, one file, sound and picture together to its end. */
export function expectOneParticipant(r: OutageReport): void {
  expectSound(r);
  expect(r.manifest.participants).toHaveLength(1);
  expect(r.manifest.files).toHaveLength(1);
}

/** The session is complete, and in no file anything is wrong: sound and picture agree to the end. */
export function expectSound(r: OutageReport): void {
  expect(r.code).toBe(0);
  expect(r.manifest.complete).toBe(true);
  expect(r.strangers).toBe(0);
  for (const f of r.files) {
    expect(f.decodeErrors).toBe(0);
    expect(f.offsetMs).toBeLessThanOrEqual(40);
  }
}

async function serve(cable: NetworkCable): Promise<CliRun> {
  const { address, prefix } = cable.far;
  const run = startCli(["serve", "--host", address, "--port", PORT, "--public", "--json"], { prefix });
  await run.seen(/^\{.*\}$/m);
  return run;
}

function nearest(times: readonly number[], wall: number): number | undefined {
  let best: number | undefined;
  for (const t of times) if (best === undefined || Math.abs(t - wall) < Math.abs(best - wall)) best = t;
  return best;
}

/** Lets real time pass: an outage is nothing else. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
