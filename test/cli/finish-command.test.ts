import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { finishCommand } from "../../src/cli/finish-command.ts";
import { CapturedOutput } from "../support/captured-output.ts";
import { until } from "../support/until.ts";

let root: string;
let session: string;
let out: CapturedOutput;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "roomtap-finish-"));
  session = join(root, "standup-2030-01-01T000000Z");
  mkdirSync(session);
  writeFileSync(join(session, "manifest.json"), '{"version":1,"complete":true}');
  out = new CapturedOutput();
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test("without a command the session's exit code stands", async () => {
  expect(await finishCommand(undefined, { session, exit: 7 }, { out })).toBe(7);
  expect(out.stderr).toEqual([]);
});

test("what it prints goes to stderr, harmless for a terminal", async () => {
  const command = "printf 'sent \\033[2J%s\\n' \"$ROOMTAP_EXIT\"";
  expect(await finishCommand(command, { session, exit: 0 }, { out })).toBe(0);
  expect(out.stderr).toEqual(["on-finish: sent ?[2J0"]);
  expect(out.stdout).toEqual([]);
});

test("a failure is a warning, and the exit code of a recording that went well", async () => {
  expect(await finishCommand("echo no >&2; exit 22", { session, exit: 0 }, { out })).toBe(1);
  expect(out.stderr).toEqual([
    "on-finish: no",
    "warn: --on-finish ended with code 22; the recording is not affected",
  ]);
  expect(await finishCommand("exit 22", { session, exit: 5 }, { out })).toBe(5);
});

test("the first interrupt waits for it, the second ends it", async () => {
  const listeners = process.listenerCount("SIGINT");
  const running = finishCommand("echo ready; sleep 60", { session, exit: 0 }, { out });
  await until("it runs", () => out.stderr.includes("on-finish: ready"));
  process.emit("SIGINT");
  expect(out.stderr.at(-1)).toBe("waiting for --on-finish; interrupt again to end it");
  process.emit("SIGINT");
  expect(await running).toBe(130);
  expect(out.stderr.at(-1)).toBe("warn: --on-finish was ended by SIGTERM; the recording is not affected");
  expect(process.listenerCount("SIGINT")).toBe(listeners);
});
