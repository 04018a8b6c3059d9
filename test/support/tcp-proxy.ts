import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** A TCP relay on loopback that a test can cut, close to newcomers, hold back and point elsewhere. */
export class TcpProxy {
  /** Port that connections are relayed to. */
  target: number;
  /** Refuse new connections by closing them. */
  refuse = false;
  /** Connections taken so far. */
  taken = 0;
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #held: { to: Socket; chunks: Buffer[] }[] | undefined;

  private constructor(target: number) {
    this.target = target;
    this.#server = createServer((client) => this.#relay(client));
  }

  static async start(target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    await new Promise<void>((resolve) => {
      proxy.#server.listen(0, "127.0.0.1", resolve);
    });
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Breaks every connection, on both sides. */
  cut(): void {
    for (const [a, b] of this.#pairs) {
      a.resetAndDestroy();
      b.resetAndDestroy();
    }
  }

  /** Keeps what the target says, but for the first words of each connection: its answer to the handshake. */
  hold(): void {
    this.#held ??= [];
  }

  /** Delivers what was held, all in one piece. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const { to, chunks } of held) to.write(Buffer.concat(chunks));
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }

  #relay(client: Socket): void {
    this.taken++;
    if (this.refuse) {
      client.destroy();
      return;
    }
    const upstream = connect(this.target, "127.0.0.1");
    const pair = [client, upstream] as const;
    this.#pairs.add(pair);
    for (const [from, to] of [pair, [upstream, client] as const]) {
      from.setNoDelay(true);
      from.on("error", () => undefined);
      from.on("close", () => {
        this.#pairs.delete(pair);
        to.destroy();
      });
      from.on("end", () => to.end());
    }
    client.on("data", (chunk) => upstream.write(chunk));
    let spoke = false;
    upstream.on("data", (chunk) => {
      const first = !spoke;
      spoke = true;
      if (!this.#held || first) {
        client.write(chunk);
        return;
      }
      const known = this.#held.find((h) => h.to === client);
      if (known) known.chunks.push(chunk);
      else this.#held.push({ to: client, chunks: [chunk] });
    });
  }
}
