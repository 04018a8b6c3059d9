import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { FakeNetwork } from "../support/fake-transport.ts";
import { RoomClient } from "../support/room-client.ts";
import { until } from "../support/until.ts";
import { Bot, Cleanups, publishing, recording } from "./room-bot.ts";

const cleanups = new Cleanups();
afterEach(() => cleanups.run());

const address = (port: number) => `ws://127.0.0.1:${port}/demo`;

function join(target: string, wish = {}, signal?: AbortSignal): Promise<Bot> {
  return new Bot(new FakeNetwork(), "bot", cleanups).join(target, { ...recording, ...wish }, signal);
}

async function listen(server: Server | ReturnType<typeof createTcpServer>): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  cleanups.add(
    () =>
      new Promise((resolve) => {
        if ("closeAllConnections" in server) server.closeAllConnections();
        server.close(resolve);
      }),
  );
  return (server.address() as AddressInfo).port;
}

/** A room server that does what the test says with each connection, from its first message on. */
async function scripted(
  script: (ws: WebSocket, visit: number) => void,
): Promise<{ port: number; visits: () => number }> {
  const http = createServer();
  const wss = new WebSocketServer({ server: http });
  let visits = 0;
  wss.on("connection", (ws) => {
    const visit = ++visits;
    ws.once("message", () => script(ws, visit));
    ws.on("error", () => undefined);
  });
  const port = await listen(http);
  cleanups.add(() => {
    for (const ws of wss.clients) ws.terminate();
  });
  return { port, visits: () => visits };
}

const welcome = (peers: unknown[] = [], more = {}) =>
  JSON.stringify({ t: "welcome", you: "me", peers, ice: [], ttl: 60, rejoin: "secret", ...more });

describe("a room that cannot be joined", () => {
  it("says that nothing listens, and how to change that", async () => {
    const port = await listen(createTcpServer());
    await cleanups.run();
    await expect(join(address(port))).rejects.toMatchObject({
      code: "signal-refused",
      exitCode: 3,
      message: `nothing listens at 127.0.0.1:${port}`,
      hint: "start a room server there with: roomtap serve",
    });
  });

  it("says that the host is not known", async () => {
    await expect(join("ws://no-such-host.invalid:1/demo")).rejects.toMatchObject({
      code: "signal-refused",
      message: expect.stringContaining("no-such-host.invalid:1 is not known"),
    });
  });

  it.each([
    [404, "signal-refused"],
    [500, "signal-refused"],
    [401, "auth"],
    [403, "auth"],
  ])("says that a web server is no room when it answers %i", async (status, code) => {
    const port = await listen(createServer((_, res) => res.writeHead(status).end()));
    await expect(join(address(port))).rejects.toMatchObject({
      code,
      message: `127.0.0.1:${port} answered with HTTP ${status}, not with a room`,
      hint: expect.any(String),
    });
  });

  it.each([
    ["hangs up", (s: Socket) => s.destroy()],
    ["speaks something else", (s: Socket) => s.end("220 mail.example.org ESMTP\r\n")],
  ])("says so when the other end %s", async (_, act) => {
    const port = await listen(
      createTcpServer((s) => void s.on("error", () => undefined).once("data", () => act(s))),
    );
    await expect(join(address(port))).rejects.toMatchObject({
      code: "signal-refused",
      hint: expect.any(String),
    });
  });

  it("does not trust a self-signed certificate, unless told to", async () => {
    const server = await cleanups.server({ tls: "self-signed" });
    const target = `wss://127.0.0.1:${server.port}/demo`;
    await expect(join(target)).rejects.toMatchObject({
      code: "signal-refused",
      message: `the certificate of 127.0.0.1:${server.port} is not trusted`,
      hint: expect.stringContaining("--insecure"),
    });
    await expect(join(target, { insecure: true })).resolves.toBeDefined();
  });

  it.each([
    ["wss to a server without TLS", {}, "wss", "ws://"],
    ["ws to a server with TLS", { tls: "self-signed" as const }, "ws", "wss://"],
  ])("hints at the other scheme for %s", async (_, options, scheme, other) => {
    const server = await cleanups.server(options);
    await expect(join(`${scheme}://127.0.0.1:${server.port}/demo`)).rejects.toMatchObject({
      code: "signal-refused",
      hint: expect.stringContaining(other),
    });
  });

  it("needs the token where there is one", async () => {
    const server = await cleanups.server({ token: "sesame" });
    const wanted = { code: "auth", exitCode: 3, hint: expect.stringContaining("--token") };
    await expect(join(address(server.port))).rejects.toMatchObject(wanted);
    await expect(join(address(server.port), { token: "wrong" })).rejects.toMatchObject(wanted);
    await expect(join(address(server.port), { token: "" })).rejects.toMatchObject(wanted);
    await expect(join(address(server.port), { token: "sesame" })).resolves.toBeDefined();
    await expect(join(`${address(server.port)}?token=sesame`)).resolves.toBeDefined();
  });

  it("never repeats the token in the error", async () => {
    const server = await cleanups.server({ token: "sesame" });
    const error = await join(`${address(server.port)}?token=wrong-secret`).catch((e: unknown) => e);
    expect(`${error} ${JSON.stringify(error)} ${(error as Error).stack}`).not.toContain("wrong-secret");
  });

  it("is full", async () => {
    const server = await cleanups.server({ maxPeers: 1 });
    await join(address(server.port));
    await expect(join(address(server.port))).rejects.toMatchObject({ code: "room-full", exitCode: 3 });
  });

  it("is not joined when that is cancelled", async () => {
    const hanging = await listen(createTcpServer((s) => void s.on("error", () => undefined)));
    const abort = new AbortController();
    const joining = join(address(hanging), {}, abort.signal);
    abort.abort();
    await expect(joining).rejects.toMatchObject({ code: "signal-closed" });
    await expect(join(address(hanging), {}, abort.signal)).rejects.toMatchObject({ code: "signal-closed" });
  });
});

describe("a session that the server ends", () => {
  it("was kicked, and does not come back", async () => {
    const server = await cleanups.server();
    const watcher = await RoomClient.join(server.wsUrl, { room: "demo" });
    const bot = await join(address(server.port));
    const { peer } = await watcher.nextOf("peer-joined");
    server.kick("demo", peer.id);
    await until("ended", () => bot.ended !== undefined);
    expect(bot.ended).toMatchObject({ reason: "kicked", error: { code: "kicked", exitCode: 3 } });
    expect(bot.count("signalling")).toBe(0);
    expect(server.stats.peers).toBe(1);
    watcher.leave();
  });

  it.each([
    [4001, "kicked", "kicked"],
    [4002, "room-full", "room-full"],
    [4003, "auth", "auth"],
    [4005, "replaced", "signal-closed"],
  ])("with close code %i is over: %s", async (code, reason, error) => {
    const { port, visits } = await scripted((ws) => {
      ws.send(welcome());
      ws.send(JSON.stringify({ t: "error", code: "x", message: "so it is" }));
      ws.close(code);
    });
    const bot = await join(address(port));
    await until("ended", () => bot.ended !== undefined);
    expect(bot.ended).toMatchObject({ reason, error: { code: error, message: "so it is" } });
    expect([bot.count("signalling"), visits()]).toEqual([0, 1]);
  });

  it.each([
    [4001, "kicked"],
    [4002, "room-full"],
    [4003, "auth"],
  ])("is over as well when coming back is refused with %i", async (code, reason) => {
    const { port, visits } = await scripted((ws, visit) => {
      if (visit === 1) {
        ws.send(welcome());
        setImmediate(() => ws.terminate());
      } else ws.close(code);
    });
    const bot = await join(address(port));
    await until("ended", () => bot.ended !== undefined);
    expect(bot.ended).toMatchObject({ reason });
    expect([bot.count("signalling", "lost"), visits()]).toEqual([1, 2]);
  });

  it("closes the connections to everyone", async () => {
    const server = await cleanups.server();
    const net = new FakeNetwork();
    const publisher = await new Bot(net, "publisher", cleanups).join(address(server.port), publishing);
    const watcher = await RoomClient.join(server.wsUrl, { room: "demo" });
    const recorder = await new Bot(net, "recorder", cleanups).join(address(server.port), recording);
    await until("tracks", () => recorder.tracks.length === 2);
    const { peer } = await watcher.nextOf("peer-joined");
    server.kick("demo", peer.id);
    await until("ended", () => recorder.ended?.reason === "kicked");
    expect(recorder.tracks).toEqual([]);
    await until("closed", () => recorder.host.packets >= 0 && publisher.count("peer", "leave") === 1);
    watcher.leave();
  });
});

describe("a server that misbehaves", () => {
  it("is counted for what cannot be read, and the session goes on", async () => {
    const { port } = await scripted((ws) => {
      ws.send("hello");
      ws.send(welcome());
      ws.send("{");
      ws.send(JSON.stringify({ t: "signal", from: 5 }));
      ws.send(Buffer.from([1, 2, 3]));
      ws.send(JSON.stringify({ t: "peer-joined", peer: { id: "p", name: "Pia", recorder: true } }));
    });
    const bot = await join(address(port));
    await until("peer", () => bot.count("peer", "join") === 1);
    expect(bot.host.faults.snapshot()).toEqual({ "signal-malformed": 4 });
  });

  it("is counted for signals of peers that nobody knows", async () => {
    const { port } = await scripted((ws) => {
      ws.send(welcome());
      ws.send(JSON.stringify({ t: "signal", from: "ghost", data: { bye: true } }));
    });
    const bot = await join(address(port));
    await until("counted", () => bot.host.faults.of("signal-unexpected") === 1);
    expect(bot.ended).toBeUndefined();
  });

  it("is not asked faster and faster when it throws us out after each welcome", async () => {
    const at: number[] = [];
    const { port } = await scripted((ws) => {
      at.push(performance.now());
      ws.send(welcome());
      setImmediate(() => ws.terminate());
    });
    const bot = await join(address(port));
    await until("five visits", () => at.length === 5);
    const [first = 0, second = 0] = at;
    expect((at[4] ?? 0) - (at[3] ?? 0)).toBeGreaterThan(3 * (second - first));
    expect(bot.count("signalling", "restored")).toBeGreaterThanOrEqual(3);
  });

  it("cannot end the session with ICE servers that make no connection", async () => {
    const net = new FakeNetwork();
    const bot = new Bot(net, "bot", cleanups);
    const link = bot.host.link.bind(bot.host);
    let refused = 0;
    bot.host.link = (o) => {
      if (o.iceServers.length > 0 && ++refused < 3) throw new Error("not an ICE server address");
      return link(o);
    };
    const { port } = await scripted((ws) => {
      ws.send(welcome([{ id: "p", name: "Pia", recorder: false }], { ice: [{ urls: ["stun:#"] }] }));
    });
    await bot.join(address(port), recording);
    await until("told", () => bot.count("link", "down") > 0);
    await until("tried again", () => net.transports.length === 1);
    expect(bot.events).toContainEqual({
      t: "link",
      op: "down",
      peerId: "p",
      detail: "not an ICE server address",
    });
  });
});
