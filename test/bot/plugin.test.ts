import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adapterFor } from "../../src/bot/adapters.ts";
import { loadPlugin } from "../../src/bot/plugin.ts";
import { adapterContract } from "../../src/contract/adapter-contract.ts";
import { PaperHost } from "../../src/contract/paper-host.ts";
import type { JoinWish, RoomEvent } from "../../src/core/room.ts";

const sample = "samples/plugin/folder-room.mjs";
const wish: JoinWish = { name: "x", recorder: true, publish: [], receive: true };
const never = new AbortController().signal;

let folder: string;
let made = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "roomtap-plugin-"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** A module of its own with this text. */
async function plugin(text: string): Promise<string> {
  const path = join(folder, `plugin-${made++}.mjs`);
  await writeFile(path, text);
  return path;
}

describe("a plugin", () => {
  it("joins the rooms of its schemes, and those only", async () => {
    const path = await plugin('export const adapter = { schemes: ["Abc"], join: async () => ({}) };');
    expect((await adapterFor("abc:room", path)).schemes).toEqual(["abc"]);
    await expect(adapterFor("ws://room", path)).rejects.toMatchObject({
      code: "room-scheme",
      hint: /known schemes: abc$/,
    });
  });

  it("may be a default export", async () => {
    const path = await plugin('export default { schemes: ["abc"], join: async () => ({}) };');
    expect((await loadPlugin(path)).schemes).toEqual(["abc"]);
  });

  it.each([
    ["/nowhere/plugin.mjs", undefined, /cannot be loaded: there is no such file/],
    ["nothing", "export const a = 1;", /exports no adapter/],
    ["a function", "export const adapter = () => 1;", /exports no adapter/],
    [
      "schemes that are no texts",
      "export const adapter = { schemes: [1], join() {} };",
      /exports no adapter/,
    ],
    ["a throw", 'throw new Error("no\\ngood");', /cannot be loaded: no good$/],
    ["a throw of nothing", "throw undefined;", /cannot be loaded: undefined$/],
    ["no JavaScript", "export const adapter = {", /cannot be loaded: /],
    ["a missing import", 'import "not-a-package-of-ours";', /cannot be loaded: .*not-a-package-of-ours/],
  ])("with %s is refused in one line", async (name, text, message) => {
    const path = text === undefined ? name : await plugin(text);
    await expect(loadPlugin(path)).rejects.toMatchObject({ name: "RoomtapError", code: "usage", message });
  });

  it.each([
    [
      'throw new Error("the door\\nis shut")',
      { code: "signal-refused", message: /could not join: the door is shut/ },
    ],
    ["throw null", { code: "signal-refused" }],
    [
      'throw Object.assign(new Error("wrong pin"), { code: "auth", hint: "ask for it" })',
      { code: "auth", message: "wrong pin", hint: "ask for it" },
    ],
    ["return undefined", { code: "signal-refused" }],
  ])("whose join says: %s, fails as an error of ours", async (body, error) => {
    const adapter = await loadPlugin(
      await plugin(`export const adapter = { schemes: ["a"], join() { ${body} } };`),
    );
    await expect(adapter.join(new PaperHost(), "a:b", wish, never)).rejects.toMatchObject({
      name: "RoomtapError",
      ...error,
    });
  });

  it("that fails in the room ends it, with an error of ours, and is left all the same", async () => {
    const bad = (events: string) => `export const adapter = { schemes: ["a"], join: async () => ({
      events: (async function* () { yield { t: "signalling", op: "lost" }; ${events} })(),
      leave() { throw new Error("never"); } }) };`;
    const ends = [
      'throw new Error("broken")',
      'yield { t: "ended", reason: "error", error: new Error("broken") }; yield { t: "peer" }',
    ];
    for (const text of ends) {
      const adapter = await loadPlugin(await plugin(bad(text)));
      const session = await adapter.join(new PaperHost(), "a:b", wish, never);
      const events: RoomEvent[] = [];
      for await (const e of session.events) events.push(e);
      expect(events).toMatchObject([
        { t: "signalling" },
        {
          t: "ended",
          reason: "error",
          error: { name: "RoomtapError", code: "signal-closed", message: /broken/ },
        },
      ]);
      await session.leave();
    }
  });

  it("has a label of its own, or its address without what stands behind ? and #", async () => {
    const own = await plugin('export const adapter = { schemes: ["a"], label: () => "room", join() {} };');
    const none = await plugin('export const adapter = { schemes: ["a"], label() { throw 1; }, join() {} };');
    expect((await loadPlugin(own)).label?.("a:b?token=x")).toBe("room");
    expect((await loadPlugin(none)).label?.("a:b?token=x#y")).toBe("a:b");
  });
});

describe.concurrent("the sample plugin", async () => {
  const adapter = await loadPlugin(sample);
  const cases = adapterContract({
    adapter: () => adapter,
    target: () => `folder:${join(folder, `room-${made++}`)}`,
    invalid: ["folder:"],
  });
  it.each(cases.map((c) => [c.name, c.run] as const))("%s", (_, run) => run());
});
