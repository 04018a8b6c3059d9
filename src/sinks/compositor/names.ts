/** Characters of a name that are looked at: nobody reads more. */
const MAX_CHARACTERS = 200;
/** Marks on one letter: more of them make a smear. */
const MAX_MARKS = 2;

/** What somebody is called, in one line, without what cannot be seen or turns text around; joiners of scripts stay. */
export function plainName(name: string): string {
  const plain = name
    .slice(0, 4 * MAX_CHARACTERS)
    .replace(/\s+/gu, " ")
    .replace(/(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, "?")
    .replace(new RegExp(`(\\p{M}{${MAX_MARKS}})\\p{M}+`, "gu"), "$1")
    .trim();
  return [...plain].slice(0, MAX_CHARACTERS).join("");
}

/** As much of a text as is likely to have room, an ellipsis behind what was cut. `ems`: widths of its letters' size. */
export function fitText(text: string, ems: number): string {
  const letters = [...text];
  let width = 0;
  let room = 0;
  for (const [i, letter] of letters.entries()) {
    width += emsOf(letter);
    if (width + ELLIPSIS_EMS <= ems) room = i + 1;
    if (width > ems) return `${letters.slice(0, room).join("").trimEnd()}…`;
  }
  return text;
}

/** One or two letters that stand for a name; empty where it has none. */
export function initialsOf(name: string): string {
  const words = plainName(name).match(/[\p{L}\p{N}]+/gu) ?? [];
  const first = (word: string | undefined) => [...(word ?? "")][0] ?? "";
  const last = words.length > 1 ? first(words.at(-1)) : "";
  return `${first(words[0])}${last}`.toLocaleUpperCase("en");
}

/** A number that is the same for the same name, 0..n-1. */
export function hueOf(name: string, n: number): number {
  let hash = 7;
  for (const c of name.slice(0, MAX_CHARACTERS)) hash = (hash * 31 + (c.codePointAt(0) ?? 0)) >>> 0;
  return hash % n;
}

const ELLIPSIS_EMS = 0.9;

/** About how wide a letter is. */
function emsOf(letter: string): number {
  if (/[\p{M}\u200c\u200d]/u.test(letter)) return 0;
  if (
    /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}\p{Extended_Pictographic}]/u.test(letter) &&
    letter > "\u2000"
  )
    return 1.05;
  if (/[ .,:;'|!iIjl()[\]]/.test(letter)) return 0.36;
  return /[\p{Lu}mw@%<>=&]/u.test(letter) ? 0.8 : 0.62;
}
