import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type NetworkEnd, uniqueName } from "./netns.ts";

const run = promisify(execFile);

/** What a NAT does with ports: keeps ours where it can, or takes another for every destination. */
export type NatKind = "keeps ports" | "symmetric";

/** Two homes behind NATs of their own, and a middle with servers that both can reach. Addresses of a home are its own. */
export class NatNetwork {
  /** Has two addresses, so that it can be two servers. */
  readonly middle: NetworkEnd & { readonly second: string };
  readonly homes: readonly [NetworkEnd, NetworkEnd];
  readonly #names: readonly string[];
  readonly #nats: readonly [string, string];

  private constructor(names: { middle: string; nats: [string, string]; homes: [string, string] }) {
    const prefix = (name: string) => ["ip", "netns", "exec", name];
    this.#names = [names.middle, ...names.nats, ...names.homes];
    this.#nats = names.nats;
    this.middle = { address: "10.98.0.1", second: "10.98.0.9", prefix: prefix(names.middle) };
    this.homes = [
      { address: "192.168.1.2", prefix: prefix(names.homes[0]) },
      { address: "192.168.2.2", prefix: prefix(names.homes[1]) },
    ];
  }

  /** Lays everything. The caller removes it. */
  static async lay(): Promise<NatNetwork> {
    const nats: [string, string] = [uniqueName("nat1"), uniqueName("nat2")];
    const homes: [string, string] = [uniqueName("home1"), uniqueName("home2")];
    const network = new NatNetwork({ middle: uniqueName("middle"), nats, homes });
    try {
      await network.#build();
      return network;
    } catch (error) {
      await network.remove();
      throw error;
    }
  }

  /** Both NATs are of this kind from now on; what they knew is forgotten. */
  async be(kind: NatKind): Promise<void> {
    const how = kind === "symmetric" ? "masquerade random" : "masquerade";
    const chain = `type nat hook postrouting priority 100; oifname out ${how};`;
    // What comes unasked is thrown away, not answered, as homes do.
    const guard = "type filter hook input priority 0; iifname out ct state new drop;";
    const table = `add table ip home { chain nat { ${chain} }; chain guard { ${guard} }; }`;
    for (const name of this.#nats)
      await in_(name, "nft", `add table ip home; delete table ip home; ${table}`);
  }

  async remove(): Promise<void> {
    for (const name of this.#names) await run("ip", ["netns", "del", name]).catch(() => undefined);
  }

  async #build(): Promise<void> {
    const [middle = "", ...others] = this.#names;
    for (const name of [middle, ...others]) {
      await run("ip", ["netns", "add", name]);
      await in_(name, "ip", "link", "set", "lo", "up");
    }
    await in_(middle, "ip", "link", "add", "br0", "type", "bridge");
    for (const address of [this.middle.address, this.middle.second])
      await in_(middle, "ip", "address", "add", `${address}/24`, "dev", "br0");
    await in_(middle, "ip", "link", "set", "br0", "up");
    // Servers of the internet have a way to everywhere: what goes to a home's own address gets lost, without an error.
    await in_(middle, "ip", "link", "add", "sink", "type", "veth", "peer", "name", "end");
    await in_(middle, "ip", "link", "set", "end", "up");
    await in_(middle, "ip", "link", "set", "sink", "arp", "off", "up");
    await in_(middle, "ip", "route", "add", "192.168.0.0/16", "dev", "sink");
    for (const [i, nat] of this.#nats.entries()) {
      const home = others[2 + i] ?? "";
      const [net, port] = [`192.168.${i + 1}`, `p${i}`];
      const cable = (a: string, at: string, b: string, bt: string) =>
        run("ip", ["link", "add", at, "netns", a, "type", "veth", "peer", "name", bt, "netns", b]);
      await cable(middle, port, nat, "out");
      await cable(nat, "in", home, "eth0");
      await in_(middle, "ip", "link", "set", port, "master", "br0", "up");
      await in_(nat, "ip", "address", "add", `10.98.0.${i + 2}/24`, "dev", "out");
      await in_(nat, "ip", "address", "add", `${net}.1/24`, "dev", "in");
      await in_(nat, "ip", "link", "set", "out", "up");
      await in_(nat, "ip", "link", "set", "in", "up");
      await in_(home, "ip", "address", "add", `${net}.2/24`, "dev", "eth0");
      await in_(home, "ip", "link", "set", "eth0", "up");
      await in_(home, "ip", "route", "add", "default", "via", `${net}.1`);
      await in_(nat, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward");
    }
  }
}

async function in_(name: string, ...command: readonly string[]): Promise<void> {
  await run("ip", ["netns", "exec", name, ...command]);
}
