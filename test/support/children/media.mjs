import { done, onJob, say, status } from "./report.mjs";

const hang = () => {
  for (;;);
};

/** Behaviours by the name in the job. */
const acts = {
  normal: () => {
    status("recording", { elapsedMs: 1500 });
    say({ t: "notice", level: "info", text: "all is well" });
    done(0, { elapsedMs: 2000 });
  },
  fails: () => done(3, { error: { code: "signal-refused", message: "nobody there", hint: "look" } }),
  "crashes once": (job) => {
    if (job.attempt > 0) return done(0, { elapsedMs: 7000 });
    status("recording", { elapsedMs: 4000, zeroAt: 1234 });
    setImmediate(() => process.abort());
  },
  "hangs once": (job) => {
    if (job.attempt > 0) return done(0);
    status("waiting");
    setImmediate(hang);
  },
  "hangs at once": (job) => (job.attempt > 0 ? done(0) : hang()),
  "spins once": (job) => {
    if (job.attempt > 0) return done(0);
    // A native thread that spins leaves the event loop alive: reports go on, CPU time grows, nothing else does.
    const start = Date.now();
    setInterval(() => status("recording", { packets: 10, cpuMs: Date.now() - start }), 20);
  },
  "spins once, reports every second": (job) => {
    if (job.attempt > 0) return done(0);
    const start = Date.now();
    const report = () => status("recording", { packets: 10, cpuMs: Date.now() - start });
    report();
    setInterval(report, 1000);
  },
  busy: (job) => {
    const start = Date.now();
    const timer = setInterval(() => {
      const cpuMs = Date.now() - start;
      status(job.room, { packets: job.room === "recording" ? cpuMs : 10, cpuMs });
      if (cpuMs > 600) {
        clearInterval(timer);
        done(0);
      }
    }, 20);
  },
  "never starts": () => {
    console.error("first line\ncannot load the addon");
    process.exit(7);
  },
  "dies while joining": () => {
    status("joining");
    setImmediate(() => process.exit(1));
  },
  "works until told": () => {
    status("recording", { elapsedMs: 100 });
    process.on("message", (m) => {
      if (m.t === "stop") status("finishing");
      if (m.t === "skip") done(0, { elapsedMs: 300 });
    });
  },
  "dies on stop": () => {
    status("recording", { elapsedMs: 250 });
    process.on("message", (m) => {
      if (m.t === "stop") process.kill(process.pid, "SIGKILL");
    });
  },
};

onJob((job) => acts[job.name](job));
