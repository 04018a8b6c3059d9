import type { Command } from "commander";

const SECRET = /TOKEN|SECRET|PASSWORD|_PIN$|_KEY$|_ICE$/;

/** Takes the secrets that a command takes from the environment out of it: children would inherit them. */
export function forgetSecrets(command: Command, env: NodeJS.ProcessEnv = process.env): void {
  for (const { envVar } of command.options)
    if (envVar !== undefined && SECRET.test(envVar)) delete env[envVar];
}
