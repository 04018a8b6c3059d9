import { deflateSync } from "node:zlib";
import { randomInt } from "../../src/core/random.ts";
import {
  parseServerMessage as parseGaleneMessage,
  parseStatus,
} from "../../src/signaling/galene/messages.ts";
import { readBlob } from "../../src/signaling/manual/blob.ts";
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

/** Messages of a protocol, with values in the place of others. `read`: undefined for what is none. */
function jsonTarget(
  name: string,
  seeds: readonly string[],
  read: (text: string) => unknown,
  wrap: (json: string) => string = (json) => json,
): FuzzTarget {
  return {
    name,
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
          input = wrap(input);
          return read(input) !== undefined;
        },
        last: () => input,
      };
    },
  };
}

/** Messages of our own rooms, from clients and from servers. */
export const messageTarget: FuzzTarget = jsonTarget(
  "signalling/room",
  seeds,
  (text) => parseClientMessage(text) ?? parseServerMessage(text),
);

const galeneSeeds: readonly string[] = [
  { type: "handshake", version: ["2"] },
  {
    type: "joined",
    kind: "join",
    group: "talk",
    permissions: ["present"],
    rtcConfiguration: { iceServers: [{ urls: ["turn:t.example:443"], username: "u", credential: "c" }] },
  },
  { type: "user", kind: "add", id: "a", username: "Ann" },
  { type: "offer", id: "s", label: "camera", source: "a", username: "Ann", sdp: "v=0", replace: "r" },
  { type: "ice", id: "s", candidate: { candidate: "candidate:1", sdpMid: "0", sdpMLineIndex: 0 } },
  { type: "usermessage", kind: "kicked", privileged: true, value: "go" },
  { name: "talk", endpoint: "wss://h.example/ws", authServer: "", redirect: "" },
].map((m) => JSON.stringify(m));

/** What Galene servers say, over the WebSocket and before it. */
export const galeneTarget: FuzzTarget = jsonTarget(
  "signalling/galene",
  galeneSeeds,
  (text) => parseGaleneMessage(text) ?? parseStatus(text),
);

const carried = [{ v: 1, type: "offer", sdp: "v=0\r\n", name: "Ann", to: "abcd" }].map((m) =>
  JSON.stringify(m),
);

/** Descriptions that people paste. */
export const blobTarget: FuzzTarget = jsonTarget(
  "signalling/manual",
  carried,
  (text) => (readBlob(text).t === "whole" ? text : undefined),
  (json) => (json.length % 2 === 0 ? json : deflateSync(json).toString("base64url")),
);
