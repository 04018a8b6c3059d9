import { execFile } from "node:child_process";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("../../", import.meta.url));
const source = join(root, "src/server/web");

/** The room's web page, built from the sources as they are now. */
export type BuiltPage = {
  /** For the `webRoot` option of the room server. */
  readonly webRoot: string;
  remove(): Promise<void>;
};

/** Compiles the page into a folder of its own, so that tests never see an older build. */
export async function buildPage(): Promise<BuiltPage> {
  const webRoot = await mkdtemp(join(tmpdir(), "roomtap-web-"));
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  await promisify(execFile)(process.execPath, [tsc, "-p", source, "--outDir", webRoot]);
  await cp(source, webRoot, { recursive: true, filter: (file) => !/\.(ts|json)$/.test(file) });
  return { webRoot, remove: () => rm(webRoot, { recursive: true, force: true }) };
}
