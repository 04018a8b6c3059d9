import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { proxyFor, throughProxy } from "../../src/net/proxy.ts";
import { TurnBridge } from "../../src/net/turn-bridge.ts";
import { turnCredentials } from "../../src/net/turn-credentials.ts";
import { until } from "../support/until.ts";

const ending: (() => void)[] = [];
afterEach(() => {
  for (const end of ending.splice(0)) end();
});

async function tcpServer(
  onSocket: (socket: Socket) => void,
): Promise<{ port: number; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => undefined);
    onSocket(socket);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  ending.push(() => {
    for (const s of sockets) s.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, sockets };
}

async function agent(): Promise<DatagramSocket & { got: Buffer[] }> {
  const got: Buffer[] = [];
  const socket = Object.assign(createSocket("udp4").bind(0, "127.0.0.1"), { got });
  socket.on("message", (m) => got.push(m));
  await once(socket, "listening");
  ending.push(() => socket.close());
  return socket;
}

async function bridgeTo(port: number): Promise<TurnBridge & { problems: string[] }> {
  const problems: string[] = [];
  const server = { kind: "turn", host: "127.0.0.1", port, transport: "tcp" } as const;
  const bridge = await TurnBridge.open({ server, onProblem: (text) => problems.push(text) });
  ending.push(() => bridge.close());
  return Object.assign(bridge, { problems });
}

const channel = (octets: number) =>
  Buffer.concat([Buffer.from([0x40, 0, octets >> 8, octets & 255]), Buffer.alloc(octets, 7)]);

describe("the bridge to a TURN server by TCP", () => {
  it("gives every agent a connection of its own, and each what is for it", async () => {
    const { port, sockets } = await tcpServer((socket) => socket.pipe(socket));
    const bridge = await bridgeTo(port);
    const agents = await Promise.all(Array.from({ length: 100 }, agent));
    for (const [i, a] of agents.entries()) a.send(channel(i + 1), bridge.port, "127.0.0.1");
    await until("echoes", () => agents.every((a) => a.got.length === 1));
    expect(agents.map((a) => a.got[0]?.length)).toEqual(agents.map((_, i) => i + 5));
    expect(sockets.size).toBe(100);
    bridge.close();
    await until("no connection is left", () => sockets.size === 0);
  });

  it("drops media that the server does not take, never STUN, and nothing piles up", async () => {
    const { port } = await tcpServer((socket) => socket.pause());
    const bridge = await bridgeTo(port);
    const a = await agent();
    await until(
      "it is full",
      () => {
        for (let i = 0; i < 50; i++) a.send(channel(1200), bridge.port, "127.0.0.1");
        return bridge.statistics.dropped > 100;
      },
      20_000,
    );
    const binding = Buffer.from("000100002112a442000102030405060708090a0b", "hex");
    const before = bridge.statistics.sent;
    a.send(binding, bridge.port, "127.0.0.1");
    await until("STUN goes in", () => bridge.statistics.sent > before);
  });

  it("survives garbage and half frames from the server, and says so", async () => {
    const { port } = await tcpServer((socket) =>
      socket.write(Buffer.concat([channel(3).subarray(0, 6), Buffer.from([7, 0, 0xff, 9, 9, 9])])),
    );
    const bridge = await bridgeTo(port);
    const a = await agent();
    a.send(channel(4), bridge.port, "127.0.0.1");
    await until("a word", () => bridge.problems.length > 0);
    expect(bridge.problems).toEqual([
      `TURN server 127.0.0.1:${port} by TCP: it sent something that is not TURN`,
    ]);
  });

  it("lets go of a server that never finishes its TLS handshake", async () => {
    const { port, sockets } = await tcpServer((socket) => socket.resume());
    const server = { kind: "turn", host: "127.0.0.1", port, transport: "tls" } as const;
    const bridge = await TurnBridge.open({ server, onProblem: () => undefined });
    ending.push(() => bridge.close());
    (await agent()).send(channel(8), bridge.port, "127.0.0.1");
    await until("the connection", () => sockets.size === 1);
    bridge.close();
    await until("its end", () => sockets.size === 0);
  });

  it("says that nothing listens, once", async () => {
    const { port } = await tcpServer(() => undefined);
    for (const end of ending.splice(0)) end();
    const bridge = await bridgeTo(port);
    const a = await agent();
    for (let i = 0; i < 5; i++) a.send(channel(4), bridge.port, "127.0.0.1");
    await until("a word", () => bridge.problems.length > 0);
    expect(bridge.problems).toEqual([expect.stringMatching(/by TCP: nothing listens there$/)]);
  });
});

describe("an HTTP proxy", () => {
  it.each([
    [{ HTTPS_PROXY: "http://p:3128" }, "h", "p:3128"],
    [{ https_proxy: "p:3128" }, "h", "p:3128"],
    [{ HTTPS_PROXY: "http://u%40x:s%3A@p" }, "h", "u@x:s:@p:80"],
    [{ HTTPS_PROXY: "http://p:1", NO_PROXY: "example.com,.h.org" }, "a.example.com", undefined],
    [{ HTTPS_PROXY: "http://p:1", NO_PROXY: "example.com" }, "badexample.com", "p:1"],
    [{ HTTPS_PROXY: "http://p:1", NO_PROXY: "*" }, "h", undefined],
    [{ HTTPS_PROXY: "http://p:1" }, "127.0.0.1", undefined],
    [{}, "h", undefined],
  ])("of %j for %s is %s", (env, host, wanted) => {
    const p = proxyFor(host, env);
    expect(p && `${p.credentials === undefined ? "" : `${p.credentials}@`}${p.host}:${p.port}`).toBe(wanted);
  });

  it("is refused where it is none", () => {
    expect(() => proxyFor("h", { HTTPS_PROXY: "socks5://h" })).toThrow(
      expect.objectContaining({ code: "usage" }),
    );
  });

  it.each([
    ["HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", /wants a user name and a password \(407\)/],
    ["HTTP/1.1 403 Forbidden\r\n\r\n", /refuses \(403\)/],
    ["SSH-2.0-OpenSSH_9.2\r\n\r\n", /gives no HTTP answer/],
    ["x".repeat(20_000), /gives no HTTP answer/],
    ["", /closed the connection/],
  ])("that answers %j is named", async (answer, wanted) => {
    const { port } = await tcpServer((socket) => socket.end(answer));
    await expect(throughProxy({ host: "127.0.0.1", port }, "h", 443)).rejects.toThrow(wanted);
  });

  it("that makes a tunnel loses nothing of what comes right behind its answer", async () => {
    const { port } = await tcpServer((socket) => socket.write("HTTP/1.1 200 OK\r\nx: y\r\n\r\nhello"));
    const socket = await throughProxy({ host: "127.0.0.1", port, credentials: "u:p" }, "h", 443);
    ending.push(() => socket.destroy());
    const [first] = await once(socket, "data");
    expect(String(first)).toBe("hello");
  });
});

describe("short-lived credentials", () => {
  it("are the time of expiry with the user, and its HMAC", () => {
    // openssl dgst -sha1 -hmac north -binary <<< "1795476099:alice" without the line's end, in base64.
    expect(turnCredentials("north", "alice", 3600, 1_795_472_499_900)).toEqual({
      ...{
        username: "1795476099:alice",
        credential: "L16GiyLwAxkIDRdqpYnUWtZ7oqA=",
        expiresAt: 1_795_476_099,
      },
    });
  });
});
