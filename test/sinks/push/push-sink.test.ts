import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ProgramFormat } from "../../../src/sinks/program/program.ts";
import type { PushFailure, PushLink, PushLinkEvents, PushSample } from "../../../src/sinks/push/link.ts";
import { type PushOptions, PushSink } from "../../../src/sinks/push/push-sink.ts";
import { someFormat, somePicture, someSound } from "../../support/program-samples.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A link that does what a test says. */
class FakeLink implements PushLink {
  readonly sent: PushSample[] = [];
  readonly events: PushLinkEvents;
  readonly format: ProgramFormat;
  readonly openedAt = performance.now();
  bytes = 0;
  idle = true;
  room = true;
  ended = false;
  aborted = false;

  constructor(format: ProgramFormat, events: PushLinkEvents) {
    this.format = format;
    this.events = events;
  }

  send(s: PushSample): boolean {
    this.sent.push(s);
    if (!this.room) return false;
    this.bytes += s.data.length;
    this.events.onMoved();
    return true;
  }

  takes(format: ProgramFormat): boolean {
    return format === this.format;
  }

  end(): void {
    this.ended = true;
  }

  abort(): void {
    this.aborted = true;
    this.events.onClosed();
  }

  fail(text: string, o: Partial<PushFailure> = {}): void {
    this.events.onClosed({ text, ...o });
  }
}

class Scene {
  readonly links: FakeLink[] = [];
  readonly notices: string[] = [];
  readonly sink: PushSink;
  /** Pictures fed so far. */
  fed = 0;

  constructor(o: Partial<PushOptions> = {}) {
    this.sink = new PushSink({
      name: "rtmp",
      shown: "rtmp://host/app/***",
      random: () => 0.99,
      onNotice: (level, text) => this.notices.push(`${level}: ${text}`),
      open: (format, events) => {
        const link = new FakeLink(format, events);
        this.links.push(link);
        return link;
      },
      ...o,
    });
    this.sink.format(someFormat());
  }

  get link(): FakeLink {
    const link = this.links.at(-1);
    if (!link) throw new Error("no link was opened");
    return link;
  }

  /** Feeds pictures, ten a second, as time goes. */
  feed(pictures: number): void {
    for (let i = 0; i < pictures; i++) {
      this.sink.sample(somePicture(this.fed++));
      vi.advanceTimersByTime(100);
    }
  }
}

test("nothing is opened before a keyframe, and time begins there", () => {
  const s = new Scene();
  s.sink.sample(somePicture(7));
  expect(s.links).toHaveLength(0);
  expect(s.sink.status()).toMatchObject({ state: "waiting", dropped: 1, attempts: 0 });
  s.fed = 10;
  s.feed(2);
  s.link.events.onOpen();
  // Sound of before the keyframe, and of after it.
  s.sink.sample(someSound(40));
  s.sink.sample(someSound(50));
  expect(s.link.sent.map((p) => [p.kind, Math.round(p.timeMs)])).toEqual([
    ["video", 0],
    ["video", 100],
    ["audio", 67],
  ]);
  expect(s.sink.status()).toMatchObject({ state: "running", attempts: 1, bytes: 202 });
});

test("other renditions, and samples without a format, are not its own", () => {
  const s = new Scene({ rendition: 1 });
  s.sink.sample(somePicture(0, 100, 1));
  expect(s.sink.status()).toMatchObject({ dropped: 1 });
  s.sink.format(someFormat(1, 1));
  s.sink.sample(somePicture(0, 100, 0));
  expect(s.links).toHaveLength(0);
  s.sink.sample(somePicture(10, 100, 1));
  expect(s.links).toHaveLength(1);
});

test("while it connects, the newest group of pictures waits", () => {
  const s = new Scene();
  s.feed(25);
  s.link.events.onOpen();
  expect(s.link.sent.map((p) => p.timeMs)).toEqual([0, 100, 200, 300, 400]);
  expect(s.link.sent[0]?.keyframe).toBe(true);
  expect(s.sink.status().dropped).toBe(20);
});

test("a link that is slow for a moment loses nothing", () => {
  const s = new Scene();
  s.feed(1);
  s.link.events.onOpen();
  s.feed(5);
  s.link.room = false;
  s.feed(60);
  s.link.room = true;
  s.link.events.onRoom();
  expect(s.link.sent.map((p) => p.timeMs)).toEqual(Array.from({ length: 66 }, (_, i) => 100 * i));
  expect(s.sink.status().dropped).toBe(0);
});

test("a slow link loses whole groups of pictures, and is back at the newest one", () => {
  const s = new Scene({ limits: { bytes: 1e6, ms: 1500 } });
  s.feed(1);
  s.link.events.onOpen();
  s.link.room = false;
  s.feed(25);
  s.link.room = true;
  s.link.events.onRoom();
  const times = s.link.sent.map((p) => p.timeMs);
  expect(times.slice(0, 2)).toEqual([0, 100]);
  expect(times.slice(2)).toEqual(Array.from({ length: 16 }, (_, i) => 1000 + 100 * i));
  expect(s.link.sent[2]?.keyframe).toBe(true);
  expect(s.sink.status().dropped).toBe(8);
});

test("a link that breaks is replaced, later every time, with a new zero", () => {
  const s = new Scene();
  const waits: number[] = [];
  for (let n = 1; n <= 8; n++) {
    while (s.links.length < n) s.feed(1);
    const failedAt = performance.now();
    s.link.fail("connection refused");
    expect(s.sink.status()).toMatchObject({ state: "retrying", detail: "connection refused" });
    while (s.links.length === n) s.feed(1);
    waits.push(Math.round((s.link.openedAt - failedAt) / 1000));
  }
  expect(waits).toEqual([2, 4, 8, 16, 30, 30, 30, 30]);
  // The same complaint again and again is one line.
  expect(s.notices).toEqual(["warn: rtmp (rtmp://host/app/***): connection refused; tried again in 2.0 s"]);
  s.link.events.onOpen();
  expect(s.link.sent[0]).toMatchObject({ timeMs: 0, keyframe: true });
  s.feed(30);
  expect(s.notices.at(-1)).toBe("info: rtmp (rtmp://host/app/***) goes out again");
  expect(s.sink.status()).toMatchObject({ state: "running", attempts: 9 });
  expect(s.sink.status().detail).toBeUndefined();
});

test("after a healthy while the wait is short again", () => {
  const s = new Scene();
  s.feed(1);
  for (let n = 1; n < 5; n++) {
    s.link.fail("reset");
    while (s.links.length === n) s.feed(1);
  }
  s.link.events.onOpen();
  s.feed(120);
  const failedAt = performance.now();
  s.link.fail("reset");
  s.feed(30);
  expect(s.link.openedAt - failedAt).toBeLessThan(2100);
});

test("at least a second passes between attempts, whatever chance says", () => {
  const s = new Scene({ random: () => 0.001 });
  s.feed(1);
  const failedAt = performance.now();
  s.link.fail("reset");
  s.feed(20);
  expect(s.links).toHaveLength(2);
  expect(s.link.openedAt - failedAt).toBeGreaterThanOrEqual(1000);
});

test("a link that never opens is given up after 10 s", () => {
  const s = new Scene();
  s.feed(95);
  expect(s.link.aborted).toBe(false);
  s.feed(15);
  expect(s.links[0]?.aborted).toBe(true);
  expect(s.sink.status()).toMatchObject({ state: "retrying", detail: "no answer for 10 s" });
});

test("a link that takes nothing for 10 s is given up, and what waited meanwhile is bounded", () => {
  const s = new Scene();
  s.feed(1);
  s.link.events.onOpen();
  s.feed(20);
  s.link.room = false;
  s.link.idle = false;
  s.feed(95);
  expect(s.link.aborted).toBe(false);
  s.feed(15);
  expect(s.links[0]?.aborted).toBe(true);
  expect(s.sink.status()).toMatchObject({ state: "retrying", detail: "it took nothing for 10 s" });
});

test("a program that pauses is no stall", () => {
  const s = new Scene();
  s.feed(1);
  s.link.events.onOpen();
  s.feed(30);
  vi.advanceTimersByTime(60_000);
  expect(s.link.aborted).toBe(false);
  expect(s.sink.status().state).toBe("running");
});

test("what cannot help is not tried again, unless it worked before", () => {
  const never = new Scene();
  never.feed(1);
  never.link.fail("401 Unauthorized", { final: true });
  never.feed(600);
  expect(never.links).toHaveLength(1);
  expect(never.sink.status()).toMatchObject({ state: "failed", detail: "401 Unauthorized" });
  expect(never.notices).toEqual([
    "error: rtmp (rtmp://host/app/***): 401 Unauthorized; it is not tried again",
  ]);

  const once = new Scene();
  once.feed(1);
  once.link.events.onOpen();
  once.feed(30);
  once.link.fail("401 Unauthorized", { final: true });
  once.feed(50);
  expect(once.links).toHaveLength(2);
});

test("an encoder that was replaced goes on over the same link when it makes the same", () => {
  const s = new Scene();
  s.feed(1);
  s.link.events.onOpen();
  s.feed(4);
  s.sink.interruption();
  s.sink.format(someFormat());
  s.feed(10);
  expect(s.links).toHaveLength(1);
  const times = s.link.sent.map((p) => p.timeMs);
  expect(times).toEqual([0, 100, 200, 300, 400, 1000, 1100, 1200, 1300, 1400]);
});

test("a new format that the link cannot take gets a new one, without a wait", () => {
  const s = new Scene();
  s.feed(1);
  s.link.events.onOpen();
  s.feed(4);
  s.sink.interruption();
  s.sink.format(someFormat(9));
  s.feed(7);
  expect(s.links[0]?.ended).toBe(true);
  s.link.events.onClosed();
  expect(s.links).toHaveLength(2);
  s.link.events.onOpen();
  expect(s.link.format).toEqual(someFormat(9));
  expect(s.link.sent[0]).toMatchObject({ timeMs: 0, keyframe: true });
  expect(s.notices).toEqual([]);
});

test("at the end everything that waits goes out, then the link is ended", async () => {
  const s = new Scene();
  s.feed(1);
  s.link.events.onOpen();
  s.link.room = false;
  s.feed(5);
  const closed = s.sink.close();
  expect(s.sink.close()).toBe(closed);
  expect(s.link.ended).toBe(false);
  s.link.room = true;
  s.link.events.onRoom();
  expect(s.link.sent).toHaveLength(6);
  expect(s.link.ended).toBe(true);
  s.link.events.onClosed();
  await closed;
  expect(s.sink.status()).toMatchObject({ state: "ended", dropped: 0, bytes: 500 });
});

test("an end that the far side does not take part in is forced within 10 s", async () => {
  const s = new Scene();
  s.feed(1);
  s.link.events.onOpen();
  s.link.abort = () => undefined;
  s.link.room = false;
  s.feed(2);
  const from = performance.now();
  const closed = s.sink.close();
  await vi.advanceTimersByTimeAsync(10_000);
  await closed;
  expect(performance.now() - from).toBeLessThanOrEqual(10_000);
});

test("without a link there is nothing to wait for at the end, and nothing starts after it", async () => {
  const s = new Scene();
  s.feed(1);
  s.link.fail("connection refused");
  await s.sink.close();
  s.feed(100);
  expect(s.links).toHaveLength(1);
  expect(s.sink.status().state).toBe("ended");
});
