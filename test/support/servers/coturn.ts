import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram, type Program } from "../requires.ts";
import { until } from "../until.ts";

/** The server's program. */
export const coturnProgram: Program = {
  name: "coturn",
  path: findProgram("turnserver", "/usr/bin/turnserver"),
  install: "apt-get install -y coturn",
};

/** A TURN server: UDP and TCP at port 3478, TLS at 443. */
export type Coturn = {
  readonly secret: string;
  /** File with the secret. */
  readonly secretFile: string;
  /** Its certificate, self-signed for its address: PEM file. */
  readonly certificate: string;
  log(): string;
  /** Ends it without a word. Idempotent. */
  close(): Promise<void>;
};

/**
 * Starts a server at an address of a network namespace, and at others of it for STUN; `prefix` runs a program there. Relays only to that network. Waits
 * until it listens. The caller closes it.
 */
export async function startCoturn(
  address: string,
  prefix: readonly string[],
  ...also: readonly string[]
): Promise<Coturn> {
  const { path } = coturnProgram;
  if (path === undefined) throw new Error(`coturn is missing: ${coturnProgram.install}`);
  const folder = mkdtempSync(join(tmpdir(), "roomtap-coturn-"));
  const file = (name: string) => join(folder, name);
  const secret = "a-secret-of-both";
  writeFileSync(file("secret"), `${secret}\n`);
  execFileSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=coturn"],
      ...["-addext", `subjectAltName=IP:${address}`, "-keyout", file("key.pem"), "-out", file("cert.pem")],
    ],
    { stdio: "ignore" },
  );
  const conf = [
    ...[address, ...also].map((ip) => `listening-ip=${ip}`),
    ...[`relay-ip=${address}`, "listening-port=3478", "tls-listening-port=443"],
    ...["min-port=50000", "max-port=50999", "use-auth-secret", `static-auth-secret=${secret}`, "realm=test"],
    ...[`cert=${file("cert.pem")}`, `pkey=${file("key.pem")}`, "no-cli", "no-multicast-peers", "fingerprint"],
    ...["log-file=stdout", "simple-log", "verbose", `pidfile=${file("pid")}`, `userdb=${file("db")}`],
  ];
  writeFileSync(file("turn.conf"), `${conf.join("\n")}\n`);
  const [ip = "", ...more] = prefix;
  const child: ChildProcess = spawn(ip, [...more, path, "-c", file("turn.conf")], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-100_000);
    });
  const close = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const over = once(child, "exit");
      child.kill("SIGKILL");
      await over;
    }
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const ss = ["ss", "-Hltn", "sport", "=", ":443"];
    await until(
      "coturn",
      () => {
        if (child.exitCode !== null) throw new Error(`coturn ended: ${said.slice(-2000)}`);
        return execFileSync(ip, [...more, ...ss]).length > 0;
      },
      30_000,
    );
  } catch (error) {
    await close();
    throw error;
  }
  return { secret, secretFile: file("secret"), certificate: file("cert.pem"), log: () => said, close };
}
