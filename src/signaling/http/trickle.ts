import type { Link } from "../../core/room.ts";
import type { HttpResource } from "./endpoint.ts";
import { candidatesOf, isComplete, trickleFragment } from "./fragment.ts";

/** Candidates found within this time go in one request. */
const GROUP_MS = 100;
/** Gathering is over by then: the agent asks a STUN server for 23.5 s. */
const END_MS = 30_000;

/** Tells the server of candidates that were not in the description, until there are no more or it does not want them. */
export function trickle(o: {
  readonly link: Link;
  readonly resource: HttpResource;
  /** See `candidatesOf`. */
  readonly known: readonly string[];
}): void {
  const { link, resource } = o;
  const told = new Set(o.known);
  let wanted = true;
  let timer: NodeJS.Timeout | undefined;
  let queue: Promise<void> = Promise.resolve();
  const flush = (capMs: number) => {
    queue = queue.then(async () => {
      if (!wanted) return;
      const { sdp } = await link.localReady(capMs);
      const fragment = trickleFragment(sdp, told);
      if (fragment === undefined) return;
      for (const line of candidatesOf(sdp)) told.add(line);
      wanted = (await resource.trickle(fragment)) && !isComplete(sdp);
    });
    // A link that was closed has no candidates.
    queue = queue.catch(() => {
      wanted = false;
    });
  };
  link.onCandidate(({ candidate }) => {
    if (told.has(`a=${candidate}`) || timer !== undefined) return;
    timer = setTimeout(() => {
      timer = undefined;
      flush(0);
    }, GROUP_MS);
  });
  void link.localReady(END_MS).then(
    () => flush(0),
    () => undefined,
  );
}
