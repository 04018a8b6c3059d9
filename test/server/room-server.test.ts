import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { request as tlsRequest } from "node:https";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createRoomServer, type RoomServer, type RoomServerOptions } from "../../src/server/room-server.ts";
import { limits } from "../../src/signaling/room/messages.ts";
import { RoomClient } from "../support/room-client.ts";

let webRoot = "";
const running: RoomServer[] = [];

beforeAll(async () => {
  webRoot = await mkdtemp(join(tmpdir(), "roomtap-page-"));
  await writeFile(join(webRoot, "index.html"), "<!doctype html>page");
  await writeFile(join(webRoot, "room.js"), "void 0;");
  await writeFile(join(webRoot, "tsconfig.json"), "{}");
});

afterAll(() => rm(webRoot, { recursive: true }));

afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.close()));
});

async function serve(o: RoomServerOptions = {}): Promise<RoomServer> {
  const server = await createRoomServer({ webRoot, ...o });
  running.push(server);
  return server;
}

type Answer = { status: number; headers: Record<string, unknown>; body: string };

function get(server: RoomServer, path: string, o: { host?: string; method?: string } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = o.host === undefined ? {} : { host: o.host };
    const options = { method: o.method ?? "GET", path, headers, rejectUnauthorized: false };
    const ask = server.url.startsWith("https:") ? tlsRequest : request;
    const req = ask(new URL(server.url), options, (res) => {
      let body = "";
      res.on("data", (chunk) => {
        body += String(chunk);
      });
      res.on("end", () => resolve({ status: res.statusCode ?? 0, headers: res.headers, body }));
    });
    req.on("error", reject);
    req.end();
  });
}

describe("a room over real sockets", () => {
  it("introduces peers and relays between them, whatever they claim to be", async () => {
    const { wsUrl } = await serve();
    const ann = await RoomClient.join(wsUrl, { name: "Ann" });
    const bob = await RoomClient.join(wsUrl, { name: "Bob", recorder: true });
    expect(bob.welcome.peers).toEqual([{ id: ann.welcome.you, name: "Ann", recorder: false }]);
    expect(await ann.next("peer-joined")).toMatchObject({ peer: { name: "Bob", recorder: true } });

    const data = { sdp: { type: "offer", sdp: "v=0" }, media: { 0: "screen" } };
    bob.sendRaw(JSON.stringify({ t: "signal", to: ann.welcome.you, from: "king", data }));
    expect(await ann.next("signal")).toEqual({ t: "signal", from: bob.welcome.you, data });

    bob.leave();
    expect(await ann.next("peer-left")).toMatchObject({ reason: "left", peer: { id: bob.welcome.you } });
  });

  it("lets a peer whose connection broke come back unnoticed, once per token", async () => {
    const { wsUrl } = await serve();
    const ann = await RoomClient.join(wsUrl);
    const bob = await RoomClient.join(wsUrl);
    await ann.next("peer-joined");
    bob.cut();
    const { rejoin, you } = bob.welcome;
    const again = await RoomClient.join(wsUrl, { rejoin });
    expect(again.welcome.you).toBe(you);
    await ann.settled();
    const thief = await RoomClient.join(wsUrl, { rejoin });
    expect(thief.welcome.you).not.toBe(you);
    const stranger = await RoomClient.join(wsUrl, { room: "other", rejoin: again.welcome.rejoin });
    expect(stranger.welcome.you).not.toBe(you);
  });

  it("tells the others once the grace is over", async () => {
    const { wsUrl } = await serve({ graceMs: 20 });
    const ann = await RoomClient.join(wsUrl);
    const bob = await RoomClient.join(wsUrl);
    await ann.next("peer-joined");
    bob.cut();
    expect(await ann.next("peer-left")).toMatchObject({ reason: "lost", peer: { id: bob.welcome.you } });
  });

  it("kicks", async () => {
    const server = await serve();
    const ann = await RoomClient.join(server.wsUrl);
    server.kick("test", ann.welcome.you);
    expect(await ann.next("error")).toMatchObject({ code: "kicked" });
    expect(await ann.closed).toEqual({ code: 4001, reason: "kicked" });
    expect(server.stats).toEqual({ rooms: 0, peers: 0, connections: 0, refused: 0 });
  });

  it("says good-bye to everybody and frees the port", async () => {
    const server = await serve();
    const ann = await RoomClient.join(server.wsUrl);
    await Promise.all([server.close(), server.close()]);
    expect(await ann.closed).toMatchObject({ code: 1001 });
    const next = await serve({ port: server.port });
    expect(next.port).toBe(server.port);
  });

  it("closes in time when a client does not answer", async () => {
    const server = await serve();
    const ann = await RoomClient.join(server.wsUrl);
    ann.stopReading();
    await server.close();
    ann.cut();
  });
});

describe("what it refuses", () => {
  it("a wrong or missing token", async () => {
    const { wsUrl } = await serve({ token: "right" });
    for (const o of [{ token: "wrong" }, {}]) {
      const client = await RoomClient.open(wsUrl);
      client.sendJoin(o);
      expect(await client.next("error")).toMatchObject({ code: "auth" });
      expect(await client.closed).toMatchObject({ code: 4003 });
    }
    await RoomClient.join(wsUrl, { token: "right" });
  });

  it("a foreign origin and a foreign host name", async () => {
    const server = await serve({ allowOrigins: ["https://meet.example.com"] });
    const { wsUrl, port } = server;
    await expect(RoomClient.open(wsUrl, { origin: "http://evil.example" })).rejects.toThrow("HTTP 403");
    await expect(RoomClient.open(wsUrl, { origin: "null" })).rejects.toThrow("HTTP 403");
    await expect(RoomClient.open(wsUrl, { host: "evil.example" })).rejects.toThrow("HTTP 421");
    const rebound = { host: `evil.example:${port}`, origin: `http://evil.example:${port}` };
    await expect(RoomClient.open(wsUrl, rebound)).rejects.toThrow("HTTP 421");
    expect(server.stats.refused).toBe(4);
    (await RoomClient.open(wsUrl, { origin: `http://127.0.0.1:${port}` })).leave();
    (await RoomClient.open(wsUrl, { origin: "https://meet.example.com" })).leave();
  });

  it("sockets anywhere but at its endpoint", async () => {
    const { wsUrl } = await serve();
    await expect(RoomClient.open(wsUrl.replace(/ws$/, "other"))).rejects.toThrow("HTTP 404");
  });

  it("too many connections from one address", async () => {
    const server = await serve({ maxPerAddress: 1 });
    const ann = await RoomClient.join(server.wsUrl);
    await expect(RoomClient.open(server.wsUrl)).rejects.toThrow("HTTP 429");
    ann.leave();
    await ann.closed;
    await RoomClient.join(server.wsUrl);
  });

  it.each([
    ["text that is not JSON", "{"],
    ["binary messages", Buffer.from('{"t":"ping"}')],
    ["a message that makes no sense", '{"t":"signal","to":5}'],
  ])("%s", async (_, data) => {
    const { wsUrl } = await serve();
    const ann = await RoomClient.join(wsUrl);
    const bob = await RoomClient.join(wsUrl);
    await ann.next("peer-joined");
    bob.sendRaw(data);
    expect(await bob.next("error")).toMatchObject({ code: "malformed" });
    expect(await bob.closed).toMatchObject({ code: 4004 });
    expect(await ann.next("peer-left")).toMatchObject({ reason: "left" });
  });

  it("messages beyond the bound, while the largest offer passes", async () => {
    const { wsUrl } = await serve();
    const ann = await RoomClient.join(wsUrl);
    const bob = await RoomClient.join(wsUrl);
    await ann.next("peer-joined");
    const sdp = "x".repeat(limits.sdp);
    bob.send({ t: "signal", to: ann.welcome.you, data: { sdp: { type: "offer", sdp } } });
    expect(await ann.next("signal")).toMatchObject({ data: { sdp: { sdp } } });
    bob.sendRaw("x".repeat(limits.clientMessage + 1));
    expect((await bob.closed).code).toBe(1009);
  });

  it("a flood", async () => {
    const { wsUrl } = await serve({ messagesPerSecond: 5 });
    const ann = await RoomClient.join(wsUrl);
    for (let i = 0; i < 200; i++) ann.send({ t: "state", muted: { audio: true, video: true } });
    expect(await ann.next("error")).toMatchObject({ code: "too-fast" });
    expect(await ann.closed).toMatchObject({ code: 4004 });
  });

  it("a client that never says a word, and one that no longer answers", async () => {
    const server = await serve({ keepaliveMs: 100 });
    const silent = await RoomClient.open(server.wsUrl);
    const dead = await RoomClient.join(server.wsUrl);
    const alive = await RoomClient.join(server.wsUrl, { room: "other" });
    dead.stopReading();
    expect((await silent.closed).code).toBe(1006);
    await expect.poll(() => server.stats.connections).toBe(1);
    await alive.settled();
  });

  it("a reader that is too slow, while the others go on", async () => {
    const server = await serve({ messagesPerSecond: 10_000, graceMs: 0 });
    const slow = await RoomClient.join(server.wsUrl);
    const fast = await RoomClient.join(server.wsUrl);
    slow.stopReading();
    const data = { sdp: { type: "offer", sdp: "x".repeat(100_000) } } as const;
    // More than kernel buffers and the bound together, in portions below the bound on bytes per second.
    for (let i = 0; i < 75; i++) fast.send({ t: "signal", to: slow.welcome.you, data });
    const second = await RoomClient.join(server.wsUrl);
    await fast.next("peer-joined");
    for (let i = 0; i < 75; i++) second.send({ t: "signal", to: slow.welcome.you, data });
    const third = await RoomClient.join(server.wsUrl);
    for (let i = 0; i < 75; i++) third.send({ t: "signal", to: slow.welcome.you, data });
    await expect.poll(() => server.stats.peers).toBe(3);
    slow.cut();
  });
});

describe("the page", () => {
  it("is served for the root and for every room, with strict headers", async () => {
    const server = await serve();
    for (const path of ["/", "/?room=x", "/r/daily", "/r/caf%C3%A9?name=x"]) {
      const res = await get(server, path);
      expect(res).toMatchObject({ status: 200, body: "<!doctype html>page" });
      expect(res.headers["content-security-policy"]).toContain("default-src 'none'");
      expect(res.headers["content-security-policy"]).not.toContain("unsafe");
      expect(res.headers["permissions-policy"]).toContain("display-capture=(self)");
      expect(res.headers["x-content-type-options"]).toBe("nosniff");
    }
    expect((await get(server, "/room.js")).headers["content-type"]).toMatch(/^text\/javascript/);
    expect(await get(server, "/", { method: "HEAD" })).toMatchObject({ status: 200, body: "" });
    expect(await get(server, "/healthz")).toMatchObject({ status: 200, body: "ok\n" });
  });

  it.each([
    "/tsconfig.json",
    "/../package.json",
    "/..%2fpackage.json",
    "/r/a/b",
    "/__proto__",
    "/index.html/x",
  ])("does not serve %s", async (path) => {
    expect(await get(await serve(), path)).toMatchObject({ status: 404 });
  });

  it("is not served under a foreign name, nor to other methods", async () => {
    const server = await serve();
    expect(await get(server, "/", { host: "evil.example" })).toMatchObject({ status: 421 });
    expect(await get(server, "/", { method: "POST" })).toMatchObject({ status: 405 });
  });

  it("says so when it is not built, and rooms work all the same", async () => {
    const lines: string[] = [];
    const server = await serve({ webRoot: join(webRoot, "none"), log: (_, line) => lines.push(line) });
    expect(await get(server, "/")).toMatchObject({ status: 503 });
    expect(lines.join("\n")).toContain("not built");
    await RoomClient.join(server.wsUrl);
  });
});

describe("starting", () => {
  it("serves TLS with a certificate of its own", async () => {
    const server = await serve({ tls: "self-signed" });
    expect(server.url).toMatch(/^https:/);
    expect(await get(server, "/healthz")).toMatchObject({ status: 200 });
    await RoomClient.join(server.wsUrl);
  });

  it("names the port that is taken", async () => {
    const { port } = await serve();
    await expect(serve({ port })).rejects.toMatchObject({
      code: "usage",
      message: `port ${port} on 127.0.0.1 is in use`,
      hint: expect.stringContaining("another port"),
    });
  });

  it.each([
    ["an open address without a token", { host: "0.0.0.0" }, "lets anybody"],
    ["an empty token", { token: "" }, "token"],
    ["an origin that is none", { allowOrigins: ["meet.example.com"] }, "not an origin"],
    ["a certificate that is none", { tls: { cert: "x", key: "y" } }, "certificate"],
  ])("refuses %s", async (_, o, message) => {
    await expect(serve(o)).rejects.toMatchObject({
      name: "RoomtapError",
      code: "usage",
      message: expect.stringContaining(message),
    });
  });

  it("serves an open address with a token, or when told that it is public", async () => {
    for (const o of [{ token: "t" }, { public: true }]) {
      const server = await serve({ host: "0.0.0.0", ...o });
      expect(server.url).toBe(`http://localhost:${server.port}/`);
    }
  });

  it("never logs secrets", async () => {
    const lines: string[] = [];
    const { wsUrl } = await serve({ token: "hunter2", log: (_, line) => lines.push(line) });
    const ann = await RoomClient.join(wsUrl, { token: "hunter2", name: "Ann" });
    const text = lines.join("\n");
    expect(text).toContain('"Ann"');
    expect(text).not.toContain("hunter2");
    expect(text).not.toContain(ann.welcome.rejoin);
  });
});

it("survives clients that are no WebSocket at all", async () => {
  const server = await serve();
  for (const bytes of [
    "GET /ws HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    "\x16\x03\x01",
    "x",
  ]) {
    await new Promise<void>((resolve) => {
      const socket = connect(server.port, "127.0.0.1", () => socket.end(bytes));
      socket.on("error", () => {});
      socket.on("close", () => resolve());
      socket.resume();
    });
  }
  await RoomClient.join(server.wsUrl);
});
