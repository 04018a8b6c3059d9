// Starts one of the servers beside this file by hand: node test/support/servers/run.mjs janus
import { fileURLToPath } from "node:url";
import { createServer } from "vite";

const [name = ""] = process.argv.slice(2);
const path = fileURLToPath(new URL(`${name}.ts`, import.meta.url));
// Older versions of Node cannot read TypeScript.
const vite = await createServer({
  configFile: false,
  logLevel: "error",
  appType: "custom",
  server: { middlewareMode: true, watch: null, hmr: false, ws: false },
});
process.argv[1] = path;
await vite.ssrLoadModule(path);
