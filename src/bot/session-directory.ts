import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RoomtapError } from "../core/fault.ts";
import { fileStem } from "../sinks/recorder/names.ts";

/**
 * A fresh session directory's path under `out`, named after the room and the time. It is made when the room is
 * joined; here only `out` is tried, so that a recording does not fail after the call. Throws a RoomtapError
 * `output-unwritable`.
 */
export function sessionDirectory(out: string, room: string, startedAt: number): string {
  try {
    mkdirSync(out, { recursive: true });
    const probe = join(out, `.roomtap-${process.pid}-${Date.now()}`);
    writeFileSync(probe, "");
    rmSync(probe);
  } catch (cause) {
    throw new RoomtapError("output-unwritable", `cannot write to ${out}`, {
      hint: "choose another directory with --out, or check permissions and free space",
      cause,
    });
  }
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
  let path = join(out, `${stem}-${time}`);
  for (let n = 2; existsSync(path); n++) path = join(out, `${stem}-${time}-${n}`);
  return path;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
