import type { Link } from "../../core/room.ts";
import type { JanusClient } from "./client.ts";

/** A STUN server that does not answer holds the end of gathering for 23 s. */
const GATHER_MS = 5000;

/** Tells the server our candidates as they are found, and when there are no more. */
export function trickleOut(link: Link, client: JanusClient, handle: number): void {
  link.onCandidate(({ candidate, mid, index }) => {
    client.trickle(handle, { candidate, sdpMid: mid ?? "0", sdpMLineIndex: index ?? 0 });
  });
  link.localReady(GATHER_MS).then(
    () => client.trickle(handle, { completed: true }),
    // The link was closed meanwhile.
    () => undefined,
  );
}
