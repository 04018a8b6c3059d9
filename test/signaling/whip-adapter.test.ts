import { createServer } from "node:net";
import { describe, expect } from "vitest";
import type { JoinWish, LocalTrack, RoomAdapter } from "../../src/core/room.ts";
import { whipAdapter } from "../../src/signaling/whip/adapter.ts";
import { FakeNetwork, type FakeNetworkOptions, hostCandidate } from "../support/fake-transport.ts";
import { until } from "../support/until.ts";
import { WhipServer } from "../support/whip-server.ts";
import { Bot, type Cleanups, it, publishing } from "./room-bot.ts";

const TOKEN = "tok-3nf8-secret";
const quick = { setupMs: 200, backoffMs: 10, backoffCapMs: 20 };
const adapter: RoomAdapter = whipAdapter(() => 1, quick);

async function serve(cleanups: Cleanups, o: { net?: FakeNetworkOptions; codecs?: readonly string[] } = {}) {
  const net = new FakeNetwork(o.net);
  const server = await new WhipServer(net, o.codecs).open();
  cleanups.add(() => server.close());
  const bot = new Bot(net, "bot", cleanups, adapter);
  const join = (wish: Partial<JoinWish> = {}, address = server.address) =>
    bot.join(address, { ...publishing, ...wish });
  return { net, server, bot, join };
}

describe.concurrent("publishing to a WHIP endpoint", () => {
  it("brings media across, and ends the session on leaving", async ({ cleanups }) => {
    const { server, bot, net, join } = await serve(cleanups);
    await join({ token: TOKEN });
    await until("media", () => server.frames.length > 10);
    await until("candidates", () => server.of("PATCH").length > 0);
    expect(server.requests.map((r) => r.method)).toEqual(["OPTIONS", "POST", "PATCH"]);
    const [post] = server.of("POST");
    expect(post?.headers).toMatchObject({
      "content-type": "application/sdp",
      authorization: `Bearer ${TOKEN}`,
    });
    // A server that knew where we are would be there before its answer is.
    expect(post?.body).not.toContain("a=candidate:");
    expect(server.of("PATCH")[0]?.body).toMatch(/a=candidate:[\s\S]*a=end-of-candidates/);
    expect(post?.body.match(/^a=sendonly\r$/gm)).toHaveLength(2);
    expect(new Set(post?.body.match(/^a=msid:\S+/gm)).size).toBe(1);
    expect(bot.events).toMatchObject([
      { t: "peer", op: "join", peer: { name: server.host, recorder: false } },
      { t: "link", op: "up" },
    ]);
    await bot.session?.leave();
    await until("the end", () => bot.ended);
    expect(server.of("DELETE").map((r) => [r.path, r.headers.authorization])).toEqual([
      ["/sessions/0", `Bearer ${TOKEN}`],
    ]);
    expect(bot.ended?.reason).toBe("left");
    expect(net.misuse).toEqual([]);
    await until("the end of all connections", () => net.open.length === 0);
  });

  it("without a token says none, and takes the user and password of an address", async ({ cleanups }) => {
    const { server, join, bot } = await serve(cleanups);
    await join({ token: "" });
    expect(server.of("POST")[0]?.headers.authorization).toBeUndefined();
    await bot.session?.leave();
    await join({}, server.address.replace("://", "://ann:pw@"));
    const pair = Buffer.from("ann:pw").toString("base64");
    expect(server.of("POST")[1]?.headers.authorization).toBe(`Basic ${pair}`);
  });

  it("is refused to those who only receive", async ({ cleanups }) => {
    const { join } = await serve(cleanups);
    await expect(join({ publish: [], receive: true })).rejects.toMatchObject({ code: "usage" });
  });

  it("sends what the server takes, and says what it does not", async ({ cleanups }) => {
    const { server, bot, join } = await serve(cleanups, { codecs: ["VP8"] });
    await join();
    await until("media", () => server.frames.length > 3);
    expect(new Set(server.frames.map((f) => f.codec))).toEqual(new Set(["vp8"]));
    expect(bot.logs.join()).toContain("takes no audio (opus): the rest is sent");
  });

  it("fails where there is no codec in common, and gives the session back", async ({ cleanups }) => {
    const { server, join } = await serve(cleanups, { codecs: ["H264"] });
    const cam: LocalTrack = { id: "cam", kind: "video", source: "camera", codec: "vp8" };
    await expect(join({ publish: [cam] })).rejects.toMatchObject({
      code: "negotiation",
      exitCode: 4,
      message: `${server.host} takes no video (vp8)`,
    });
    expect(server.of("DELETE")).toHaveLength(1);
  });

  it("uses ICE servers that OPTIONS told, and later those of the answer", async ({ cleanups }) => {
    const { server, bot, join } = await serve(cleanups);
    server.script.OPTIONS = [{ status: 204, headers: { link: ["<stun:one>; rel=ice-server"] } }];
    server.created.link = [
      "<stun:two>; rel=ice-server",
      "<turn:three>; rel=ice-server; username=u; credential=p",
    ];
    const asked: string[][] = [];
    const link = bot.host.link.bind(bot.host);
    bot.host.link = (o) => {
      asked.push(o.iceServers.flatMap((s) => [...s.urls]));
      return link(o);
    };
    await join();
    await until("up", () => bot.count("link", "up") === 1);
    server.links[0]?.close();
    await until("up again", () => bot.count("link", "up") === 2);
    expect(asked).toEqual([["stun:one"], ["stun:two", "turn:three"]]);
  });
});

describe.concurrent("candidates found after the offer", () => {
  it("go to the server with its tag, until there are no more", async ({ cleanups }) => {
    const { net, server, join } = await serve(cleanups, { net: { holdGathering: true, candidates: [] } });
    server.created.etag = 'W/"tag"';
    const joining = join();
    // The gathering is cut off by the cap; the server's own by its second.
    await joining;
    const [bot] = net.transports;
    bot?.discover(hostCandidate(7));
    bot?.discover(hostCandidate(8));
    bot?.gathered();
    await until("the end of candidates", () =>
      server.of("PATCH").at(-1)?.body.includes("a=end-of-candidates"),
    );
    const patches = server.of("PATCH");
    expect(patches.map((r) => r.headers["content-type"])).toContain("application/trickle-ice-sdpfrag");
    expect(patches.every((r) => r.path === "/sessions/0" && r.headers["if-match"] === 'W/"tag"')).toBe(true);
    const told = patches.flatMap((r) => r.body.match(/^a=candidate:\d/gm) ?? []);
    expect(told).toEqual(["a=candidate:7", "a=candidate:8"]);
  });

  it("are kept from a server that does not want them", async ({ cleanups }) => {
    const { net, server, join } = await serve(cleanups, { net: { holdGathering: true, candidates: [] } });
    server.script.PATCH = [{ status: 405 }];
    await join();
    const [bot] = net.transports;
    bot?.discover(hostCandidate(7));
    await until("a refusal", () => server.of("PATCH").length === 1);
    bot?.discover(hostCandidate(8));
    bot?.gathered();
    await until("media", () => server.frames.length > 20);
    expect(server.of("PATCH")).toHaveLength(1);
  });
});

describe.concurrent("a refusal", () => {
  it.for([
    [401, "auth"],
    [403, "auth"],
    [404, "signal-refused"],
    [405, "signal-refused"],
    [406, "signal-refused"],
    [415, "signal-refused"],
    [422, "signal-refused"],
    [503, "signal-refused"],
  ] as const)("of %d is %s, said at once, without secrets", async ([status, code], { cleanups }) => {
    const { server, net, join } = await serve(cleanups);
    const body = JSON.stringify({ detail: `not with ${TOKEN}` });
    server.script.POST = [{ status, headers: { "content-type": "application/problem+json" }, body }];
    const error = await join({ token: TOKEN }).catch((e: unknown) => e);
    expect(error).toMatchObject({ code, exitCode: 3 });
    expect(String(error)).toContain("not with ***");
    expect(String(error)).not.toMatch(/secret/);
    expect(server.of("POST")).toHaveLength(1);
    await until("the end of all connections", () => net.open.length === 0);
  });

  it("with a time to try again is followed", async ({ cleanups }) => {
    const { server, bot, join } = await serve(cleanups);
    server.script.POST = [{ status: 503, headers: { "retry-after": "1" } }];
    const before = performance.now();
    await join();
    expect(performance.now() - before).toBeGreaterThan(990);
    expect(server.of("POST")).toHaveLength(2);
    expect(bot.logs.join()).toContain("it says to try again in 1 s");
  });

  it("with a time beyond patience is final", async ({ cleanups }) => {
    const { server, join } = await serve(cleanups);
    server.script.POST = [{ status: 503, headers: { "retry-after": "3600" } }];
    await expect(join()).rejects.toMatchObject({ code: "signal-refused" });
    expect(server.of("POST")).toHaveLength(1);
  });

  it("is not waited for when joining is given up", async ({ cleanups }) => {
    const { server, bot } = await serve(cleanups);
    server.script.POST = [{ status: 503, headers: { "retry-after": "30" } }];
    const stop = new AbortController();
    const joining = bot.join(server.address, publishing, stop.signal);
    const given = expect(joining).rejects.toMatchObject({ code: "signal-closed" });
    await until("the wait", () => bot.logs.length > 0);
    stop.abort();
    await given;
  });

  it.for([
    ["HTML", { status: 201, headers: { "content-type": "text/html" }, body: "<html>" }],
    ["HTML called SDP", { status: 200, headers: { "content-type": "application/sdp" }, body: "<html>" }],
    ["nothing", { status: 201 }],
    ["octets without end", { status: 201, body: `v=0\r\n${"x".repeat(400_000)}` }],
  ] as const)("in the shape of %s is no answer", async ([, reply], { cleanups }) => {
    const { server, join, net } = await serve(cleanups);
    server.script.POST = [reply];
    await expect(join()).rejects.toMatchObject({ code: "signal-protocol", exitCode: 3 });
    await until("the end of all connections", () => net.open.length === 0);
  });

  it("in the shape of an SDP that cannot be read gives the session back", async ({ cleanups }) => {
    const { server, join } = await serve(cleanups);
    server.rewrite = () => "v=0\r\nm=nonsense\r\n";
    await expect(join()).rejects.toMatchObject({ code: "negotiation" });
    expect(server.of("DELETE")).toHaveLength(1);
  });

  it("of something that is no HTTP server says so", async ({ cleanups }) => {
    const tcp = createServer((socket) => socket.end("SSH-2.0-OpenSSH\r\n"));
    await new Promise<void>((resolve) => {
      tcp.listen(0, "127.0.0.1", resolve);
    });
    cleanups.add(() => tcp.close());
    const at = tcp.address();
    const port = typeof at === "object" ? at?.port : 0;
    const { join } = await serve(cleanups);
    await expect(join({}, `whip+http://127.0.0.1:${port}/x`)).rejects.toMatchObject({
      code: "signal-protocol",
      message: `what answers at 127.0.0.1:${port} does not speak http`,
    });
  });

  it("of nobody says so", async ({ cleanups }) => {
    const { server, join } = await serve(cleanups);
    await server.away();
    await expect(join()).rejects.toMatchObject({
      code: "signal-refused",
      message: /cannot reach .*ECONNREFUSED/,
    });
  });

  it("that never comes to its end is left when joining is given up", async ({ cleanups }) => {
    const { server, bot } = await serve(cleanups);
    server.script.POST = [{ status: 201, hang: true }];
    const stop = new AbortController();
    const joining = bot.join(server.address, publishing, stop.signal);
    await until("the offer", () => server.of("POST").length === 1);
    stop.abort();
    await expect(joining).rejects.toMatchObject({ code: "signal-closed" });
  });
});

describe.concurrent("a redirect", () => {
  it("to the same host is followed, token and all, and the session's address is relative to the last", async ({
    cleanups,
  }) => {
    const { server, join, bot } = await serve(cleanups);
    server.script.POST = [
      { status: 307, headers: { location: "/a/b/c" } },
      { status: 308, headers: { location: "d" } },
    ];
    server.created.location = "session-7";
    await join({ token: TOKEN });
    expect(server.of("POST").map((r) => r.path)).toEqual(["/live/secret-key", "/a/b/c", "/a/b/d"]);
    expect(server.of("POST").every((r) => r.headers.authorization === `Bearer ${TOKEN}`)).toBe(true);
    expect(new Set(server.of("POST").map((r) => r.body)).size).toBe(1);
    await bot.session?.leave();
    expect(server.of("DELETE")[0]?.path).toBe("/a/b/session-7");
  });

  it("to another host is followed without the token", async ({ cleanups }) => {
    const { server, join, net } = await serve(cleanups);
    const other = await new WhipServer(net).open();
    cleanups.add(() => other.close());
    const away = { status: 307, headers: { location: `http://${other.host}/elsewhere` } };
    server.script.POST = [away];
    await join({ token: TOKEN });
    expect(other.of("POST").map((r) => [r.path, r.headers.authorization])).toEqual([
      ["/elsewhere", undefined],
    ]);
    server.script.POST = [away];
    other.script.POST = [{ status: 401 }];
    const error = await join({ token: TOKEN }).catch((e: unknown) => e);
    expect(error).toMatchObject({
      code: "auth",
      message: expect.stringContaining(`${server.host} sent us there`),
    });
  });

  it.for([
    ["in a circle", "/live/secret-key", "sends us from place to place"],
    ["to no address", "http://[", "sends us to no valid place"],
    ["to a file", "file:///etc/passwd", "sends us to no valid place"],
  ] as const)("%s ends", async ([, location, words], { cleanups }) => {
    const { server, join } = await serve(cleanups);
    server.script.POST = Array.from({ length: 20 }, () => ({ status: 307, headers: { location } }));
    await expect(join()).rejects.toMatchObject({
      code: "signal-protocol",
      message: expect.stringContaining(words),
    });
    expect(server.of("POST").length).toBeLessThanOrEqual(6);
  });
});

describe.concurrent("a session that breaks", () => {
  it("is given back, and made anew with another connection", async ({ cleanups }) => {
    const { server, bot, net, join } = await serve(cleanups);
    await join();
    await until("media", () => server.frames.length > 3);
    net.transports[0]?.fail();
    await until("up again", () => bot.count("link", "up") === 2);
    const frames = server.frames.length;
    await until("media again", () => server.frames.length > frames);
    const methods = server.requests.map((r) => r.method).filter((m) => m !== "PATCH");
    expect(methods).toEqual(["OPTIONS", "POST", "DELETE", "POST"]);
    expect(bot.events.find((e) => e.t === "link" && e.op === "down")).toMatchObject({
      detail: `${server.host} is gone`,
    });
    expect(net.misuse).toEqual([]);
  });

  it("waits for a server that is away, and takes no for an answer only from one that says who may", async ({
    cleanups,
  }) => {
    const { server, bot, net, join } = await serve(cleanups);
    await join();
    await until("up", () => bot.count("link", "up") === 1);
    await server.away();
    server.script.POST = [{ status: 404 }, { status: 503 }, { status: 409 }];
    net.transports[0]?.fail();
    await until("the break", () => bot.count("link", "down") === 1);
    await server.open();
    await until("up again", () => bot.count("link", "up") === 2);
    server.script.POST = [{ status: 401 }];
    for (const t of net.open) t.fail();
    await until("the end", () => bot.ended);
    expect(bot.ended).toMatchObject({ reason: "auth", error: { code: "auth" } });
  });

  it("again and again at once was ended on purpose", async ({ cleanups }) => {
    const { server, bot, join } = await serve(cleanups);
    await join();
    let closed = 0;
    await until("the end", () => {
      const link = server.links[closed];
      if (link?.state === "connected") {
        link.close();
        closed++;
      }
      return bot.ended;
    });
    expect(bot.ended).toMatchObject({ reason: "kicked", error: { code: "kicked", exitCode: 3 } });
    expect(closed).toBe(5);
  });

  it("before it was ever up ends after three attempts, as a lack of a path", async ({ cleanups }) => {
    const { server, bot, join } = await serve(cleanups, { net: { connects: () => false } });
    await join();
    await until("the end", () => bot.ended);
    expect(bot.ended).toMatchObject({ reason: "error", error: { code: "ice-failed", exitCode: 4 } });
    // What did not come up may have been for want of candidates in the offer.
    expect(server.of("POST").map((r) => r.body.includes("a=candidate:"))).toEqual([false, true, false]);
    await until("the last good-bye", () => server.of("DELETE").length === 3);
  });
});
