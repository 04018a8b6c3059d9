import { readFileSync } from "node:fs";
import type { Command, Option } from "commander";
import { RoomtapError } from "../core/fault.ts";

/**
 * Settings come from flags, then the environment (ROOMTAP_...), then `--config file.json`, then defaults.
 * Commander does the first two; this fills in the third before a command runs. Throws a RoomtapError `usage`
 * on an unreadable file or an unknown key.
 */
export function applyConfigFile(command: Command): void {
  const path: unknown = command.optsWithGlobals().config;
  if (typeof path !== "string") return;
  const known = new Map(command.options.map((o) => [o.attributeName(), o]));
  for (const [key, value] of Object.entries(readConfig(path))) {
    const option = known.get(key);
    if (!option) {
      const near = nearest(key, [...known.keys()]);
      throw new RoomtapError("usage", `unknown key "${key}" in ${path}`, {
        hint:
          near === undefined
            ? `"roomtap ${command.name()} --help" lists the keys`
            : `did you mean "${near}"?`,
      });
    }
    const source = command.getOptionValueSource(key);
    if (source === "cli" || source === "env") continue;
    command.setOptionValueWithSource(key, read(option, key, value, path), "config");
  }
}

/** A value as the flag would give it. */
function read(option: Option, key: string, value: unknown, path: string): unknown {
  const wrong = (what: string) =>
    new RoomtapError("usage", `"${key}" in ${path} ${what}`, { hint: `it stands for ${option.flags}` });
  if (!option.required && !option.optional) {
    if (typeof value !== "boolean") throw wrong("must be true or false");
    return value;
  }
  const texts = (option.variadic && Array.isArray(value) ? value : [value]).map((v: unknown) => {
    if (typeof v !== "string" && typeof v !== "number") throw wrong("must be a text or a number");
    return String(v);
  });
  if (option.argChoices && !texts.every((t) => option.argChoices?.includes(t))) {
    throw wrong(`must be one of ${option.argChoices.join(", ")}`);
  }
  if (option.variadic) return texts;
  const [text = ""] = texts;
  return option.parseArg ? option.parseArg(text, undefined) : text;
}

function readConfig(path: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new RoomtapError("usage", `cannot read the configuration ${path}`, {
      hint: "check the path of --config",
      cause,
    });
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch {
    // Falls through to the error below.
  }
  throw new RoomtapError("usage", `${path} is not a JSON object`, {
    hint: 'write it like { "out": "recordings" }',
  });
}

/** The known key that takes the fewest edits, when that is close enough to be a typing error. */
function nearest(key: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(key.length / 3)) + 1;
  for (const k of known) {
    const d = editDistance(key.toLowerCase(), k.toLowerCase());
    if (d < bestDistance) {
      best = k;
      bestDistance = d;
    }
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replace, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
