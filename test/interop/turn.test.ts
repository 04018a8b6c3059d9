import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { turnCredentials } from "../../src/net/turn-credentials.ts";
import { verifyRecording } from "../../src/sources/ground-truth/verify.ts";
import { type CliRun, runCli, startCli } from "../support/cli.ts";
import { NetworkCable, namespaces } from "../support/netns.ts";
import { Recording } from "../support/recording.ts";
import { describeWith } from "../support/requires.ts";
import { type Coturn, coturnProgram, startCoturn } from "../support/servers/coturn.ts";

const proxyScript = fileURLToPath(new URL("../support/children/connect-proxy.mjs", import.meta.url));
const SIGNALLING = "tcp dport { 8080, 8081 }";
const LOGIN = "bot:let-me";

/** What the manifest says of the way that media took. */
type Candidate = { readonly candidateType?: string; readonly relayProtocol?: string };

describeWith("a recorder behind a fence", [coturnProgram, namespaces], () => {
  let cable: NetworkCable;
  let turn: Coturn;
  let folder: string;
  let ffmpeg: string;
  const runs: CliRun[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "roomtap-turn-"));
    [cable, ffmpeg] = await Promise.all([NetworkCable.lay(), locateFfmpeg()]);
    const { address, prefix } = cable.far;
    turn = await startCoturn(address, prefix);
    const servers = [
      ["8080"],
      // One that gives its TURN server to all who know the token.
      ["8081", "--turn", `turn:${address}:3478?transport=tcp`, "--turn-secret-file", turn.secretFile],
    ];
    for (const [port = "", ...more] of servers) {
      const serve = startCli(["serve", "--host", address, "--port", port, "--token", "t0k", ...more], {
        prefix,
      });
      runs.push(serve);
      await serve.seen(/room server at/, 60_000);
      const ann = startCli(["publish", `ws://${address}:${port}/fence`, "--name", "Ann"], {
        prefix,
        env: { ROOMTAP_TOKEN: "t0k" },
      });
      runs.push(ann);
      await ann.seen(/publishing/, 60_000);
    }
  });

  afterAll(async () => {
    for (const run of runs.reverse()) {
      run.kill("SIGINT");
      await run.done;
    }
    await turn?.close();
    await cable?.remove();
    await rm(folder, { recursive: true, force: true });
  });

  function ice(rest: string): string {
    const { username, credential } = turnCredentials(turn.secret, "bot", 600, Date.now());
    const [scheme = "", more = ""] = rest.split("|");
    const [user, password] = [username, credential].map(encodeURIComponent);
    return `${scheme}:${user}:${password}@${cable.far.address}${more}`;
  }

  async function record(name: string, port: number, env: Record<string, string>, ...args: string[]) {
    const { address } = cable.far;
    const started = performance.now();
    const recording = new Recording(`ws://${address}:${port}/fence`, join(folder, name), args, {
      prefix: cable.near.prefix,
      env: { ROOMTAP_TOKEN: "t0k", NODE_EXTRA_CA_CERTS: turn.certificate, ...env },
    });
    await recording.sessionTime(0);
    const firstMediaMs = Math.round(performance.now() - started);
    await recording.sessionTime(5000);
    recording.run.kill("SIGINT");
    const r = await recording.ended();
    expect(r.code, r.stderr).toBe(0);
    const { numbers: _, ...v } = await verifyRecording(r.result.files[0]?.path ?? "", { ffmpeg });
    const stats = r.manifest.statistics.flatMap((s) => s.connections).flatMap((c) => Object.values(c));
    const { candidateType, relayProtocol } = (stats.find((s) => s.type === "local-candidate") ??
      {}) as Candidate;
    const way = [candidateType, relayProtocol].join(" ").trim();
    const dropped = await cable.fenced();
    console.log(
      name,
      JSON.stringify({ way, firstMediaMs, frames: v.frames, missing: v.missing, p95: v.offset.p95, dropped }),
    );
    expect([v.decodeErrors, v.missing]).toEqual([0, 0]);
    expect(v.frames).toBeGreaterThan(4 * 30);
    const secrets = new RegExp(`t0k|${turn.secret}|let-me`);
    expect(r.stderr + r.stdout + JSON.stringify(r.manifest)).not.toMatch(secrets);
    return { way, dropped, stderr: r.stderr };
  }

  test("that takes only TURN by UDP: with --relay-only nothing else is even tried", async () => {
    await cable.fence(SIGNALLING, "udp dport 3478");
    const r = await record("udp", 8080, {}, "--relay-only", "--ice", ice("turn|:3478"));
    expect([r.way, r.dropped]).toEqual(["relay udp", 0]);
  });

  test("without UDP gets there by TURN over TCP, with what the room's server hands out", async () => {
    await cable.fence(SIGNALLING, "tcp dport 3478");
    expect((await record("tcp", 8081, {})).way).toBe("relay tcp");
  });

  test("with nothing but TLS at port 443 gets there by TURN over TLS, whose certificate is checked", async () => {
    await cable.fence(SIGNALLING, "tcp dport 443");
    const r = await record("tls", 8080, {}, "--ice", ice("turns|:443"));
    expect(r.way).toBe("relay tls");
    const stats = await runCli(
      [
        "stats",
        `ws://${cable.far.address}:8080/fence`,
        "--duration",
        "4s",
        "--ndjson",
        "--ice",
        ice("turns|:443"),
      ],
      { prefix: cable.near.prefix, env: { ROOMTAP_TOKEN: "t0k", NODE_EXTRA_CA_CERTS: turn.certificate } },
    );
    const last =
      stats.stdout
        .trim()
        .split("\n")
        .findLast((line) => line.includes('"path"')) ?? "{}";
    expect([stats.code, JSON.parse(last).participants?.[0].path.local]).toEqual([
      0,
      expect.stringMatching(/^relay UDP 10\.99\.7\.2:\d+ by TURN over TLS$/),
    ]);
    const untrusted = startCli(
      [
        "record",
        `ws://${cable.far.address}:8080/fence`,
        "--out",
        join(folder, "no"),
        "--ice",
        ice("turns|:443"),
      ],
      { prefix: cable.near.prefix, env: { ROOMTAP_TOKEN: "t0k" } },
    );
    await untrusted.seen(/TURN server 10\.99\.7\.2:443 by TLS: its certificate is not trusted/, 30_000);
    untrusted.kill("SIGINT");
    await untrusted.done;
  });

  test("with nothing but an HTTP proxy gets there through it, and hears when that wants a password", async () => {
    await cable.fence("tcp dport 3128");
    const [ip = "", ...more] = cable.far.prefix;
    const args = [...more, process.execPath, proxyScript, cable.far.address, "3128", LOGIN];
    const proxy = spawn(ip, args, { stdio: ["pipe", "pipe", "inherit"] });
    try {
      await once(proxy.stdout, "data");
      const at = `${cable.far.address}:3128`;
      const r = await record(
        "proxy",
        8080,
        { HTTPS_PROXY: `http://${LOGIN}@${at}` },
        "--ice",
        ice("turns|:443"),
      );
      expect(r.way).toBe("relay tls");
      const refused = await runCli(
        ["record", `ws://${cable.far.address}:8080/fence`, "--out", join(folder, "407")],
        { prefix: cable.near.prefix, env: { ROOMTAP_TOKEN: "t0k", HTTPS_PROXY: `http://${at}` } },
      );
      const wanted = /error: .*the HTTP proxy wants a user name and a password \(407\)/;
      expect([refused.code, refused.stderr]).toEqual([3, expect.stringMatching(wanted)]);
    } finally {
      proxy.stdin.end();
    }
  });

  test("hears from the doctor what is blocked and what works", async () => {
    await cable.fence(SIGNALLING, "tcp dport 443");
    const { address, prefix } = cable.near;
    const far = cable.far.address;
    const r = await runCli(
      ["doctor", `ws://${far}:8080/doctor`, "--ice", `stun:${far}:3478,${ice("turns|:443")}`, "--json"],
      { prefix, env: { ROOMTAP_TOKEN: "t0k", NODE_EXTRA_CA_CERTS: turn.certificate } },
    );
    const d = JSON.parse(r.stdout);
    expect([r.code, d.works, d.udpBlocked], r.stdout).toEqual([0, true, true]);
    expect(d.addresses).toContain(address);
    expect(d.stun).toMatchObject([{ error: expect.stringMatching(/^no answer/) }]);
    expect(d.turn).toMatchObject([
      { transport: "tls", relayed: expect.stringMatching(/^10\.99\.7\.2:\d+$/) },
    ]);
    expect(d.call.bitrate).toBeGreaterThan(500_000);
    expect(r.stdout + r.stderr).not.toContain(turn.secret);
  });

  test("is told that its credentials are wrong, by what the TURN server answers", async () => {
    await cable.fence(SIGNALLING, "tcp dport 3478");
    const wrong = `turn:17:wrong@${cable.far.address}:3478?transport=tcp`;
    const run = startCli(
      ["record", `ws://${cable.far.address}:8080/fence`, "--out", join(folder, "401"), "--ice", wrong],
      { prefix: cable.near.prefix, env: { ROOMTAP_TOKEN: "t0k" } },
    );
    const [said] = await run.seen(/TURN server .*/, 30_000);
    expect(said).toMatch(
      /^TURN server 10\.99\.7\.2:3478 by TCP: it answered 401 .*: wrong or expired credentials/,
    );
    run.kill("SIGINT");
    await run.done;
  });
});
