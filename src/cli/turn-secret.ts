import { readFileSync } from "node:fs";
import { RoomtapError } from "../core/fault.ts";
import { shown } from "./units.ts";

const MAX_SECRET = 1024;

/** The secret in a file, without the line's end. Throws a RoomtapError `usage` where there is none. */
export function readTurnSecret(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new RoomtapError("usage", `cannot read ${shown(path)}`, {
      hint: "check the path of the secret",
      cause,
    });
  }
  const secret = text.replace(/\r?\n$/, "");
  if (secret === "" || secret.length > MAX_SECRET || /[\r\n]/.test(secret))
    throw new RoomtapError("usage", `${shown(path)} holds no secret`, {
      hint: "one line, the same as static-auth-secret of the TURN server",
    });
  return secret;
}
