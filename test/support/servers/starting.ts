import { once } from "node:events";
import { createServer } from "node:net";

/** Resolves once a server answers at an address; rejects when its program ended, or did not come up in `withinMs`. */
export async function answering(url: string, ended: () => unknown, withinMs: number): Promise<void> {
  const until = performance.now() + withinMs;
  for (;;) {
    if (ended() !== null) throw new Error("it ended");
    try {
      if ((await fetch(url)).ok) return;
    } catch {
      // Not yet.
    }
    if (performance.now() > until) throw new Error(`nothing answers at ${url}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A TCP port that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port is free");
  return address.port;
}
