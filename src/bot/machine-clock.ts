import { type Millis, millis } from "../core/time.ts";

/** Monotonic time that all processes of this machine share, unlike `performance.now()`. */
export function machineNow(): Millis {
  const [seconds, nanoseconds] = process.hrtime();
  return millis(seconds * 1000 + nanoseconds / 1e6);
}
