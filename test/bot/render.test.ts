import { afterEach, beforeEach, expect, test } from "vitest";
import { render } from "../../src/bot/render.ts";
import { manifestOf, writeManifest } from "../../src/sinks/recorder/manifest.ts";
import { TestSession } from "../sinks/recorder/session.ts";

let session: TestSession;
beforeEach(() => {
  session = new TestSession();
});
afterEach(() => session.close());

test("a manifest that tells of thousands of years is refused, not rendered", async () => {
  session.journal.append({ t: "session", version: 1, room: "r", startedAt: 1_770_000_000_000, attempt: 0 });
  session.feed(session.add("mic"), session.add("cam"), 0, 2000);
  await session.finish();
  const manifest = manifestOf(session.entries);
  const { directory } = session;
  for (const at of [9e15, 1e300]) {
    writeManifest(directory, { ...manifest, files: manifest.files.map((f) => ({ ...f, startMs: at })) });
    const options = { session: directory, layout: "grid", out: `${directory}/call.mp4` } as const;
    await expect(render({ ...options, signal: AbortSignal.timeout(2000) })).rejects.toMatchObject({
      code: "incomplete",
    });
  }
});
