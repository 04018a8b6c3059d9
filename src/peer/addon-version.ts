import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** Version of the native addon's package, which is not loaded for it; undefined: it is not there. */
export function addonVersion(): string | undefined {
  try {
    let folder = dirname(createRequire(import.meta.url).resolve("node-datachannel"));
    // Its entry point lies somewhere below the package's folder.
    for (let i = 0; i < 6; i++, folder = dirname(folder)) {
      const { name, version } = readPackage(join(folder, "package.json"));
      if (name === "node-datachannel") return version;
    }
  } catch {
    // Not installed.
  }
  return undefined;
}

function readPackage(path: string): { name?: string; version?: string } {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as { name?: string; version?: string };
  } catch {
    return {};
  }
}
