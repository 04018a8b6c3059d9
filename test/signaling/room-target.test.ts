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
  ["ws://[::1]:8080/demo", { socketUrl: "ws://[::1]:8080/ws", room: "demo" }],
  ["wss://h:443/demo", { socketUrl: "wss://h/ws", room: "demo" }],
  ["https://h/base/r/demo", { socketUrl: "wss://h/base/ws", room: "demo" }],
  ["ws://h/base/demo/", { socketUrl: "ws://h/base/ws", room: "demo" }],
  ["WS://H/Demo", { socketUrl: "ws://h/ws", room: "Demo" }],
  ["ws://u:p@h/demo", { socketUrl: "ws://h/ws", room: "demo" }],
  ["ws://h/demo?token=", { socketUrl: "ws://h/ws", room: "demo" }],
  ["ws://h/cafe%CC%81", { socketUrl: "ws://h/ws", room: "café" }],
])("reads the address %s", (address, target) => {
  expect(parseRoomTarget(address)).toEqual(target);
});

it.each([
  "",
  "ws://",
  "ws://h",
  "ws://h/",
  "http://h/r/%",
  "ws://h/a%20b",
  "ws://h/%2e%2e",
  "ws://h/a%2fb",
  `ws://h/${"x".repeat(65)}`,
  "ws://h:99999/demo",
  "demo",
])("refuses the address %s", (address) => {
  expect(() => parseRoomTarget(address)).toThrow(expect.objectContaining({ code: "usage" }));
});
