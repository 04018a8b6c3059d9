import { expect, test } from "vitest";
import { concat } from "../../../src/core/bytes.ts";
import { randomInt, seededRandom } from "../../../src/core/random.ts";
import { encodeAmf } from "../../../src/core/rtmp/amf0.ts";
import { MessageType } from "../../../src/core/rtmp/chunks.ts";
import { audioBody, videoBody, videoConfigBody } from "../../../src/core/rtmp/flv-body.ts";
import { type RtmpEvent, RtmpPublisher } from "../../../src/core/rtmp/publisher.ts";
import { type Answers, bodyOf, numberOf, RtmpServer } from "../../support/rtmp-server.ts";

const place = { tcUrl: "rtmp://server/live", app: "live", key: "the-key?sign=1" };

/** A publisher and a server that talk until both are silent; `cut` octets at a time. */
class Talk {
  readonly publisher = new RtmpPublisher(place, seededRandom(3));
  readonly server: RtmpServer;
  readonly events: RtmpEvent[] = [];
  readonly #cut: number;

  constructor(answers: Answers = {}, cut = 10_000, chunkSize = 128) {
    this.server = new RtmpServer(answers, chunkSize);
    this.#cut = cut;
    this.toServer([this.publisher.start()]);
  }

  toServer(octets: readonly Uint8Array[]): void {
    for (const part of octets) for (const p of cut(part, this.#cut)) this.toClient(this.server.push(p));
  }

  toClient(octets: readonly Uint8Array[]): void {
    for (const part of octets)
      for (const p of cut(part, this.#cut))
        for (const e of this.publisher.push(p)) {
          if (e.t === "send") this.toServer([e.octets]);
          else this.events.push(e);
        }
  }
}

function cut(b: Uint8Array, n: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(b.length / n) }, (_, i) => b.slice(i * n, (i + 1) * n));
}

test.each([10_000, 700, 1])("a stream is published, with octets %i at a time", (n) => {
  const { server, events, publisher } = new Talk({}, n, n === 700 ? 4096 : 128);
  expect(events).toEqual([{ t: "publishing" }]);
  expect(publisher.publishing).toBe(true);
  expect(server.commands.map((c) => c.name)).toEqual([
    ...["connect", "releaseStream", "FCPublish", "createStream", "publish"],
  ]);
  expect(server.commands[0]?.values[1]).toMatchObject({ app: "live", tcUrl: "rtmp://server/live" });
  expect(server.commands[4]).toEqual({
    name: "publish",
    stream: 1,
    values: [5, null, "the-key?sign=1", "live"],
  });
});

test("samples arrive in the form of FLV, and the end is said", () => {
  const talk = new Talk();
  const { publisher, server } = talk;
  const picture = new Uint8Array(10_000).fill(4);
  talk.toServer([
    publisher.metadata({ width: 320 }),
    publisher.media("video", 0, videoConfigBody(Uint8Array.of(1, 2))),
    publisher.media("video", 33, videoBody(picture, true)),
    publisher.media("audio", 40, audioBody(Uint8Array.of(9))),
  ]);
  expect(server.media.map((m) => [m.type, m.stream])).toEqual([
    [MessageType.video, 1],
    [MessageType.video, 1],
    [MessageType.audio, 1],
  ]);
  expect(server.media.map(bodyOf)).toEqual([
    { config: true, keyframe: true, data: Uint8Array.of(1, 2) },
    { config: false, keyframe: true, data: picture },
    { config: false, keyframe: true, data: Uint8Array.of(9) },
  ]);
  talk.toServer([publisher.end()]);
  expect(server.commands.slice(-2).map((c) => c.name)).toEqual(["FCUnpublish", "deleteStream"]);
});

test("before it publishes, there is nothing to end", () => {
  expect(new RtmpPublisher(place, seededRandom(1)).end()).toHaveLength(0);
});

const refused = (name: string, description: string) => ({ level: "error", code: name, description });
const refusals: readonly (readonly [string, Answers, string, string | undefined])[] = [
  [
    "the application",
    { connect: (s) => [s.say(0, "_error", 1, null, refused("NetConnection.Connect.InvalidApp", "no"))] },
    "refused",
    "NetConnection.Connect.InvalidApp",
  ],
  [
    "a name that is taken",
    { publish: (s) => [s.status("error", "NetStream.Publish.BadName", "taken")] },
    "refused",
    "NetStream.Publish.BadName",
  ],
  ["to create a stream", { createStream: (s) => [s.say(0, "_error", 4, null, null)] }, "refused", undefined],
  ["with a hang-up", { publish: (s) => [s.say(0, "close", 0)] }, "closed", undefined],
  [
    "with a stream that is no number",
    { createStream: (s) => [s.say(0, "_result", 4, null, "x")] },
    "protocol",
    undefined,
  ],
];

test.each(refusals)("a server that refuses %s is understood", (_, answers, reason, code) => {
  const { events, publisher } = new Talk(answers);
  expect(events).toMatchObject([
    { t: "failed", failure: { reason, ...(code === undefined ? {} : { code }) } },
  ]);
  expect(publisher.publishing).toBe(false);
  expect(publisher.push(Uint8Array.of(1, 2, 3))).toEqual([]);
});

test("a server that does not know the commands before createStream is no obstacle", () => {
  const { events } = new Talk({
    releaseStream: (s, c) => [
      s.say(0, "_error", c.values[0], null, refused("NetConnection.Call.Failed", "")),
    ],
    FCPublish: (s, c) => [s.say(0, "_error", c.values[0], null, null)],
  });
  expect(events).toEqual([{ t: "publishing" }]);
});

test("commands in the AMF3 envelope are read as well", () => {
  const talk = new Talk({
    publish: (s) => [
      s.message(
        MessageType.commandAmf3,
        concat([
          Uint8Array.of(0),
          encodeAmf("onStatus", 0, null, { level: "status", code: "NetStream.Publish.Start" }),
        ]),
        1,
      ),
    ],
  });
  expect(talk.publisher.publishing).toBe(true);
});

test("a stream that the server ends later is closed, not refused", () => {
  const talk = new Talk();
  talk.toClient([talk.server.status("error", "NetStream.Publish.Idle", "too quiet")]);
  expect(talk.events.at(-1)).toEqual({
    t: "failed",
    failure: { reason: "closed", code: "NetStream.Publish.Idle", description: "too quiet" },
  });
});

test("pings are answered, windows kept, and what the server has is told", () => {
  const talk = new Talk();
  const { server } = talk;
  const before = server.others.length;
  talk.toClient([server.message(MessageType.userControl, Uint8Array.of(0, 6, 1, 2, 3, 4))]);
  expect([...(server.others.at(-1)?.payload ?? [])]).toEqual([0, 7, 1, 2, 3, 4]);
  talk.toClient([server.message(MessageType.setPeerBandwidth, Uint8Array.of(0, 1, 0, 0, 2))]);
  expect(server.others.at(-1)?.type).toBe(MessageType.windowAcknowledgementSize);
  talk.toClient([server.message(MessageType.acknowledgement, Uint8Array.of(0, 0, 4, 0))]);
  expect(talk.events.at(-1)).toEqual({ t: "acknowledged", octets: 1024 });
  expect(server.others.length).toBe(before + 2);
  talk.toClient([server.message(MessageType.windowAcknowledgementSize, Uint8Array.of(0, 0, 0x10, 0))]);
  const told = () => server.others.filter((m) => m.type === MessageType.acknowledgement).map(numberOf);
  const first = told();
  for (let i = 0; i < 10; i++) talk.toClient([server.message(MessageType.dataAmf0, new Uint8Array(1000))]);
  expect(told().length - first.length).toBeGreaterThanOrEqual(2);
  expect(told().at(-1)).toBeGreaterThan(3073 + 4096);
});

test("something else that answers is told from an RTMP server at its first octet", () => {
  const publisher = new RtmpPublisher(place, seededRandom(1));
  const answer = Uint8Array.from("HTTP/1.1 400 Bad Request", (c) => c.charCodeAt(0));
  expect(publisher.push(answer)).toEqual([{ t: "failed", failure: { reason: "protocol" } }]);
});

test("whatever a server sends, nothing throws", () => {
  const random = seededRandom(21);
  for (let i = 0; i < 300; i++) {
    const talk = new Talk();
    const octets = concat([
      talk.server.status("status", "NetStream.Publish.Start"),
      talk.server.message(randomInt(random, 24), new Uint8Array(randomInt(random, 12))),
      talk.server.say(0, "_result", 4, null, 7),
    ]);
    for (let n = 0; n < 3; n++) octets[randomInt(random, octets.length)] = randomInt(random, 256);
    for (const e of talk.publisher.push(octets))
      expect(e.t).toMatch(/^(send|publishing|acknowledged|failed)$/);
  }
});
