import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { turnCredentials } from "../../src/net/turn-credentials.ts";
import { verifyRecording } from "../../src/sources/ground-truth/verify.ts";
import { type CliRun, runCli, startCli } from "../support/cli.ts";
import { type NatKind, NatNetwork } from "../support/nat-network.ts";
import { namespaces } from "../support/netns.ts";
import { Recording } from "../support/recording.ts";
import { describeWith } from "../support/requires.ts";
import { type Coturn, coturnProgram, startCoturn } from "../support/servers/coturn.ts";

describeWith("two homes behind NATs", [coturnProgram, namespaces], () => {
  let network: NatNetwork;
  let turn: Coturn;
  let server: CliRun;
  let folder: string;
  let ffmpeg: string;
  let room: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "roomtap-nat-"));
    [network, ffmpeg] = await Promise.all([NatNetwork.lay(), locateFfmpeg()]);
    const { address, second, prefix } = network.middle;
    turn = await startCoturn(address, prefix, second);
    server = startCli(["serve", "--host", address, "--public"], { prefix });
    await server.seen(/room server at/, 60_000);
    room = `ws://${address}:8080/nat`;
  });

  afterAll(async () => {
    server?.kill("SIGINT");
    await server?.done;
    await turn?.close();
    await network?.remove();
    await rm(folder, { recursive: true, force: true });
  });

  async function call(kind: NatKind, servers: string) {
    await network.be(kind);
    const [first, second] = network.homes;
    const started = performance.now();
    const ice = ["--ice", servers];
    const ann = startCli(["publish", room, "--name", "Ann", ...ice], { prefix: first.prefix });
    try {
      await ann.seen(/publishing/, 60_000);
      const recording = new Recording(
        room,
        join(folder, kind.replace(" ", "-")),
        ["--duration", "6s", ...ice],
        {
          prefix: second.prefix,
        },
      );
      await recording.sessionTime(0);
      const firstMediaMs = Math.round(performance.now() - started);
      const r = await recording.ended();
      expect(r.code, r.stderr).toBe(0);
      const stats = r.manifest.statistics.flatMap((s) => s.connections).flatMap((c) => Object.values(c));
      const typeOf = (side: string) =>
        (stats.findLast((s) => s.type === side) as { candidateType?: string })?.candidateType;
      const path = [typeOf("local-candidate"), typeOf("remote-candidate")];
      const { numbers: _, ...v } = await verifyRecording(r.result.files[0]?.path ?? "", { ffmpeg });
      console.log(
        kind,
        JSON.stringify({ path, firstMediaMs, frames: v.frames, missing: v.missing, p95: v.offset.p95 }),
      );
      expect([v.decodeErrors, v.missing]).toEqual([0, 0]);
      expect(v.frames).toBeGreaterThan(5 * 30);
      return path;
    } finally {
      ann.kill("SIGINT");
      await ann.done;
    }
  }

  const stun = () => `stun:${network.middle.address}:3478,stun:${network.middle.second}:3478`;

  async function natByDoctor(): Promise<unknown> {
    const { stdout } = await runCli(["doctor", room.replace("/nat", "/doctor"), "--ice", stun(), "--json"], {
      prefix: network.homes[0].prefix,
    });
    return JSON.parse(stdout).nat;
  }

  test("that keep ports reach each other directly, with STUN alone", async () => {
    const path = await call("keeps ports", stun());
    expect(path).not.toContain("relay");
    expect(path.some((type) => type === "srflx" || type === "prflx")).toBe(true);
    expect(await natByDoctor()).toBe("keeps ports");
  });

  test("that take another port for every destination reach each other through a relay", async () => {
    const { username, credential } = turnCredentials(turn.secret, "bot", 600, Date.now());
    const login = [username, credential].map(encodeURIComponent).join(":");
    const path = await call("symmetric", `${stun()},turn:${login}@${network.middle.address}:3478`);
    expect(path).toContain("relay");
    expect(await natByDoctor()).toBe("symmetric");
  });
});
