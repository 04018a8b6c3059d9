import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { createServer } from "node:tls";
import { selfSignedCertificate } from "../../src/net/certificate.ts";
import { TurnBridge } from "../../src/net/turn-bridge.ts";
import type { Figure } from "./figures.ts";

const PACKET = 1200;
/** More in flight than this is lost in the sockets' buffers, and measures those. */
const WINDOW = 64;

/**
 * What goes through the bridge to a TURN server by TLS and back: ChannelData of 1200 octets from one agent, echoed by the
 * server, all in one process. Mbit/s each way.
 */
export async function turnBridge(seconds: number): Promise<Figure> {
  const { cert, key } = await selfSignedCertificate("127.0.0.1");
  const server = createServer({ cert, key }, (socket) => {
    socket.on("error", () => undefined).pipe(socket);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const bridge = await TurnBridge.open({
    server: { kind: "turn", host: "127.0.0.1", port, transport: "tls" },
    insecure: true,
    onProblem: (text) => process.stderr.write(`${text}\n`),
  });
  const agent = createSocket("udp4").bind(0, "127.0.0.1");
  await once(agent, "listening");
  const packet = Buffer.alloc(4 + PACKET, 7);
  packet.writeUInt16BE(0x4000, 0);
  packet.writeUInt16BE(PACKET, 2);
  let [sent, received] = [0, 0];
  const fill = () => {
    for (; sent - received < WINDOW; sent++) agent.send(packet, bridge.port, "127.0.0.1");
  };
  agent.on("message", () => {
    received++;
    fill();
  });
  fill();
  await wait(500);
  const from = { received, at: performance.now() };
  // A lost datagram would be missing in the window for ever.
  const refill = setInterval(() => {
    sent = received;
    fill();
  }, 100);
  await wait(1000 * seconds);
  const mbps = (8 * PACKET * (received - from.received)) / (performance.now() - from.at) / 1000;
  clearInterval(refill);
  bridge.close();
  agent.close();
  server.close();
  return { name: "turn-bridge/tls", mbitPerSecond: Math.round(mbps), dropped: bridge.statistics.dropped };
}
