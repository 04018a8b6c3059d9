import { readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { Command, Option } from "commander";
import { ExitCode, RoomtapError } from "../../core/fault.ts";
import { parseIceUrl } from "../../core/ice-url.ts";
import { turnCredentials } from "../../net/turn-credentials.ts";
import { createRoomServer, type RoomServerOptions } from "../../server/room-server.ts";
import { type CommandContext, onInterrupt } from "../context.ts";
import { readTurnSecret } from "../turn-secret.ts";
import { parsePort, shown } from "../units.ts";
import { parseTtl } from "./turn-credentials.ts";

type ServeFlags = {
  port: number;
  host: string;
  token?: string;
  public?: boolean;
  cert?: string;
  key?: string;
  selfSigned?: boolean;
  allowOrigin?: string[];
  maxPeers?: number;
  maxRooms?: number;
  stun?: string[];
  turn?: string[];
  turnSecretFile?: string;
  turnTtl: number;
  json?: boolean;
};

/** `roomtap serve`. */
export function serveCommand(context: CommandContext): Command {
  return new Command("serve")
    .description("Run a room server with a web page: browsers meet there, bots record them.")
    .addOption(
      new Option("--port <port>", "port, 0 for any free one")
        .default(8080)
        .argParser(parsePort)
        .env("ROOMTAP_PORT"),
    )
    .addOption(new Option("--host <address>", "address to bind").default("127.0.0.1").env("ROOMTAP_HOST"))
    .addOption(new Option("--token <token>", "secret that everyone gives on joining").env("ROOMTAP_TOKEN"))
    .option("--public", "let anyone in who reaches an address other than loopback")
    .option("--cert <file>", "TLS certificate, PEM")
    .option("--key <file>", "TLS private key, PEM")
    .option("--self-signed", "TLS with a certificate made now; browsers warn once")
    .option("--allow-origin <origin...>", "other web origins whose pages may open rooms")
    .option("--max-peers <n>", "peers per room", positiveInteger)
    .option("--max-rooms <n>", "rooms at a time", positiveInteger)
    .option("--stun <url...>", "STUN servers that everyone is told of")
    .option("--turn <url...>", "TURN servers, with fresh credentials for everyone who gives the token")
    .option("--turn-secret-file <file>", "file with the secret that these have as well")
    .addOption(
      new Option("--turn-ttl <time>", "how long new connections may use such credentials")
        .argParser(parseTtl)
        .default(3600, "1h"),
    )
    .option("--json", "print the addresses as JSON on stdout")
    .addHelpText(
      "after",
      `
Browsers give camera and microphone only to https pages and to localhost. For phones and other
machines use a certificate (--cert, --key) or --self-signed.

Examples:
  roomtap serve
  roomtap serve --host 0.0.0.0 --token "$(openssl rand -hex 8)" --self-signed
  roomtap serve --host 0.0.0.0 --token T --self-signed --turn turns:turn.example.com --turn-secret-file secret
  roomtap serve --host 0.0.0.0 --port 443 --public --cert fullchain.pem --key privkey.pem`,
    )
    .action(async (flags: ServeFlags) => {
      const { out } = context;
      const server = await createRoomServer({
        ...(await serverOptions(flags)),
        log: (level, text) => out.line(`${level}: ${text}`),
      });
      const query = flags.token === undefined ? "" : `?token=${encodeURIComponent(flags.token)}`;
      const room = `${server.url.replace(/^http/, "ws")}ROOM`;
      if (flags.json) out.result(JSON.stringify({ url: server.url, room, port: server.port }));
      else {
        out.line(`room server at ${server.url}`);
        for (const url of lanUrls(flags.host, server.url)) out.line(`  on your network: ${url}`);
        out.line(`  meet:   open ${server.url}r/standup${query && "?token=..."} in a browser`);
        const insecure = flags.selfSigned ? " --insecure" : "";
        const token = flags.token === undefined ? "" : ' --token "$TOKEN"';
        out.line(`  record: roomtap record ${server.url.replace(/^http/, "ws")}standup${token}${insecure}`);
        out.line("Ctrl-C stops it");
      }
      await new Promise<void>((resolve) => {
        const release = onInterrupt((count) => {
          if (count > 1) process.exit(ExitCode.interrupted);
          void server.close().finally(() => {
            release();
            resolve();
          });
        });
      });
    });
}

async function serverOptions(f: ServeFlags): Promise<RoomServerOptions> {
  if ((f.cert === undefined) !== (f.key === undefined)) {
    throw new RoomtapError("usage", "--cert and --key belong together", { hint: "or use --self-signed" });
  }
  if (f.cert !== undefined && f.selfSigned) {
    throw new RoomtapError("usage", "--self-signed and --cert exclude each other", {
      hint: "keep one of them",
    });
  }
  const ice = iceServers(f);
  return {
    ...(ice === undefined ? {} : { ice }),
    host: f.host,
    port: f.port,
    ...(f.token === undefined ? {} : { token: f.token }),
    ...(f.public === undefined ? {} : { public: f.public }),
    ...(f.allowOrigin === undefined ? {} : { allowOrigins: f.allowOrigin }),
    ...(f.maxPeers === undefined ? {} : { maxPeers: f.maxPeers }),
    ...(f.maxRooms === undefined ? {} : { maxRooms: f.maxRooms }),
    ...(f.selfSigned ? { tls: "self-signed" as const } : {}),
    ...(f.cert !== undefined && f.key !== undefined
      ? { tls: { cert: await pem(f.cert, "--cert"), key: await pem(f.key, "--key") } }
      : {}),
  };
}

/** What everybody in a room is told of; TURN costs its owner, so only those with a token get credentials. */
function iceServers(f: ServeFlags): RoomServerOptions["ice"] {
  for (const [urls, kind] of [
    [f.stun, "stun"],
    [f.turn, "turn"],
  ] as const) {
    for (const url of urls ?? []) {
      if (parseIceUrl(url)?.kind !== kind)
        throw new RoomtapError("usage", `not an address of a ${kind.toUpperCase()} server: ${shown(url)}`, {
          hint: `write ${kind}:HOST:3478`,
        });
    }
  }
  if ((f.turn === undefined) !== (f.turnSecretFile === undefined))
    throw new RoomtapError("usage", "--turn and --turn-secret-file belong together");
  if (f.turn !== undefined && f.token === undefined)
    throw new RoomtapError("usage", "a TURN server is not for a room that anybody may enter", {
      hint: "give --token as well",
    });
  if (f.stun === undefined && f.turn === undefined) return undefined;
  const stun = f.stun === undefined ? [] : [{ urls: f.stun }];
  const { turn, turnSecretFile, turnTtl: ttl } = f;
  if (turn === undefined || turnSecretFile === undefined) return () => ({ servers: stun, ttl });
  const secret = readTurnSecret(turnSecretFile);
  return (peer) => {
    const { username, credential } = turnCredentials(secret, peer, ttl, Date.now());
    return { servers: [...stun, { urls: turn, username, credential }], ttl };
  };
}

async function pem(path: string, flag: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new RoomtapError("usage", `cannot read the file of ${flag}: ${path}`, {
      hint: "check path and permissions",
      cause,
    });
  }
}

/** Addresses under which others reach a server that listens on every interface. */
function lanUrls(host: string, url: string): string[] {
  if (host !== "0.0.0.0" && host !== "::") return [];
  const u = new URL(url);
  return Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter((a) => !a.internal && a.family === "IPv4")
    .map((a) => `${u.protocol}//${a.address}:${u.port || (u.protocol === "https:" ? 443 : 80)}/`);
}

function positiveInteger(text: string): number {
  const n = Number(text);
  if (!/^\d{1,6}$/.test(text) || n < 1) {
    throw new RoomtapError("usage", `not a number of things: ${text.slice(0, 20)}`, {
      hint: "write a whole number from 1",
    });
  }
  return n;
}
