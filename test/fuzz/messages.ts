import { randomInt } from "../../src/core/random.ts";
import { parseClientMessage, parseServerMessage } from "../../src/signaling/room/messages.ts";
import { type FuzzTarget, pick } from "./target.ts";

const seeds: readonly string[] = [
  {
    t: "join",
    v: 1,
    room: "lobby",
    name: "Ann",
    token: "x",
    capabilities: { recorder: false, publish: true },
  },
  {
    t: "signal",
    to: "p1",
    data: { link: "l1", type: "offer", sdp: "v=0\r\n", media: [{ mid: "0", source: "camera" }] },
  },
  {
    t: "signal",
    to: "p1",
    data: { link: "l1", candidate: "candidate:1 1 udp 1 192.0.2.1 9 typ host", mid: "0" },
  },
  { t: "signal", from: "p1", data: { bye: true } },
  { t: "mute", audio: true, video: false },
  { t: "leave" },
  {
    t: "welcome",
    v: 1,
    id: "p2",
    room: "lobby",
    peers: [{ id: "p1", name: "Bo", recorder: false }],
    rejoin: "r",
  },
  { t: "peer-joined", peer: { id: "p1", name: "Bo", recorder: false } },
  { t: "peer-left", id: "p1", reason: "lost" },
  { t: "error", code: "room-full", message: "full" },
].map((m) => JSON.stringify(m));

const junk = [
  "null",
  "[]",
  "{}",
  '""',
  "1e999",
  "-0",
  '"\\u0000"',
  "true",
  '{"__proto__":{}}',
  "9".repeat(40),
  "[".repeat(50),
];

/** Messages of our own rooms, from clients and from servers. */
export const messageTarget: FuzzTarget = {
  name: "signalling/room",
  start(random) {
    let input = "";
    return {
      round() {
        input = pick(random, seeds);
        for (let n = 1 + randomInt(random, 3); n > 0; n--) {
          const values = [...input.matchAll(/"[^"]*"|\d+|true|false|[{[][^{}[\]]*[}\]]/g)];
          const value = values[randomInt(random, Math.max(1, values.length))];
          if (!value) break;
          const other = random() < 0.6 ? pick(random, junk) : pick(random, seeds);
          input = input.slice(0, value.index) + other + input.slice(value.index + value[0].length);
        }
        if (random() < 0.1) input = input.slice(0, randomInt(random, input.length + 1));
        const client = parseClientMessage(input);
        const server = parseServerMessage(input);
        return client !== undefined || server !== undefined;
      },
      last: () => input,
    };
  },
};
