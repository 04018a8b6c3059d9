/** Runs the built supervisor with the real media process, tells its process id, and waits to be killed. */
const { supervise } = await import(new URL("../../../dist/bot/supervisor.js", import.meta.url));

const job = JSON.parse(process.argv[2] ?? "{}");
const child = supervise({
  job: () => job,
  onStatus: (s) => process.send?.({ phase: s.phase, pid: child.pid }),
  onNotice: () => undefined,
});
