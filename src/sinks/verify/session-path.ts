import { lstatSync, realpathSync } from "node:fs";
import { isAbsolute, join, sep, win32 } from "node:path";

/** Where a path of a manifest leads. */
export type SessionPath =
  | { readonly real: string; readonly bytes: number }
  /** There is nothing. */
  | "missing"
  /** It leads out of the session, or to something that is no file: it must not be opened. */
  | "unsafe";

/**
 * Follows a path that a manifest names. What a manifest says is a stranger's word: only a file of the session
 * itself is opened, whatever links say, and never a pipe or a device.
 */
export function sessionPath(directory: string, path: string): SessionPath {
  const leaves = path.split(/[\\/]/).includes("..") || path.includes("\0");
  if (path === "" || leaves || isAbsolute(path) || win32.isAbsolute(path)) return "unsafe";
  try {
    const real = realpathSync(join(directory, path));
    const root = realpathSync(directory);
    const stat = lstatSync(real);
    if (!real.startsWith(root.endsWith(sep) ? root : `${root}${sep}`)) return "unsafe";
    return stat.isFile() ? { real, bytes: stat.size } : "unsafe";
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" && isDangling(join(directory, path))) return "unsafe";
    return code === "ENOENT" || code === "ENOTDIR" ? "missing" : "unsafe";
  }
}

/** A link that leads to nothing. */
function isDangling(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}
