import type { Courier } from "../../core/room.ts";
import { type BlobReading, readBlob } from "./blob.ts";

/** A description that a person brought. */
export type Pasted = Extract<BlobReading, { t: "whole" }>;

/** Asks for the rest without a word. */
const MORE = "";

/**
 * Asks for a description until there is one that `check` has nothing against (it gives the end of "that is ...").
 * SDP as it is ends with an empty line, everything else by itself. "nothing": an empty line; undefined: no more lines
 * come. A page of something else is complained of once, not once a line: lines that follow one another within `quietMs`
 * are of one paste.
 */
export async function takePaste(
  courier: Courier,
  prompt: string,
  check: (pasted: Pasted) => string | undefined,
  quietMs: number,
): Promise<Pasted | "nothing" | undefined> {
  let text = "";
  let ask = prompt;
  let complainedAt = Number.NEGATIVE_INFINITY;
  for (;;) {
    const line = await courier.line(ask);
    ask = MORE;
    const over = line === undefined || line.trim() === "";
    if (over && text === "") return line === undefined ? undefined : "nothing";
    text += over ? "" : `${line}\n`;
    const reading = read(text, over);
    if (reading.t === "whole") {
      const why = check(reading);
      if (why === undefined) return reading;
      ask = complaint(why, prompt);
    } else if (reading.t === "wrong") {
      const now = performance.now();
      if (now - complainedAt >= quietMs) ask = complaint(reading.why, prompt);
      complainedAt = now;
    } else if (over) ask = complaint("not all of it", prompt);
    else continue;
    if (line === undefined) return undefined;
    text = "";
  }
}

function read(text: string, over: boolean): BlobReading {
  const reading = readBlob(text);
  // More lines of SDP may come, and no line of it is the last one.
  return reading.t === "whole" && reading.form === "sdp" && !over ? { t: "part" } : reading;
}

function complaint(why: string, prompt: string): string {
  return `that is ${why}; ${prompt}`;
}
