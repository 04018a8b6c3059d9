import { cpSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runCli } from "../../src/cli/program.ts";
import { TestSession } from "../sinks/recorder/session.ts";
import { CapturedOutput } from "../support/captured-output.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "roomtap-repair-cli-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A session that was killed after 41 seconds, with the end of its last write missing. */
async function killed(): Promise<string> {
  const directory = join(root, "standup");
  const s = new TestSession();
  s.journal.append({ t: "session", version: 1, room: "standup", startedAt: 1_770_000_000_000, attempt: 0 });
  s.feed(undefined, s.add("cam"), 0, 41_000);
  await s.recorder.drained();
  cpSync(s.directory, directory, { recursive: true });
  s.close();
  const part = join(directory, "Alice.webm.part");
  truncateSync(part, statSync(part).size - 5);
  return directory;
}

async function run(...args: string[]) {
  const out = new CapturedOutput();
  const code = await runCli(["repair", "--no-pictures", ...args], out);
  return { code, out };
}

test("it says what it did, a line for every file", async () => {
  const directory = await killed();
  const first = await run(directory);
  expect(first.code).toBe(0);
  const [head, line, ...rest] = first.out.stdout;
  expect(head).toBe(`${directory}: complete`);
  expect(line).toMatch(
    /^ {2}Alice\.webm: closed a torn cluster of \d\.\d s, cut \d+ B off, 10\d\d frames, duration 0:4[01]$/,
  );
  expect(rest).toEqual([]);
  const second = await run(directory);
  expect(second).toMatchObject({ code: 0, out: { stdout: [`${directory}: whole, nothing to do`] } });
});

test("with --json it prints one document", async () => {
  const directory = await killed();
  const { code, out } = await run(directory, "--json");
  expect(code).toBe(0);
  expect(out.stdout).toHaveLength(1);
  expect(JSON.parse(out.stdout[0] ?? "")).toMatchObject({
    exit: 0,
    repaired: [{ path: directory, state: "repaired", manifest: true, files: [{ path: "Alice.webm" }] }],
  });
});

test("what cannot be repaired is named, and the exit code is 9", async () => {
  const directory = await killed();
  writeFileSync(join(directory, "Bob.webm.part"), new Uint8Array(50_000).fill(0x41));
  const { code, out } = await run(directory);
  expect(code).toBe(9);
  expect(out.stdout[0]).toBe(`${directory}: not complete`);
  expect(out.stdout.find((l) => l.includes("Bob"))).toMatch(
    /Bob\.webm\.part: not repaired: .* left as it is/,
  );
  expect(readdirSync(directory)).toContain("Bob.webm.part");
});

test("where there is nothing to repair it says so in two lines, with exit code 2", async () => {
  const { code, out } = await run(join(root, "nowhere"));
  expect(code).toBe(2);
  expect(out.stderr).toHaveLength(2);
  expect(out.stderr[1]).toMatch(/^hint: /);
});
