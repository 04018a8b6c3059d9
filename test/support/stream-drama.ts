import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import type { RestreamStatus } from "../../src/bot/restream.ts";
import { type CliRun, startCli } from "./cli.ts";
import { encodeWith } from "./encode-media.ts";
import { Attendee, type ServedRooms } from "./meeting.ts";
import { childrenOf } from "./processes.ts";
import { DirectoryWatcher, HttpWatcher } from "./stream-watch.ts";
import { Streaming } from "./streaming.ts";

/** What became of a stream through everything that happens in a room. */
export type DramaReport = {
  /** What was wrong with what readers got, by reader. */
  readonly problems: readonly string[];
  /** Reloads of all players, and looks into the directory. */
  readonly reloads: number;
  readonly looks: number;
  readonly segments: number;
  readonly discontinuities: number;
  /** Process ids of the encoder, and how often it was started. */
  readonly encoders: readonly number[];
  readonly starts: number;
  /** Most participants at a time. */
  readonly participants: number;
  readonly lastPlaylistEnded: boolean;
  readonly exit: number | null;
  readonly memoryMB: readonly number[];
  readonly statuses: readonly RestreamStatus[];
};

/** Somebody's source is away for so long. */
const OUTAGE_MS = 10_000;
const READERS = 3;

/**
 * Restreams a room for about `totalMs` while people come and go, in several sizes and codecs, mute, switch cameras off,
 * are cut off for ten seconds, and the media process is killed; with several players, and a reader of the directory.
 */
export async function streamDrama(o: {
  readonly rooms: ServedRooms;
  readonly browser: Browser;
  readonly folder: string;
  readonly totalMs: number;
}): Promise<DramaReport> {
  const { rooms, browser, folder, totalMs } = o;
  const room = rooms.room("drama");
  const directory = join(folder, "live");
  const started = performance.now();
  const reached = (share: number) =>
    new Promise((resolve) => setTimeout(resolve, Math.max(0, started + share * totalMs - performance.now())));
  const publish = (name: string, ...args: string[]) => startCli(["publish", room, "--name", name, ...args]);
  const running = new Set<CliRun>();
  const come = (run: CliRun) => {
    running.add(run);
    return run;
  };
  const leave = async (run: CliRun, signal: NodeJS.Signals) => {
    run.kill(signal);
    await run.done;
    running.delete(run);
  };
  const stream = new Streaming(room, [
    ...[
      "--serve",
      "0",
      "--hls",
      directory,
      "--segment",
      "2s",
      "--size",
      "640x360",
      "--renditions",
      "360p,180p",
    ],
    ...["--title", "Drama"],
  ]);
  const memoryMB: number[] = [];
  const watch = setInterval(() => memoryMB.push(residentMB(stream.run.child.pid)), 5000);
  try {
    const url = await stream.url();
    const small = await encodeWith(folder, "small.mkv", "320x180");
    const http = [
      ...Array.from({ length: READERS - 1 }, () => new HttpWatcher(`${url}360p/index.m3u8`)),
      new HttpWatcher(`${url}180p/index.m3u8`),
    ];
    for (const w of http) w.start();
    const disk = new DirectoryWatcher(join(directory, "360p"));
    let ann = come(publish("Ann"));
    const cat = await Attendee.join(browser, rooms.url, "drama", "Cat");
    await reached(0.12);
    const bob = come(publish("Bob", "--media", small, "--video", "h264"));
    await reached(0.2);
    await cat.press(/camera (off|on)/);
    await cat.press(/^(Mute|Unmute|Turn microphone)/);
    await reached(0.3);
    await cat.press(/camera (off|on)/);
    await cat.press(/^(Mute|Unmute|Turn microphone)/);
    await reached(0.4);
    // Not a word: as if a cable was pulled.
    await leave(ann, "SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, OUTAGE_MS));
    ann = come(publish("Ann", "--video", "h264"));
    await reached(0.7);
    const media = childrenOf(stream.run.child.pid ?? 0).find((p) => /bot\/child\.js/.test(p.command));
    if (media) process.kill(media.pid, "SIGKILL");
    await reached(0.85);
    await leave(bob, "SIGINT");
    await cat.close();
    await reached(1);
    const { code } = await stream.end();
    const problems = (await Promise.all(http.map((w) => w.ended()))).flat();
    problems.push(...disk.stop());
    const { segments, last } = http[0]?.lint ?? {};
    return {
      problems,
      reloads: http.reduce((n, w) => n + w.reloads, 0),
      looks: disk.looks,
      segments: segments?.length ?? 0,
      discontinuities: segments?.filter((s) => s.discontinuity).length ?? 0,
      encoders: [...new Set(stream.statuses.flatMap((s) => s.encoder.pid ?? []))],
      starts: stream.status?.encoder.starts ?? 0,
      participants: Math.max(...stream.statuses.map((s) => s.participants.length)),
      lastPlaylistEnded: last?.ended === true,
      exit: code,
      memoryMB,
      statuses: stream.statuses,
    };
  } finally {
    clearInterval(watch);
    for (const run of running) run.kill("SIGKILL");
    stream.run.kill("SIGKILL");
  }
}

function residentMB(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
}
