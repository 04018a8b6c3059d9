import type { ServerResponse } from "node:http";

/** Octets that are handed to the system at a time. */
const SLICE = 256 << 10;

/**
 * Writes a body as fast as it is taken. False: nothing of it was taken for `stalledMs`, or nobody is there any more. (A
 * timeout of the socket would not do: it begins anew with every octet that the viewer sends.)
 */
export async function sendBody(
  res: ServerResponse,
  body: readonly Uint8Array[],
  stalledMs: number,
): Promise<boolean> {
  for (const piece of body) {
    for (let at = 0; at < piece.length; at += SLICE) {
      if (!res.write(piece.subarray(at, at + SLICE)) && !(await drained(res, stalledMs))) return false;
    }
  }
  return true;
}

function drained(res: ServerResponse, stalledMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (taken: boolean) => {
      clearTimeout(stalled);
      res.off("drain", onDrain).off("close", onClose);
      resolve(taken);
    };
    const onDrain = () => settle(true);
    const onClose = () => settle(false);
    const stalled = setTimeout(onClose, stalledMs);
    res.once("drain", onDrain).once("close", onClose);
  });
}
