/** Longest stem of a file name, UTF-8 bytes: room for suffixes below the usual limit of 255. */
const MAX_BYTES = 80;
/** Names that some file systems keep for themselves. */
const reserved = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/**
 * A file-name stem from what a stranger calls itself: letters, digits, `_`, `-` and inner dots only, never a
 * path, never hidden, never empty.
 */
export function fileStem(name: string, fallback: string): string {
  const clean = name
    .slice(0, 1000)
    .normalize("NFC")
    .replace(/[^\p{L}\p{M}\p{N}_.-]+/gu, "-")
    .replace(/\.{2,}/g, ".")
    .replace(/-{2,}/g, "-")
    .replace(/(?:^[-.]+|[-.]+$)/g, "");
  let stem = "";
  let bytes = 0;
  for (const ch of clean) {
    bytes += utf8Length(ch);
    if (bytes > MAX_BYTES) break;
    stem += ch;
  }
  stem = stem.replace(/[-.]+$/, "");
  if (stem === "" || !/[\p{L}\p{N}]/u.test(stem) || reserved.test(stem)) return fallback;
  return stem;
}

/** Hands out every file name once. Names that differ in case only count as the same. */
export class UniqueNames {
  readonly #used = new Set<string>();

  /** Marks a stem as taken. */
  take(stem: string): void {
    this.#used.add(stem.toLowerCase());
  }

  /** `stem`, or `stem-2`, `stem-3`, ... when it is taken. */
  unique(stem: string): string {
    let name = stem;
    for (let n = 2; this.#used.has(name.toLowerCase()); n++) name = `${stem}-${n}`;
    this.take(name);
    return name;
  }
}

function utf8Length(ch: string): number {
  const c = ch.codePointAt(0) ?? 0;
  if (c < 0x80) return 1;
  if (c < 0x800) return 2;
  return c < 0x10000 ? 3 : 4;
}
