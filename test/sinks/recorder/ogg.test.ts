import { copyFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { opusPacketDuration } from "../../../src/core/codecs/opus-packet.ts";
import { OggOpusReader } from "../../../src/core/containers/ogg/opus-reader.ts";
import type { FileFormat } from "../../../src/sinks/recorder/output.ts";
import { recoverSession } from "../../../src/sinks/recorder/recover.ts";
import { ms, soundAt, TestSession } from "./session.ts";

let open: TestSession[] = [];
afterEach(() => {
  for (const s of open) s.close();
  open = [];
});

function session(format: FileFormat): TestSession {
  const s = new TestSession({ format });
  open.push(s);
  return s;
}

const files = (s: TestSession) =>
  readdirSync(s.directory)
    .filter((n) => n !== "journal.jsonl")
    .sort();

/** Packets of an Ogg file, each with its time in milliseconds, by stream. */
function soundOf(s: TestSession, name: string): { at: number; data: number[] }[][] {
  const reader = new OggOpusReader(opusPacketDuration);
  const streams = new Map<number, { at: number; data: number[] }[]>();
  for (const e of reader.push(new Uint8Array(readFileSync(join(s.directory, name))))) {
    if (e.t === "head") streams.set(e.serial, []);
    if (e.t === "packet") streams.get(e.serial)?.push({ at: e.at / 48, data: [...e.data] });
  }
  return [...streams.values()];
}

test("sound alone becomes Ogg without ffmpeg, every packet at its time", async () => {
  const s = session("ogg");
  s.feed(s.add("mic"), undefined, 0, 3000);
  await s.finish();
  expect(s.failures).toEqual([]);
  expect(files(s)).toEqual(["Alice.ogg"]);
  expect(s.entriesOf("file-close")).toMatchObject([
    { format: "ogg", durationMs: 3000, tracks: [{ kind: "audio", codec: "opus", frames: 150 }] },
  ]);
  const sent = Array.from({ length: 150 }, (_, i) => ({ at: 20 * i, data: [...soundAt(20 * i).data] }));
  expect(soundOf(s, "Alice.ogg")).toEqual([sent]);
});

test("two microphones of one participant are both in the file", async () => {
  const s = session("ogg");
  const [one, two] = [s.add("mic"), s.add("mic2")];
  for (let t = 0; t < 3000; t += 20) {
    s.recorder.frame(one, soundAt(t));
    if (t >= 1000) s.recorder.frame(two, soundAt(t + 4));
    s.recorder.tick(ms(t));
  }
  await s.finish();
  expect(s.failures).toEqual([]);
  expect(s.entriesOf("file-close")[0]?.tracks).toHaveLength(2);
  const [first = [], second = []] = soundOf(s, "Alice.ogg");
  expect(first.map((p) => p.at)).toEqual(Array.from({ length: 150 }, (_, i) => 20 * i));
  const heard = second.filter((p) => p.data.length === 4);
  expect(heard).toHaveLength(100);
  for (const { at, data } of heard) {
    const sent = (data[1] ?? 0) + 256 * (data[2] ?? 0);
    expect(Math.abs(at - sent)).toBeLessThan(10);
  }
});

test("pictures are never thrown away for Ogg: a file that has some stays Matroska", async () => {
  const s = session("ogg");
  s.feed(s.add("mic"), s.add("cam"), 0, 2000);
  await s.finish();
  expect(s.failures).toEqual([]);
  expect(files(s)).toEqual(["Alice.mkv"]);
  expect(s.entriesOf("file-close")).toMatchObject([
    { format: "mkv", tracks: [{ kind: "audio" }, { kind: "video" }] },
  ]);
});

test("what a killed recorder left becomes Ogg, and other media does not when it is asked for later", async () => {
  const killed = async (format: FileFormat, picture: boolean) => {
    const s = session(format);
    s.feed(s.add("mic"), picture ? s.add("cam") : undefined, 0, 2000);
    await s.recorder.drained();
    const dead = session(format);
    dead.journal.close();
    for (const name of readdirSync(s.directory))
      copyFileSync(join(s.directory, name), join(dead.directory, name));
    return dead;
  };
  const sound = await killed("ogg", false);
  expect(await recoverSession(sound.directory, { ffmpeg: "" })).toBeUndefined();
  expect(files(sound)).toEqual(["Alice.ogg"]);
  const call = await killed("webm", true);
  const thorough = { format: "ogg" } as const;
  expect(await recoverSession(call.directory, { ffmpeg: "", thorough })).toBeUndefined();
  expect(files(call)).toEqual(["Alice.webm"]);
});

test("a conversion that is skipped keeps the recording", async () => {
  const s = session("ogg");
  s.feed(s.add("mic"), undefined, 0, 2000);
  await s.recorder.finish();
  const skip = new AbortController();
  await s.recorder.convert({ skip: skip.signal, onProgress: () => skip.abort() });
  expect(s.failures).toEqual([]);
  expect(files(s)).toEqual(["Alice.mkv"]);
  expect(s.entriesOf("file-close")).toMatchObject([{ path: "Alice.mkv", format: "mkv" }]);
});
