import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { exitAfter, type OnFinishOptions, runOnFinish } from "../../src/bot/on-finish.ts";
import { processInfo } from "../support/processes.ts";
import { until } from "../support/until.ts";

let root: string;
let session: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "roomtap-finish-"));
  // A room's name decides the directory's; this is worse than any that is made.
  session = join(root, `it's "$(touch injected)" \`x\` ; & ünï`);
  mkdirSync(session);
  writeFileSync(join(session, "manifest.json"), '{"version":1,"complete":true}');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Runs a command after the session; collects what it says. */
async function run(command: string, o: Partial<OnFinishOptions> = {}) {
  const lines: string[] = [];
  const result = await runOnFinish({ command, session, exit: 0, onLine: (l) => lines.push(l), ...o });
  return { result, lines };
}

describe("the command", () => {
  test("gets the manifest as $1 and everything else in its environment, whatever the names are", async () => {
    const { result, lines } = await run(
      'echo "$0 $#"; cat "$1"; echo; printf "%s\\n" "$ROOMTAP_MANIFEST" "$ROOMTAP_SESSION" "$ROOMTAP_EXIT$ROOMTAP_COMPLETE"; pwd',
      { exit: 5 },
    );
    expect(lines).toEqual([
      "roomtap 1",
      '{"version":1,"complete":true}',
      join(session, "manifest.json"),
      session,
      "51",
      process.cwd(),
    ]);
    expect(result).toEqual({ exitCode: 0, interrupted: false });
    expect(existsSync("injected")).toBe(false);
  });

  test.each([
    ["says so", '{"complete":false}'],
    ["is torn", '{"complete":tr'],
    ["is nothing", "null"],
  ])("learns that the session is incomplete when its manifest %s", async (_, text) => {
    writeFileSync(join(session, "manifest.json"), text);
    expect((await run('echo "$ROOMTAP_COMPLETE"')).lines).toEqual(["0"]);
  });

  test("is a whole program for the shell, with pipes and functions", async () => {
    expect((await run("f() { tr a-z A-Z; }; echo one two | f; exit 0")).lines).toEqual(["ONE TWO"]);
  });

  test("says what it says on both streams, line by line, also the last one that does not end", async () => {
    const { lines } = await run("echo out; echo err >&2; printf 'a\\rb\\n\\nlast'");
    expect(lines.toSorted()).toEqual(["a", "b", "err", "last", "out"]);
  });

  test("has no terminal and no input to wait for", async () => {
    expect((await run("cat; echo done")).lines).toEqual(["done"]);
  });

  test("is not run when nothing was recorded", async () => {
    rmSync(session, { recursive: true });
    expect((await run("echo never")).result).toBeUndefined();
  });

  test("is not waited for by what it leaves in the background", async () => {
    const pidFile = join(root, "pid");
    const { result, lines } = await run(`sleep 60 & echo $! > "${pidFile}"; echo started`);
    expect(result?.exitCode).toBe(0);
    expect(lines).toEqual(["started"]);
    process.kill(Number(readFileSync(pidFile, "utf8")));
  });
});

describe("failures", () => {
  test.each([
    ["exit 3", 3, "ended with code 3"],
    ["no-such-program-of-ours 2>/dev/null", 127, "ended with code 127"],
    ["kill -9 $$", null, "was ended by SIGKILL"],
    ["if then", 2, "ended with code 2"],
  ])("%s is one", async (command, exitCode, failure) => {
    expect((await run(command)).result).toEqual({ exitCode, failure, interrupted: false });
  });

  test.each([["a\0b"], [`: ${"x".repeat(200_000)}`]])(
    "one that the system refuses to start is one as well",
    async (command) => {
      const { result } = await run(command);
      expect(result).toMatchObject({ exitCode: null, failure: expect.stringMatching(/^did not start: /) });
    },
  );

  test("the session's exit code stands before the command's", () => {
    const fine = { exitCode: 0, interrupted: false };
    const failed = { exitCode: 3, failure: "ended with code 3", interrupted: false };
    const ended = { exitCode: null, failure: "was ended by SIGTERM", interrupted: true };
    expect([fine, failed, ended, undefined].map((c) => exitAfter(0, c))).toEqual([0, 1, 130, 0]);
    expect([fine, failed, ended, undefined].map((c) => exitAfter(7, c))).toEqual([7, 7, 7, 7]);
  });
});

describe("ending it", () => {
  /** Runs a command that writes process ids into "pids", and ends it when it says "ready". */
  async function endWhenReady(command: string, patienceMs: number) {
    const end = new AbortController();
    const file = join(root, "pids");
    const { result } = await run(`exec 3> "${file}"; ${command}`, {
      end: end.signal,
      patienceMs,
      onLine: (line) => {
        if (line === "ready") end.abort();
      },
    });
    const pids = readFileSync(file, "utf8").trim().split(/\s+/).map(Number);
    expect(pids.length).toBeGreaterThan(1);
    await until("every process is gone", () => pids.every((pid) => processInfo(pid) === undefined));
    return result;
  }

  test("ends everything that it started", async () => {
    const result = await endWhenReady("sleep 60 & echo $! $$ >&3; echo ready; wait; exit 0", 5000);
    expect(result).toEqual({ exitCode: null, failure: "was ended by SIGTERM", interrupted: true });
  });

  test("leaves it time to clean up", async () => {
    const mark = join(root, "cleaned");
    const command = `trap 'touch "${mark}"; exit 9' TERM; sleep 60 & echo $! $$ >&3; echo ready; wait`;
    expect(await endWhenReady(command, 5000)).toMatchObject({ exitCode: 9, interrupted: true });
    expect(existsSync(mark)).toBe(true);
  });

  test("ends for certain what does not listen, also when its parent did", async () => {
    const deaf = `(trap '' TERM; sleep 60) >/dev/null 2>&1 & echo $! $$ >&3; echo ready; wait`;
    const result = await endWhenReady(deaf, 200);
    expect(result).toMatchObject({ failure: "was ended by SIGTERM", interrupted: true });
  });

  test("before it began means not to begin", async () => {
    const { result, lines } = await run("echo never", { end: AbortSignal.abort() });
    expect(result).toEqual({ exitCode: null, failure: "was not started", interrupted: true });
    expect(lines).toEqual([]);
  });
});
