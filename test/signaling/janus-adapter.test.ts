import { describe, expect } from "vitest";
import { janusAdapter } from "../../src/signaling/janus/adapter.ts";
import { FakeNetwork } from "../support/fake-transport.ts";
import { FakeJanus } from "../support/janus-server.ts";
import { until } from "../support/until.ts";
import { Bot, type Cleanups, it, publishing, recording } from "./room-bot.ts";

const quick = { backoffMs: 10, backoffCapMs: 20 };

async function serve(cleanups: Cleanups) {
  const net = new FakeNetwork();
  const server = await new FakeJanus(net).open();
  cleanups.add(() => server.close());
  const bot = new Bot(
    net,
    "bot",
    cleanups,
    janusAdapter(() => 1, quick),
  );
  return { net, server, bot };
}

describe.concurrent("a room of a Janus server", () => {
  it("gives everybody's streams over one connection, and takes back those of who leaves", async ({
    cleanups,
  }) => {
    const { server, bot, net } = await serve(cleanups);
    server.come({ id: 1, display: "Ann" });
    await bot.join(server.address, recording);
    await until("Ann", () => bot.tracks.length === 2 && bot.frames > 5);
    server.come({ id: 2, display: "Bob" });
    await until("Bob", () => bot.tracks.length === 4);
    expect(new Set(bot.tracks.map((t) => t.split(" ")[1])).size).toBe(1);
    server.go(1);
    await until("Ann is gone", () => bot.tracks.length === 2 && bot.count("peer", "leave") === 1);
    const before = bot.frames;
    await until("Bob goes on", () => bot.frames > before + 5);
    const names = bot.events.flatMap((e) => (e.t === "peer" && e.op === "join" ? [e.peer.name] : []));
    expect(names).toEqual(["Ann", "Bob"]);
    expect(net.misuse).toEqual([]);
  });

  it("uses a line again for another stream: the first one's track ends before", async ({ cleanups }) => {
    const { server, bot } = await serve(cleanups);
    server.come({ id: 1, display: "Ann" });
    await bot.join(server.address, recording);
    await until("Ann", () => bot.tracks.length === 2);
    server.go(1);
    await until("nobody", () => bot.tracks.length === 0);
    server.come({ id: 2, display: "Bob" });
    await until("Bob", () => bot.tracks.length === 2);
    const mids = bot.events.flatMap((e) =>
      e.t === "track" && e.op === "add" ? [`${e.track.peerId} ${e.track.mid}`] : [],
    );
    expect(mids.sort()).toEqual(["1 0", "1 1", "2 0", "2 1"]);
  });

  it("is asked only for what is wanted", async ({ cleanups }) => {
    const { server, bot } = await serve(cleanups);
    server.come({ id: 1, display: "Ann" });
    server.come({ id: 2, display: "Bob" });
    await bot.join(server.address, { ...recording, wants: (c) => c.name === "Bob" && c.kind === "audio" });
    await until("the sound of Bob", () => bot.tracks.length === 1);
    const [join] = server.of("join").slice(1);
    expect(join?.body).toMatchObject({
      ptype: "subscriber",
      private_id: 7,
      streams: [{ feed: 2, mid: "0" }],
    });
  });

  it("gets what we publish", async ({ cleanups }) => {
    const { server, bot } = await serve(cleanups);
    await bot.join(server.address, { ...publishing, token: "t0k" });
    await until("media", () => server.frames.length > 10);
    expect(server.requests.every((r) => r.token === "t0k" && r.apisecret === "t0k")).toBe(true);
    await bot.session?.leave();
    expect(bot.ended?.reason).toBe("left");
    expect(server.requests.at(-1)).toMatchObject({ janus: "destroy" });
  });

  it("is claimed after a lost WebSocket: media goes on over the same connection", async ({ cleanups }) => {
    const { server, bot } = await serve(cleanups);
    server.come({ id: 1, display: "Ann" });
    await bot.join(server.address, recording);
    await until("Ann", () => bot.tracks.length === 2);
    server.cut();
    await until("it is back", () => bot.count("signalling", "restored") === 1);
    expect(server.requests.filter((r) => r.janus === "claim")).toHaveLength(1);
    expect(bot.count("track", "remove")).toBe(0);
    server.come({ id: 2, display: "Bob" });
    await until("news come again", () => bot.tracks.length === 4);
  });

  it("is joined anew where the server forgot us: the same people, other connections", async ({
    cleanups,
  }) => {
    const { server, bot } = await serve(cleanups);
    server.reclaims = false;
    server.come({ id: 1, display: "Ann" });
    await bot.join(server.address, recording);
    await until("Ann", () => bot.tracks.length === 2);
    const [before] = bot.tracks;
    server.cut();
    await until("it is back", () => bot.count("signalling", "restored") === 1 && bot.tracks.length === 2);
    expect(bot.tracks[0]).not.toBe(before);
    expect([bot.count("peer", "join"), bot.count("peer", "leave")]).toEqual([1, 0]);
  });

  it("that hangs up gets a new connection on the same seat", async ({ cleanups }) => {
    const { server, bot } = await serve(cleanups);
    server.come({ id: 1, display: "Ann" });
    await bot.join(server.address, recording);
    await until("Ann", () => bot.count("link", "up") === 1);
    server.hangUp();
    await until("up again", () => bot.count("link", "up") === 2);
    expect(bot.count("link", "down")).toBe(1);
    expect(server.of("join").filter((r) => (r.body as { ptype: string }).ptype === "publisher")).toHaveLength(
      1,
    );
  });

  it("asks for another layer while it runs, and for later streams as well", async ({ cleanups }) => {
    const { server, bot } = await serve(cleanups);
    server.come({ id: 1, display: "Ann" });
    await bot.join(server.address, { ...recording, layer: "low" });
    await until("a layer", () => server.of("configure").length > 0);
    bot.session?.prefer?.("high");
    await until("another", () => server.of("configure").length > 1);
    server.come({ id: 2, display: "Bob" });
    await until("for all", () => server.of("configure").length > 2);
    const asked = server.of("configure").map((r) => (r.body as { streams: unknown }).streams);
    expect(asked.slice(0, 2)).toEqual([[{ mid: "1", substream: 0 }], [{ mid: "1", substream: 2 }]]);
    expect(asked.at(-1)).toEqual([
      { mid: "1", substream: 2 },
      { mid: "3", substream: 2 },
    ]);
  });

  it("keeps the layer of a single track, whatever comes and goes", async ({ cleanups }) => {
    const { server, bot } = await serve(cleanups);
    server.come({ id: 1, display: "Ann" });
    await bot.join(server.address, { ...recording, layer: "low" });
    await until("a layer", () => server.of("configure").length > 0);
    bot.session?.prefer?.("high", "1/1");
    server.come({ id: 2, display: "Bob" });
    await until("Bob", () => bot.tracks.length === 4 && server.of("configure").length > 2);
    const both = [
      { mid: "1", substream: 2 },
      { mid: "3", substream: 0 },
    ];
    expect(server.of("configure").at(-1)?.body).toMatchObject({ streams: both });
    const before = server.of("configure").length;
    server.hangUp();
    await until("a new connection", () => server.of("configure").length > before);
    expect(server.of("configure").at(-1)?.body).toMatchObject({ streams: both });
  });

  it("that refuses what we publish once has us on one seat, never on two", async ({ cleanups }) => {
    const { server, bot } = await serve(cleanups);
    await bot.join(server.address, publishing);
    await until("media", () => server.frames.length > 10);
    server.script.publish = [{ error_code: 499, error: "not now" }];
    server.hangUp();
    const before = server.frames.length;
    await until(
      "it goes on",
      () => server.script.publish?.length === 0 && server.frames.length > before + 10,
    );
    expect(server.seats).toBe(1);
  });

  it("takes a token and another API secret", async ({ cleanups }) => {
    const { server, bot } = await serve(cleanups);
    await bot.join(server.address, { ...recording, token: "t0k", apiSecret: "s3cret" });
    expect(server.requests.every((r) => r.token === "t0k" && r.apisecret === "s3cret")).toBe(true);
  });

  it.for([
    [{ kicked: undefined, leaving: "ok", reason: "kicked" }, "event", "kicked"],
    [{}, "destroyed", "room-closed"],
  ] as const)("ends with %j, %s", async ([data, kind, reason], { cleanups }) => {
    const { server, bot } = await serve(cleanups);
    await bot.join(server.address, recording);
    server.tell(data, kind);
    await until("the end", () => bot.ended);
    expect(bot.ended?.reason).toBe(reason);
  });

  it("refuses a wrong pin, and takes the right one", async ({ cleanups }) => {
    const { server, bot } = await serve(cleanups);
    server.pin = "1234";
    await expect(bot.join(server.address, { ...recording, pin: "no" })).rejects.toMatchObject({
      code: "auth",
      exitCode: 3,
    });
    await bot.join(`${server.address}?pin=1234`, recording);
  });

  it("whose ids are texts has rooms that look like numbers", async ({ cleanups }) => {
    const { server, bot } = await serve(cleanups);
    server.script.join = [{ error_code: 430, error: "Invalid element type (room should be a string)" }];
    await bot.join(server.address, recording);
    expect(server.of("join").map((r) => (r.body as { room: unknown }).room)).toEqual([1234, "1234"]);
  });
});
