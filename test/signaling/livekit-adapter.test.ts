import { describe, expect } from "vitest";
import type { JoinWish, LocalTrack } from "../../src/core/room.ts";
import { selfSignedCertificate } from "../../src/net/certificate.ts";
import { liveKitAdapter } from "../../src/signaling/livekit/adapter.ts";
import { ProtoMessage, ProtoWriter } from "../../src/signaling/livekit/wire.ts";
import { FakeNetwork, type FakeNetworkOptions } from "../support/fake-transport.ts";
import { FakeLiveKit, type FakeParticipant, type FakeTrack, Request } from "../support/livekit-server.ts";
import { until } from "../support/until.ts";
import { Bot, type Cleanups, it, publishing, recording } from "./room-bot.ts";

const quick = { setupMs: 300, farewellMs: 20, backoffMs: 10, backoffCapMs: 20 };
const keys = { apiKey: "key", apiSecret: "sesame-4711" };
const mic: FakeTrack = { sid: "TR_mic", type: 0, source: 2 };
const cam: FakeTrack = { sid: "TR_cam", type: 1, source: 1 };
const ann: FakeParticipant = { sid: "PA_ann", identity: "ann", name: "Ann", tracks: [mic, cam] };
const w = () => new ProtoWriter();

async function serve(
  cleanups: Cleanups,
  o: { net?: FakeNetworkOptions; random?: () => number; farewellMs?: number } = {},
) {
  const net = new FakeNetwork(o.net);
  const server = await new FakeLiveKit(net).open();
  cleanups.add(() => server.shutDown());
  const bot = new Bot(
    net,
    "bot",
    cleanups,
    liveKitAdapter(o.random ?? (() => 0.5), { ...quick, farewellMs: o.farewellMs ?? quick.farewellMs }),
  );
  const join = (wish: Partial<JoinWish> = {}) => bot.join(server.address, { ...keys, ...recording, ...wish });
  return { net, server, bot, join };
}

const claimsOf = (header: string | undefined) =>
  JSON.parse(Buffer.from(header?.split(".")[1] ?? "", "base64url").toString());
const shown = (bot: Bot) =>
  bot.events.flatMap((e) =>
    e.t === "track" ? [`${e.op} ${e.track.id}`] : e.t === "peer" ? [`${e.op} ${e.peer.name}`] : [],
  );

describe.concurrent("receiving from a LiveKit room", () => {
  it("takes the tracks of everybody, in the room and coming", async ({ cleanups }) => {
    const { server, bot, net, join } = await serve(cleanups);
    server.participants = [ann];
    await join();
    await until("frames", () => bot.frames > 20);
    expect(shown(bot).slice(0, 3)).toEqual(["join Ann", "add PA_ann:microphone", "add PA_ann:camera"]);
    const { headers, url } = server.last;
    expect(url.pathname).toBe("/rtc");
    expect(url.searchParams.get("auto_subscribe")).toBe("0");
    expect(url.search).not.toMatch(/token/);
    expect(claimsOf(headers.authorization)).toMatchObject({
      iss: "key",
      name: "bot",
      sub: expect.stringMatching(/^bot-[0-9a-z]{6}$/),
      video: { room: "demo", hidden: true, recorder: true, canPublish: false, canSubscribe: true },
    });
    const screen: FakeTrack = { sid: "TR_s", type: 1, source: 3, muted: true };
    server.tell({ sid: "PA_bo", identity: "bo", name: "Bo\u202e", tracks: [screen] });
    await until("the screen", () => shown(bot).includes("mute PA_bo:screen"));
    expect(shown(bot).slice(3)).toEqual(["join Bo", "add PA_bo:screen", "mute PA_bo:screen"]);
    await bot.session?.leave();
    await until("the good-bye", () => server.last.of(Request.leave).length === 1);
    await until("the end", () => bot.ended?.reason === "left");
    await until("the end of our connection", () => net.open.length <= 1);
    expect(net.misuse).toEqual([]);
  });

  it("follows mutes, tracks that end and people who leave and return", async ({ cleanups }) => {
    const { server, bot, join } = await serve(cleanups);
    server.participants = [ann];
    await join();
    await until("both tracks", () => bot.tracks.length === 2);
    const before = shown(bot).length;
    server.tell({ ...ann, tracks: [{ ...mic, muted: true }, cam] });
    server.tell({ ...ann, tracks: [mic, cam] });
    server.tell({ ...ann, tracks: [mic] });
    server.tell({ ...ann, state: 3 });
    server.tell({ ...ann, sid: "PA_ann2", tracks: [] });
    await until("her return", () => shown(bot).at(-1) === "join Ann");
    expect(shown(bot).slice(before)).toEqual([
      "mute PA_ann:microphone",
      "unmute PA_ann:microphone",
      "remove PA_ann:camera",
      "remove PA_ann:microphone",
      "leave Ann",
      "join Ann",
    ]);
  });

  it("hears what the server says right behind its welcome", async ({ cleanups }) => {
    const { server, bot, join } = await serve(cleanups);
    server.participants = [ann];
    const gone = w().string(1, ann.sid).string(2, ann.identity).int(3, 3);
    const come = w().string(1, "PA_bo").string(2, "bo").int(3, 2);
    server.behindJoin = [w().message(5, w().message(1, gone).message(1, come)).finish()];
    await join();
    await until("both", () => shown(bot).includes("leave Ann"));
    expect(shown(bot).filter((e) => !e.includes("PA_"))).toEqual(["join Ann", "join bo", "leave Ann"]);
    server.behindJoin = [w().message(8, w().int(2, 4)).finish()];
    server.cut();
    await until("the end", () => bot.ended);
    expect(bot.ended?.reason).toBe("kicked");
  });

  it("takes only what is wanted, and nothing that is encrypted", async ({ cleanups }) => {
    const { server, bot, join } = await serve(cleanups);
    server.participants = [
      ann,
      { sid: "PA_e", identity: "eve", tracks: [{ ...mic, sid: "TR_e", encrypted: true }] },
    ];
    await join({ wants: (c) => c.kind === "audio" });
    await until("the sound", () => bot.tracks.length === 1);
    expect(server.last.of(Request.subscription).map((m) => m.strings(1))).toEqual([["TR_mic"]]);
    expect(bot.logs.join()).toContain("encrypted end to end");
  });

  it("asks for a layer, of all tracks or of one, and of those that come later", async ({ cleanups }) => {
    const { server, bot, join } = await serve(cleanups);
    server.participants = [ann];
    await join({ layer: "low" });
    await until("both tracks", () => bot.tracks.length === 2);
    bot.session?.prefer?.("medium");
    bot.session?.prefer?.("high", "PA_ann:camera");
    server.tell({ sid: "PA_bo", identity: "bo", tracks: [{ ...cam, sid: "TR_bo" }] });
    const asked = () => server.last.of(Request.trackSetting).map((m) => [m.strings(1), m.int(4)]);
    await until("all wishes", () => asked().length === 4);
    expect(asked()).toEqual([
      [["TR_cam"], 0],
      [["TR_cam"], 1],
      [["TR_cam"], 2],
      [["TR_bo"], 1],
    ]);
  });

  it("survives garbage, and counts it", async ({ cleanups }) => {
    const { server, bot, join } = await serve(cleanups);
    server.participants = [ann];
    await join();
    await until("both tracks", () => bot.tracks.length === 2);
    const { socket } = server.last;
    socket.send("text");
    socket.send(Uint8Array.of(0x0a, 5));
    server.last.say(
      4,
      w()
        .string(1, JSON.stringify({ candidate: "candidate:nonsense" }))
        .int(2, 1),
    );
    await until("the count", () => bot.host.faults.of("signal-malformed") === 2);
    await until("the candidate's count", () => bot.host.faults.of("candidate-rejected") === 1);
    expect(bot.ended).toBeUndefined();
  });
});

describe.concurrent("a single connection", () => {
  it("takes the tracks of everybody, on as many m-lines as the server asks for", async ({ cleanups }) => {
    const { server, bot } = await serve(cleanups);
    server.participants = [ann];
    await bot.join(`${server.address}?connections=1`, { ...keys, ...recording });
    await until("frames", () => bot.frames > 10);
    const { url } = server.last;
    expect(url.pathname).toBe("/rtc/v1");
    const wrapped = Buffer.from(url.searchParams.get("join_request") ?? "", "base64url");
    const request = ProtoMessage.read(new Uint8Array(wrapped)).message(2);
    expect([request?.message(1)?.int(3), request?.message(2)?.bool(1)]).toEqual([15, false]);
    server.tell({
      sid: "PA_bo",
      identity: "bo",
      tracks: [
        { ...cam, sid: "TR_b1" },
        { ...mic, sid: "TR_b2" },
      ],
    });
    await until("his tracks", () => bot.tracks.length === 4);
    expect(new Set(bot.tracks.map((t) => t.split(" ")[1]))).toEqual(new Set(["link-1"]));
    const mids = bot.events.flatMap((e) => (e.t === "track" ? [e.track.mid] : []));
    expect(new Set(mids).size).toBe(4);
    expect(bot.count("link", "up")).toBe(1);
  });

  it("sends as well, and is made anew when it breaks", async ({ cleanups }) => {
    const { server, bot } = await serve(cleanups);
    await bot.join(`${server.address}?connections=1`, { ...keys, ...publishing });
    await until("frames", () => server.frames > 10);
    server.last.publisher?.close();
    await until("up again", () => bot.count("link", "up") === 2);
    const { frames } = server;
    await until("more frames", () => server.frames > frames + 10);
    expect(server.last.of(Request.addTrack)).toHaveLength(2);
  });

  it("is left alone by answers to no offer, and ends with one that does not fit", async ({ cleanups }) => {
    const { server, bot } = await serve(cleanups);
    await bot.join(`${server.address}?connections=1`, { ...keys, ...recording });
    const answer = (id: number) => server.last.say(2, w().string(2, "v=0").int(3, id));
    answer(1);
    answer(77);
    server.last.say(25, w());
    await until("another offer", () => server.last.of(Request.offer).length === 2);
    expect(bot.count("link", "down")).toBe(0);
    server.mute = true;
    server.last.say(25, w());
    await until("a third offer", () => server.last.of(Request.offer).length === 3);
    answer(3);
    await until("the loss", () => bot.count("link", "down") === 1);
  });
});

describe.concurrent("coming back to a LiveKit room", () => {
  it("lets the old connections bring media until the new ones do", async ({ cleanups }) => {
    const { server, bot, net, join } = await serve(cleanups, { random: Math.random });
    server.participants = [ann];
    await join();
    await until("frames", () => bot.frames > 5);
    const first = server.last;
    const before = bot.events.length;
    server.participants = [
      {
        ...ann,
        sid: "PA_again",
        tracks: [
          { ...mic, sid: "TR_m2" },
          { ...cam, sid: "TR_c2" },
        ],
      },
    ];
    server.cut();
    await until(
      "the other connection",
      () => bot.tracks.every((t) => t.endsWith("link-2")) && bot.tracks.length === 2,
    );
    const tracks = bot.events
      .slice(before)
      .flatMap((e) => (e.t === "track" ? [`${e.op} ${e.track.id} ${e.track.linkId}`] : []));
    expect(tracks).toEqual(
      [
        "remove PA_ann:microphone link-1",
        "add PA_ann:microphone link-2",
        "remove PA_ann:camera link-1",
        "add PA_ann:camera link-2",
      ].sort((a, b) => tracks.indexOf(a) - tracks.indexOf(b)),
    );
    expect(bot.count("peer")).toBe(1);
    expect([bot.count("signalling", "lost"), bot.count("signalling", "restored")]).toEqual([1, 1]);
    const identities = [first, server.last].map((s) => claimsOf(s.headers.authorization).sub);
    expect(new Set(identities).size).toBe(2);
    await until(
      "the end of the old connection",
      () => net.transports.filter((t) => t.state === "closed").length > 0,
    );
    const frames = bot.frames;
    await until("more frames", () => bot.frames > frames + 5);
  });

  it("comes back after the server was away, with those who come back later", async ({ cleanups }) => {
    const { server, bot, join } = await serve(cleanups);
    server.participants = [ann];
    await join();
    await until("both tracks", () => bot.tracks.length === 2);
    await server.close();
    for (const s of server.all) s.subscriber.close();
    await until("the loss", () => bot.tracks.length === 0 && bot.count("signalling", "lost") === 1);
    server.participants = [];
    await server.open();
    await until("our return", () => bot.count("signalling", "restored") === 1);
    server.tell({ ...ann, sid: "PA_again", tracks: [{ ...mic, sid: "TR_m2" }] });
    await until("her sound", () => bot.tracks.length === 1);
    expect(bot.count("peer")).toBe(1);
    expect(shown(bot).at(-1)).toBe("add PA_ann:microphone");
  });

  it("makes a new connection where one broke", async ({ cleanups }) => {
    const { server, bot, join } = await serve(cleanups);
    server.participants = [ann];
    await join();
    await until("up", () => bot.count("link", "up") === 1);
    server.last.subscriber.close();
    await until("up again", () => bot.count("link", "up") === 2);
    expect(bot.count("link", "down")).toBe(1);
    expect(bot.count("signalling")).toBe(0);
    await until("both tracks", () => bot.tracks.length === 2);
  });

  it("uses the token that the server gave it last", async ({ cleanups }) => {
    const { server, bot, join } = await serve(cleanups);
    const { signToken } = await import("../../src/signaling/livekit/token.ts");
    const grants = { room: "demo", publish: false, subscribe: true, recorder: true };
    const token = signToken({ ...keys, identity: "x", name: "x", nowS: 1, grants });
    await join({ token });
    expect(server.last.headers.authorization).toBe(`Bearer ${token}`);
    server.last.socket.send(w().string(16, "fresh.token.here").finish());
    await until("up", () => bot.count("link", "up") === 1);
    server.cut();
    await until("our return", () => server.all.length === 2);
    expect(server.last.headers.authorization).toBe("Bearer fresh.token.here");
  });

  it.for([
    [2, "replaced", "signal-closed"],
    [4, "kicked", "kicked"],
    [5, "room-closed", undefined],
  ] as const)("ends for good when the server says %i: %s", async ([reason, ended, code], { cleanups }) => {
    const { server, bot, join } = await serve(cleanups);
    await join();
    server.last.leave(reason, 0);
    await until("the end", () => bot.ended);
    expect(bot.ended?.reason).toBe(ended);
    expect(
      bot.ended?.error === undefined ? undefined : "code" in bot.ended.error && bot.ended.error.code,
    ).toBe(code);
    expect(server.all).toHaveLength(1);
  });

  it("hears why, when the connection ends before the word comes", async ({ cleanups }) => {
    const { server, bot, join } = await serve(cleanups, { farewellMs: 2000 });
    server.participants = [ann];
    await join();
    await until("up", () => bot.count("link", "up") === 1);
    server.last.subscriber.close();
    await until(
      "the end of the connection",
      () => bot.tracks.length === 2 && server.last.subscriber.state === "closed",
    );
    server.last.leave(2, 0);
    await until("the end", () => bot.ended);
    expect(bot.ended?.reason).toBe("replaced");
    expect(server.all).toHaveLength(1);
  });

  it("comes back where the server asks for it, and gives up on a refused token", async ({ cleanups }) => {
    const { server, bot, join } = await serve(cleanups);
    await join();
    server.last.leave(3, 2);
    await until("our return", () => server.all.length === 2);
    server.refusals.push({ status: 503 }, { status: 401, body: "invalid token" });
    server.cut();
    await until("the end", () => bot.ended);
    expect(bot.ended).toMatchObject({ reason: "auth", error: { code: "auth" } });
  });
});

describe.concurrent("a LiveKit server that is busy", () => {
  it("is asked again no sooner than it says", async ({ cleanups }) => {
    const { server, bot, join } = await serve(cleanups);
    await join();
    server.refusals.push({ status: 503, headers: "retry-after: 1\r\n" });
    server.cut();
    await until("the refusal", () => server.refusals.length === 0);
    const refused = performance.now();
    await until("our return", () => server.all.length === 2);
    // The timer begins a moment after the refusal has left the server.
    expect(performance.now() - refused).toBeGreaterThan(950);
    expect(bot.ended).toBeUndefined();
  });
});

describe.concurrent("publishing to a LiveKit room", () => {
  it("announces tracks, offers them, and sends", async ({ cleanups }) => {
    const { server, bot, join } = await serve(cleanups);
    await join({ ...publishing, receive: false, recorder: false });
    await until("frames", () => server.frames > 20);
    expect(server.last.of(Request.addTrack).map((m) => m.string(1))).toEqual(["mic", "cam"]);
    const [offer] = server.last.of(Request.offer).map((m) => m.string(2));
    expect(offer).toMatch(/a=msid:\S+ cam\r/);
    const { video } = claimsOf(server.last.headers.authorization);
    expect(video).toEqual({
      roomJoin: true,
      room: "demo",
      canPublish: true,
      canPublishData: false,
      canSubscribe: false,
    });
    await until("up", () => bot.count("link", "up") === 1);
  });

  it("tells which layers are wanted, and that nothing is while the server mutes us", async ({ cleanups }) => {
    const { server, bot, join } = await serve(cleanups);
    const layered: LocalTrack = {
      id: "cam",
      kind: "video",
      source: "camera",
      codec: "vp8",
      layers: ["q", "h", "f"],
    };
    await join({ publish: [layered], receive: false, recorder: false });
    const wanted = (...qualities: readonly number[]) => {
      const codec = w().string(1, "vp8");
      for (const q of qualities) codec.message(2, w().int(1, q).bool(2, true));
      server.last.say(14, w().string(1, "TR_cam").message(3, codec));
    };
    const mute = (on: boolean) => server.last.say(9, w().string(1, "TR_cam").bool(2, on));
    wanted(0, 1);
    mute(true);
    wanted(0);
    mute(false);
    server.last.say(14, w().string(1, "TR_stranger"));
    wanted(0, 1, 2);
    await until("all of it", () => bot.count("wanted") === 5);
    const layers = bot.events.flatMap((e) => (e.t === "wanted" ? [e.layers] : []));
    expect(layers).toEqual([["q", "h"], [], [], ["q"], ["q", "h", "f"]]);
  });

  it("comes back as the same participant", async ({ cleanups }) => {
    const { server, bot, join } = await serve(cleanups, { random: Math.random });
    await join({ ...publishing, receive: false, recorder: false });
    await until("up", () => bot.count("link", "up") === 1);
    server.cut();
    await until("up again", () => bot.count("link", "up") === 2);
    const identities = server.all.map((s) => claimsOf(s.headers.authorization).sub);
    expect(identities[0]).toBe(identities[1]);
    const { frames } = server;
    await until("more frames", () => server.frames > frames + 10);
  });

  it("fails where the server refuses a track, or the token does not allow any", async ({ cleanups }) => {
    const { server, join } = await serve(cleanups);
    server.silent = true;
    const joining = join({ ...publishing, receive: false, recorder: false });
    await until(
      "the request",
      () => server.all.length === 1 && server.last.of(Request.addTrack).length === 2,
    );
    server.last.say(22, w().int(2, 2).string(3, "no such source"));
    await expect(joining).rejects.toMatchObject({
      code: "auth",
      message: expect.stringContaining("no such source"),
    });
    server.may = { publish: false, subscribe: true };
    await expect(join({ ...publishing, receive: false, recorder: false })).rejects.toMatchObject({
      code: "auth",
      message: "the token does not let us publish",
    });
  });
});

describe.concurrent("a LiveKit server that does not let us in", () => {
  it.for([
    ["a wrong secret", { status: 401, body: "invalid token: xxx, error: signature is invalid" }, "auth"],
    ["a page", { status: 200, body: "<html>hello" }, "signal-refused"],
    ["a redirect", { status: 302, headers: "location: http://127.0.0.1:1/\r\n" }, "signal-refused"],
    ["no such room", { status: 404, body: "requested room does not exist" }, "signal-refused"],
  ] as const)("%s", async ([, refused, code], { cleanups }) => {
    const { server, join } = await serve(cleanups);
    server.refusals.push(refused);
    const error = await join().then(
      () => undefined,
      (e: unknown) => e,
    );
    expect(error).toMatchObject({ code, exitCode: 3, hint: expect.any(String) });
    expect(`${error}`).not.toMatch(/sesame|eyJ/);
    expect(server.all).toHaveLength(0);
  });

  it("garbage in the place of a welcome, or another server's address", async ({ cleanups }) => {
    const { server, join } = await serve(cleanups);
    server.greeting = Uint8Array.of(1, 2, 3);
    await expect(join()).rejects.toMatchObject({ code: "signal-protocol" });
    server.greeting = undefined;
    server.alternativeUrl = "wss://elsewhere.example.com";
    await expect(join()).rejects.toMatchObject({ code: "signal-refused" });
    await server.close();
    await expect(join()).rejects.toMatchObject({
      code: "signal-refused",
      message: expect.stringContaining("ECONNREFUSED"),
    });
  });

  it("a certificate that is not trusted, unless that is no matter", async ({ cleanups }) => {
    const server = new FakeLiveKit(new FakeNetwork());
    cleanups.add(() => server.shutDown());
    await server.open(await selfSignedCertificate("127.0.0.1"));
    const bot = new Bot(
      new FakeNetwork(),
      "bot",
      cleanups,
      liveKitAdapter(() => 0.5, quick),
    );
    const join = (wish: Partial<JoinWish>) => bot.join(server.address, { ...keys, ...recording, ...wish });
    await expect(join({})).rejects.toMatchObject({
      code: "signal-refused",
      hint: expect.stringContaining("--insecure"),
    });
    await join({ insecure: true });
    const plain = server.address.replace("wss:", "ws:");
    await expect(bot.join(plain, { ...keys, ...recording })).rejects.toMatchObject({ exitCode: 3 });
  });

  it("cancelled while it waits", async ({ cleanups }) => {
    const { server, bot } = await serve(cleanups);
    server.greeting = w().message(10, w()).finish();
    const stop = new AbortController();
    const joining = bot.join(server.address, { ...keys, ...recording }, stop.signal);
    await until("our arrival", () => server.all.length === 1);
    stop.abort();
    await expect(joining).rejects.toMatchObject({ code: "signal-closed" });
  });

  it("signalling without a media path: three attempts, then exit code 4", async ({ cleanups }) => {
    const { server, bot, join } = await serve(cleanups, { net: { connects: () => false } });
    await join();
    await until("the end", () => bot.ended);
    expect(bot.ended).toMatchObject({ reason: "error", error: { code: "ice-failed", exitCode: 4 } });
    expect(server.all).toHaveLength(3);
  });
});
