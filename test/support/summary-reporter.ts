import type { Reporter, TestCase, TestModule, TestSuite } from "vitest/node";

/** What one run came to. `failed` counts files and groups that could not be collected, and stray errors, too. */
export type Tally = {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Every skipped test, with the reason it gave. */
  readonly skips: readonly { readonly test: string; readonly reason: string }[];
  /** Every test that passed only when it was tried again. */
  readonly flaky: readonly string[];
};

/** The parts of a test module that the tally reads. */
export type TalliedModule = Pick<TestModule, "errors"> & {
  readonly children: {
    allTests(): Iterable<Pick<TestCase, "fullName" | "result" | "diagnostic">>;
    allSuites(): Iterable<Pick<TestSuite, "errors">>;
  };
};

/** Counts a finished run. A test that never came to a result counts as failed: it was not skipped on purpose. */
export function tally(modules: readonly TalliedModule[], strayErrors: number): Tally {
  let passed = 0;
  let failed = strayErrors;
  const skips: { test: string; reason: string }[] = [];
  const flaky: string[] = [];
  for (const module of modules) {
    failed += module.errors().length;
    for (const suite of module.children.allSuites()) failed += suite.errors().length;
    for (const test of module.children.allTests()) {
      const result = test.result();
      if (result.state === "passed") {
        passed++;
        if (test.diagnostic()?.flaky) flaky.push(test.fullName);
      } else if (result.state === "skipped")
        skips.push({ test: test.fullName, reason: reasonOf(test, result) });
      else failed++;
    }
  }
  return { passed, failed, skipped: skips.length, skips, flaky };
}

/** `ctx.skip(reason)` leaves a note; a skipped group carries its reason in brackets in its title. */
function reasonOf(test: Pick<TestCase, "fullName">, result: { readonly note?: string | undefined }): string {
  return result.note ?? /\[([^\]]+)\]/.exec(test.fullName)?.[1] ?? "no reason given";
}

/** The report's last line. */
export function summaryLine(t: Tally): string {
  return `${t.passed} passed, ${t.failed} failed, ${t.skipped} skipped`;
}

/** Lines before the last: tests that passed the second time, and skips with their reasons, which fail a run in CI. */
export function remarks(t: Tally, ci: boolean): string[] {
  const lines = t.flaky.map((test) => `tried again: ${test}`);
  lines.push(...t.skips.map((s) => `skipped: ${s.test}: ${s.reason}`));
  if (ci && t.skipped > 0) lines.push(`CI=true: ${t.skipped} skipped, so this run fails`);
  return lines;
}

/**
 * Ends the output with `N passed, N failed, N skipped`, alone on the last line. With CI=true a skipped test
 * fails the run, so that a missing program is never taken for a success.
 */
// biome-ignore lint/style/noDefaultExport: Vitest loads a reporter by its default export.
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], strayErrors: readonly unknown[]): void {
    const ci = process.env.CI === "true";
    const total = tally(modules, strayErrors.length);
    if (total.failed > 0 || (ci && total.skipped > 0)) process.exitCode = 1;
    // Other reporters and the closing of the runner still write: the last line waits for the exit.
    process.once("exit", () => {
      process.stdout.write(`\n${[...remarks(total, ci), summaryLine(total)].join("\n")}\n`);
    });
  }
}
