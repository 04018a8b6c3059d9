import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { findViolations, type House, importsOf, moduleOf } from "./support/architecture.ts";

const house: House = {
  rows: [
    ["core"],
    ["core/rtp"],
    ["core/codecs", "core/containers", "core/rtmp", "core/sdp", "core/transfer"],
    ["core/media", "core/stats"],
    ["peer", "net", "ffmpeg"],
    ["signaling", "contract", "sources", "sinks"],
    ["bot", "loadtest", "server"],
    ["cli", "index"],
  ],
  siblings: [["bot", "loadtest"]],
  never: [["signaling", "peer"]],
  owners: {
    "node-datachannel": "peer/native.ts",
    "@node-datachannel": "peer/native.ts",
    "fluent-ffmpeg": "ffmpeg/",
    "@ffmpeg-installer/ffmpeg": "ffmpeg/",
    commander: "cli/",
  },
  maxLines: 400,
  bannedNames: ["utils.ts", "util.ts", "misc.ts", "helpers.ts", "common.ts"],
  index: "index.ts",
};

const root = fileURLToPath(new URL("../", import.meta.url));
const unread = new Set(["node_modules", "dist", ".git", "recordings", "coverage"]);

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((e) => {
    if (e.isDirectory()) return unread.has(e.name) ? [] : filesBelow(join(folder, e.name));
    return e.isFile() ? [join(folder, e.name)] : [];
  });
}

function sources(): Map<string, string> {
  const src = join(root, "src/");
  const files = filesBelow(src).filter((f) => f.endsWith(".ts"));
  return new Map(files.map((f) => [f.slice(src.length), readFileSync(f, "utf8")]));
}

/** Violations of a tree of one documented export per file, changed by `files`. */
const inTree = (files: Record<string, string>) => findViolations(new Map(Object.entries(files)), house);

describe("the house", () => {
  test("the sources keep every rule", () => {
    const tree = sources();
    expect(tree.size).toBeGreaterThan(50);
    expect(findViolations(tree, house)).toEqual([]);
  });

  test("no file names the place it was written in", () => {
    // Put together here, so that this file passes its own rule.
    const places = [
      ["", "work", ""],
      ["..", "shared"],
      ["", ".library", ""],
    ].map((p) => p.join("/"));
    const naming = filesBelow(root)
      .filter((f) => /\.(ts|js|json|md|css|html|sh|yml)$|\/\.ci\//.test(f))
      .filter((f) => places.some((p) => readFileSync(f, "utf8").includes(p)));
    expect(naming).toEqual([]);
  });
});

describe("the test itself", () => {
  const ok = "/** A fact. */\nexport const a = 1;\n";

  test("a tidy tree has no violations", () => {
    const files = {
      "core/a.ts": ok,
      "core/rtp/b.ts": `import { a } from "../a.ts";\n${ok}`,
      "bot/c.ts": `import { x } from "../loadtest/d.ts";\nimport { readFile } from "node:fs";\n${ok}`,
      "loadtest/d.ts": ok,
      "peer/native.ts": `import { PeerConnection } from "node-datachannel";\n${ok}`,
      "index.ts": 'export { a } from "./core/a.ts";\n',
    };
    expect(inTree(files)).toEqual([]);
  });

  test.each([
    ["upward", 'import { a } from "../../sinks/a.ts";', "core/rtp imports upward from sinks"],
    ["upward for types", 'import type { A } from "../../sinks/a.ts";', "core/rtp imports upward from sinks"],
    [
      "upward in a lazy import",
      'const x = import("../../sinks/a.ts");',
      "core/rtp imports upward from sinks",
    ],
    [
      "upward by re-export",
      'export type { A } from "../../sinks/a.ts";',
      "core/rtp imports upward from sinks",
    ],
    ["over several lines", 'import {\n  a,\n  b as c,\n} from "../../sinks/a.ts";', "imports upward"],
    ["for side effects", 'import "../../sinks/a.ts";', "imports upward"],
    ["nowhere", 'import { a } from "./gone.ts";', "is not a source file"],
    ["a package into the core", 'import { a } from "node:fs";', "the core imports node:fs"],
  ])("an import %s is found", (_, line, violation) => {
    const found = inTree({ "core/rtp/b.ts": `${line}\n${ok}`, "sinks/a.ts": ok });
    expect(found.join("\n")).toContain(violation);
  });

  test("siblings, forbidden pairs and modules without a row are found", () => {
    const found = inTree({
      "server/a.ts": `import { a } from "../bot/a.ts";\n${ok}`,
      "loadtest/a.ts": `import { a } from "../bot/a.ts";\n${ok}`,
      "bot/a.ts": ok,
      "signaling/a.ts": `import { a } from "../peer/a.ts";\n${ok}`,
      "peer/a.ts": ok,
      "extras/a.ts": ok,
      "core/extras/a.ts": ok,
    });
    expect(found).toEqual([
      "server/a.ts: server imports its sibling bot",
      "loadtest/a.ts: loadtest imports its sibling bot",
      "signaling/a.ts: signaling never imports peer",
      "extras/a.ts: no row in the table",
      "core/extras/a.ts: no row in the table",
    ]);
  });

  test("a cycle of values is found, a cycle through a type is none", () => {
    const cycle = {
      "net/a.ts": `import { b } from "./b.ts";\n${ok}`,
      "net/b.ts": `import { c } from "./c.ts";\n${ok}`,
      "net/c.ts": `import { a } from "./a.ts";\n${ok}`,
    };
    expect(inTree(cycle)).toEqual(["import cycle: net/a.ts -> net/b.ts -> net/c.ts -> net/a.ts"]);
    expect(inTree({ ...cycle, "net/c.ts": `import type { A } from "./a.ts";\n${ok}` })).toEqual([]);
  });

  test.each([
    ["node-datachannel", "peer/other.ts"],
    ["node-datachannel/polyfill", "bot/a.ts"],
    ["fluent-ffmpeg", "sinks/a.ts"],
    ["@ffmpeg-installer/ffmpeg", "cli/a.ts"],
    ["commander", "bot/a.ts"],
  ])("a second importer of %s is found", (name, path) => {
    expect(inTree({ [path]: `import { x } from "${name}";\n${ok}` }).join()).toContain(`${path}: only `);
    expect(inTree({ [path]: `const x = await import("${name}");\n${ok}` }).join()).toContain(
      `${path}: only `,
    );
  });

  test.each([
    ["a default export", "export default 1;\n", "default export"],
    ["a star export", 'export * from "./b.ts";\n', "export *"],
    ["a barrel", 'export { a } from "./b.ts";\n', "re-export outside index.ts"],
    ["an undocumented function", "export async function f(): void {}\n", "f has no doc comment"],
    ["an undocumented type", "/** About another. */\n\nexport type T = 1;\n", "T has no doc comment"],
    ["a plain comment", "/* Not for readers of the API. */\nexport class C {}\n", "C has no doc comment"],
    ["an empty comment", "/** */\nexport interface I {}\n", "I has no doc comment"],
    ["a long file", ok + "//\n".repeat(399), "401 lines, more than 400"],
  ])("%s is found", (_, text, violation) => {
    expect(inTree({ "net/a.ts": text, "net/b.ts": ok }).join()).toContain(violation);
  });

  test("a file with an empty name is found", () => {
    expect(inTree({ "net/utils.ts": ok })).toEqual(["net/utils.ts: a name that says nothing"]);
  });

  test("the second overload needs no comment of its own", () => {
    const text = "/** Both ways. */\nexport function f(a: 1): 1;\nexport function f(a: 2): 2;\n";
    expect(inTree({ "net/a.ts": text })).toEqual([]);
  });

  test("imports are told apart by kind, and text is no import", () => {
    const text = [
      'import type { A } from "./a.ts";',
      'import * as b from "./b.ts";',
      '  // import { c } from "./c.ts";',
      'const d = "import { d } from \\"./d.ts\\"";',
      'const e = () => import("./e.ts");',
    ].join("\n");
    expect(importsOf(text)).toEqual([
      { specifier: "./a.ts", kind: "type" },
      { specifier: "./b.ts", kind: "value" },
      { specifier: "./e.ts", kind: "lazy" },
    ]);
  });

  test("core is a module per folder, and the files on its top are one", () => {
    expect(moduleOf("core/bytes.ts")).toBe("core");
    expect(moduleOf("core/rtp/rtcp/parse.ts")).toBe("core/rtp");
    expect(moduleOf("signaling/room/client.ts")).toBe("signaling");
    expect(moduleOf("index.ts")).toBe("index");
  });
});
