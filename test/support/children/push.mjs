import { done, onJob, say, status } from "./report.mjs";

/** A media process that pushes nothing anywhere: it tells what it was given. The end of the job's address says how. */
const tell = (text) => say({ t: "notice", level: "warn", text });
let frames = 0;

const connected = () =>
  status("publishing", {
    participants: [{ name: "server", connected: true, tracks: [{ frames }], bytesOnDisk: 0 }],
  });

/** What to do at the start, and with every sample. */
const acts = {
  takes: { start: connected },
  refuses: {
    start: (job) =>
      done(3, { error: { code: "auth", message: `not with ${job.access.token} at /stream-key-1` } }),
  },
  loses: { start: connected, sample: () => done(4, { error: { code: "peer-lost", message: "it is gone" } }) },
  crashes: { start: connected, sample: () => process.exit(134) },
  sleeps: {
    start: connected,
    sample: () => {
      if (frames === 1) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500);
    },
  },
};

let act;
onJob((job) => {
  act = acts[job.room.split("/").at(-1)];
  tell(`job ${job.profile} ${job.bitrate}`);
  act.start(job);
});
process.on("message", (m) => {
  if (m.t === "stop") done(0);
  if (m.t !== "sample") return;
  frames++;
  const { track, keyframe, data } = m.sample;
  tell(
    `${track}${keyframe ? " key" : ""} ${Buffer.from(data.subarray(0, 24)).toString("hex")} ${data.at(-1)}`,
  );
  act.sample?.();
  connected();
});
