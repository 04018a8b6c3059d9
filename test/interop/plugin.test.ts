import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { RecordResult } from "../../src/bot/record.ts";
import { runCli, startCli } from "../support/cli.ts";

const sample = "samples/plugin/folder-room.mjs";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "roomtap-plugin-"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

it("the sample's rooms are recorded and published to", async () => {
  const room = `folder:${join(folder, "talk")}`;
  const publisher = startCli(["publish", room, "--plugin", sample]);
  try {
    await publisher.seen(/publishing/, 60_000);
    const out = join(folder, "out");
    const recorded = await runCli([
      "record",
      room,
      "--plugin",
      sample,
      "--out",
      out,
      "--duration",
      "3s",
      "--json",
    ]);
    expect(recorded.code, recorded.stderr).toBe(0);
    const [file] = (JSON.parse(recorded.stdout) as RecordResult).files;
    expect(file?.tracks.map((t) => t.codec).sort()).toEqual(["opus", "vp8"]);
    expect(file?.durationMs).toBeGreaterThan(2900);
  } finally {
    publisher.kill("SIGINT");
    await publisher.done;
  }
});

it("a plugin that is missing, none, or fails is told of in two lines, with 2 or 3", async () => {
  const none = join(folder, "none.mjs");
  const fails = join(folder, "fails.mjs");
  await writeFile(none, "export const nothing = 1;");
  await writeFile(
    fails,
    'export const adapter = { schemes: ["my"], join() { throw new Error("it is shut"); } };',
  );
  const runs: [plugin: string, code: number, said: RegExp][] = [
    ["gone.mjs", 2, /^error: the plugin gone\.mjs cannot be loaded: there is no such file\nhint: .+\n$/],
    [none, 2, /^error: the plugin .* exports no adapter\nhint: .+\n$/],
    [fails, 3, /^error: the plugin could not join: it is shut\n$/],
  ];
  await Promise.all(
    runs.map(async ([plugin, code, said]) => {
      const out = join(folder, "failed");
      const r = await runCli(["record", "my:room", "--plugin", plugin, "--out", out, "--format", "mkv"]);
      expect(r.stderr).toMatch(said);
      expect(r.code).toBe(code);
    }),
  );
});

it("the contract is there for other people's tests", async () => {
  const program = `
    import { adapterContract } from "roomtap/adapter-contract";
    import { adapter } from "./${sample}";
    const rules = { adapter: () => adapter, target: "folder:${join(folder, "paper")}", invalid: ["folder:"] };
    for (const { run } of adapterContract(rules)) await run();
    console.log(adapterContract(rules).length);`;
  const args = ["--input-type=module", "--eval", program];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  expect(Number(stdout)).toBeGreaterThan(5);
});
