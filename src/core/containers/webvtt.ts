/** One cue of a WebVTT file (W3C WebVTT section 3.1). Texts are plain: markup in them is shown as it is. */
export type WebVttCue = {
  /** Milliseconds; the end is after the start. */
  readonly startMs: number;
  readonly endMs: number;
  readonly text: string;
};

/** What a WebVTT file holds. */
export type WebVttFile = {
  /** Title beside the signature. */
  readonly title?: string;
  /** Comments for people who open the file, one each. */
  readonly notes?: readonly string[];
  /** In order of their starts. */
  readonly cues: readonly WebVttCue[];
};

/** The file as text. Cues are numbered from 1; cues that do not end after their start are left out. */
export function webVtt(f: WebVttFile): string {
  const cues = f.cues.filter((c) => webVttTime(c.endMs) > webVttTime(c.startMs) && c.startMs < MAX_MS);
  const blocks = [
    `WEBVTT${f.title ? ` - ${bare(f.title)}` : ""}`,
    ...(f.notes ?? []).map((note) => `NOTE ${bare(note)}`),
    ...cues.map(
      (c, i) => `${i + 1}\n${webVttTime(c.startMs)} --> ${webVttTime(c.endMs)}\n${webVttText(c.text)}`,
    ),
  ];
  return `${blocks.join("\n\n")}\n`;
}

/** Four digits of hours: what is longer is no recording. */
const MAX_MS = 9999 * 3_600_000;

/** A timestamp (section 3.3): `HH:MM:SS.mmm`, hours with at least two digits. */
export function webVttTime(ms: number): string {
  const t = Math.min(MAX_MS, Math.max(0, Math.round(ms) || 0));
  const two = (n: number) => String(Math.floor(n) % 60).padStart(2, "0");
  const hours = String(Math.floor(t / 3_600_000)).padStart(2, "0");
  return `${hours}:${two(t / 60_000)}:${two(t / 1000)}.${String(t % 1000).padStart(3, "0")}`;
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

/** Plain text as the text of a cue, on one line: a player shows every character of it and obeys none. */
export function webVttText(text: string): string {
  // A cue without text would end where its text should be.
  return oneLine(text).replace(/[&<>]/g, (c) => entities[c] ?? c) || "&nbsp;";
}

/** Text where no entities are read: an arrow there would make it a cue. */
function bare(text: string): string {
  return oneLine(text).replace(/-->/g, "-- >");
}

/** Without line ends and controls, and without what turns the rest of a line around. */
function oneLine(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ")
    .replace(/(?![\u200c\u200d])[\p{Cf}\p{Cs}]/gu, "")
    .trim();
}
