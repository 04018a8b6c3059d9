import { RoomtapError } from "../core/fault.ts";
import type { Candidate } from "../core/room.ts";

/** What to record of a room. Empty: everything. */
export type Selection = {
  /** Only what all kinds of these match: see `matches`. */
  readonly include: readonly string[];
  /** None of what any of these matches. */
  readonly exclude: readonly string[];
};

const media = ["audio", "video", "camera", "microphone", "screen"] as const;
const NAME = "name:";
/** Longer patterns are no names. */
const MAX_PATTERN = 200;

/** Everything. */
export const everything: Selection = { include: [], exclude: [] };

/**
 * Whether a track is to be recorded. A rule is a kind of media (audio, video, camera, microphone, screen) or a
 * participant's name, in which `*` stands for anything; `name:audio` is the participant called "audio". Names and
 * kinds that are included narrow each other down.
 */
export function selects(s: Selection, c: Candidate): boolean {
  const kinds = s.include.filter(isKind);
  const names = s.include.filter((r) => !isKind(r));
  if (kinds.length > 0 && !kinds.some((r) => matches(r, c))) return false;
  if (names.length > 0 && !names.some((r) => matches(r, c))) return false;
  return !s.exclude.some((r) => matches(r, c));
}

/** Checks a rule; throws a RoomtapError `usage`. */
export function checkRule(rule: string): string {
  if (rule !== "" && rule !== NAME && rule.length <= MAX_PATTERN) return rule;
  throw new RoomtapError("usage", `${JSON.stringify(rule.slice(0, 40))} selects nothing`, {
    hint: `name a participant, or one of ${media.join(", ")}`,
  });
}

function isKind(rule: string): boolean {
  return (media as readonly string[]).includes(rule);
}

function matches(rule: string, c: Candidate): boolean {
  if (rule === "audio" || rule === "video") return c.kind === rule;
  if (rule === "screen") return c.source === "screen" || c.source === "screen-audio";
  if (rule === "camera" || rule === "microphone") return c.source === rule;
  return matchesName(rule.startsWith(NAME) ? rule.slice(NAME.length) : rule, c.name);
}

/** Letter by letter with one place to go back to: no name makes it slow. */
function matchesName(pattern: string, name: string): boolean {
  const [p, n] = [[...pattern.toLowerCase()], [...name.toLowerCase()]];
  let i = 0;
  let star = -1;
  let from = 0;
  for (let j = 0; j < n.length; ) {
    if (p[i] === "*") {
      star = i++;
      from = j;
    } else if (p[i] === n[j] || p[i] === "?") {
      i++;
      j++;
    } else if (star >= 0) {
      i = star + 1;
      j = ++from;
    } else return false;
  }
  while (p[i] === "*") i++;
  return i === p.length;
}
