import { describe, expect, test } from "vitest";
import { seededRandom } from "../../src/core/random.ts";
import type { JoinWish, LinkPlan, RoomAdapter } from "../../src/core/room.ts";
import { selfSignedCertificate } from "../../src/net/certificate.ts";
import { clientOffer } from "../../src/signaling/http/fragment.ts";
import { type ListenLimits, listenAdapter } from "../../src/signaling/listen/adapter.ts";
import { offerAdapter } from "../../src/signaling/offer/adapter.ts";
import { whipAdapter } from "../../src/signaling/whip/adapter.ts";
import { FakeNetwork, type FakeNetworkOptions, hostCandidate } from "../support/fake-transport.ts";
import { until } from "../support/until.ts";
import { Bot, type Cleanups, it, publishing, recording, tracks } from "./room-bot.ts";

const TOKEN = "listen-tok-5d2";
const quick = { setupMs: 5000, backoffMs: 10, backoffCapMs: 20 };
const caller: RoomAdapter = whipAdapter(() => 1, quick);
const jsonCaller: RoomAdapter = offerAdapter(() => 1, quick);
const sending: LinkPlan = { send: tracks, receive: { audio: 0, video: 0 }, data: false };

type Setting = {
  readonly address?: string;
  readonly wish?: Partial<JoinWish>;
  readonly limits?: ListenLimits;
  readonly net?: FakeNetworkOptions;
};

/** A bot that listens, and those who call it. */
async function listening(cleanups: Cleanups, o: Setting = {}) {
  const net = new FakeNetwork(o.net);
  const bot = new Bot(net, "listener", cleanups, listenAdapter(o.limits));
  const address = o.address ?? "whip-listen://127.0.0.1:0/live";
  await bot.join(address, { ...recording, ...o.wish });
  const url = /http\S+/.exec(bot.logs.join(" "))?.[0] ?? "";
  const ask = (method: string, path = "", headers: Record<string, string> = {}, body?: string) =>
    fetch(`${url}${path}`, { method, headers, ...(body === undefined ? {} : { body }) });
  const call = (name: string, path = "", wish: Partial<JoinWish> = {}, how = caller) => {
    const who = new Bot(net, name, cleanups, how);
    return who.join(`${how === caller ? "whip" : "offer"}+${url}${path}`, { ...publishing, ...wish });
  };
  const offer = async () => {
    const link = new Bot(net, "hand", cleanups, caller).host.link({ peerId: "x", iceServers: [] });
    await link.offer(sending);
    return { link, sdp: clientOffer((await link.localReady(1000)).sdp) };
  };
  const post = async (path = "", headers: Record<string, string> = {}) => {
    const { link, sdp } = await offer();
    const response = await ask("POST", path, { "content-type": "application/sdp", ...headers }, sdp);
    return { response, link, sdp };
  };
  return { net, bot, url, ask, call, offer, post };
}

const joined = (bot: Bot) =>
  bot.events.flatMap((e) => (e.t === "peer" && e.op === "join" ? [e.peer.name] : []));

describe.concurrent("callers of whip-listen", () => {
  it("are participants, each with its media, until they hang up", async ({ cleanups }) => {
    const { bot, call, net } = await listening(cleanups);
    const one = await call("one");
    const two = await call("two");
    await until("media of both", () => bot.frames > 20 && bot.count("link", "up") === 2);
    expect(joined(bot)).toEqual(["publisher-1", "publisher-2"]);
    expect(bot.tracks).toHaveLength(4);
    await one.session?.leave();
    await until("one to be gone", () => bot.tracks.length === 2);
    expect(bot.count("peer", "leave")).toBe(1);
    await call("three");
    expect(joined(bot).at(-1)).toBe("publisher-1");
    await bot.session?.leave();
    await until("the end", () => bot.ended?.reason === "left");
    expect(bot.tracks).toEqual([]);
    expect(net.misuse).toEqual([]);
    await two.session?.leave();
  });

  it("are called as their address says, by path or by query", async ({ cleanups }) => {
    const { bot, call, post } = await listening(cleanups);
    await call("a", "/ann");
    await call("b", "?name=Bea%20B");
    const { response } = await post("/%E2%80%AEeve%0a");
    expect(response.status).toBe(201);
    expect(joined(bot)).toEqual(["ann", "Bea B", "eve"]);
  });

  it("who come back take the place of what they left", async ({ cleanups }) => {
    const { bot, post, call } = await listening(cleanups);
    expect((await post("/ann")).response.status).toBe(201);
    await call("again", "/ann");
    expect(bot.events.filter((e) => e.t === "peer").map((e) => e.op)).toEqual(["join", "leave", "join"]);
    expect(bot.tracks).toHaveLength(2);
  });

  it("whose connection does not come up are dropped", async ({ cleanups }) => {
    const limits = { setupMs: 50 };
    const { bot, post, ask } = await listening(cleanups, { limits, net: { connects: () => false } });
    const { response } = await post();
    await until("the end", () => bot.count("peer", "leave") === 1);
    expect(bot.count("link", "down")).toBe(1);
    const session = response.headers.get("location") ?? "";
    expect((await ask("DELETE", session.replace("/live", ""))).status).toBe(404);
  });

  it("are capped", async ({ cleanups }) => {
    const { post } = await listening(cleanups, { limits: { maxCallers: 1 } });
    expect((await post()).response.status).toBe(201);
    const { response } = await post();
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "5"]);
  });

  it("end it with the first one, where that is wanted", async ({ cleanups }) => {
    const { bot, post, ask } = await listening(cleanups, { wish: { listen: { once: true } } });
    expect((await ask("POST", "", { "content-type": "application/sdp" }, "v=0\r\n")).status).toBe(400);
    const { response } = await post();
    expect((await post()).response.status).toBe(503);
    const session = (response.headers.get("location") ?? "").replace("/live", "");
    expect((await ask("DELETE", session)).status).toBe(200);
    await until("the end", () => bot.ended);
    expect(bot.ended?.reason).toBe("room-closed");
    await expect(ask("POST")).rejects.toThrow();
  });

  it("come by TLS, where there is a certificate", async ({ cleanups }) => {
    const { cert: certificate, key } = await selfSignedCertificate("127.0.0.1");
    const { bot, call, url } = await listening(cleanups, { wish: { listen: { certificate, key } } });
    expect(url).toMatch(/^https:/);
    await call("one", "", { insecure: true });
    await until("media", () => bot.frames > 3);
  });

  it("are let in with the token alone, where there is one", async ({ cleanups }) => {
    const { bot, call, post } = await listening(cleanups, { wish: { listen: { token: TOKEN } } });
    const { response } = await post("", { authorization: "Bearer wrong" });
    expect([response.status, response.headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
    await expect(call("one")).rejects.toMatchObject({ code: "auth" });
    await call("two", "", { token: TOKEN });
    expect(joined(bot)).toEqual(["publisher-1"]);
  });
});

describe.concurrent("what callers ask for", () => {
  it.for([
    ["GET", "", {}, undefined, 405],
    ["HEAD", "", {}, undefined, 405],
    ["PUT", "", { "content-type": "application/sdp" }, "v=0\r\n", 405],
    ["DELETE", "", {}, undefined, 405],
    ["POST", "/a/b", { "content-type": "application/sdp" }, "v=0\r\n", 404],
    ["POST", "/.sessions/x", { "content-type": "application/sdp" }, "v=0\r\n", 405],
    ["DELETE", "/.sessions/x", {}, undefined, 404],
    ["PATCH", "/.sessions/x", {}, "a=candidate:1", 404],
    ["POST", "", { "content-type": "application/json" }, "{}", 415],
    ["POST", "", { "content-type": "application/sdp" }, "hello", 400],
    ["POST", "", { "content-type": "application/sdp" }, "v=0\r\nm=audio x\r\n", 400],
    ["POST", "", { "content-type": "application/sdp" }, "x".repeat(200_000), 413],
  ] as const)("%s of %j with %j and %.9s is answered with %d", async (example, { cleanups }) => {
    const [method, path, headers, body, status] = example;
    const { bot, net, ask } = await listening(cleanups);
    expect((await ask(method, path, headers, body)).status).toBe(status);
    expect(bot.events).toEqual([]);
    expect(net.open).toEqual([]);
  });

  it("beside the endpoint is not there", async ({ cleanups }) => {
    const { url } = await listening(cleanups);
    for (const path of ["/", "/livelier", "//live", "/live/.hidden"])
      expect((await fetch(`${new URL(url).origin}${path}`, { method: "POST" })).status).toBe(404);
  });

  it("with no codec that we know is not acceptable, and leaves nothing", async ({ cleanups }) => {
    const { ask, offer, bot, net } = await listening(cleanups);
    const { sdp, link } = await offer();
    const strange = sdp.replace(/^(a=rtpmap:\d+ )\w+/gm, "$1strange");
    expect((await ask("POST", "", { "content-type": "application/sdp" }, strange)).status).toBe(406);
    link.close();
    await until("the end of all connections", () => net.open.length === 0);
    expect(bot.events).toEqual([]);
  });

  it("late, with candidates, is taken for the session that is named", async ({ cleanups }) => {
    const { post, ask, net } = await listening(cleanups, { net: { connects: () => false } });
    const { response, sdp } = await post();
    const etag = response.headers.get("etag") ?? "";
    const session = (response.headers.get("location") ?? "").replace("/live", "");
    expect(session).toMatch(/^\/\.sessions\/[0-9a-f]{32}$/);
    const ufrag = /^a=ice-ufrag:.*$/m.exec(sdp)?.[0];
    const fragment = `${ufrag}\r\na=mid:0\r\na=${hostCandidate(9)}\r\n`.replace("a=a=", "a=");
    const type = { "content-type": "application/trickle-ice-sdpfrag" };
    const patch = (headers: Record<string, string>, body = fragment) => ask("PATCH", session, headers, body);
    expect((await patch({ "content-type": "text/plain", "if-match": etag })).status).toBe(415);
    expect((await patch(type)).status).toBe(428);
    expect((await patch({ ...type, "if-match": '"other"' })).status).toBe(412);
    expect((await patch({ ...type, "if-match": "*" })).status).toBe(422);
    expect((await patch({ ...type, "if-match": etag }, "a=ice-ufrag:new\r\n")).status).toBe(422);
    expect((await patch({ ...type, "if-match": etag }, "what?")).status).toBe(400);
    const ours = net.transports.find((t) => t.calls.some((c) => c.startsWith("accept")));
    expect((await patch({ ...type, "if-match": etag })).status).toBe(204);
    const late = hostCandidate(9).replace(/^a=/, "");
    expect(ours?.remoteCandidates).toContainEqual(expect.stringContaining(late));
    await until("those of the offer", () => (ours?.remoteCandidates.length ?? 0) > 1);
    expect((await ask("DELETE", session)).status).toBe(200);
    expect((await ask("DELETE", session)).status).toBe(404);
  });

  it("by a page of elsewhere is refused, unless anybody may", async ({ cleanups }) => {
    const closed = await listening(cleanups);
    const evil = { origin: "https://evil.example" };
    expect((await closed.post("", evil)).response.status).toBe(403);
    const mine = await closed.post("", { origin: "http://localhost:5173" });
    expect([mine.response.status, mine.response.headers.get("access-control-allow-origin")]).toEqual([
      201,
      "http://localhost:5173",
    ]);
    const open = await listening(cleanups, { wish: { listen: { token: TOKEN } } });
    const before = await open.ask("OPTIONS", "", { ...evil, "access-control-request-method": "POST" });
    expect([before.status, before.headers.get("access-control-allow-origin")]).toEqual([204, "*"]);
    expect(before.headers.get("access-control-allow-headers")).toContain("Authorization");
    expect(before.headers.get("accept-post")).toBe("application/sdp");
    const { response } = await open.post("", { ...evil, authorization: `Bearer ${TOKEN}` });
    expect(response.headers.get("access-control-expose-headers")).toContain("Location");
  });

  it("may be any nonsense", async ({ cleanups }) => {
    const { ask, offer } = await listening(cleanups);
    const { sdp } = await offer();
    const random = seededRandom(11);
    const headers = { "content-type": "application/sdp" };
    for (let i = 0; i < 60; i++) {
      const at = Math.floor(random() * sdp.length);
      const body = sdp.slice(0, at) + String.fromCharCode(1 + 120 * random()) + sdp.slice(at + 40 * random());
      expect([201, 400, 406, 503]).toContain((await ask("POST", "", headers, body)).status);
    }
  });
});

describe.concurrent("offer-listen", () => {
  const address = "offer-listen://127.0.0.1:0/offer";

  it("takes what callers send", async ({ cleanups }) => {
    const { bot, call, ask } = await listening(cleanups, { address });
    await call("one", "/ann", {}, jsonCaller);
    await until("media", () => bot.frames > 10);
    expect(joined(bot)).toEqual(["ann"]);
    expect((await ask("POST", "", { "content-type": "application/json" }, "{}")).status).toBe(400);
    expect((await ask("POST", "", { "content-type": "application/sdp" }, "v=0\r\n")).status).toBe(415);
    expect((await ask("DELETE", "/.sessions/x")).status).toBe(404);
  });

  it("sends to callers what is published", async ({ cleanups }) => {
    const wish = { ...publishing, receive: false };
    const { bot, call } = await listening(cleanups, { address, wish });
    const viewer = await call("one", "", { ...recording, publish: [] }, jsonCaller);
    await until("media", () => viewer.frames > 10);
    expect(joined(bot)).toEqual(["viewer-1"]);
    expect(bot.tracks).toEqual([]);
    await expect(call("two", "", {}, jsonCaller)).rejects.toMatchObject({ code: "signal-refused" });
  });
});

describe("an address to listen on", () => {
  const join = (target: string, wish: Partial<JoinWish> = recording) => {
    const none = { link: () => undefined, fault: () => undefined, log: () => undefined } as never;
    const full = { name: "x", recorder: true, publish: [], receive: false, ...wish };
    return listenAdapter().join(none, target, full, new AbortController().signal);
  };

  test.each([
    "whip-listen://127.0.0.1",
    "whip-listen://127.0.0.1:99999/x",
    "whip-listen://:80/x",
    "whip-listen://a@h:80/x",
    "whip-listen://h:80/x?y",
    "whip-listen://h:80/.sessions",
    "ws://h:80/x",
  ])("is not %s", async (address) => {
    await expect(join(address)).rejects.toMatchObject({
      code: "usage",
      message: "not an address to listen on",
    });
  });

  test("of the network wants a token, or a word that anybody may call", async () => {
    await expect(join("whip-listen://0.0.0.0:0/x")).rejects.toMatchObject({
      code: "usage",
      message: "serving on 0.0.0.0 lets anybody on the network in",
      hint: expect.stringContaining("--listen-token"),
    });
  });

  test("for WHIP is of no use to those who only publish", async () => {
    await expect(join("whip-listen://127.0.0.1:0/x", publishing)).rejects.toMatchObject({ code: "usage" });
  });
});
