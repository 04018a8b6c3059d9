import { Command, Option } from "commander";
import { expect, test } from "vitest";
import { forgetSecrets } from "../../src/cli/secrets.ts";

test("secrets that a command takes from the environment are in nobody else's afterwards", () => {
  const command = new Command("x")
    .addOption(new Option("--token <t>").env("ROOMTAP_TOKEN"))
    .addOption(new Option("--pin <p>").env("ROOMTAP_PIN"))
    .addOption(new Option("--api-key <k>").env("LIVEKIT_API_KEY"))
    .addOption(new Option("--out <d>").env("ROOMTAP_OUT"));
  const env = { ROOMTAP_TOKEN: "t", ROOMTAP_PIN: "p", LIVEKIT_API_KEY: "k", ROOMTAP_OUT: "o", PATH: "/bin" };
  forgetSecrets(command, env);
  expect(env).toEqual({ ROOMTAP_OUT: "o", PATH: "/bin" });
});
