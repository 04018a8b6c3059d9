import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { describe, expect } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { FakeNetwork } from "../support/fake-transport.ts";
import { RoomClient } from "../support/room-client.ts";
import { until } from "../support/until.ts";
import { Bot, type Cleanups, it, publishing, recording } from "./room-bot.ts";

const address = (port: number) => `ws://127.0.0.1:${port}/demo`;

function join(cleanups: Cleanups, target: string, wish = {}, signal?: AbortSignal): Promise<Bot> {
  return new Bot(new FakeNetwork(), "bot", cleanups).join(target, { ...recording, ...wish }, signal);
}

async function listen(
  cleanups: Cleanups,
  server: Server | ReturnType<typeof createTcpServer>,
): Promise<number> {
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
  cleanups: Cleanups,
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
  const port = await listen(cleanups, http);
  cleanups.add(() => {
    for (const ws of wss.clients) ws.terminate();
  });
  return { port, visits: () => visits };
}

const welcome = (peers: unknown[] = [], more = {}) =>
  JSON.stringify({ t: "welcome", you: "me", peers, ice: [], ttl: 60, rejoin: "secret", ...more });

describe.concurrent("a room that cannot be joined", () => {
  it("says that nothing listens, and how to change that", async ({ cleanups }) => {
    const port = await listen(cleanups, createTcpServer());
    await cleanups.run();
    await expect(join(cleanups, address(port))).rejects.toMatchObject({
      code: "signal-refused",
      exitCode: 3,
      message: `nothing listens at 127.0.0.1:${port}`,
      hint: "start a room server there with: roomtap serve",
    });
  });

  it("says that the host is not known", async ({ cleanups }) => {
    await expect(join(cleanups, "ws://no-such-host.invalid:1/demo")).rejects.toMatchObject({
      code: "signal-refused",
      message: expect.stringContaining("no-such-host.invalid:1 is not known"),
    });
  });

  it.for([
    [404, "signal-refused"],
    [500, "signal-refused"],
    [401, "auth"],
    [403, "auth"],
  ] as const)(
    "says that a web server is no room when it answers %i",
    async ([status, code], { cleanups }) => {
      const port = await listen(
        cleanups,
        createServer((_, res) => res.writeHead(status).end()),
      );
      await expect(join(cleanups, address(port))).rejects.toMatchObject({
        code,
        message: `127.0.0.1:${port} answered with HTTP ${status}, not with a room`,
        hint: expect.any(String),
      });
    },
  );

  it.for([
    ["hangs up", (s: Socket) => s.destroy()],
    ["speaks something else", (s: Socket) => s.end("220 mail.example.org ESMTP\r\n")],
  ] as const)("says so when the other end %s", async ([, act], { cleanups }) => {
    const port = await listen(
      cleanups,
      createTcpServer((s) => void s.on("error", () => undefined).once("data", () => act(s))),
    );
    await expect(join(cleanups, address(port))).rejects.toMatchObject({
      code: "signal-refused",
      hint: expect.any(String),
    });
  });

  it("does not trust a self-signed certificate, unless told to", async ({ cleanups }) => {
    const server = await cleanups.server({ tls: "self-signed" });
    const target = `wss://127.0.0.1:${server.port}/demo`;
    await expect(join(cleanups, target)).rejects.toMatchObject({
      code: "signal-refused",
      message: `the certificate of 127.0.0.1:${server.port} is not trusted`,
      hint: expect.stringContaining("--insecure"),
    });
    await expect(join(cleanups, target, { insecure: true })).resolves.toBeDefined();
  });

  it.for([
    ["wss to a server without TLS", {}, "wss", "ws://"],
    ["ws to a server with TLS", { tls: "self-signed" as const }, "ws", "wss://"],
  ] as const)("hints at the other scheme for %s", async ([, options, scheme, other], { cleanups }) => {
    const server = await cleanups.server(options);
    await expect(join(cleanups, `${scheme}://127.0.0.1:${server.port}/demo`)).rejects.toMatchObject({
      code: "signal-refused",
      hint: expect.stringContaining(other),
    });
  });

  it("needs the token where there is one", async ({ cleanups }) => {
    const server = await cleanups.server({ token: "sesame" });
    const wanted = { code: "auth", exitCode: 3, hint: expect.stringContaining("--token") };
    await expect(join(cleanups, address(server.port))).rejects.toMatchObject(wanted);
    await expect(join(cleanups, address(server.port), { token: "wrong" })).rejects.toMatchObject(wanted);
    await expect(join(cleanups, address(server.port), { token: "" })).rejects.toMatchObject(wanted);
    await expect(join(cleanups, address(server.port), { token: "sesame" })).resolves.toBeDefined();
    await expect(join(cleanups, `${address(server.port)}?token=sesame`)).resolves.toBeDefined();
  });

  it("never repeats the token in the error", async ({ cleanups }) => {
    const server = await cleanups.server({ token: "sesame" });
    const error = await join(cleanups, `${address(server.port)}?token=wrong-secret`).catch((e: unknown) => e);
    expect(`${error} ${JSON.stringify(error)} ${(error as Error).stack}`).not.toContain("wrong-secret");
  });

  it("is full", async ({ cleanups }) => {
    const server = await cleanups.server({ maxPeers: 1 });
    await join(cleanups, address(server.port));
    await expect(join(cleanups, address(server.port))).rejects.toMatchObject({
      code: "room-full",
      exitCode: 3,
    });
  });

  it("is not joined when that is cancelled", async ({ cleanups }) => {
    const hanging = await listen(
      cleanups,
      createTcpServer((s) => void s.on("error", () => undefined)),
    );
    const abort = new AbortController();
    const joining = join(cleanups, address(hanging), {}, abort.signal);
    abort.abort();
    await expect(joining).rejects.toMatchObject({ code: "signal-closed" });
    await expect(join(cleanups, address(hanging), {}, abort.signal)).rejects.toMatchObject({
      code: "signal-closed",
    });
  });
});

describe.concurrent("a session that the server ends", () => {
  it("was kicked, and does not come back", async ({ cleanups }) => {
    const server = await cleanups.server();
    const watcher = await RoomClient.join(server.wsUrl, { room: "demo" });
    const bot = await join(cleanups, address(server.port));
    const { peer } = await watcher.nextOf("peer-joined");
    server.kick("demo", peer.id);
    await until("ended", () => bot.ended !== undefined);
    expect(bot.ended).toMatchObject({ reason: "kicked", error: { code: "kicked", exitCode: 3 } });
    expect(bot.count("signalling")).toBe(0);
    expect(server.stats.peers).toBe(1);
    watcher.leave();
  });

  it.for([
    [4001, "kicked", "kicked"],
    [4002, "room-full", "room-full"],
    [4003, "auth", "auth"],
    [4005, "replaced", "signal-closed"],
  ] as const)("with close code %i is over: %s", async ([code, reason, error], { cleanups }) => {
    const { port, visits } = await scripted(cleanups, (ws) => {
      ws.send(welcome());
      ws.send(JSON.stringify({ t: "error", code: "x", message: "so it is" }));
      ws.close(code);
    });
    const bot = await join(cleanups, address(port));
    await until("ended", () => bot.ended !== undefined);
    expect(bot.ended).toMatchObject({ reason, error: { code: error, message: "so it is" } });
    expect([bot.count("signalling"), visits()]).toEqual([0, 1]);
  });

  it.for([
    [4001, "kicked"],
    [4002, "room-full"],
    [4003, "auth"],
  ] as const)("is over as well when coming back is refused with %i", async ([code, reason], { cleanups }) => {
    const { port, visits } = await scripted(cleanups, (ws, visit) => {
      if (visit === 1) {
        ws.send(welcome());
        setImmediate(() => ws.terminate());
      } else ws.close(code);
    });
    const bot = await join(cleanups, address(port));
    await until("ended", () => bot.ended !== undefined);
    expect(bot.ended).toMatchObject({ reason });
    expect([bot.count("signalling", "lost"), visits()]).toEqual([1, 2]);
  });

  it("closes the connections to everyone", async ({ cleanups }) => {
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

describe.concurrent("a server that misbehaves", () => {
  it("is counted for what cannot be read, and the session goes on", async ({ cleanups }) => {
    const { port } = await scripted(cleanups, (ws) => {
      ws.send("hello");
      ws.send(welcome());
      ws.send("{");
      ws.send(JSON.stringify({ t: "signal", from: 5 }));
      ws.send(Buffer.from([1, 2, 3]));
      ws.send(JSON.stringify({ t: "peer-joined", peer: { id: "p", name: "Pia", recorder: true } }));
    });
    const bot = await join(cleanups, address(port));
    await until("peer", () => bot.count("peer", "join") === 1);
    expect(bot.host.faults.snapshot()).toEqual({ "signal-malformed": 4 });
  });

  it("is counted for signals of peers that nobody knows", async ({ cleanups }) => {
    const { port } = await scripted(cleanups, (ws) => {
      ws.send(welcome());
      ws.send(JSON.stringify({ t: "signal", from: "ghost", data: { bye: true } }));
    });
    const bot = await join(cleanups, address(port));
    await until("counted", () => bot.host.faults.of("signal-unexpected") === 1);
    expect(bot.ended).toBeUndefined();
  });

  it("is not asked faster and faster when it throws us out after each welcome", async ({ cleanups }) => {
    const at: number[] = [];
    const { port } = await scripted(cleanups, (ws) => {
      at.push(performance.now());
      ws.send(welcome());
      setImmediate(() => ws.terminate());
    });
    const bot = await join(cleanups, address(port));
    await until("five visits", () => at.length === 5);
    // With this jitter the pauses are 60, 120, 240 and 400 ms at least.
    expect((at[4] ?? 0) - (at[0] ?? 0)).toBeGreaterThan(780);
    expect(bot.count("signalling", "restored")).toBeGreaterThanOrEqual(3);
  });

  it("cannot end the session with ICE servers that make no connection", async ({ cleanups }) => {
    const net = new FakeNetwork();
    const bot = new Bot(net, "bot", cleanups);
    const link = bot.host.link.bind(bot.host);
    let refused = 0;
    bot.host.link = (o) => {
      if (o.iceServers.length > 0 && ++refused < 3) throw new Error("not an ICE server address");
      return link(o);
    };
    const { port } = await scripted(cleanups, (ws) => {
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
