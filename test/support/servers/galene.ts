import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { findProgram, type Program } from "../requires.ts";
import { answering, freePort } from "./starting.ts";

const START_MS = 30_000;

/** The server's program; its folder `static` stands beside it, or where ROOMTAP_GALENE_STATIC says. */
export const galeneProgram: Program = {
  name: "galene",
  path: findProgram(process.env.ROOMTAP_GALENE ?? "galene"),
  install: "install Galene, and name its program in ROOMTAP_GALENE",
};

/** A running Galene on the loopback, with one group: `talk`. */
export type GaleneServer = {
  /** The group's address for the bot. */
  readonly group: string;
  /** Whoever has it may present, under any name. */
  readonly password: string;
  /** Ends it without a word. */
  readonly kill: () => Promise<void>;
  /** Starts it again after `kill`, on the same port. */
  readonly start: () => Promise<void>;
  /** Ends it. Idempotent. */
  readonly close: () => Promise<void>;
  /** What it said so far. */
  readonly log: () => string;
};

/** Starts a server and waits until it answers. The caller closes it. */
export async function startGalene(): Promise<GaleneServer> {
  const { path } = galeneProgram;
  if (path === undefined) throw new Error(`${galeneProgram.name} is missing: ${galeneProgram.install}`);
  const folder = mkdtempSync(join(tmpdir(), "roomtap-galene-"));
  const password = "pa55-for-tests";
  const places = ["groups", "data", "recordings"].map((name) => join(folder, name));
  for (const place of places) mkdirSync(place);
  const [groups = "", data = "", recordings = ""] = places;
  writeFileSync(
    join(groups, "talk.json"),
    JSON.stringify({ "wildcard-user": { password, permissions: "present" } }),
  );
  const host = `127.0.0.1:${await freePort()}`;
  const beside = process.env.ROOMTAP_GALENE_STATIC ?? join(dirname(path), "static");
  const pages = existsSync(beside) ? beside : folder;
  const args = ["-http", host, "-insecure", "-turn", "", "-static", pages];
  const stores = ["-groups", groups, "-data", data, "-recordings", recordings];
  let child: ReturnType<typeof spawn> | undefined;
  let said = "";
  const start = async () => {
    const started = spawn(path, [...args, ...stores], { stdio: ["ignore", "ignore", "pipe"] });
    child = started;
    started.stderr.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-100_000);
    });
    await answering(
      `http://${host}/group/talk/.status`,
      () => started.exitCode ?? started.signalCode,
      START_MS,
    );
  };
  const end = async () => {
    const running = child;
    child = undefined;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    const over = once(running, "exit");
    running.kill("SIGKILL");
    await over;
  };
  const close = async () => {
    await end();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await start();
  } catch (error) {
    await close();
    throw new Error(`Galene does not start: ${said.slice(-2000)}`, { cause: error });
  }
  const group = `galene+http://${host}/group/talk/`;
  return { group, password, kill: end, start, close, log: () => said };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const server = await startGalene();
  process.stdout.write(`${server.group} --pin ${server.password}\n`);
  process.once("SIGINT", () => void server.close());
  process.once("SIGTERM", () => void server.close());
}
