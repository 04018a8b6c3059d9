import { posix } from "node:path";

/** The rules of the house as data; `findViolations` reads a tree of sources against them. */
export type House = {
  /** Modules from the bottom up. Imports go to lower rows only, and inside one module. */
  readonly rows: readonly (readonly string[])[];
  /** Imports inside one row that are allowed all the same. */
  readonly siblings: readonly (readonly [importer: string, imported: string])[];
  /** Imports that the rows would allow and the house does not. */
  readonly never: readonly (readonly [importer: string, imported: string])[];
  /** Packages with one importer: a file, or a folder ending in "/". */
  readonly owners: Readonly<Record<string, string>>;
  /** Longest file. */
  readonly maxLines: number;
  /** Names that say nothing of what is inside. */
  readonly bannedNames: readonly string[];
  /** The one file that may re-export. */
  readonly index: string;
};

/** One import or re-export as written. */
export type Import = {
  readonly specifier: string;
  readonly kind: "value" | "type" | "lazy";
};

/** Sources by path from `src`, with "/". */
export type Tree = ReadonlyMap<string, string>;

// The formatter puts every top-level statement at the start of a line, so these need no parser.
const STATIC_IMPORT = /^(?:import|export)\s+(type\s+)?[\w$\s{},*]+?\s*from\s*"([^"\n]+)"/gm;
const BARE_IMPORT = /^import\s+"([^"\n]+)"/gm;
const LAZY_IMPORT = /\b(?:import|require|import\.meta\.resolve)\(\s*"([^"\n]+)"/g;
const DECLARATION =
  /^export\s+(?:declare\s+|async\s+|abstract\s+)*(?:const\s+enum|const|let|var|function\*?|class|interface|type|enum|namespace)\s+([\w$]+|[{[])/;

/** Every import of a source: static, for types only, and lazy. */
export function importsOf(text: string): Import[] {
  const out: Import[] = [];
  for (const m of text.matchAll(STATIC_IMPORT))
    out.push({ specifier: m[2] ?? "", kind: m[1] ? "type" : "value" });
  for (const m of text.matchAll(BARE_IMPORT)) out.push({ specifier: m[1] ?? "", kind: "value" });
  for (const m of text.matchAll(LAZY_IMPORT)) out.push({ specifier: m[1] ?? "", kind: "lazy" });
  return out;
}

/** The row-table name of a file: "core" for core/*.ts, "core/rtp", else the top folder or the file's stem. */
export function moduleOf(path: string): string {
  const parts = path.split("/");
  if (parts.length === 1) return path.replace(/\.ts$/, "");
  return parts[0] === "core" && parts.length > 2 ? `core/${parts[1]}` : (parts[0] ?? "");
}

/** Everything in the tree that breaks a rule, one line each: "path: what". Empty: the house is in order. */
export function findViolations(tree: Tree, house: House): string[] {
  const out: string[] = [];
  const runtime = new Map<string, string[]>();
  for (const [path, text] of tree) {
    const imports = importsOf(text);
    out.push(...shapeViolations(path, text, house));
    const targets: string[] = [];
    for (const i of imports) {
      if (!i.specifier.startsWith(".")) {
        out.push(...packageViolations(path, i.specifier, house));
        continue;
      }
      // Data imports nothing.
      if (i.specifier.endsWith(".json")) continue;
      const target = posix.join(posix.dirname(path), i.specifier);
      if (!tree.has(target)) out.push(`${path}: imports ${i.specifier}, which is not a source file`);
      else if (i.kind === "value") targets.push(target);
      const layer = layerViolation(moduleOf(path), moduleOf(target), house);
      if (layer) out.push(`${path}: ${layer}`);
    }
    runtime.set(path, targets);
  }
  return [...out, ...cycles(runtime)];
}

function layerViolation(from: string, to: string, house: House): string | undefined {
  if (from === to) return undefined;
  const row = (m: string) => house.rows.findIndex((r) => r.includes(m));
  const pair = ([a, b]: readonly [string, string]) => a === from && b === to;
  if (row(from) < 0) return `${from} has no row in the table`;
  if (row(to) < 0) return `${to} has no row in the table`;
  if (house.never.some(pair)) return `${from} never imports ${to}`;
  if (row(to) > row(from)) return `${from} imports upward from ${to}`;
  if (row(to) === row(from) && !house.siblings.some(pair)) return `${from} imports its sibling ${to}`;
  return undefined;
}

function packageViolations(path: string, specifier: string, house: House): string[] {
  if (path.startsWith("core/")) return [`${path}: the core imports ${specifier}`];
  const owned = Object.entries(house.owners).find(
    ([name]) => specifier === name || specifier.startsWith(`${name}/`),
  );
  if (!owned) return [];
  const [name, owner] = owned;
  const allowed = owner.endsWith("/") ? path.startsWith(owner) : path === owner;
  return allowed ? [] : [`${path}: only ${owner} imports ${name}`];
}

function shapeViolations(path: string, text: string, house: House): string[] {
  const out: string[] = [];
  const lines = text.split("\n");
  const count = lines.at(-1) === "" ? lines.length - 1 : lines.length;
  if (count > house.maxLines) out.push(`${path}: ${count} lines, more than ${house.maxLines}`);
  if (house.bannedNames.includes(posix.basename(path))) out.push(`${path}: a name that says nothing`);
  if (house.rows.every((r) => !r.includes(moduleOf(path)))) out.push(`${path}: no row in the table`);
  let overloads = "";
  for (const [i, line] of lines.entries()) {
    if (!line.startsWith("export ")) continue;
    const at = `${path}:${i + 1}`;
    if (/^export\s+default\b/.test(line)) out.push(`${at}: default export`);
    else if (/^export\s+\*/.test(line)) out.push(`${at}: export *`);
    else if (/^export\s+(?:type\s+)?\{/.test(line)) {
      if (path !== house.index) out.push(`${at}: re-export outside ${house.index}`);
    } else {
      const name = DECLARATION.exec(line)?.[1];
      const further = name !== undefined && name === overloads;
      overloads = /^export (?:async )?function/.test(line) ? (name ?? "") : "";
      if (name === undefined) out.push(`${at}: an export that this test cannot read`);
      else if (!further && !documented(lines, i)) out.push(`${at}: ${name} has no doc comment`);
    }
  }
  return out;
}

/** A doc comment with words in it ends on the line above; linter directives may stand between. */
function documented(lines: readonly string[], declaration: number): boolean {
  let i = declaration - 1;
  while (lines[i]?.startsWith("// biome-ignore")) i--;
  if (!lines[i]?.trimEnd().endsWith("*/")) return false;
  const end = i;
  while (i >= 0 && !lines[i]?.includes("/*")) i--;
  const comment = lines.slice(i, end + 1).join("\n");
  return comment.startsWith("/**") && /\w/.test(comment);
}

/** Import cycles of values, each once, from its first path in order. */
function cycles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const out: string[] = [];
  const done = new Set<string>();
  const trail: string[] = [];
  const visit = (path: string) => {
    const at = trail.indexOf(path);
    if (at >= 0) {
      out.push(`import cycle: ${[...trail.slice(at), path].join(" -> ")}`);
      return;
    }
    if (done.has(path)) return;
    trail.push(path);
    for (const next of graph.get(path) ?? []) visit(next);
    trail.pop();
    done.add(path);
  };
  for (const path of graph.keys()) visit(path);
  return out;
}
