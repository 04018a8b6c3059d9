import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Why no file system can be mounted here; undefined when one can. */
export function mountUnavailable(): string | undefined {
  if (process.platform !== "linux") return "mounting a file system needs Linux";
  try {
    execFileSync("unshare", ["-m", "sh", "-c", 'mount -t tmpfs none "$1"', "sh", tmpdir()], {
      stdio: "pipe",
    });
    return undefined;
  } catch (error) {
    return `no file system can be mounted here: ${String(error).split("\n").slice(-2).join(" ").trim()}`;
  }
}

/** A file system of its own, gone without a trace when it is closed. */
export type TinyDisk = { readonly path: string; close(): Promise<void> };

/**
 * A file system in memory with so much room. It is mounted in the mount namespace of a process that does nothing
 * else, and used through that process's root: nobody else on the machine sees it, and it ends with the process.
 */
export async function tinyDisk(octets: number): Promise<TinyDisk> {
  const folder = mkdtempSync(join(tmpdir(), "roomtap-disk-"));
  const script = 'mount -t tmpfs -o size="$2" none "$1" && echo ready && exec cat';
  const holder = spawn("unshare", ["-m", "sh", "-c", script, "sh", folder, String(octets)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const gone = new Promise<void>((resolve) => holder.once("close", () => resolve()));
  const ready = new Promise<void>((resolve) => holder.stdout.once("data", () => resolve()));
  await Promise.race([ready, gone]);
  if (holder.exitCode !== null) throw new Error("the file system was not mounted");
  return {
    path: `/proc/${holder.pid}/root${folder}`,
    close: async () => {
      holder.stdin.end();
      await gone;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
