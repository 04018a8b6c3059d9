import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { MessageType } from "../../../src/core/rtmp/chunks.ts";
import type { PushFailure, PushLink, PushSample } from "../../../src/sinks/push/link.ts";
import { rtmpLinks, rtmpPlace } from "../../../src/sinks/push/rtmp-link.ts";
import { conceal } from "../../../src/sinks/push/secrets.ts";
import { addressOf } from "../../../src/sinks/push/target.ts";
import { feedPlan } from "../../support/program-feed.ts";
import { someFormat } from "../../support/program-samples.ts";
import { type Answers, bodyOf, RtmpServer } from "../../support/rtmp-server.ts";
import { until } from "../../support/until.ts";

const KEY = "very-secret-key";
const cleanup: (() => void)[] = [];
afterEach(() => {
  for (const end of cleanup.splice(0)) end();
});

/** A server on loopback, and what it took. */
class Place {
  readonly sessions: RtmpServer[] = [];
  readonly sockets: Socket[] = [];
  readonly #server: Server;

  private constructor(answers: Answers) {
    this.#server = createServer((socket) => {
      const session = new RtmpServer(answers);
      this.sessions.push(session);
      this.sockets.push(socket);
      socket.on("error", () => undefined);
      socket.on("data", (bytes) => {
        for (const out of session.push(bytes)) socket.write(out);
      });
    });
    cleanup.push(() => {
      for (const s of this.sockets) s.destroy();
      this.#server.close();
    });
  }

  static async open(answers: Answers = {}): Promise<Place> {
    const place = new Place(answers);
    await new Promise<void>((resolve) => {
      place.#server.listen(0, "127.0.0.1", resolve);
    });
    return place;
  }

  get url(): string {
    return `rtmp://127.0.0.1:${(this.#server.address() as AddressInfo).port}/live/${KEY}`;
  }
}

/** A link and what it said. */
class Attempt {
  readonly said: string[] = [];
  readonly link: PushLink;
  failure: PushFailure | undefined;

  constructor(url: string) {
    const { redact } = conceal({ kind: "rtmp", url });
    const [rendition] = feedPlan.renditions;
    if (!rendition) throw new Error("a plan without renditions");
    this.link = rtmpLinks({ address: addressOf("rtmp", url), rendition, redact })(someFormat(), {
      onOpen: () => this.said.push("open"),
      onRoom: () => this.said.push("room"),
      onMoved: () => this.said.push("moved"),
      onClosed: (failure) => {
        this.failure = failure;
        this.said.push("closed");
      },
    });
    cleanup.push(() => this.link.abort());
  }

  hears(word: string): Promise<unknown> {
    return until(word, () => this.said.includes(word));
  }
}

const picture = (timeMs: number, octets = 50, format = someFormat()): PushSample => ({
  kind: "video",
  data: new Uint8Array(octets).fill(5),
  keyframe: true,
  timeMs,
  format,
});

test("application and key are the last part of the path and what comes before it", () => {
  const place = (url: string) => rtmpPlace(addressOf("rtmp", url));
  expect(place("rtmp://h/app/key")).toEqual({ tcUrl: "rtmp://h/app", app: "app", key: "key" });
  expect(place("rtmps://h:1/a/b/key?x=1&y")).toEqual({
    tcUrl: "rtmps://h:1/a/b",
    app: "a/b",
    key: "key?x=1&y",
  });
  expect(place("rtmp://h/path")).toEqual({ tcUrl: "rtmp://h/path", app: "path", key: "" });
  expect(place("rtmp://h/app/é").key).toBe("\u00c3\u00a9");
});

test("samples go out behind their configuration, and a new format is told in between", async () => {
  const place = await Place.open();
  const attempt = new Attempt(place.url);
  const { link } = attempt;
  await attempt.hears("open");
  const first = someFormat();
  link.send(picture(0, 50, first));
  link.send({ kind: "audio", data: Uint8Array.of(1, 2), keyframe: true, timeMs: 21.33, format: first });
  const other = someFormat(7);
  expect(link.takes(other)).toBe(true);
  link.send(picture(100, 50, other));
  link.end();
  await attempt.hears("closed");
  expect(attempt.failure).toBeUndefined();
  const [session] = place.sessions;
  expect(session?.commands.at(-1)?.name).toBe("deleteStream");
  expect(session?.others.map((m) => m.type)).toContain(MessageType.dataAmf0);
  expect(session?.media.map((m) => [m.type, bodyOf(m).config])).toEqual([
    [MessageType.video, true],
    [MessageType.audio, true],
    [MessageType.video, false],
    [MessageType.audio, false],
    [MessageType.video, true],
    [MessageType.audio, true],
    [MessageType.video, false],
  ]);
  expect(link.bytes).toBeGreaterThan(3000);
  expect(attempt.said.filter((w) => w === "closed")).toHaveLength(1);
});

test("a server that stops to read fills what may wait and no more, and there is room when it goes on", async () => {
  const place = await Place.open();
  const attempt = new Attempt(place.url);
  await attempt.hears("open");
  place.sockets[0]?.pause();
  let sent = 0;
  const format = someFormat();
  // The system's own buffers take several megabytes first.
  for (let takes = true; takes && sent < 400; ) {
    takes = attempt.link.send(picture(sent++, 100_000, format));
    await new Promise(setImmediate);
  }
  expect(sent).toBeLessThan(400);
  expect(attempt.link.idle).toBe(false);
  expect(attempt.said).not.toContain("room");
  place.sockets[0]?.resume();
  await attempt.hears("room");
  await until("all is out", () => attempt.link.idle);
  attempt.link.abort();
  await attempt.hears("closed");
});

test.each([
  [
    "a taken name, which may be free soon",
    { publish: (s: RtmpServer) => [s.status("error", "NetStream.Publish.BadName", `${KEY} is taken`)] },
    { text: "the server refused the stream: NetStream.Publish.BadName: *** is taken", final: false },
  ],
  [
    "a key that it does not let in",
    { publish: (s: RtmpServer) => [s.status("error", "NetStream.Publish.Unauthorized", "bad key")] },
    { text: "the server refused the stream: NetStream.Publish.Unauthorized: bad key", final: true },
  ],
])("a server that refuses %s is quoted without the secret", async (_, answers, failure) => {
  const attempt = new Attempt((await Place.open(answers)).url);
  await attempt.hears("closed");
  expect(attempt.failure).toEqual(failure);
  expect(attempt.said).not.toContain("open");
});

test("a server that hangs up when asked, or soon after it agreed, is taken to refuse", async () => {
  const asked: Place = await Place.open({
    publish: () => {
      for (const s of asked.sockets) s.destroy();
      return [];
    },
  });
  const first = new Attempt(asked.url);
  await first.hears("closed");
  expect(first.failure?.text).toMatch(/hung up when asked to publish: a wrong stream key/);
  const agreed = await Place.open();
  const second = new Attempt(agreed.url);
  await second.hears("open");
  agreed.sockets[0]?.resetAndDestroy();
  await second.hears("closed");
  expect(second.failure?.text).toMatch(/hung up when asked to publish/);
});

test("something else than RTMP, nobody at all, and a name that nobody has are told apart", async () => {
  const web = createServer((s) => {
    // All that comes is read: octets that nobody takes would make the system reset the connection, answer and all.
    s.on("data", () => undefined);
    s.once("data", () => s.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  });
  cleanup.push(() => web.close());
  await new Promise<void>((resolve) => {
    web.listen(0, "127.0.0.1", resolve);
  });
  const { port } = web.address() as AddressInfo;
  const attempt = new Attempt(`rtmp://127.0.0.1:${port}/live/${KEY}`);
  await attempt.hears("closed");
  expect(attempt.failure?.text).toBe("what answers there is no RTMP server");
  // Not the port that was just given back: another test may have it by now.
  const nobody = new Attempt(`rtmp://127.0.0.1:1/live/${KEY}`);
  await nobody.hears("closed");
  expect(nobody.failure?.text).toBe("nothing listens there (connection refused)");
});

test("a server that acknowledges, and then no more, is a stall although the system still takes octets", async () => {
  const place = await Place.open();
  const attempt = new Attempt(place.url);
  await attempt.hears("open");
  const [session] = place.sessions;
  const [socket] = place.sockets;
  const format = someFormat();
  const acknowledge = () => {
    const have = new Uint8Array(4);
    new DataView(have.buffer).setUint32(0, attempt.link.bytes);
    socket?.write(session?.message(MessageType.acknowledgement, have) ?? "");
  };
  for (let i = 0; i < 5; i++) {
    attempt.link.send(picture(i, 50_000, format));
    const moves = attempt.said.length;
    await until("it went out", () => attempt.link.idle && attempt.said.length > moves);
    const before = attempt.said.length;
    acknowledge();
    await until("it was acknowledged", () => attempt.said.length > before);
  }
  expect(attempt.link.idle).toBe(true);
  for (let i = 5; i < 15; i++) attempt.link.send(picture(i, 50_000, format));
  await until("all was handed over", () => (session?.media.length ?? 0) >= 17);
  expect(attempt.link.idle).toBe(false);
  acknowledge();
  await until("it goes on", () => attempt.link.idle);
});
