import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { checkWhipTargets, createWhipPushes } from "../../src/bot/whip-push.ts";
import { avcDecoderConfig } from "../../src/core/codecs/h264-avcc.ts";
import { joinLengths } from "../../src/core/codecs/nal-lengths.ts";
import type { ProgramFormat, ProgramSample, ProgramSink } from "../../src/sinks/program/program.ts";
import { feedPlan } from "../support/program-feed.ts";
import { someFormat, someSound } from "../support/program-samples.ts";
import { until } from "../support/until.ts";

const script = fileURLToPath(new URL("../support/children/push.mjs", import.meta.url));
const TOKEN = "secret-token-91";
const sps = Uint8Array.from([0x67, 77, 0x40, 30, 0xe8, 0x80, 0xa0, 0x2f, 0xf9, 0x70]);
const pps = Uint8Array.of(0x68, 0xee, 0x3c, 0x80);
const config = avcDecoderConfig([sps], [pps]);

const format: ProgramFormat = {
  ...someFormat(),
  video: { codec: "h264", config: config ?? new Uint8Array(0), width: 320, height: 180 },
};

/** Picture `i` of ten a second, a keyframe every second. */
function picture(i: number, octets = 20): ProgramSample {
  const nal = new Uint8Array(octets).fill(i + 1);
  nal[0] = i % 10 === 0 ? 0x65 : 0x41;
  const at = { time: i * 9000, duration: 9000, keyframe: i % 10 === 0 };
  return { kind: "video", rendition: 0, data: joinLengths([nal]), ...at };
}

const sinks: ProgramSink[] = [];
afterAll(async () => {
  await Promise.all(sinks.map((s) => s.close()));
});

function push(how: string) {
  const notices: string[] = [];
  const statuses: string[] = [];
  const targets = [{ url: `https://media.example.com/stream-key-1/${how}`, token: TOKEN }];
  const [sink] = createWhipPushes(targets, feedPlan, {
    ffmpeg: "/nowhere/ffmpeg",
    script,
    random: () => 0,
    onNotice: (level, text) => notices.push(`${level}: ${text}`),
    onStatus: (name) => statuses.push(name),
  });
  if (!sink) throw new Error("no sink");
  sinks.push(sink);
  sink.format(format);
  const given = () => notices.flatMap((n) => /(?:video|audio).*/.exec(n)?.[0] ?? []);
  return { sink, notices, statuses, given };
}

describe.concurrent("a push to a WHIP endpoint", () => {
  it("begins with the first keyframe that comes when it is connected, with its parameter sets", async () => {
    const { sink, notices, statuses, given } = push("takes");
    for (let i = 0; i < 5; i++) sink.sample(picture(i));
    await until("the connection", () => statuses.length > 0);
    for (let i = 5; i < 12; i++) sink.sample(picture(i));
    await until("pictures", () => given().length === 2);
    const hex = (b: Uint8Array) => Buffer.from(b).toString("hex");
    const set = (b: Uint8Array) => `00000001${hex(b)}`;
    expect(given()[0]).toBe(`video key ${`${set(sps)}${set(pps)}00000001650b`.slice(0, 48)} 11`);
    expect(given()[1]).toMatch(/^video 00000001410c0c/);
    expect(notices[0]).toBe("warn: whip (media.example.com): job 4d401e 400000");
    await until("movement", () => sink.status().state === "running");
    await sink.close();
    expect(sink.status()).toMatchObject({ state: "ended", attempts: 1 });
  });

  it("says when there is no sound, and goes on", async () => {
    const { sink, notices, statuses, given } = push("takes");
    sink.sample(picture(0));
    await until("the connection", () => statuses.length > 0);
    sink.sample(picture(10));
    for (let i = 48; i < 52; i++) sink.sample(someSound(i));
    await until("the complaint", () =>
      notices.some((n) => n.includes("no sound for a while: ffmpeg did not start")),
    );
    sink.sample(picture(11));
    await until("pictures", () => given().length === 2);
  });

  it("that is refused is not tried again, and says no secret", async () => {
    const { sink, notices } = push("refuses");
    sink.sample(picture(0));
    await until("the end", () => sink.status().state === "failed");
    expect(sink.status()).toMatchObject({ detail: "not with *** at /***", attempts: 1 });
    expect(notices.at(-1)).toBe(
      "error: whip (media.example.com): not with *** at /***; it is not tried again",
    );
    expect(notices.join()).not.toMatch(/secret-token|stream-key/);
  });

  it.for([
    ["loses", "it is gone"],
    ["crashes", "its media process ended"],
  ] as const)("that %s what it has is tried again", async ([how, detail]) => {
    const { sink, statuses } = push(how);
    sink.sample(picture(0));
    await until("the connection", () => statuses.length > 0);
    sink.sample(picture(10));
    await until("the break", () => sink.status().state === "retrying");
    expect(sink.status().detail).toBe(detail);
    sink.sample(picture(20));
    await until("another attempt", () => sink.status().attempts === 2);
  });

  it("keeps no more than a little for a process that does not read", async () => {
    const { sink, statuses, given } = push("sleeps");
    sink.sample(picture(0));
    await until("the connection", () => statuses.length > 0);
    for (let i = 10; i < 200; i++) sink.sample(picture(i, 300_000));
    const { dropped } = sink.status();
    expect(dropped).toBeGreaterThan(100);
    await until("pictures again", () => given().length > 10);
    // What comes after a hole begins with a keyframe.
    const numbers = given().map((g) => Number(g.split(" ").at(-1)));
    const hole = numbers.findIndex((n, i) => i > 0 && n !== (numbers[i - 1] ?? 0) + 1);
    expect(given()[hole]).toContain("key");
  });
});

describe("targets", () => {
  it("are addresses, with and without whip+, and the ffmpeg must have Opus", async () => {
    await expect(checkWhipTargets([{ url: "rtmp://h/x" }], "none")).rejects.toMatchObject({ code: "usage" });
    await expect(checkWhipTargets([{ url: "https://h/x" }], "none")).rejects.toMatchObject({
      code: "ffmpeg-failed",
    });
    await expect(checkWhipTargets([], "none")).resolves.toBeUndefined();
  });

  it("have names of their own", () => {
    const made = createWhipPushes([{ url: "http://a/x" }, { url: "whip+http://b/x" }], feedPlan, {
      ffmpeg: "none",
    });
    sinks.push(...made);
    expect(made.map((s) => s.name)).toEqual(["whip", "whip-2"]);
    expect(made.map((s) => s.status().state)).toEqual(["waiting", "waiting"]);
  });
});
