import { mkdirSync, readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { RoomtapError } from "../core/fault.ts";
import { makeDirectory } from "../sinks/directory.ts";
import { fileStem } from "../sinks/recorder/names.ts";

/**
 * Makes a session directory of its own under `out`, named after the room and the time: before the room is joined, so
 * that a recording does not fail after the call, and so that two that start together never share one. Throws a
 * RoomtapError `output-unwritable`.
 */
export function sessionDirectory(out: string, room: string, startedAt: number): string {
  const name =
    room
      .replace(/[?#].*$/, "")
      .replace(/\/+$/, "")
      .split("/")
      .at(-1) ?? "";
  const stem = fileStem(decode(name), "room");
  const time = new Date(startedAt)
    .toISOString()
    .replace(/\.\d+Z$/, "Z")
    .replace(/:/g, "");
  try {
    makeDirectory(out);
    for (let n = 1; ; n++) {
      const path = join(out, n === 1 ? `${stem}-${time}` : `${stem}-${time}-${n}`);
      if (makeNew(path)) return path;
    }
  } catch (cause) {
    throw new RoomtapError("output-unwritable", `cannot write to ${out}`, {
      hint: "choose another directory with --out, or check permissions and free space",
      cause,
    });
  }
}

/** Removes a session directory that nothing was written to. True: it is gone. */
export function removeIfEmpty(directory: string): boolean {
  try {
    if (readdirSync(directory).length > 0) return false;
    rmdirSync(directory);
  } catch {
    // Gone already, or not ours to remove.
  }
  return true;
}

/** False: somebody else made it first. */
function makeNew(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
