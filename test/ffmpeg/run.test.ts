import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CommandSpec } from "../../src/ffmpeg/command.ts";
import { type RunOptions, runFfmpeg } from "../../src/ffmpeg/run.ts";

let folder: string;
let programs = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "roomtap-run-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const command: CommandSpec = { inputs: [{ source: "stdin" }], options: [], output: "stdout" };
const patience = { eofMs: 100, interruptMs: 100 };

/** Runs a shell script in the place of ffmpeg. */
function run(script: string, o: Partial<RunOptions> = {}): Promise<void> {
  const ffmpeg = join(folder, `program-${programs++}`);
  writeFileSync(ffmpeg, `#!/bin/sh\n${script}\n`);
  chmodSync(ffmpeg, 0o755);
  return runFfmpeg({ ffmpeg, command, patience, ...o });
}

async function* pieces(...list: readonly (number | Error)[]): AsyncIterable<Uint8Array> {
  for (const n of list) {
    if (n instanceof Error) throw n;
    yield new Uint8Array(n).fill(0x61);
  }
}

/** Gives a little and then nothing for ever, without an end. */
async function* stalled(): AsyncIterable<Uint8Array> {
  yield new Uint8Array(1);
  await new Promise(() => undefined);
}

describe("what goes in and comes out", () => {
  test("all of the input arrives, and all of the output comes back", async () => {
    let octets = 0;
    await run("cat", {
      input: pieces(1, 0, 300_000, 70_000),
      onOutput: (b) => {
        octets += b.length;
      },
    });
    expect(octets).toBe(370_001);
  });

  test("a process that talks a lot is never held up by it", async () => {
    let lines = 0;
    await run("i=0; while [ $i -lt 200 ]; do printf '%01000d\\n' $i >&2; i=$((i+1)); done", {
      onLog: () => {
        lines++;
      },
    });
    expect(lines).toBe(200);
  });

  test("progress is read whole, in whatever pieces it is written", async () => {
    const seen: number[] = [];
    await run(
      "printf 'frame=1\\nout_time_us=12' >&3; sleep 0.05; printf '345\\nout_time_us=N/A\\nout_time_us=20000\\n' >&3",
      {
        onProgress: (us) => seen.push(us),
      },
    );
    expect(seen).toEqual([12_345, 20_000]);
  });

  test("a nice process gives way", async () => {
    const lines: string[] = [];
    // It waits for the end of its input, so that it looks after it was made nice.
    await run("cat > /dev/null; nice >&2", { nice: true, input: pieces(1), onLog: (l) => lines.push(l) });
    expect(Number(lines[0])).toBeGreaterThanOrEqual(10);
  });
});

describe("what goes wrong", () => {
  test("is told in the last words of the process, without the names of its parts", async () => {
    const script =
      "echo '[in#0 @ 0x55] [error] first' >&2; echo '[mp4 @ 0x1] [error] moov gone' >&2; echo '[info] bye' >&2; exit 3";
    await expect(run(script)).rejects.toMatchObject({
      code: "ffmpeg-failed",
      message: "ffmpeg ended with code 3: moov gone",
    });
  });

  test("a full disk has a code of its own", async () => {
    const script = "echo '[error] Error writing trailer of /x: No space left on device' >&2; exit 1";
    await expect(run(script)).rejects.toMatchObject({ code: "disk-full" });
  });

  test("secrets reach neither the log nor the error", async () => {
    const log: string[] = [];
    const running = run("printf '[error] rtmp://live/s3c' >&2; sleep 0.05; echo 'ret: refused' >&2; exit 1", {
      redact: (line) => line.replaceAll("s3cret", "***"),
      onLog: (line) => log.push(line),
    });
    await expect(running).rejects.toMatchObject({
      message: "ffmpeg ended with code 1: rtmp://live/***: refused",
    });
    expect(log).toEqual(["[error] rtmp://live/***: refused"]);
  });

  test("input that cannot be read is an error, although the process is content with its end", async () => {
    const end = join(folder, "content");
    const cause = new Error("read error");
    const running = run(`cat > /dev/null; touch ${end}`, { input: pieces(5, cause) });
    await expect(running).rejects.toMatchObject({ code: "ffmpeg-failed", cause });
    expect(existsSync(end)).toBe(true);
  });

  test("a process that ends before its input does is told by its exit, not by the broken pipe", async () => {
    const endless = (async function* () {
      for (;;) yield new Uint8Array(100_000);
    })();
    await expect(run("echo '[error] no' >&2; exit 1", { input: endless })).rejects.toMatchObject({
      message: "ffmpeg ended with code 1: no",
    });
  });

  test("a process that ends is not waited for by an input that never comes", async () => {
    await expect(run("exit 1", { input: stalled() })).rejects.toMatchObject({ code: "ffmpeg-failed" });
    await run("exit 0", { input: stalled() });
  });

  test("a program that is not there does not start", async () => {
    const running = runFfmpeg({ ffmpeg: join(folder, "none"), command, input: pieces(1) });
    await expect(running).rejects.toMatchObject({
      code: "ffmpeg-failed",
      message: expect.stringContaining("did not start"),
    });
  });

  test("a process that something else kills is named by the signal", async () => {
    await expect(run("kill -9 $$")).rejects.toMatchObject({ message: expect.stringContaining("SIGKILL") });
  });
});

describe("stopping", () => {
  /** Runs a script, aborts once it says "ready", and returns what it left in its file. */
  async function stop(script: (file: string) => string, input?: AsyncIterable<Uint8Array>): Promise<string> {
    const file = join(folder, `left-${programs}`);
    const abort = new AbortController();
    const running = run(script(file), {
      signal: abort.signal,
      onLog: (line) => {
        if (line === "ready") abort.abort();
      },
      ...(input ? { input } : {}),
    });
    await expect(running).rejects.toMatchObject({ message: "ffmpeg was stopped" });
    return existsSync(file) ? readFileSync(file, "utf8").trim() : "";
  }

  test("begins with the end of the input, which lets the file be completed", async () => {
    const left = await stop(
      (f) =>
        `trap 'echo interrupted > ${f}; exit 1' INT; echo ready >&2; cat > /dev/null; echo complete > ${f}`,
      stalled(),
    );
    expect(left).toBe("complete");
  });

  test("goes on with SIGINT for a process that reads no input", async () => {
    const left = await stop(
      (f) => `trap 'echo interrupted > ${f}; exit 255' INT; echo ready >&2; while :; do sleep 0.02; done`,
    );
    expect(left).toBe("interrupted");
  });

  test("comes to SIGINT for a process that does not see the end of its input", async () => {
    const left = await stop(
      (f) => `trap 'echo interrupted > ${f}; exit 255' INT; echo ready >&2; while :; do sleep 0.02; done`,
      stalled(),
    );
    expect(left).toBe("interrupted");
  });

  test("ends with SIGKILL for a process that ignores everything", async () => {
    const left = await stop(
      (f) => `trap '' INT TERM; echo ready >&2; while :; do sleep 0.02; done; touch ${f}`,
      stalled(),
    );
    expect(left).toBe("");
  });

  test("nothing is started once it is too late", async () => {
    const file = join(folder, "started");
    await expect(run(`touch ${file}`, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      message: "ffmpeg was stopped",
    });
    expect(existsSync(file)).toBe(false);
  });
});
