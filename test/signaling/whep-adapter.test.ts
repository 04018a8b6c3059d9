import { describe, expect } from "vitest";
import type { JoinWish, RoomAdapter } from "../../src/core/room.ts";
import { whepAdapter } from "../../src/signaling/whep/adapter.ts";
import { FakeNetwork, type FakeNetworkOptions, hostCandidate } from "../support/fake-transport.ts";
import { until } from "../support/until.ts";
import { WhipServer, type WhipServerOptions } from "../support/whip-server.ts";
import { Bot, type Cleanups, it, recording, tracks } from "./room-bot.ts";

const TOKEN = "tok-8sj2-secret";
const quick = { setupMs: 200, backoffMs: 10, backoffCapMs: 20 };
const adapter: RoomAdapter = whepAdapter(() => 1, quick);

async function serve(cleanups: Cleanups, o: WhipServerOptions & { net?: FakeNetworkOptions } = {}) {
  const net = new FakeNetwork(o.net);
  const server = await new WhipServer(net, undefined, { sends: tracks, ...o }).open();
  cleanups.add(() => server.close());
  const bot = new Bot(net, "bot", cleanups, adapter);
  const join = (wish: Partial<JoinWish> = {}) => bot.join(server.address, { ...recording, ...wish });
  return { net, server, bot, join };
}

describe.concurrent("receiving from a WHEP endpoint", () => {
  it("brings its media, and ends the session on leaving", async ({ cleanups }) => {
    const { server, bot, net, join } = await serve(cleanups);
    await join({ token: TOKEN });
    await until("media", () => bot.frames > 10);
    const [post] = server.of("POST");
    expect(post?.headers).toMatchObject({
      "content-type": "application/sdp",
      authorization: `Bearer ${TOKEN}`,
    });
    expect(post?.body.match(/^a=recvonly\r$/gm)).toHaveLength(2);
    expect(post?.body).toMatch(/^a=rtpmap:\d+ H264\/90000\r$/m);
    expect(bot.events.slice(0, 3)).toMatchObject([
      { t: "peer", op: "join", peer: { name: server.host } },
      { t: "track", op: "add", track: { kind: "audio", source: "microphone" } },
      { t: "track", op: "add", track: { kind: "video", source: "camera" } },
    ]);
    await bot.session?.leave();
    await until("the end", () => bot.ended);
    expect(server.of("DELETE").map((r) => [r.path, r.headers.authorization])).toEqual([
      ["/sessions/0", `Bearer ${TOKEN}`],
    ]);
    expect(bot.tracks).toEqual([]);
    expect(net.misuse).toEqual([]);
  });

  it("answers an offer of the server's own, on another connection", async ({ cleanups }) => {
    const { server, bot, net, join } = await serve(cleanups, { counter: true });
    await join({ token: TOKEN });
    await until("media", () => bot.frames > 10);
    expect(server.requests.map((r) => r.method)).toEqual(["OPTIONS", "POST", "PATCH"]);
    const [patch] = server.of("PATCH");
    expect([patch?.path, patch?.headers["content-type"], patch?.headers["if-match"]]).toEqual([
      "/sessions/0",
      "application/sdp",
      '"1"',
    ]);
    expect(patch?.body).toContain("a=candidate:");
    expect(patch?.headers.authorization).toBe(`Bearer ${TOKEN}`);
    await until("the end of the first connection", () => net.open.length === 2);
    await bot.session?.leave();
    expect(server.of("DELETE")).toHaveLength(1);
  });

  it("takes only what is wanted of it", async ({ cleanups }) => {
    const { server, bot, join } = await serve(cleanups);
    await join({ wants: (c) => c.kind === "audio" });
    await until("media", () => bot.frames > 3);
    expect(server.of("POST")[0]?.body).not.toContain("m=video");
    expect(bot.tracks).toHaveLength(1);
  });

  it("tells it of candidates that were found after the answer to its offer", async ({ cleanups }) => {
    const net = { holdGathering: true, candidates: [] };
    const { server, net: network, join } = await serve(cleanups, { counter: true, net });
    await join();
    const ours = network.transports.find((t) => t.calls.some((c) => c.startsWith("accept")));
    ours?.discover(hostCandidate(7));
    ours?.gathered();
    await until("the candidate", () => server.of("PATCH").at(-1)?.body.includes("a=candidate:7"));
    expect(server.of("PATCH").at(-1)?.headers["content-type"]).toBe("application/trickle-ice-sdpfrag");
  });

  it("is made anew when it breaks, with the same tracks", async ({ cleanups }) => {
    const { server, bot, net, join } = await serve(cleanups);
    await join();
    await until("media", () => bot.frames > 3);
    const before = bot.tracks;
    for (const t of net.open) t.fail();
    await until("up again", () => bot.count("link", "up") === 2);
    const methods = server.requests.map((r) => r.method).filter((m) => m !== "PATCH");
    expect(methods).toEqual(["OPTIONS", "POST", "DELETE", "POST"]);
    expect(bot.tracks).not.toEqual(before);
    const added = bot.events.flatMap((e) => (e.t === "track" && e.op === "add" ? [e.track.id] : []));
    expect(added.slice(0, 2)).toEqual(added.slice(2));
    expect(bot.count("peer", "join")).toBe(1);
    expect(bot.count("track", "remove")).toBe(2);
  });
});

describe.concurrent("a WHEP endpoint that refuses", () => {
  it.for([
    [401, "auth", "wants other credentials"],
    [403, "auth", "does not let us watch"],
    [404, "signal-refused", "has nothing to play there"],
    [406, "signal-refused", "does not take this offer"],
    [503, "signal-refused", "cannot do it now"],
  ] as const)("with %d ends it as %s, and says so", async ([status, code, words], { cleanups }) => {
    const { server, net, join } = await serve(cleanups);
    server.script.POST = [{ status, headers: { "content-type": "text/plain" }, body: `no ${TOKEN}` }];
    const error = await join({ token: TOKEN }).catch((e: unknown) => e);
    expect(error).toMatchObject({
      code,
      exitCode: 3,
      message: `${server.host} ${words} (${status}: no ***)`,
    });
    await until("the end of all connections", () => net.open.length === 0);
  });

  it.for([
    ["HTML", { status: 201, headers: { "content-type": "text/html" }, body: "<html>" }],
    ["nothing", { status: 200 }],
    ["a counter-offer that is none", { status: 406, body: "v=0\r\nm=?\r\n", headers: { location: "/s" } }],
  ] as const)("in the shape of %s ends it", async ([, reply], { cleanups }) => {
    const { server, join, net } = await serve(cleanups);
    server.script.POST = [reply];
    await expect(join()).rejects.toMatchObject({
      code: expect.stringMatching(/signal-protocol|negotiation/),
    });
    await until("the end of all connections", () => net.open.length === 0);
  });

  it("our answer to its own offer gets the session back", async ({ cleanups }) => {
    const { server, join } = await serve(cleanups, { counter: true });
    server.script.PATCH = [{ status: 422 }];
    await expect(join()).rejects.toMatchObject({ code: "signal-refused" });
    expect(server.of("DELETE")).toHaveLength(1);
  });

  it("to be published to is told so before anything is sent", async ({ cleanups }) => {
    const { server, join } = await serve(cleanups);
    await expect(join({ publish: tracks })).rejects.toMatchObject({ code: "usage" });
    expect(server.requests).toEqual([]);
  });
});
