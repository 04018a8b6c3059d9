import { execFile } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { findProgram, type Program } from "./requires.ts";

const run = promisify(execFile);

/** Why namespaces cannot be made here; undefined when they can. */
async function namespacesUnavailable(): Promise<string | undefined> {
  if (process.platform !== "linux") return "network namespaces need Linux";
  if (process.getuid?.() !== 0) return "network namespaces need root";
  if (findProgram("ip") === undefined || findProgram("tc") === undefined)
    return "ip and tc are missing (apt-get install -y iproute2)";
  if (findProgram("nft") === undefined) return "nft is missing (apt-get install -y nftables)";
  const name = uniqueName("probe");
  try {
    // Containers may be root and still not be allowed to.
    await run("ip", ["netns", "add", name]);
    await run("ip", ["netns", "exec", name, "true"]);
    return undefined;
  } catch (error) {
    return `network namespaces are not allowed here: ${String(error).split("\n").slice(-2).join(" ").trim()}`;
  } finally {
    await run("ip", ["netns", "del", name]).catch(() => undefined);
  }
}

/** Network namespaces, for `describeWith`. */
export const namespaces: Program = await namespacesUnavailable().then((reason) => ({
  name: "network namespaces",
  path: reason === undefined ? "/" : undefined,
  install: reason ?? "",
}));

/** One end of a cable: a network namespace with one interface, `eth0`. */
export type NetworkEnd = {
  readonly address: string;
  /** Runs a program inside, when put before its command line. */
  readonly prefix: readonly string[];
};

/** Two network namespaces with a cable between them. */
export class NetworkCable {
  readonly near: NetworkEnd;
  readonly far: NetworkEnd;
  readonly #names: readonly string[];
  readonly #folder: string;

  private constructor(names: readonly [string, string], folder: string) {
    this.#names = names;
    this.#folder = folder;
    this.near = { address: "10.99.7.1", prefix: ["ip", "netns", "exec", names[0]] };
    this.far = { address: "10.99.7.2", prefix: ["ip", "netns", "exec", names[1]] };
  }

  /** Makes both ends. The caller removes them. */
  static async lay(): Promise<NetworkCable> {
    const names: [string, string] = [uniqueName("near"), uniqueName("far")];
    const cable = new NetworkCable(names, await mkdtemp(join(tmpdir(), "roomtap-netns-")));
    try {
      for (const name of names) await run("ip", ["netns", "add", name]);
      const [near, far] = names;
      await run("ip", [
        "link",
        "add",
        "eth0",
        "netns",
        near,
        "type",
        "veth",
        "peer",
        "name",
        "eth0",
        "netns",
        far,
      ]);
      for (const [i, name] of names.entries()) {
        const { address } = i === 0 ? cable.near : cable.far;
        await run("ip", ["-n", name, "address", "add", `${address}/24`, "dev", "eth0"]);
        await run("ip", ["-n", name, "link", "set", "lo", "up"]);
        await run("ip", ["-n", name, "link", "set", "eth0", "up"]);
      }
      return cable;
    } catch (error) {
      await cable.remove();
      throw error;
    }
  }

  /** Limits what the near end sends: a token bucket with a drop-tail queue, in the words of `tc`. */
  async shape(o: { rate: string; burst: string; latency: string }): Promise<void> {
    const bucket = ["tbf", "rate", o.rate, "burst", o.burst, "latency", o.latency];
    const [tc = "", ...rest] = [
      ...this.near.prefix,
      "tc",
      "qdisc",
      "replace",
      "dev",
      "eth0",
      "root",
      ...bucket,
    ];
    await run(tc, rest);
  }

  /** How often the limit of `shape` held a packet back, and how many packets it threw away. */
  async shaped(): Promise<{ delayed: number; dropped: number }> {
    const [ip = "", ...rest] = [...this.near.prefix, "tc", "-s", "qdisc", "show", "dev", "eth0"];
    const { stdout } = await run(ip, rest);
    const [, dropped, delayed] = /dropped (\d+), overlimits (\d+)/.exec(stdout) ?? [];
    return { delayed: Number(delayed), dropped: Number(dropped) };
  }

  /**
   * Lets the near end send only what these rules take, in the words of `nft` (like `udp dport 3478`), and counts what it
   * throws away. Replaces the rules of before.
   */
  async fence(...allowed: readonly string[]): Promise<void> {
    // What comes to a port that has just been closed is answered by the kernel, not by a program.
    const rules = [...allowed.map((rule) => `${rule} accept`), "meta l4proto icmp drop", "counter drop"];
    const chain = `type filter hook output priority 0; oifname != eth0 accept; ${rules.join("; ")};`;
    // Delete needs a table to be there; all at once, or it would be open in between.
    await this.#inNear(
      "nft",
      `add table ip fence; delete table ip fence; add table ip fence { chain output { ${chain} }; }`,
    );
  }

  /** Packets that the fence threw away. */
  async fenced(): Promise<number> {
    const text = await this.#inNear("nft", "list table ip fence");
    return Number(/counter packets (\d+)/.exec(text)?.[1]);
  }

  async #inNear(program: string, ...args: readonly string[]): Promise<string> {
    const [ip = "", ...rest] = [...this.near.prefix, program, ...args];
    return (await run(ip, rest)).stdout;
  }

  /** Throws away at the far end's interface what comes and goes: packets of UDP, so media, or all. Needs nftables. */
  async cut(what: "media" | "all"): Promise<void> {
    const rule = (way: string, at: string) => {
      const which = what === "media" ? `${at} eth0 meta l4proto udp` : `${at} eth0`;
      return `chain ${way} { type filter hook ${way} priority 0; ${which} drop; };`;
    };
    await this.#inFar("nft", `add table ip cut { ${rule("input", "iifname")} ${rule("output", "oifname")} }`);
  }

  /** Ends a cut. */
  async mend(): Promise<void> {
    await this.#inFar("nft", "delete table ip cut");
  }

  async #inFar(program: string, ...args: readonly string[]): Promise<void> {
    const [ip = "", ...rest] = [...this.far.prefix, program, ...args];
    await run(ip, rest);
  }

  /** A program that runs another one at the near end, for callers that take only a path. */
  async wrapper(program: string): Promise<string> {
    const path = join(this.#folder, "run");
    await writeFile(path, `#!/bin/sh\nexec ${this.near.prefix.join(" ")} '${program}' "$@"\n`);
    await chmod(path, 0o755);
    return path;
  }

  async remove(): Promise<void> {
    // The cable goes with the namespaces.
    for (const name of this.#names) await run("ip", ["netns", "del", name]).catch(() => undefined);
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** A name for a network namespace that nobody else has. */
export function uniqueName(role: string): string {
  return `roomtap-${process.pid}-${Math.random().toString(36).slice(2, 8)}-${role}`;
}
