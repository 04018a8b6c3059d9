import type { Member } from "./cast.ts";
import type { Span } from "./spans.ts";

/** Somebody has the floor from then on. */
export type Turn = { readonly atMs: number; readonly id: string };

/** Who says less than this gets no turn: "yes", "hm". */
const MIN_SPEECH_MS = 1200;
/** Nobody loses the floor sooner than this. */
const MIN_TURN_MS = 2500;
/** So much of a speech has to be left for it to be worth a change. */
const MIN_REST_MS = 800;

/**
 * Whose picture is large, over time. The call is over, so a turn begins with the first word: how long somebody is going
 * to speak is known. Who has the floor keeps it while speaking, and after that until another speaks for long enough.
 */
export function floorOf(members: readonly Pick<Member, "id" | "present" | "speaking">[], part: Span): Turn[] {
  const speeches = members
    .flatMap((m) => m.speaking.map((s) => ({ ...s, id: m.id })))
    .filter((s) => s.toMs - s.fromMs >= MIN_SPEECH_MS && s.toMs > part.fromMs && s.fromMs < part.toMs)
    .toSorted((a, b) => a.fromMs - b.fromMs);
  const turns: Turn[] = [];
  /** Until when the floor is taken, at least. */
  let until = part.fromMs;
  let holder: string | undefined;
  let begun = part.fromMs;
  const waiting: typeof speeches = [];
  const give = (s: (typeof speeches)[number], atMs: number) => {
    if (s.id !== holder) {
      turns.push({ atMs, id: s.id });
      begun = atMs;
    }
    holder = s.id;
    until = Math.max(s.toMs, begun + MIN_TURN_MS);
  };
  /** Those who wait get the floor as it becomes free, who has most to say first. */
  const serve = (nowMs: number) => {
    while (until <= nowMs) {
      const still = waiting.filter((s) => s.toMs - until >= MIN_REST_MS);
      const next = still.toSorted((a, b) => b.toMs - a.toMs)[0];
      waiting.splice(0, waiting.length, ...still.filter((s) => s !== next));
      if (!next) return;
      give(next, until);
    }
  };
  for (const speech of speeches) {
    const atMs = Math.max(speech.fromMs, part.fromMs);
    serve(atMs);
    if (holder === speech.id) until = Math.max(until, speech.toMs);
    else if (holder === undefined || until <= atMs) give(speech, atMs);
    else waiting.push(speech);
  }
  serve(Number.POSITIVE_INFINITY);
  return turns;
}
