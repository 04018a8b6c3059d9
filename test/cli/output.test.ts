import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Output, processOutput, reportError } from "../../src/cli/output.ts";
import { RoomtapError } from "../../src/core/fault.ts";
import { CapturedOutput } from "../support/captured-output.ts";

let stdout = "";
let stderr = "";

beforeEach(() => {
  stdout = "";
  stderr = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    stdout += String(text);
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    stderr += String(text);
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  vi.useRealTimers();
});

function output(isTTY: boolean, env: Record<string, string> = {}): Output {
  vi.stubEnv("NO_COLOR", "");
  vi.stubEnv("TERM", "xterm");
  for (const [k, v] of Object.entries(env)) vi.stubEnv(k, v);
  const before = Object.getOwnPropertyDescriptor(process.stderr, "isTTY");
  Object.defineProperty(process.stderr, "isTTY", { value: isTTY, configurable: true });
  const out = processOutput();
  if (before) Object.defineProperty(process.stderr, "isTTY", before);
  else Reflect.deleteProperty(process.stderr, "isTTY");
  return out;
}

describe("output", () => {
  it("keeps results and everything else apart", () => {
    const out = output(false);
    out.result("{}");
    out.line("progress");
    expect([stdout, stderr]).toEqual(["{}\n", "progress\n"]);
  });

  it.each([
    [false, {}, false, false],
    [true, {}, true, true],
    [true, { NO_COLOR: "1" }, true, false],
    [true, { TERM: "dumb" }, false, false],
  ])("with a terminal %s and %j is interactive %s, coloured %s", (tty, env, interactive, color) => {
    const out = output(tty, env);
    expect([out.interactive, out.color]).toEqual([interactive, color]);
  });

  it("writes live lines to a pipe now and then, without control codes", () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const out = output(false);
    for (let i = 0; i < 60; i++) {
      out.live(() => `status ${i}`);
      vi.setSystemTime(Date.now() + 250);
    }
    out.settle();
    expect(stderr).toBe("status 0\nstatus 20\nstatus 40\n");
    expect(stdout).toBe("");
  });

  it("redraws live lines on a terminal", () => {
    const out = output(true);
    out.live(() => "one");
    out.live(() => "two");
    out.settle();
    expect(stderr).toContain("one");
    expect(stderr).toContain("two");
    expect(stderr).toContain("\u001b[");
    expect(stdout).toBe("");
  });
});

describe("a failure", () => {
  const report = (error: unknown) => {
    const out = new CapturedOutput();
    return { code: reportError(out, error), lines: out.stderr, out };
  };

  it("is two lines: what happened and what to do", () => {
    const r = report(new RoomtapError("signal-refused", "nothing listens", { hint: "start it" }));
    expect(r).toMatchObject({ code: 3, lines: ["error: nothing listens", "hint: start it"] });
    expect(r.out.stdout).toEqual([]);
  });

  it("is one line without a hint", () => {
    expect(report(new RoomtapError("kicked", "we were removed"))).toMatchObject({
      code: 3,
      lines: ["error: we were removed"],
    });
  });

  it("shows nothing of a stranger's that moves the cursor, and stays short", () => {
    const { lines } = report(
      new RoomtapError("auth", `no\u001b[2J\nway ${"x".repeat(5000)}`, { hint: "a\nb" }),
    );
    expect(lines[0]).toMatch(/^error: no\?\[2J way x+$/);
    expect(lines[0]?.length).toBeLessThan(600);
    expect(lines[1]).toBe("hint: a b");
  });

  it.each([new TypeError("x is not a function"), "thrown text", undefined])(
    "that nobody expected says so, without a stack: %s",
    (error) => {
      const { code, lines } = report(error);
      expect(code).toBe(1);
      expect(lines).toHaveLength(2);
      expect(lines[0]).toMatch(/^error: unexpected: /);
      expect(lines.join("\n")).not.toMatch(/\bat .*:\d+/);
    },
  );

  it("that nobody expected gives its stack on demand", () => {
    vi.stubEnv("ROOMTAP_DEBUG", "1");
    expect(report(new TypeError("boom")).lines.join("\n")).toMatch(/TypeError: boom\n\s+at /);
  });
});
