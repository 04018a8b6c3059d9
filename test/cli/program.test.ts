import { createHmac } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { runCli, VERSION } from "../../src/cli/program.ts";
import { CapturedOutput } from "../support/captured-output.ts";
import { runCli as spawnCli } from "../support/cli.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "roomtap-cli-"));
  for (const name of ["FFMPEG_PATH", "ROOMTAP_TOKEN", "ROOMTAP_OUT", "ROOMTAP_FORMAT", "ROOMTAP_DEBUG"])
    vi.stubEnv(name, undefined);
});
afterEach(() => {
  rmSync(folder, { recursive: true });
  vi.unstubAllEnvs();
});

async function run(...args: string[]) {
  const out = new CapturedOutput();
  const code = await runCli(args, out);
  return { code, stdout: out.stdout.join("\n"), stderr: out.stderr };
}

const commands = [
  "doctor",
  "stats",
  "turn-credentials",
  "serve",
  "record",
  "publish",
  "demo",
  "replay",
  "verify",
  "repair",
  "render",
];
const room = "ws://127.0.0.1:1/demo";

describe("the way to a room", () => {
  const record = (...args: string[]) => run("record", room, "--out", folder, ...args);

  it.each([
    [["--ice", "http://h"], /not an ICE server address: http:\/\/h/],
    [["--ice", "turn:bob:s3cret@"], /not an ICE server address: turn:\.\.\.@/],
    [["--port-range", "9-5"], /not a range of ports/],
    [["--gather", "1h"], /not a time to gather/],
    [["--bind", "localhost"], /not an IP address/],
    [["--bind", "10.0.0.1", "--relay-only"], /does not go with --bind/],
    [["--ice-file", "/nowhere.json"], /\/nowhere\.json cannot be read/],
  ])("is refused with %j", async (args, wanted) => {
    const { code, stderr } = await record(...args);
    expect([code, stderr.join("\n")]).toEqual([2, expect.stringMatching(wanted)]);
    expect(stderr.join("\n")).not.toContain("s3cret");
  });

  it.each(["{}", '[{"urls":"http://h"}]', '[{"urls":["turn:h"],"username":5}]', "[", "[{}]"])(
    "is refused with a file of servers that holds %s",
    async (text) => {
      const file = join(folder, "ice.json");
      writeFileSync(file, text);
      const { code, stderr } = await record("--ice-file", file);
      expect([code, stderr.join("\n")]).toEqual([2, expect.stringContaining(file)]);
    },
  );
});

describe("credentials for TURN", () => {
  it("are made of a secret in a file, as text or for --ice-file", async () => {
    const file = join(folder, "secret");
    writeFileSync(file, "north\n");
    const made = ["turn-credentials", "--secret-file", file, "--user", "alice", "--ttl", "1h"];
    const { code, stdout } = await run(...made, "--url", "turns:h", "--json");
    const { urls, username, credential, ttl, expires } = JSON.parse(stdout);
    expect([code, urls, ttl]).toEqual([0, ["turns:h"], 3600]);
    expect(credential).toBe(createHmac("sha1", "north").update(username).digest("base64"));
    const [until, user] = username.split(":");
    expect([user, new Date(1000 * Number(until)).toISOString()]).toEqual(["alice", expires]);
    expect(Number(until) - Date.now() / 1000).toBeGreaterThan(3500);
    expect((await run(...made)).stdout).toMatch(/^username \d+:alice\npassword \S+\nexpires {2}\S+$/);
  });

  it.each([
    [["--user", "a:b"], /not a name for TURN/],
    [["--ttl", "900h"], /too long|not a life/],
    [["--url", "stun:h"], /not an address of a TURN server/],
  ])("are refused with %j", async (args, wanted) => {
    const file = join(folder, "secret");
    writeFileSync(file, "north");
    const { code, stderr } = await run("turn-credentials", "--secret-file", file, ...args);
    expect([code, stderr.join("\n")]).toEqual([2, expect.stringMatching(wanted)]);
  });

  it("are never for a room that anybody may enter, and need a secret", async () => {
    const file = join(folder, "secret");
    writeFileSync(file, "\n");
    const open = await run("serve", "--turn", "turn:h", "--turn-secret-file", file);
    expect([open.code, open.stderr.join()]).toEqual([2, expect.stringMatching(/anybody may enter/)]);
    const empty = await run("serve", "--token", "t", "--turn", "turn:h", "--turn-secret-file", file);
    expect([empty.code, empty.stderr.join()]).toEqual([2, expect.stringMatching(/holds no secret/)]);
    expect((await run("serve", "--token", "t", "--turn", "turn:h")).code).toBe(2);
  });
});

describe("help", () => {
  it("has the version of the package", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
    expect(VERSION).toBe(version);
    expect(await run("--version")).toEqual({ code: 0, stdout: version, stderr: [] });
  });

  it("lists every command with examples on stdout", async () => {
    const { code, stdout, stderr } = await run("--help");
    expect([code, stderr]).toEqual([0, []]);
    for (const c of commands) expect(stdout).toMatch(new RegExp(`^\\s+${c}\\b`, "m"));
    expect(stdout).toContain("Examples:\n  roomtap ");
  });

  it.each(commands)("of %s has examples that name it, and every flag", async (command) => {
    const { code, stdout, stderr } = await run(command, "--help");
    expect([code, stderr]).toEqual([0, []]);
    const examples = stdout.slice(stdout.indexOf("Examples:"));
    expect(examples).toMatch(new RegExp(`^  (roomtap|npm run) ${command}\\b`, "m"));
    expect(stdout).toContain("--config <file>");
    for (const flag of examples.match(/ --[a-z-]+/g) ?? []) {
      if (flag !== " --") expect(stdout.slice(0, stdout.indexOf("Examples:"))).toContain(flag.trim());
    }
  });

  it("comes on stderr, with a usage code, when there is no command", async () => {
    const { code, stdout, stderr } = await run();
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr.join("\n")).toContain("Usage: roomtap");
  });
});

describe("wrong usage", () => {
  it.each([
    [["recrod", room], "unknown command 'recrod'", "Did you mean record?"],
    [["record"], "missing required argument 'room'", "--help"],
    [["record", room, "--formt", "mp4"], "unknown option '--formt'", "Did you mean --format?"],
    [["record", room, "--format", "avi"], "Allowed choices are auto, webm, mkv, mp4", "--help"],
    [["record", room, "--duration"], "argument missing", "--help"],
    [["record", room, "--duration", "soon"], "not a duration: soon", "30s"],
    [["record", room, "--json", "--ndjson"], "'--json' cannot be used with option '--ndjson'", "--help"],
    [["record", room, "extra"], "too many arguments", "--help"],
    [["serve", "--port", "99999"], "not a port: 99999", "65535"],
    [["serve", "--max-peers", "0"], "not a number of things: 0", "whole number"],
    [["serve", "--cert", "a.pem"], "--cert and --key belong together", "--self-signed"],
    [["serve", "--cert", "a", "--key", "b", "--self-signed"], "exclude each other", "keep one"],
    [
      ["serve", "--cert", "/nonexistent", "--key", "/nonexistent"],
      "cannot read the file of --cert",
      "permissions",
    ],
    [["serve", "--host", "0.0.0.0", "--port", "0"], "lets anybody on the network in", "--public"],
    [["record", "teams:meeting"], "no adapter joins teams: rooms", "known schemes: ws, wss, http, https"],
    [["record", "standup"], "the room address has no scheme", "ws://"],
    [["publish", "ftp://h/room"], "no adapter joins ftp: rooms", "known schemes"],
    [["publish", room, "--video", "none", "--audio", "none"], "nothing to publish", "--video none"],
  ])("%j is two lines and exit 2", async (args, error, hint) => {
    const { code, stdout, stderr } = await run(...args);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toHaveLength(2);
    expect(stderr[0]).toMatch(/^error: /);
    expect(stderr[0]).toContain(error);
    expect(stderr[1]).toMatch(/^hint: /);
    expect(stderr[1]).toContain(hint);
  });

  it("of a configuration file names the nearest key", async () => {
    const config = join(folder, "c.json");
    writeFileSync(config, '{ "fromat": "mp4" }');
    expect(await run("record", room, "--config", config)).toMatchObject({
      code: 2,
      stderr: [`error: unknown key "fromat" in ${config}`, 'hint: did you mean "format"?'],
    });
  });
});

describe("what the machine cannot do", () => {
  it.each(["record", "publish"])("%s with an ffmpeg that does not run is exit 5", async (command) => {
    const { code, stderr } = await run(command, room, "--ffmpeg", "/nonexistent/ffmpeg");
    expect(code).toBe(5);
    expect(stderr).toEqual([
      "error: /nonexistent/ffmpeg is not an ffmpeg that runs here",
      expect.stringMatching(/^hint: check --ffmpeg/),
    ]);
  });

  it("demo with an ffmpeg that is something else is exit 5", async () => {
    expect(await run("demo", "--ffmpeg", process.execPath, "--out", folder)).toMatchObject({ code: 5 });
  });

  it("record into a place where nothing can be written is exit 5", async () => {
    const occupied = join(folder, "file");
    writeFileSync(occupied, "");
    const { code, stderr } = await run("record", room, "--format", "mkv", "--out", join(occupied, "below"));
    expect(code).toBe(5);
    expect(stderr).toEqual([
      `error: cannot write to ${join(occupied, "below")}`,
      expect.stringMatching(/^hint: choose another directory with --out/),
    ]);
  });
});

describe("the installed program", () => {
  it("says in two lines that nothing listens at the room's address, and leaves no session behind", async () => {
    const port = await freePort();
    const r = await spawnCli(["record", `ws://127.0.0.1:${port}/demo`, "--format", "mkv", "--out", folder]);
    expect(r.stderr).toBe(
      `error: nothing listens at 127.0.0.1:${port}\nhint: start a room server there with: roomtap serve\n`,
    );
    expect([r.code, r.stdout]).toEqual([3, ""]);
    expect(readdirSync(folder)).toEqual([]);
  }, 20_000);
});

/** A port of this machine on which nothing listens. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return port;
}
