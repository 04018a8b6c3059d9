import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const bin = fileURLToPath(new URL("../../bin/roomtap.js", import.meta.url));

test("Ctrl-C while the program is still loading ends it as later, not in the middle", async () => {
  // As soon as the shim listens, long before the program does; or not at all, and then the patience ends.
  const preload = `data:text/javascript,${encodeURIComponent(
    "const on = process.on; process.on = function (s, f) { on.call(this, s, f);" +
      "if (s === 'SIGINT' && new Error().stack.includes('bin/roomtap.js')) { process.on = on; process.kill(process.pid, s); } return this; };",
  )}`;
  const child = spawn(process.execPath, ["--import", preload, bin, "serve", "--port", "0"], {
    stdio: ["ignore", "ignore", "pipe"],
    timeout: 20_000,
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
    child.once("close", (c, s) => resolve([c, s]));
  });
  expect([code, signal], said).toEqual([0, null]);
});
