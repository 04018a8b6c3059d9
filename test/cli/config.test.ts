import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, Option } from "commander";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { applyConfigFile } from "../../src/cli/config.ts";
import { parseDuration } from "../../src/cli/units.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "roomtap-config-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
  vi.unstubAllEnvs();
});

function file(content: unknown): string {
  const path = join(folder, "config.json");
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

/** The options of a small command run with these arguments. */
function run(args: readonly string[]): Record<string, unknown> {
  let seen: Record<string, unknown> = {};
  const command = new Command("record")
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
    .addOption(new Option("--out <dir>", "").default("recordings").env("ROOMTAP_OUT"))
    .addOption(
      new Option("--format <format>", "").choices(["auto", "mp4"]).default("auto").env("ROOMTAP_FORMAT"),
    )
    .option("--duration <time>", "", parseDuration)
    .option("--max-bitrate <rate>", "", Number)
    .option("--allow-origin <origin...>", "")
    .option("--insecure", "")
    .option("--config <file>", "")
    .hook("preAction", (_, c) => applyConfigFile(c))
    .action((o: Record<string, unknown>) => {
      seen = o;
    });
  command.parse([...args], { from: "user" });
  return seen;
}

const fails = (content: unknown) => {
  try {
    run(["--config", file(content)]);
  } catch (error) {
    return error;
  }
  return undefined;
};

describe("a configuration file", () => {
  it("gives way to flags and the environment, and overrides defaults", () => {
    const config = file({ out: "from-file" });
    expect(run([])).toMatchObject({ out: "recordings" });
    expect(run(["--config", config])).toMatchObject({ out: "from-file" });
    vi.stubEnv("ROOMTAP_OUT", "from-env");
    expect(run(["--config", config])).toMatchObject({ out: "from-env" });
    expect(run(["--config", config, "--out", "from-flag"])).toMatchObject({ out: "from-flag" });
  });

  it("does not override a flag that repeats the default", () => {
    expect(run(["--config", file({ out: "from-file" }), "--out", "recordings"])).toMatchObject({
      out: "recordings",
    });
  });

  it("takes values as the flags would", () => {
    const o = run([
      "--config",
      file({
        duration: "30s",
        maxBitrate: 5,
        insecure: true,
        format: "mp4",
        allowOrigin: ["https://a", "https://b"],
      }),
    ]);
    expect(o).toMatchObject({
      duration: 30_000,
      maxBitrate: 5,
      insecure: true,
      format: "mp4",
      allowOrigin: ["https://a", "https://b"],
    });
    expect(run(["--config", file({ duration: 30, allowOrigin: "https://a" })])).toMatchObject({
      duration: 30_000,
      allowOrigin: ["https://a"],
    });
    expect(run(["--config", file({ insecure: false })])).toMatchObject({ insecure: false });
  });

  it.each([
    ["fromat", 'did you mean "format"?'],
    ["Duration", 'did you mean "duration"?'],
    ["max-bitrate", 'did you mean "maxBitrate"?'],
    ["zzzzzzzzzz", '"roomtap record --help" lists the keys'],
    ["__proto__", '"roomtap record --help" lists the keys'],
  ])("is refused for the unknown key %s, with the nearest known one", (key, hint) => {
    expect(fails(`{ ${JSON.stringify(key)}: 1 }`)).toMatchObject({
      code: "usage",
      message: expect.stringContaining(`unknown key "${key}"`),
      hint,
    });
  });

  it.each([
    [{ out: null }, '"out" in'],
    [{ out: { a: 1 } }, "must be a text or a number"],
    [{ out: ["a"] }, "must be a text or a number"],
    [{ out: true }, "must be a text or a number"],
    [{ insecure: "false" }, "must be true or false"],
    [{ insecure: 1 }, "must be true or false"],
    [{ format: "avi" }, "must be one of auto, mp4"],
    [{ duration: "soon" }, "not a duration: soon"],
    [{ allowOrigin: [1, null] }, "must be a text or a number"],
  ])("is refused for %j", (content, message) => {
    expect(fails(content)).toMatchObject({ code: "usage", message: expect.stringContaining(message) });
  });

  it.each(["", "[]", "null", "7", '"x"', "{", "{'out': 1}"])("is refused when it holds %j", (text) => {
    expect(fails(text)).toMatchObject({
      code: "usage",
      message: expect.stringContaining("is not a JSON object"),
    });
  });

  it("must be there", () => {
    expect(() => run(["--config", join(folder, "missing.json")])).toThrow(
      expect.objectContaining({
        code: "usage",
        message: expect.stringContaining("cannot read the configuration"),
      }),
    );
    expect(() => run(["--config", folder])).toThrow(expect.objectContaining({ code: "usage" }));
  });
});
