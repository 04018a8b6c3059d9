import { seededRandom } from "../../src/core/random.ts";
import type { LinkPlan } from "../../src/core/room.ts";
import { PeerHost, type PeerHostOptions } from "../../src/peer/host.ts";
import type { PeerLink } from "../../src/peer/link.ts";
import { nativeTransports } from "../../src/peer/native.ts";
import { Pump } from "../../src/peer/pump.ts";
import type { Transport, TransportFactory } from "../../src/peer/transport.ts";
import { until } from "./until.ts";

/** Time for gathering; on loopback it takes a few milliseconds. */
const GATHERING_MS = 5000;
const CONNECTING_MS = 10_000;
const MAX_ATTEMPTS = 5;

/** What stands between a transport and its host: whether a packet passes. */
export type Shim = {
  readonly sends?: (packet: Uint8Array) => boolean;
  readonly receives?: (packet: Uint8Array) => boolean;
};

/** A host on real transports, bound to loopback, and what tests need to see of it. */
export type NativeHost = {
  readonly host: PeerHost;
  readonly transports: readonly Transport[];
  /** Failures in callbacks of the addon. */
  readonly failures: string[];
};

/** Makes a host. `seed`: of everything random in it. The caller closes it. */
export function nativeHost(
  o: { readonly seed: number; readonly shim?: Shim } & Partial<PeerHostOptions>,
): NativeHost {
  const { seed, shim, ...rest } = o;
  const failures: string[] = [];
  const transports: Transport[] = [];
  const native = nativeTransports((where, error) => failures.push(`${where}: ${String(error)}`));
  const factory: TransportFactory = (options, handlers) => {
    const transport = native(
      { ...options, bindAddress: "127.0.0.1" },
      {
        ...handlers,
        onPacket: (packet) => {
          if (shim?.receives?.(packet) ?? true) handlers.onPacket(packet);
        },
      },
    );
    transports.push(transport);
    const { sends } = shim ?? {};
    if (sends) {
      const send = transport.send.bind(transport);
      // Lost on the way: the sender does not notice.
      transport.send = (packet) => !sends(packet) || send(packet);
    }
    return transport;
  };
  const host = new PeerHost({
    transports: factory,
    pump: new Pump(),
    random: seededRandom(seed),
    cname: `peer-${seed}`,
    maxBitrate: 4_000_000,
    onFrame: () => undefined,
    log: () => undefined,
    ...rest,
  });
  return { host, transports, failures };
}

/**
 * Connects two hosts: `from` offers. Tries again, as signalling does, where the handshake fails at once: on loopback
 * and a busy machine libdatachannel 0.24.5 may see the certificate of the other side before it has stored the answer
 * that vouches for it.
 */
export async function connect(
  from: NativeHost,
  offering: LinkPlan,
  to: NativeHost,
  answering: LinkPlan,
  names: { readonly from: string; readonly to: string } = { from: "a", to: "b" },
): Promise<{ readonly a: PeerLink; readonly b: PeerLink }> {
  for (let attempt = 1; ; attempt++) {
    const a = from.host.link({ peerId: names.to, iceServers: [] });
    const b = to.host.link({ peerId: names.from, iceServers: [] });
    await a.offer(offering);
    await b.accept(await a.localReady(GATHERING_MS), answering);
    await a.answer(await b.localReady(GATHERING_MS));
    await until("an end of connecting", () => [a, b].every((l) => l.state !== "connecting"), CONNECTING_MS);
    if (a.state === "connected" && b.state === "connected") return { a, b };
    if (attempt === MAX_ATTEMPTS) throw new Error(`not connected: ${a.state}, ${b.state}`);
    await Promise.all([a.closed(), b.closed()]);
  }
}
