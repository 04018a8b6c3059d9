import { Command, Option } from "commander";
import { RoomtapError } from "../../core/fault.ts";
import { parseIceUrl } from "../../core/ice-url.ts";
import { turnCredentials } from "../../net/turn-credentials.ts";
import type { CommandContext } from "../context.ts";
import { readTurnSecret } from "../turn-secret.ts";
import { parseDuration, shown } from "../units.ts";

type Flags = { secretFile: string; user: string; ttl: number; url?: string[]; json?: boolean };

/** `roomtap turn-credentials`. */
export function turnCredentialsCommand(context: CommandContext): Command {
  return new Command("turn-credentials")
    .description("Make short-lived credentials for a TURN server (TURN REST, HMAC-SHA1).")
    .requiredOption("--secret-file <file>", "file with the secret that the server has as well")
    .option("--user <name>", "whom they are for; the server's log shows it", parseUser, "roomtap")
    .addOption(
      new Option("--ttl <time>", "how long new connections may use them")
        .argParser(parseTtl)
        .default(3600, "1h"),
    )
    .option("--url <url...>", "turn: or turns: addresses, to be printed with them")
    .option("--json", "print an RTCIceServer as JSON, for --ice-file and browsers")
    .addHelpText(
      "after",
      `
The server takes them when its clock agrees: one that is behind takes them longer, one that is ahead of ours
by more than --ttl never does. A connection that is up goes on when they expire; only new ones need new ones.

coturn: use-auth-secret, static-auth-secret=SECRET, realm=example.com

Examples:
  roomtap turn-credentials --secret-file /etc/turn.secret --user alice --ttl 1h
  roomtap turn-credentials --secret-file s --url turns:turn.example.com --json > ice.json`,
    )
    .action((flags: Flags) => {
      const made = turnCredentials(readTurnSecret(flags.secretFile), flags.user, flags.ttl, Date.now());
      const urls = flags.url ?? [];
      for (const url of urls) {
        if (parseIceUrl(url)?.kind !== "turn")
          throw new RoomtapError("usage", `not an address of a TURN server: ${shown(url)}`, {
            hint: "write turn:HOST:3478 or turns:HOST:5349",
          });
      }
      const { username, credential, expiresAt } = made;
      const expires = new Date(1000 * expiresAt).toISOString();
      const json = { urls, username, credential, ttl: flags.ttl, expires };
      const lines = [`username ${username}`, `password ${credential}`, `expires  ${expires}`];
      context.out.result(flags.json ? JSON.stringify(json) : lines.join("\n"));
    });
}

function parseUser(text: string): string {
  if (!/^[\x21-\x39\x3b-\x7e]{1,128}$/.test(text))
    throw new RoomtapError("usage", `not a name for TURN: ${shown(text)}`, {
      hint: "letters, digits and signs, without blanks and colons",
    });
  return text;
}

/** Seconds. */
export function parseTtl(text: string): number {
  const ms = parseDuration(text);
  if (ms < 1000 || ms > 30 * 24 * 3_600_000)
    throw new RoomtapError("usage", `not a life of credentials: ${shown(text)}`, { hint: "from 1s to 720h" });
  return Math.floor(ms / 1000);
}
