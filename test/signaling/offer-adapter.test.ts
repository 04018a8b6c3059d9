import { describe, expect, test } from "vitest";
import { seededRandom } from "../../src/core/random.ts";
import type { JoinWish, RoomAdapter } from "../../src/core/room.ts";
import { offerAdapter } from "../../src/signaling/offer/adapter.ts";
import { jsonOffer, parseJsonDescription } from "../../src/signaling/offer/messages.ts";
import { FakeNetwork } from "../support/fake-transport.ts";
import { until } from "../support/until.ts";
import { WhipServer, type WhipServerOptions } from "../support/whip-server.ts";
import { Bot, type Cleanups, it, publishing, recording, tracks } from "./room-bot.ts";

const quick = { setupMs: 200, backoffMs: 10, backoffCapMs: 20 };
const adapter: RoomAdapter = offerAdapter(() => 1, quick);

async function serve(cleanups: Cleanups, o: WhipServerOptions = {}) {
  const net = new FakeNetwork();
  const server = await new WhipServer(net, undefined, { json: true, ...o }).open();
  cleanups.add(() => server.close());
  const bot = new Bot(net, "bot", cleanups, adapter);
  const join = (wish: Partial<JoinWish>) => bot.join(server.address, wish);
  return { net, server, bot, join };
}

describe.concurrent("an endpoint for JSON offers", () => {
  it("takes what is published", async ({ cleanups }) => {
    const { server, bot, net, join } = await serve(cleanups);
    await join({ ...publishing, token: "tok-1" });
    await until("media", () => server.frames.length > 10);
    const [post] = server.of("POST");
    expect(post?.headers).toMatchObject({
      "content-type": "application/json",
      authorization: "Bearer tok-1",
    });
    expect(JSON.parse(post?.body ?? "")).toMatchObject({
      type: "offer",
      sdp: expect.stringMatching(/^v=0[\s\S]*a=setup:actpass/),
    });
    await bot.session?.leave();
    expect(server.requests.map((r) => r.method)).toEqual(["OPTIONS", "POST"]);
    expect(net.misuse).toEqual([]);
  });

  it("sends what it has", async ({ cleanups }) => {
    const { bot, join } = await serve(cleanups, { sends: tracks });
    await join(recording);
    await until("media", () => bot.frames > 10);
    expect(bot.tracks).toHaveLength(2);
  });

  it("is asked again when the connection breaks", async ({ cleanups }) => {
    const { server, bot, net, join } = await serve(cleanups);
    await join(publishing);
    await until("up", () => bot.count("link", "up") === 1);
    for (const t of net.open) t.fail();
    await until("up again", () => bot.count("link", "up") === 2);
    expect(server.of("POST")).toHaveLength(2);
  });

  it.for([
    ["HTML", { status: 200, headers: { "content-type": "text/html" }, body: "<html>" }, "signal-protocol"],
    ["an error", { status: 200, body: '{"error":"no"}' }, "signal-protocol"],
    ["an offer", { status: 200, body: '{"type":"offer","sdp":"v=0\\r\\n"}' }, "signal-protocol"],
    ["nonsense", { status: 200, body: '{"type":"answer","sdp":"v=0\\r\\nm=x\\r\\n"}' }, "negotiation"],
    ["a refusal", { status: 400, body: "no" }, "signal-refused"],
  ] as const)("that answers with %s is not joined", async ([, reply, code], { cleanups }) => {
    const { server, net, join } = await serve(cleanups);
    server.script.POST = [reply];
    await expect(join(publishing)).rejects.toMatchObject({ code });
    await until("the end of all connections", () => net.open.length === 0);
  });

  it("that sends nothing is not recorded", async ({ cleanups }) => {
    const { join } = await serve(cleanups);
    await expect(join(recording)).rejects.toMatchObject({
      code: "negotiation",
      message: expect.stringContaining("sends nothing that we can take"),
    });
  });
});

describe("descriptions in JSON", () => {
  test("are read back", () => {
    const sdp = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n";
    expect(parseJsonDescription(jsonOffer(sdp), "offer")).toEqual({ type: "offer", sdp });
  });

  test("of another type, without a description, or of no JSON are none, whatever comes", () => {
    const whole = jsonOffer("v=0\r\ns=-\r\n");
    expect(parseJsonDescription(whole, "answer")).toBeUndefined();
    for (const text of ["", "null", "[]", "7", '{"sdp":7,"type":"offer"}', '{"sdp":"x","type":"offer"}'])
      expect(parseJsonDescription(text, "offer")).toBeUndefined();
    const random = seededRandom(5);
    for (let i = 0; i < 2000; i++) {
      const at = Math.floor(random() * whole.length);
      const mutated = whole.slice(0, at) + String.fromCharCode(32 + 90 * random()) + whole.slice(at + 1);
      const d = parseJsonDescription(mutated, "offer");
      expect(d === undefined || d.sdp.startsWith("v=0")).toBe(true);
    }
  });
});
