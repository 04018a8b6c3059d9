import { expect, it } from "vitest";
import { parseRoomTarget } from "../../src/signaling/room/target.ts";

it.each([
  ["ws://127.0.0.1:8080/demo", { socketUrl: "ws://127.0.0.1:8080/ws", room: "demo" }],
  ["http://127.0.0.1:8080/r/demo", { socketUrl: "ws://127.0.0.1:8080/ws", room: "demo" }],
  ["https://h/?room=demo&name=x", { socketUrl: "wss://h/ws", room: "demo" }],
  ["wss://h/demo?token=t", { socketUrl: "wss://h/ws", room: "demo", token: "t" }],
  [
    "https://h/r/caf%C3%A9#token=open+sesame",
    { socketUrl: "wss://h/ws", room: "café", token: "open sesame" },
  ],
])("reads the address %s", (address, target) => {
  expect(parseRoomTarget(address)).toEqual(target);
});

it.each(["ws://h", "http://h/r/%", "ws://h/a%20b", "demo"])("refuses the address %s", (address) => {
  expect(() => parseRoomTarget(address)).toThrow(expect.objectContaining({ code: "usage" }));
});
