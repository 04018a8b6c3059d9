import { describe, expect } from "vitest";
import type { JoinWish } from "../../src/core/room.ts";
import { galeneAdapter } from "../../src/signaling/galene/adapter.ts";
import { FakeNetwork, type FakeNetworkOptions } from "../support/fake-transport.ts";
import { FakeGalene } from "../support/galene-server.ts";
import { until } from "../support/until.ts";
import { Bot, type Cleanups, it, publishing, recording, tracks } from "./room-bot.ts";

const PIN = "p1n-7fe2-secret";
const adapter = () => galeneAdapter(() => 1, { setupMs: 150, backoffMs: 10, backoffCapMs: 20 });

async function serve(cleanups: Cleanups, o: FakeNetworkOptions = {}) {
  const net = new FakeNetwork(o);
  const server = await new FakeGalene(net).open();
  cleanups.add(() => server.close());
  const bot = new Bot(net, "Bot", cleanups, adapter());
  const join = (wish: Partial<JoinWish> = recording, address = server.address) => bot.join(address, wish);
  return { net, server, bot, join };
}

describe.concurrent("a group of a Galene server", () => {
  it("is received from, a connection for every stream", async ({ cleanups }) => {
    const { net, server, bot, join } = await serve(cleanups);
    await join();
    await until("media", () => bot.frames > 10);
    expect(server.of("request")).toEqual([{ type: "request", request: { "": ["audio", "video"] } }]);
    expect(bot.events).toMatchObject([
      { t: "peer", op: "join", peer: { id: "ann", name: "Ann" } },
      { t: "track", op: "add", track: { kind: "audio", source: "microphone", peerId: "ann" } },
      { t: "track", op: "add", track: { kind: "video", source: "camera" } },
      { t: "link", op: "up", peerId: "ann" },
    ]);
    const screen = await server.stream("screenshare");
    await until("the screen", () => bot.tracks.some((t) => t.startsWith("screen")));
    expect(bot.tracks).toHaveLength(4);
    server.end(screen);
    await until("two tracks", () => bot.tracks.length === 2);
    await bot.session?.leave();
    await until("the end", () => bot.ended?.reason === "left");
    await until("an empty group", () => server.seats === 0);
    expect(server.of("join").map((m) => m.kind)).toEqual(["join", "leave"]);
    expect(net.misuse).toEqual([]);
    await until("the end of our connections", () => net.open.length === server.links.size);
  });

  it("takes what is published, as one stream, and a screen as another", async ({ cleanups }) => {
    const { server, bot, join } = await serve(cleanups);
    const screen = { id: "scr", kind: "video", source: "screen", codec: "vp8" } as const;
    await join({ ...publishing, publish: [...tracks, screen] });
    await until("media", () => server.frames.length > 10);
    expect(server.of("offer").map((m) => m.label)).toEqual(["camera", "screenshare"]);
    expect(bot.events[0]).toMatchObject({ t: "peer", op: "join", peer: { id: "ann" } });
    await bot.session?.leave();
    await until("both taken back", () => server.of("close").length === 2);
  });

  it("replaces a stream whose connection broke, or that the server asks for anew", async ({ cleanups }) => {
    const { net, server, join, bot } = await serve(cleanups);
    await join(publishing);
    await until("media", () => server.frames.length > 3);
    const [first] = server.of("offer");
    server.say({ type: "renegotiate", id: String(first?.id) });
    await until("a second offer", () => server.of("offer").length === 2);
    expect(server.of("offer")[1]).toMatchObject({ replace: first?.id });
    const before = server.frames.length;
    await until("media again", () => server.frames.length > before + 5);
    expect(bot.count("link", "down")).toBe(1);
    expect(net.misuse).toEqual([]);
  });

  it("is asked anew for a stream whose connection broke", async ({ cleanups }) => {
    const { net, server, bot, join } = await serve(cleanups);
    await join();
    await until("media", () => bot.frames > 3);
    server.links.get("down-1")?.close();
    await until("another connection", () => bot.count("link", "up") === 2);
    expect(server.of("abort")).toEqual([{ type: "abort", id: "down-1" }]);
    expect(server.of("request")).toHaveLength(2);
    expect(bot.tracks).toHaveLength(2);
    expect(net.misuse).toEqual([]);
  });

  it("ends with ice-failed where no path ever comes up", async ({ cleanups }) => {
    const { server, bot, join } = await serve(cleanups, { connects: () => false });
    await join(publishing);
    await until("the end", () => bot.ended);
    expect(bot.ended).toMatchObject({ reason: "error", error: { code: "ice-failed" } });
    expect(server.of("offer")).toHaveLength(3);
  });

  it("gives a stream in the place of another, and only what is wanted of it", async ({ cleanups }) => {
    const { server, bot, join } = await serve(cleanups);
    await join({ ...recording, wants: ({ name, kind }) => name === "Ann" && kind === "audio" });
    await until("media", () => bot.frames > 3);
    expect(bot.tracks).toHaveLength(1);
    await server.stream("camera", "down-1");
    await until("the other track", () => bot.count("track", "add") === 2);
    expect(bot.count("track", "remove")).toBe(1);
    const nobody = await serve(cleanups);
    await nobody.join({ ...recording, wants: () => false });
    await until("a refusal of the stream", () => nobody.server.of("abort").length === 1);
  });

  it("is asked for another layer, of all or of one stream", async ({ cleanups }) => {
    const { server, bot, join } = await serve(cleanups);
    await join({ ...recording, layer: "low" });
    await until("tracks", () => bot.tracks.length === 2);
    expect(server.of("request")[0]).toMatchObject({ request: { "": ["audio", "video-low"] } });
    bot.session?.prefer?.("high", "down-1/0");
    bot.session?.prefer?.("auto");
    await until("both", () => server.of("requestStream").length === 1 && server.of("request").length === 2);
    expect(server.of("requestStream")).toEqual([
      { type: "requestStream", id: "down-1", request: ["audio", "video"] },
    ]);
    expect(server.of("request")[1]).toMatchObject({ request: { "": ["audio", "video"] } });
  });

  it("is joined again when the connection is cut, and when the server was away", async ({ cleanups }) => {
    const { server, bot, join } = await serve(cleanups);
    await join();
    await until("media", () => bot.frames > 3);
    server.cut();
    await until("our return", () => bot.count("signalling", "restored") === 1);
    await until("two tracks", () => bot.tracks.length === 2);
    await server.away();
    await until("the loss", () => bot.count("signalling", "lost") === 2);
    await server.open();
    await until("our return", () => bot.count("signalling", "restored") === 2);
    const before = bot.frames;
    await until("media again", () => bot.frames > before + 5);
    expect(bot.count("peer", "leave")).toBe(2);
  });

  it("does not let in who has the wrong password, also later", async ({ cleanups }) => {
    const { net, server, bot, join } = await serve(cleanups);
    server.password = PIN;
    await expect(join()).rejects.toMatchObject({ code: "auth", message: /not authorised/, hint: /--pin/ });
    await expect(join({ ...recording, pin: "other" })).rejects.toMatchObject({ code: "auth" });
    expect(net.open).toEqual([]);
    await join({ ...recording, token: PIN });
    expect(server.of("join").at(-1)).toMatchObject({ token: PIN });
    server.password = "changed";
    server.cut();
    await until("the end", () => bot.ended);
    expect(bot.ended).toMatchObject({ reason: "auth", error: { code: "auth" } });
    expect(JSON.stringify([bot.events, bot.logs])).not.toContain(PIN);
  });

  it("does not let publish who may not present", async ({ cleanups }) => {
    const { net, server, join } = await serve(cleanups);
    server.permissions = ["message"];
    await expect(join(publishing)).rejects.toMatchObject({
      code: "auth",
      message: /does not let us publish/,
    });
    expect(net.open).toEqual([]);
  });

  it("that removes us is left, and not joined again", async ({ cleanups }) => {
    const { server, bot, join } = await serve(cleanups);
    await join();
    server.say({
      type: "usermessage",
      kind: "kicked",
      source: "ann",
      privileged: true,
      value: "not the server",
    });
    server.say({ type: "usermessage", kind: "warning", privileged: true, value: "be\n\u001b[31mquiet" });
    server.say({ type: "usermessage", kind: "kicked", privileged: true, value: "go away" });
    await until("the end", () => bot.ended);
    expect(bot.ended).toMatchObject({ reason: "kicked", error: { message: /: go away$/ } });
    expect(bot.logs.join()).toMatch(/: be \[31mquiet$/);
    await until("an empty group", () => server.seats === 0);
  });

  it("that does not take our stream ends the session with negotiation", async ({ cleanups }) => {
    const { server, bot, join } = await serve(cleanups);
    await join(publishing);
    await until("an offer", () => server.of("offer").length === 1);
    server.say({ type: "abort", id: String(server.of("offer")[0]?.id) });
    await until("the end", () => bot.ended);
    expect(bot.ended).toMatchObject({ reason: "error", error: { code: "negotiation" } });
  });

  it.each<[string, (s: FakeGalene) => void, object]>([
    [
      "HTML",
      (s) => {
        s.status = () => "<html>";
      },
      { code: "signal-protocol" },
    ],
    [
      "a WebSocket elsewhere",
      (s) => {
        s.status = () => ({ name: "talk", endpoint: "ws://192.0.2.7/ws" });
      },
      { code: "signal-refused", message: /another server, 192\.0\.2\.7/ },
    ],
    [
      "a group elsewhere",
      (s) => {
        s.status = () => ({ name: "talk", redirect: "https://192.0.2.7/group/talk/" });
      },
      { code: "signal-refused", message: /another server/ },
    ],
    [
      "a circle",
      (s) => {
        s.status = (host) => ({ name: "talk", redirect: `http://${host}/group/talk/` });
      },
      { code: "signal-protocol", message: /from place to place/ },
    ],
    [
      "an authentication server",
      (s) => {
        s.status = (h) => ({
          name: "talk",
          endpoint: `ws://${h}/ws`,
          authServer: "https://a.example/",
        });
      },
      { code: "auth", hint: /--token/ },
    ],
    [
      "version 9",
      (s) => {
        s.version = ["9"];
      },
      { code: "signal-protocol", message: /version 9/ },
    ],
    [
      "that it is full",
      (s) => {
        s.refusal = { type: "joined", kind: "fail", value: "too many users" };
      },
      { code: "room-full" },
    ],
    [
      "that the name is taken",
      (s) => {
        s.refusal = { type: "joined", kind: "fail", error: "duplicate-username", value: "taken" };
      },
      { code: "signal-refused", hint: /--name/ },
    ],
    [
      "that it has moved",
      (s) => {
        s.refusal = { type: "joined", kind: "redirect", value: "https://b.example/group/x/" };
      },
      { code: "signal-refused", hint: /b\.example/ },
    ],
  ])("that answers with %s is not joined", async (_, change, error) => {
    const net = new FakeNetwork();
    const server = await new FakeGalene(net).open();
    try {
      change(server);
      const wish = { name: "Bot", recorder: true, publish: [], receive: true };
      const host = new Bot(net, "Bot", { add: () => undefined } as unknown as Cleanups).host;
      const joining = adapter().join(host, server.address, wish, new AbortController().signal);
      await expect(joining).rejects.toMatchObject({ name: "RoomtapError", ...error });
      expect(net.open).toEqual([]);
    } finally {
      await server.close();
    }
  });
});
