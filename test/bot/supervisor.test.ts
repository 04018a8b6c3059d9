import { fork } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import type { DoneMessage, NoticeMessage, RecordJob, StatusMessage } from "../../src/bot/job.ts";
import { type Supervised, type SupervisorLimits, supervise } from "../../src/bot/supervisor.ts";
import { createRoomServer } from "../../src/server/room-server.ts";
import { until } from "../support/until.ts";

const script = fileURLToPath(new URL("../support/children/media.mjs", import.meta.url));
const limits: SupervisorLimits = { silenceMs: 5000, startMs: 10_000, spinMs: 200, watchMs: 20 };

const running: Supervised[] = [];
afterAll(async () => {
  for (const s of running.splice(0)) {
    if (s.pid !== undefined) process.kill(s.pid, "SIGKILL");
    s.stop();
    await s.done;
  }
});

/** `limits`: "own" are those of the program. */
function run(name: string, o: { room?: string; limits?: Partial<SupervisorLimits> | "own" } = {}) {
  const statuses: StatusMessage[] = [];
  const notices: NoticeMessage[] = [];
  const attempts: { attempt: number; last: StatusMessage | undefined }[] = [];
  const supervised = supervise({
    script,
    ...(o.limits === "own" ? {} : { limits: { ...limits, ...o.limits } }),
    job: (attempt, last) => {
      attempts.push({ attempt, last });
      return record(name, attempt, o.room);
    },
    onStatus: (s) => statuses.push(s),
    onNotice: (n) => notices.push(n),
  });
  running.push(supervised);
  const texts = () => notices.map((n) => n.text);
  return { supervised, statuses, texts, attempts };
}

function record(name: string, attempt: number, room = "ws://127.0.0.1:1/demo"): RecordJob {
  return {
    job: "record",
    room,
    name,
    access: {},
    directory: "unused",
    format: "mkv",
    maxBitrate: 1,
    ffmpeg: "",
    attempt,
    startedAt: 0,
  };
}

const ok = (m: DoneMessage) => ({ exit: m.exit, error: m.error });

describe.concurrent("the supervisor", () => {
  it("passes on what the media process says, up to its last word", async () => {
    const r = run("normal");
    const done = await r.supervised.done;
    expect(done).toEqual({ t: "done", exit: 0, elapsedMs: 2000 });
    expect(r.statuses.map((s) => s.elapsedMs)).toEqual([1500]);
    expect(r.texts()).toEqual(["all is well"]);
    expect(r.attempts).toEqual([{ attempt: 0, last: undefined }]);
    expect(r.supervised.pid).toBeUndefined();
  });

  it("passes on a failure with its code, and does not try again", async () => {
    const r = run("fails");
    expect(ok(await r.supervised.done)).toEqual({
      exit: 3,
      error: { code: "signal-refused", message: "nobody there", hint: "look" },
    });
    expect(r.attempts).toHaveLength(1);
  });

  it("starts the next attempt after a crash, with what the one before knew", async () => {
    const r = run("crashes once");
    expect(await r.supervised.done).toMatchObject({ exit: 0, elapsedMs: 7000 });
    expect(r.attempts).toMatchObject([
      { attempt: 0 },
      { attempt: 1, last: { elapsedMs: 4000, zeroAt: 1234 } },
    ]);
    expect(r.texts()).toEqual(["the media process ended by SIGABRT; rejoining"]);
  });

  it("replaces a process that does not answer any more", async () => {
    const r = run("hangs once", { limits: { silenceMs: 400 } });
    expect(ok(await r.supervised.done)).toEqual({ exit: 0, error: undefined });
    expect(r.attempts.map((a) => a.attempt)).toEqual([0, 1]);
    expect(r.texts()).toContain("the media process is stuck (it does not answer) and is replaced");
  });

  it("replaces a process that never said a word, later", async () => {
    const start = performance.now();
    const r = run("hangs at once", { limits: { silenceMs: 50, startMs: 1500 } });
    expect(ok(await r.supervised.done)).toEqual({ exit: 0, error: undefined });
    expect(performance.now() - start).toBeGreaterThan(1500);
    // On a busy machine the next one may be late as well.
    expect(r.attempts.length).toBeGreaterThanOrEqual(2);
  });

  it("replaces a process that burns a core and handles nothing", async () => {
    const r = run("spins once");
    expect(ok(await r.supervised.done)).toEqual({ exit: 0, error: undefined });
    expect(r.texts()[0]).toBe(
      "the media process is stuck (it burns a core and handles nothing) and is replaced",
    );
    expect(r.attempts).toHaveLength(2);
  });

  it("replaces such a process within five seconds, as the program is", async () => {
    const r = run("spins once, reports every second", { limits: "own" });
    await until("the spin", () => r.statuses.length > 0);
    const start = performance.now();
    expect(ok(await r.supervised.done)).toEqual({ exit: 0, error: undefined });
    expect(performance.now() - start).toBeLessThan(5000);
    expect(r.attempts).toHaveLength(2);
  });

  it.each(["joining", "recording", "finishing"])(
    "leaves a process alone that works hard while %s",
    async (phase) => {
      const r = run("busy", { room: phase });
      expect(ok(await r.supervised.done)).toEqual({ exit: 0, error: undefined });
      expect([r.texts(), r.attempts.length]).toEqual([[], 1]);
    },
  );

  it.each(["never starts", "dies while joining"])(
    "gives up on a process that %s, after three attempts",
    async (name) => {
      const r = run(name);
      const done = await r.supervised.done;
      expect(done).toMatchObject({ exit: 1, error: { code: "child-failed", hint: expect.any(String) } });
      expect(r.attempts.map((a) => a.attempt)).toEqual([0, 1, 2]);
      if (name === "never starts") {
        expect(done.error?.message).toBe(
          "the media process ended with code 7 3 times: cannot load the addon",
        );
      }
    },
  );

  it("stops a process when asked, and tells it not to wait for conversions", async () => {
    const r = run("works until told");
    await until("recording", () => r.statuses.length === 1);
    r.supervised.stop();
    await until("finishing", () => r.statuses.at(-1)?.phase === "finishing");
    r.supervised.skip();
    expect(await r.supervised.done).toEqual({ t: "done", exit: 0, elapsedMs: 300 });
  });

  it("does not start a process again that dies while it stops", async () => {
    const r = run("dies on stop");
    await until("recording", () => r.statuses.length === 1);
    r.supervised.stop();
    expect(await r.supervised.done).toEqual({ t: "done", exit: 0, elapsedMs: 250 });
    expect(r.attempts).toHaveLength(1);
  });

  it("can be stopped between two attempts", async () => {
    const r = run("crashes once");
    await until("crash", () => r.texts().length === 1);
    expect(r.supervised.pid).toBeUndefined();
    r.supervised.stop();
    expect(await r.supervised.done).toEqual({ t: "done", exit: 0, elapsedMs: 4000 });
    expect(r.attempts).toHaveLength(1);
  });
});

describe.concurrent("the real media process", () => {
  const built = existsSync(new URL("../../dist/bot/child.js", import.meta.url));

  it("ends by itself within three seconds when its supervisor is killed", async () => {
    expect(built, "npm run build makes dist/bot/child.js").toBe(true);
    const server = await createRoomServer();
    const directory = mkdtempSync(join(tmpdir(), "roomtap-orphan-"));
    try {
      const job = { ...record("orphan", 0, `ws://127.0.0.1:${server.port}/demo`), directory };
      const supervisor = fork(
        fileURLToPath(new URL("../support/children/supervisor.mjs", import.meta.url)),
        [JSON.stringify(job)],
        { execArgv: [] },
      );
      const pid = await new Promise<number>((resolve, reject) => {
        supervisor.on("message", (m: { phase: string; pid: number }) => {
          if (m.phase === "waiting") resolve(m.pid);
        });
        supervisor.on("exit", (code) => reject(new Error(`the supervisor ended with ${code}`)));
      });
      expect(server.stats.peers).toBe(1);
      supervisor.removeAllListeners("exit");
      supervisor.kill("SIGKILL");
      await until("the orphan is gone", () => !alive(pid), 3500);
      // It left the room as one should.
      expect(server.stats.peers).toBe(0);
    } finally {
      await server.close();
      rmSync(directory, { recursive: true, force: true });
    }
  }, 30_000);
});

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
