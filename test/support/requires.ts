import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { describe } from "vitest";

/** A program that some tests need. */
export type Program = {
  readonly name: string;
  /** Where it is, or undefined when it is missing. */
  readonly path: string | undefined;
  /** How to get it, as a line for a shell. */
  readonly install: string;
  /** It cannot be had on this machine: its tests are skipped in CI as well. */
  readonly unavailable?: boolean;
};

/** The first of these names that is an executable on the PATH, or an absolute path that is one. */
export function findProgram(...names: readonly string[]): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  for (const name of names) {
    const places = name.startsWith("/") ? [name] : folders.map((folder) => join(folder, name));
    const found = places.find(isExecutable);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * `describe` for tests that need programs. Where one is missing the group is skipped with the reason and the way
 * to get it; in CI it fails instead where it could be had, so that nothing is skipped unseen.
 */
export function describeWith(title: string, programs: readonly Program[], tests: () => void): void {
  const missing = programs.filter((program) => program.path === undefined);
  if (missing.length === 0) {
    describe(title, tests);
    return;
  }
  const reason = missing.map((p) => `${p.name} is missing (${p.install})`).join("; ");
  if (process.env.CI === "true" && !missing.some((program) => program.unavailable)) {
    describe(title, () => {
      throw new Error(`${title}: ${reason}`);
    });
    return;
  }
  process.stderr.write(`skipped: ${title}: ${reason}\n`);
  describe.skip(`${title} [${reason}]`, tests);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
