/** One link of a Link header (RFC 8288): what is between `<` and `>`, and its parameters, names in lower case. */
export type HeaderLink = { readonly target: string; readonly params: ReadonlyMap<string, string> };

/** More links than this are not read. */
const MAX_LINKS = 64;

/** Reads a Link header, or several joined by commas. What cannot be read ends it. */
export function parseLinks(text: string): HeaderLink[] {
  const r = new Cursor(text);
  const out: HeaderLink[] = [];
  while (out.length < MAX_LINKS) {
    r.skip(/[\s,]/);
    if (!r.take("<")) break;
    const target = r.until(/>/).trim();
    if (!r.take(">")) break;
    const params = new Map<string, string>();
    for (r.skip(/\s/); r.take(";"); r.skip(/\s/)) {
      r.skip(/\s/);
      const name = r.until(/[\s=;,]/).toLowerCase();
      r.skip(/\s/);
      const value = r.take("=") ? parameter(r) : "";
      // The first of a name counts (section 3).
      if (name !== "" && !params.has(name)) params.set(name, value);
    }
    out.push({ target, params });
  }
  return out;
}

function parameter(r: Cursor): string {
  r.skip(/\s/);
  if (!r.take('"')) return r.until(/[\s;,]/);
  let value = "";
  for (;;) {
    value += r.until(/["\\]/);
    if (!r.take("\\")) break;
    value += r.one();
  }
  r.take('"');
  return value;
}

class Cursor {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  take(ch: string): boolean {
    if (this.#text[this.#at] !== ch) return false;
    this.#at++;
    return true;
  }

  one(): string {
    return this.#text[this.#at++] ?? "";
  }

  skip(what: RegExp): void {
    while (this.#at < this.#text.length && what.test(this.#text[this.#at] ?? "")) this.#at++;
  }

  until(end: RegExp): string {
    const from = this.#at;
    while (this.#at < this.#text.length && !end.test(this.#text[this.#at] ?? "")) this.#at++;
    return this.#text.slice(from, this.#at);
  }
}
