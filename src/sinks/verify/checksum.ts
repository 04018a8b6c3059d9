import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";

const CHUNK = 1 << 20;

/** SHA-256 of a whole file, hexadecimal. Rejects with the system's error, or when it is aborted. */
export async function sha256Of(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  const stream = createReadStream(path, { highWaterMark: CHUNK, ...(signal ? { signal } : {}) });
  for await (const chunk of stream) hash.update(chunk);
  return hash.digest("hex");
}
