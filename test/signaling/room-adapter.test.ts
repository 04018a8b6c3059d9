import { describe, expect } from "vitest";
import { parseSdp } from "../../src/core/sdp/parse.ts";
import type { RoomServerOptions } from "../../src/server/room-server.ts";
import { FakeNetwork, type FakeNetworkOptions, hostCandidate } from "../support/fake-transport.ts";
import type { TcpProxy } from "../support/tcp-proxy.ts";
import { until } from "../support/until.ts";
import { Bot, type Cleanups, HandPeer, it, publishing, recording, tracks } from "./room-bot.ts";

const address = (at: { readonly port: number }) => `ws://127.0.0.1:${at.port}/demo`;

/** A publisher and a recorder, each behind a proxy of its own, with media flowing between them. */
async function call(
  cleanups: Cleanups,
  o: { server?: RoomServerOptions; net?: FakeNetworkOptions; publisherFirst?: boolean } = {},
) {
  const server = await cleanups.server(o.server);
  const net = new FakeNetwork(o.net);
  const publisher = new Bot(net, "publisher", cleanups);
  const recorder = new Bot(net, "recorder", cleanups);
  const lines: readonly [TcpProxy, TcpProxy] = [
    await cleanups.proxy(server.port),
    await cleanups.proxy(server.port),
  ];
  const joins = [
    () => publisher.join(address(lines[0]), publishing),
    () => recorder.join(address(lines[1]), recording),
  ];
  for (const join of o.publisherFirst === false ? joins.reverse() : joins) await join();
  await until("media", () => recorder.frames > 0);
  return { server, net, publisher, recorder, lines };
}

/** A recorder, and a peer whose signals the test writes. */
async function withHandPeer(cleanups: Cleanups) {
  const server = await cleanups.server();
  const net = new FakeNetwork();
  const line = await cleanups.proxy(server.port);
  const recorder = await new Bot(net, "recorder", cleanups).join(address(line), recording);
  const ann = await HandPeer.join(server, net, cleanups);
  await until("Ann", () => recorder.count("peer", "join") === 1);
  return { server, net, line, recorder, ann };
}

describe.concurrent("a room", () => {
  it.for([
    ["the publisher", true],
    ["the recorder", false],
  ] as const)("brings media across when %s comes first", async ([, publisherFirst], { cleanups }) => {
    const { net, publisher, recorder } = await call(cleanups, { publisherFirst });
    expect(recorder.tracks).toEqual(["camera link-1", "microphone link-1"]);
    expect(publisher.tracks).toEqual([]);
    expect(recorder.events[0]).toMatchObject({ t: "peer", op: "join", peer: { name: "publisher" } });
    expect(publisher.events[0]).toMatchObject({ t: "peer", op: "join", peer: { recorder: true } });
    expect([net.misuse, recorder.host.faults.snapshot()]).toEqual([[], {}]);
  });

  it("has the newcomer offer, and nobody else", async ({ cleanups }) => {
    const { net } = await call(cleanups);
    expect(net.transports.map((t) => t.calls)).toEqual([
      ["offer data=true", "complete data=true"],
      ["accept data=true"],
    ]);
  });

  it("needs no connection between two that only listen", async ({ cleanups }) => {
    const server = await cleanups.server();
    const net = new FakeNetwork();
    const one = await new Bot(net, "one", cleanups).join(address(server), recording);
    await new Bot(net, "other", cleanups).join(address(server), recording);
    await until("peer", () => one.count("peer", "join") === 1);
    expect(net.transports).toEqual([]);
  });

  it("holds many: each of four publishers reaches the recorder", async ({ cleanups }) => {
    const server = await cleanups.server();
    const net = new FakeNetwork();
    const recorder = await new Bot(net, "recorder", cleanups).join(address(server), recording);
    const names = ["a", "bb", "ccc", "dddd"];
    await Promise.all(names.map((n) => new Bot(net, n, cleanups).join(address(server), publishing)));
    await until("all tracks", () => recorder.tracks.length === 8);
    expect(net.misuse).toEqual([]);
  });

  it("tells when a peer leaves, and takes its tracks and link down", async ({ cleanups }) => {
    const { net, publisher, recorder } = await call(cleanups);
    await publisher.session?.leave();
    await until("leave", () => recorder.count("peer", "leave") === 1);
    expect(recorder.tracks).toEqual([]);
    await until("links closed", () => net.open.length === 0);
    expect(recorder.count("link", "down")).toBe(0);
    expect(publisher.events.at(-1)).toMatchObject({ t: "ended", reason: "left" });
    expect(net.misuse).toEqual([]);
  });

  it("is left once and within two seconds, also without a server", async ({ cleanups }) => {
    const { server, net, recorder, lines } = await call(cleanups);
    for (const line of lines) line.refuse = true;
    await server.close();
    await until("lost", () => recorder.count("signalling", "lost") === 1);
    const start = performance.now();
    await Promise.all([recorder.session?.leave(), recorder.session?.leave()]);
    expect(performance.now() - start).toBeLessThan(2000);
    await until("ended", () => recorder.ended?.reason === "left");
    await until("own link closed", () => net.open.length <= 1);
    expect(recorder.count("ended")).toBe(1);
  });

  it("makes no connection for a signal that comes after leaving", async ({ cleanups }) => {
    const { net, line, recorder, ann } = await withHandPeer(cleanups);
    line.hold();
    const link = ann.link();
    ann.tell({
      link: "x",
      sdp: await link.offer({ send: tracks, receive: { audio: 0, video: 0 }, data: true }),
    });
    await ann.settled();
    const left = recorder.session?.leave();
    line.release();
    await left;
    expect(net.transports).toHaveLength(1);
  });
});

describe.concurrent("a welcome and what follows it in the same packet", () => {
  it("are taken in their order", async ({ cleanups }) => {
    const { server, net } = { server: await cleanups.server(), net: new FakeNetwork() };
    const line = await cleanups.proxy(server.port);
    const recorder = new Bot(net, "recorder", cleanups);
    const ann = await HandPeer.join(server, net, cleanups);
    // Only the handshake goes through; welcome, newcomer and their offer then arrive as one piece.
    line.hold();
    const joining = recorder.join(address(line), recording);
    const self = (await ann.client.nextOf("peer-joined")).peer.id;
    const bea = await new Bot(net, "bea", cleanups).join(address(server), publishing);
    await ann.settled();
    expect(bea.count("peer", "join")).toBeGreaterThan(0);
    line.release();
    await joining;
    await until("tracks", () => recorder.tracks.length === 2);
    expect(recorder.host.faults.snapshot()).toEqual({});
    expect(self).toMatch(/^[0-9a-f]{24}$/);
    expect(net.misuse).toEqual([]);
  });
});

describe.concurrent("signalling that breaks", () => {
  it("comes back to the same seat, and the media never stops", async ({ cleanups }) => {
    const { net, publisher, recorder, lines } = await call(cleanups);
    for (const line of lines) line.cut();
    await until("restored", () =>
      [publisher, recorder].every((b) => b.count("signalling", "restored") === 1),
    );
    const before = recorder.frames;
    await until("media goes on", () => recorder.frames > before + 5);
    expect(recorder.events.slice(4)).toMatchObject([
      { t: "signalling", op: "lost" },
      { t: "signalling", op: "restored" },
    ]);
    expect(net.transports).toHaveLength(2);
    expect(net.misuse).toEqual([]);
  });

  it("finds who came in the meantime, with one connection to each", async ({ cleanups }) => {
    const { server, net, recorder, lines } = await call(cleanups);
    lines[1].refuse = true;
    lines[1].cut();
    await until("lost", () => recorder.count("signalling", "lost") === 1);
    const late = await new Bot(net, "latecomer", cleanups).join(address(server), publishing);
    await until("both are there", () => late.count("peer", "join") === 2);
    lines[1].refuse = false;
    await until("tracks of both", () => recorder.tracks.length === 4);
    // Three peers, three connections with two ends each.
    await until(
      "one connection each",
      () => net.transports.filter((t) => t.state === "connected").length === 6,
    );
    await until("nothing left over", () => net.open.length === 6);
    expect(recorder.count("peer", "leave")).toBe(0);
    expect(net.misuse).toEqual([]);
  });

  it("keeps what is said while it is down, for the seat it gets back", async ({ cleanups }) => {
    const { net, line, recorder, ann } = await withHandPeer(cleanups);
    await ann.publishOver(ann.link(), "x");
    await until("up", () => recorder.count("link", "up") === 1);
    line.refuse = true;
    line.cut();
    await until("lost", () => recorder.count("signalling", "lost") === 1);
    const own = net.transports.find((t) => t.calls[0]?.startsWith("accept"));
    own?.discover(hostCandidate(77));
    line.refuse = false;
    const late = await ann.hear("candidate", (d) => d.candidate.candidate === hostCandidate(77));
    expect(late.link).toBe("x");
  });

  it("leaves everything as it was when the server is restarted, whoever comes back first", async ({
    cleanups,
  }) => {
    const { server, net, publisher, recorder, lines } = await call(cleanups);
    await server.close();
    const both = [publisher, recorder];
    await until("lost", () => both.every((b) => b.count("signalling", "lost") === 1));
    lines[0].refuse = true;
    const second = await cleanups.server();
    for (const line of lines) line.target = second.port;
    await until("one is back", () => recorder.count("signalling", "restored") === 1);
    expect(publisher.count("signalling", "restored")).toBe(0);
    lines[0].refuse = false;
    await until("both are back", () => second.stats.peers === 2);
    const before = recorder.frames;
    await until("frames", () => recorder.frames > before);
    // Whoever comes now finds both under the names that they have for each other.
    const late = await new Bot(net, "latecomer", cleanups).join(address(second), publishing);
    await until("tracks of both", () => recorder.tracks.length === 4);
    expect(late.count("peer", "join")).toBe(2);
    expect([recorder.count("peer", "leave"), recorder.count("peer", "join")]).toEqual([0, 2]);
    expect([recorder.count("track", "remove"), recorder.count("link", "down")]).toEqual([0, 0]);
    expect(net.misuse).toEqual([]);
  });

  it("tells who left while the server was down", async ({ cleanups }) => {
    const { server, publisher, recorder, lines } = await call(cleanups);
    await server.close();
    await until("lost", () => recorder.count("signalling", "lost") === 1);
    await publisher.session?.leave();
    await publisher.host.close();
    await until("no tracks", () => recorder.tracks.length === 0);
    const second = await cleanups.server();
    for (const line of lines) line.target = second.port;
    await until("left", () => recorder.count("peer", "leave") === 1);
  });

  it("is tried again with growing pauses", async ({ cleanups }) => {
    const { recorder, lines } = await call(cleanups);
    const before = lines[1].taken;
    const start = performance.now();
    lines[1].refuse = true;
    lines[1].cut();
    await until("four attempts", () => lines[1].taken === before + 4);
    // With this jitter the pauses are 60, 120, 240 and 400 ms at least.
    expect(performance.now() - start).toBeGreaterThan(780);
    expect(recorder.count("signalling", "lost")).toBe(1);
  });
});

describe.concurrent("a connection that breaks", () => {
  it("is made anew after a back-off, and the tracks return on another link", async ({ cleanups }) => {
    const { net, recorder } = await call(cleanups);
    for (const t of net.transports) t.fail();
    await until("new link", () => recorder.tracks.filter((t) => t.endsWith("link-2")).length === 2);
    const before = recorder.frames;
    await until("media", () => recorder.frames > before);
    expect([recorder.count("peer"), recorder.count("link", "up")]).toEqual([1, 2]);
    await until("told", () => recorder.count("link", "down") === 1);
    await until("old links closed", () => net.open.length === 2);
    expect(net.misuse).toEqual([]);
  });

  it("is tried until it works", async ({ cleanups }) => {
    let asked = 0;
    const { net, recorder } = await call(cleanups, { net: { connects: () => ++asked > 4 } });
    expect(net.transports.length).toBeGreaterThanOrEqual(6);
    expect(recorder.tracks).toHaveLength(2);
    await until("one is left", () => net.open.length === 2);
    expect(net.misuse).toEqual([]);
  });

  it("does not come back once the other side said bye", async ({ cleanups }) => {
    const { server, net, recorder, ann } = await withHandPeer(cleanups);
    await ann.publishOver(ann.link(), "x");
    await until("tracks", () => recorder.tracks.length === 2);
    ann.tell({ link: "x", bye: true });
    await until("tracks gone", () => recorder.tracks.length === 0);
    expect([recorder.count("peer", "leave"), server.stats.peers]).toEqual([0, 2]);
    expect(net.transports).toHaveLength(2);
    // Until the other side wants it again; a late word about the old connection means nothing then.
    await ann.publishOver(ann.link(), "y");
    ann.tell({ link: "x", bye: true });
    ann.tell({ link: "x", candidate: { candidate: hostCandidate(5) } });
    await ann.settled();
    await until("tracks back", () => recorder.tracks.length === 2);
    expect(recorder.tracks.every((t) => t.endsWith("link-2"))).toBe(true);
  });

  it("is replaced when the other side offers under another name", async ({ cleanups }) => {
    const { net, recorder, ann } = await withHandPeer(cleanups);
    const old = ann.link();
    await ann.publishOver(old, "x");
    await until("tracks", () => recorder.tracks.length === 2);
    await ann.publishOver(ann.link(), "y");
    await until("tracks on the new link", () => recorder.tracks.every((t) => t.endsWith("link-2")));
    expect(recorder.tracks).toHaveLength(2);
    await until("old link closed", () => old.state === "failed");
    expect(recorder.count("link", "down")).toBe(0);
    expect(net.misuse).toEqual([]);
  });

  it("is replaced when the other side restarts ICE under the old name", async ({ cleanups }) => {
    const { net, recorder, ann } = await withHandPeer(cleanups);
    await ann.publishOver(ann.link(), "x");
    await until("tracks", () => recorder.tracks.length === 2);
    await ann.publishOver(ann.link(), "x");
    await until(
      "tracks on the new link",
      () => recorder.tracks.filter((t) => t.endsWith("link-2")).length === 2,
    );
    expect(recorder.host.faults.snapshot()).toEqual({});
    expect(net.misuse).toEqual([]);
  });
});

describe.concurrent("first offers that cross", () => {
  it.for([
    ["smaller", "the offer of the other side is ignored"],
    ["larger", "the own offer gives way"],
  ] as const)("with our id the %s one: %s", async ([which], { cleanups }) => {
    const server = await cleanups.server();
    const net = new FakeNetwork();
    // Ids are random: the hand-made peer is taken anew until it has the side that the test is about.
    for (;;) {
      const line = await cleanups.proxy(server.port);
      const ann = await HandPeer.join(server, net, cleanups);
      const bot = new Bot(net, "bot", cleanups);
      const mine = ann.link();
      const plan = { send: tracks, receive: { audio: 0, video: 0 }, data: true };
      const offer = await mine.offer(plan);
      await bot.join(address(line), { ...recording, receive: true });
      const joined = (await ann.client.nextOf("peer-joined")).peer;
      const botIsSmaller = joined.id < ann.client.welcome.you;
      if (botIsSmaller !== (which === "smaller")) {
        await bot.session?.leave();
        ann.client.leave();
        await ann.client.closed;
        continue;
      }
      const theirs = await ann.hear("sdp");
      expect(theirs.sdp.type).toBe("offer");
      ann.tell({ link: "mine", sdp: offer }, joined.id);
      if (which === "smaller") {
        await ann.settled();
        const { answer } = await mine.accept(theirs.sdp, plan);
        ann.tell({ ...(theirs.link ? { link: theirs.link } : {}), sdp: answer }, joined.id);
      } else {
        const answer = await ann.hear("sdp");
        expect([answer.link, answer.sdp.type]).toEqual(["mine", "answer"]);
        await mine.answer(answer.sdp);
      }
      await until("tracks", () => bot.tracks.length === 2);
      await until("media", () => bot.frames > 0);
      expect(net.misuse).toEqual([]);
      break;
    }
  });
});

describe.concurrent("what a stranger sends", () => {
  it("is counted when it makes no sense, and harms nobody", async ({ cleanups }) => {
    const { net, recorder, ann } = await withHandPeer(cleanups);
    ann.tell({ link: "x", sdp: { type: "offer", sdp: "v=0\r\nnonsense" } });
    ann.tell({ link: "x", candidate: { candidate: "nonsense" } });
    ann.tell({ link: "z", sdp: { type: "answer", sdp: "v=0" } });
    await until("counted", () => recorder.host.faults.of("signal-unexpected") === 1);
    await until("counted", () => recorder.host.faults.of("candidate-rejected") === 1);
    await ann.publishOver(ann.link(), "x");
    await until("tracks", () => recorder.tracks.length === 2);
    expect(net.misuse).toEqual([]);
  });

  it("names a track by what it says it carries, and by what it is else", async ({ cleanups }) => {
    const { recorder, ann } = await withHandPeer(cleanups);
    const link = ann.link();
    const plan = { send: tracks, receive: { audio: 0, video: 0 }, data: true };
    const offer = await link.offer(plan);
    const video = parseSdp(offer.sdp)?.media.find((m) => m.kind === "video")?.mid ?? "";
    ann.tell({ link: "x", sdp: offer, media: { [video]: "screen" } });
    await until("tracks", () => recorder.tracks.length === 2);
    expect(recorder.tracks).toEqual(["microphone link-1", "screen link-1"]);
  });
});

it("takes an offer that follows at once on the answer to its own, whichever side is polite", async ({
  cleanups,
}) => {
  const server = await cleanups.server();
  const net = new FakeNetwork();
  const polite = new Set<boolean>();
  while (polite.size < 2) {
    const line = await cleanups.proxy(server.port);
    const ann = await HandPeer.join(server, net, cleanups);
    const bot = await new Bot(net, "bot", cleanups).join(address(line), recording);
    const joined = (await ann.client.nextOf("peer-joined")).peer;
    polite.add(joined.id > ann.client.welcome.you);
    const theirs = await ann.hear("sdp");
    const link = theirs.link === undefined ? {} : { link: theirs.link };
    const mine = ann.link();
    const none = { send: [], receive: { audio: 0, video: 0 }, data: true };
    line.hold();
    ann.tell({ ...link, sdp: (await mine.accept(theirs.sdp, none)).answer }, joined.id);
    ann.tell({ ...link, sdp: await mine.offer({ ...none, send: tracks }) }, joined.id);
    await ann.settled();
    line.release();
    const answer = await ann.hear("sdp", (d) => d.sdp.type === "answer");
    await mine.answer(answer.sdp);
    await until("tracks", () => bot.tracks.length === 2);
    await bot.session?.leave();
    ann.client.leave();
    await ann.client.closed;
  }
  expect(net.misuse).toEqual([]);
});
