import { expect, test } from "vitest";
import { remarks, summaryLine, type TalliedModule, tally } from "./summary-reporter.ts";

type Result = ReturnType<
  ReturnType<TalliedModule["children"]["allTests"]> extends Iterable<infer T>
    ? T extends { result: infer R extends () => unknown }
      ? R
      : never
    : never
>;

const named = (fullName: string, result: Result, flaky = false) => ({
  fullName,
  result: () => result,
  diagnostic: () => ({
    flaky,
    ...{ duration: 1, heap: undefined, repeatCount: 0, retryCount: flaky ? 1 : 0, slow: false, startTime: 0 },
  }),
});
const passed = { state: "passed", errors: undefined } as const;
const failed = { state: "failed", errors: [] } as const;
const skipped = (note: string | undefined) => ({ state: "skipped", errors: undefined, note }) as const;
const error = { message: "boom" };

function module(
  o: Partial<{ tests: readonly ReturnType<typeof named>[]; own: number; groups: number[] }>,
): TalliedModule {
  const errors = (n: number) => () => Array.from({ length: n }, () => error);
  return {
    errors: errors(o.own ?? 0),
    children: {
      allTests: () => o.tests ?? [],
      allSuites: () => (o.groups ?? []).map((n) => ({ errors: errors(n) })),
    },
  };
}

test("a run is counted over all its files", () => {
  const one = module({ tests: [named("a", passed), named("b", failed)] });
  const two = module({ tests: [named("c", passed), named("d", skipped("needs ss"))] });
  expect(summaryLine(tally([one, two], 0))).toBe("2 passed, 1 failed, 1 skipped");
});

test("files and groups that could not be read, and stray errors, are failures", () => {
  const t = tally([module({ own: 1 }), module({ groups: [0, 1] })], 1);
  expect(summaryLine(t)).toBe("0 passed, 3 failed, 0 skipped");
});

test("a test that never ended is a failure, not a skip", () => {
  expect(tally([module({ tests: [named("a", { state: "pending", errors: undefined })] })], 0).failed).toBe(1);
});

test("every skip is told with its reason: its note, or its group's title", () => {
  const t = tally(
    [
      module({
        tests: [
          named("a", skipped("no nft; apt-get install nftables")),
          named("page [chromium is missing] > b", skipped(undefined)),
          named("c", skipped(undefined)),
        ],
      }),
    ],
    0,
  );
  expect(remarks(t, false)).toEqual([
    "skipped: a: no nft; apt-get install nftables",
    "skipped: page [chromium is missing] > b: chromium is missing",
    "skipped: c: no reason given",
  ]);
});

test("in CI a skip fails the run and says so", () => {
  const t = tally([module({ tests: [named("a", skipped("why"))] })], 0);
  expect(remarks(t, true).at(-1)).toBe("CI=true: 1 skipped, so this run fails");
  expect(remarks(tally([], 0), true)).toEqual([]);
});

test("a test that passed only when it was tried again is named", () => {
  const t = tally([module({ tests: [named("a", passed), named("b", passed, true)] })], 0);
  expect(summaryLine(t)).toBe("2 passed, 0 failed, 0 skipped");
  expect(remarks(t, true)).toEqual(["tried again: b"]);
});
