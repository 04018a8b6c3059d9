/** What a media process of the tests says; the job's `name` tells each script what to do. */
export function say(message) {
  process.send?.(message);
}

export function status(phase, more = {}) {
  say({ t: "status", phase, elapsedMs: 0, participants: [], faults: {}, packets: 0, cpuMs: 0, ...more });
}

/** Calls back with the job and its attempt; ends with the supervisor. */
export function onJob(run) {
  process.on("message", (m) => {
    if (m.t === "start") run(m.job);
  });
  process.on("disconnect", () => process.exit(0));
}

export function done(exit, more = {}) {
  process.send?.({ t: "done", exit, elapsedMs: 0, ...more }, () => process.exit(exit));
}
