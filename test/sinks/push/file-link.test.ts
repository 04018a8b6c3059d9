import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fileLinks } from "../../../src/sinks/push/file-link.ts";
import type { PushFailure } from "../../../src/sinks/push/link.ts";
import { PushSink } from "../../../src/sinks/push/push-sink.ts";
import { feedPlan } from "../../support/program-feed.ts";
import { someFormat, somePicture, someSound } from "../../support/program-samples.ts";
import { until } from "../../support/until.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "roomtap-file-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const [rendition = { name: "a", bitrate: 1, framesPerSecond: 10 }] = feedPlan.renditions;

function fileSink(name: string, notices: string[] = []): PushSink {
  const path = join(folder, name);
  const onNotice = (_: string, text: string) => notices.push(text);
  return new PushSink({
    name: "file",
    shown: path,
    onNotice,
    open: fileLinks({ path, rendition, onNotice }),
  });
}

/** Feeds seconds of the program, from second `from` on. */
function feed(sink: PushSink, seconds: number, from = 0): void {
  for (let i = 10 * from; i < 10 * (from + seconds); i++) {
    sink.sample(somePicture(i));
    for (let n = Math.ceil(4.6875 * i); n < 4.6875 * (i + 1); n++) sink.sample(someSound(n));
  }
}

const files = () => readdirSync(folder).sort();
const running = (sink: PushSink) => until("it runs", () => sink.status().state === "running");

test.each(["mp4", "mkv", "ts"])(
  "a .%s has its name only when it is whole, and grows meanwhile",
  async (ext) => {
    const sink = fileSink(`talk.${ext}`);
    sink.format(someFormat());
    feed(sink, 1);
    await running(sink);
    feed(sink, 2, 1);
    // All but the last second is there already.
    await until("it grows", () => readFileSync(join(folder, `talk.${ext}.part`)).length > 20 * 100);
    expect(files()).toEqual([`talk.${ext}.part`]);
    await sink.close();
    expect(files()).toEqual([`talk.${ext}`]);
    expect(sink.status()).toMatchObject({ state: "ended", dropped: 0, attempts: 1 });
    expect(sink.status().bytes).toBeGreaterThanOrEqual(readFileSync(join(folder, `talk.${ext}`)).length);
  },
);

test("an encoder that was replaced goes on in the file, one that makes something else begins another", async () => {
  const notices: string[] = [];
  const sink = fileSink("talk.mkv", notices);
  sink.format(someFormat());
  feed(sink, 2);
  await running(sink);
  sink.interruption();
  sink.format(someFormat());
  feed(sink, 2, 3);
  sink.interruption();
  sink.format(someFormat(5));
  feed(sink, 2, 6);
  await until("the second one", () => sink.status().attempts === 2 && sink.status().state === "running");
  await sink.close();
  expect(files()).toEqual(["talk-2.mkv", "talk.mkv"]);
  expect(notices).toEqual([
    `${join(folder, "talk.mkv")} is there already: the stream goes into ${join(folder, "talk-2.mkv")}`,
  ]);
});

test("what is there already, whole or not, is not touched", async () => {
  writeFileSync(join(folder, "talk.ts"), "whole");
  writeFileSync(join(folder, "talk-2.ts.part"), "torn");
  const sink = fileSink("talk.ts");
  sink.format(someFormat());
  feed(sink, 1);
  await running(sink);
  await sink.close();
  expect(files()).toEqual(["talk-2.ts.part", "talk-3.ts", "talk.ts"]);
  expect(readFileSync(join(folder, "talk.ts"), "utf8")).toBe("whole");
  expect(readFileSync(join(folder, "talk-2.ts.part"), "utf8")).toBe("torn");
});

test("a directory that is gone fails, without a throw, and is said", async () => {
  let failure: PushFailure | undefined;
  fileLinks({ path: join(folder, "gone", "talk.mp4"), rendition })(someFormat(), {
    onOpen: () => undefined,
    onRoom: () => undefined,
    onMoved: () => undefined,
    onClosed: (f) => {
      failure = f;
    },
  });
  expect((await until("it fails", () => failure)).text).toMatch(/ENOENT/);
  expect(files()).toEqual([]);
});

test("a file that is given up keeps what it has when that is worth it", async () => {
  for (const [seconds, kept] of [
    [3, true],
    [0.2, false],
  ] as const) {
    let failure: PushFailure | undefined;
    const path = join(folder, `talk-${seconds}.mkv`);
    const notices: string[] = [];
    const onNotice = (_: string, text: string) => notices.push(text);
    const link = fileLinks({ path, rendition, onNotice })(someFormat(), {
      onOpen: () => undefined,
      onRoom: () => undefined,
      onMoved: () => undefined,
      onClosed: (f) => {
        failure = f;
      },
    });
    for (let i = 0; i < 10 * seconds; i++)
      link.send({ ...somePicture(i), timeMs: 100 * i, format: someFormat(), kind: "video" });
    await until("it is written", () => link.idle);
    link.abort();
    await until("it fails", () => failure);
    expect(existsSync(`${path}.part`)).toBe(kept);
    expect(notices).toEqual(kept ? [`${path}.part is not complete, and has what came before`] : []);
    expect(existsSync(path)).toBe(false);
  }
});
