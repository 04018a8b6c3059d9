import { ExitCode } from "../core/fault.ts";
import type { LiveSample } from "../core/media/live-samples.ts";
import type { LayerWish } from "../core/room.ts";
import { shutDownNative } from "../peer/native.ts";
import { readJournal } from "../sinks/recorder/journal.ts";
import { manifestOf, writeManifest } from "../sinks/recorder/manifest.ts";
import { ChildCourier } from "./child-courier.ts";
import type { FromChild, Job, ToChild } from "./job.ts";
import { PublishSession } from "./publish-session.ts";
import { PushSession } from "./push-session.ts";
import { RecordSession } from "./record-session.ts";
import { RelaySession } from "./relay-session.ts";
import { lockSession } from "./session-lock.ts";

/*
 * The media process: the only one that loads the native addon. Started by the supervisor over IPC; without a
 * supervisor it finishes its files, leaves the room and ends.
 */

/** Time to finish once the supervisor has gone. */
const ORPHAN_MS = 3000;

type Session = {
  stop(): void;
  skip?(): void;
  pause?(): void;
  resume?(): void;
  keyframe?(trackId: string): void;
  prefer?(layer: LayerWish): void;
  sample?(sample: LiveSample): void;
  run(): Promise<Extract<FromChild, { t: "done" }>>;
};

let session: Session | undefined;
/** Where it records. */
let directory: string | undefined;
let unlock: (() => void) | undefined;

function report(m: FromChild, sent: () => void = () => undefined): void {
  if (process.connected) process.send?.(m, undefined, undefined, sent);
}

const courier = new ChildCourier(report);

function sessionFor(job: Job): Session {
  switch (job.job) {
    case "record":
      return new RecordSession(job, report, courier, () => end(ExitCode.output));
    case "publish":
      return new PublishSession(job, report, courier);
    case "relay":
      return new RelaySession(job, report, courier);
    case "push":
      return new PushSession(job, report);
  }
}

function end(code: number): void {
  unlock?.();
  shutDownNative();
  process.exit(code);
}

/** The supervisor writes the manifest; without one this is the last who can. */
function leaveManifest(directory: string): void {
  try {
    writeManifest(directory, manifestOf(readJournal(directory)));
  } catch {
    // Nobody is there to be told; the journal says the same.
  }
}

process.on("message", (m: ToChild) => {
  if (m.t === "stop") session?.stop();
  else if (m.t === "skip") session?.skip?.();
  else if (m.t === "pause") session?.pause?.();
  else if (m.t === "resume") session?.resume?.();
  else if (m.t === "layer") session?.prefer?.(m.layer);
  else if (m.t === "line") courier.bring(m.line);
  else if (m.t === "keyframe") session?.keyframe?.(m.trackId);
  else if (m.t === "sample") session?.sample?.(m.sample);
  else if (!session) {
    session = sessionFor(m.job);
    const { job } = m;
    if (job.job === "record") directory = job.directory;
    void session.run().then((done) => {
      if (!process.connected) {
        if (directory !== undefined) leaveManifest(directory);
        return end(done.exit);
      }
      process.send?.(done, undefined, undefined, () => end(done.exit));
    });
  }
});
// A terminal sends Ctrl-C, and its end, to the whole group; the supervisor decides what that means.
process.on("SIGINT", () => undefined);
process.on("SIGHUP", () => undefined);
process.on("SIGTERM", () => session?.stop());
process.on("disconnect", () => {
  if (!session) return end(ExitCode.ok);
  // The supervisor's word that somebody works here died with it.
  if (directory !== undefined) unlock = lockSession(directory);
  session.stop();
  session.skip?.();
  setTimeout(() => process.exit(ExitCode.unexpected), ORPHAN_MS).unref();
});
