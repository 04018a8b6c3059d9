import { RoomtapError } from "../core/fault.ts";

/** What is kept of earlier sessions; both may hold. `text`: as it was written. */
export type KeepRule = {
  /** Sessions that ended longer ago are removed. */
  readonly age?: { readonly ms: number; readonly text: string };
  /** The oldest sessions are removed until all together are no larger. */
  readonly size?: { readonly bytes: number; readonly text: string };
};

const HOUR_MS = 3_600_000;
const ageUnits: Readonly<Record<string, number>> = {
  s: 1000,
  min: 60_000,
  h: HOUR_MS,
  d: 24 * HOUR_MS,
  w: 7 * 24 * HOUR_MS,
};
const sizeUnits: Readonly<Record<string, number>> = { k: 1e3, m: 1e6, g: 1e9, t: 1e12 };
/** Ten years, a thousand terabytes: more is a slip of the finger. */
const MAX_AGE_MS = 3653 * 24 * HOUR_MS;
const MAX_BYTES = 1e15;

/**
 * Reads `7d`, `50G` or `7d,50G`, into the rule that was read before where the option is repeated. Throws a
 * RoomtapError `usage`. `30m` could be minutes or megabytes, and what is removed does not come back: it has to be
 * said which, with `30min` or `30MB`.
 */
export function parseKeep(text: string, before: KeepRule = {}): KeepRule {
  return text.split(",").reduce((rule, part) => withPart(rule, part.trim()), before);
}

function withPart(rule: KeepRule, text: string): KeepRule {
  const m = /^(\d+(?:\.\d+)?)(s|min|h|d|w|[kKMgGtT]|[kKMGT]B)$/.exec(text);
  if (!m) {
    throw new RoomtapError("usage", `not an age or a size to keep: ${JSON.stringify(text.slice(0, 40))}`, {
      hint: /^[\d.]+m?$/.test(text)
        ? `say which unit: ${Number.parseFloat(text) || 30}min, h, d or w for an age; MB, G or T for a size`
        : "write it like 7d, 12h or 2w for an age, 500MB, 50G or 2T for a size",
    });
  }
  const [, digits, unit = ""] = m;
  const age = Number(digits) * (ageUnits[unit] ?? 0);
  const bytes = Number(digits) * (sizeUnits[unit.replace("B", "").toLowerCase()] ?? 0);
  const known = age > 0 ? rule.age : rule.size;
  if (known) {
    throw new RoomtapError("usage", `--keep says both ${known.text} and ${text}`, {
      hint: "one age and one size at most",
    });
  }
  if (age > 0 && age <= MAX_AGE_MS) return { ...rule, age: { ms: Math.round(age), text } };
  if (bytes > 0 && bytes <= MAX_BYTES) return { ...rule, size: { bytes: Math.round(bytes), text } };
  throw new RoomtapError("usage", `out of range: --keep ${text}`, {
    hint: "more than nothing; an age up to 520w, a size up to 1000T",
  });
}
