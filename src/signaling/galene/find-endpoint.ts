import { RoomtapError } from "../../core/fault.ts";
import { mayCarryToken } from "../http/replies.ts";
import { exchange } from "../http/request.ts";
import { parseStatus } from "./messages.ts";
import { type GaleneTarget, groupAt } from "./target.ts";

const STATUS_MS = 10_000;
const MAX_REDIRECTS = 4;

/** Where a group really is. */
export type Endpoint = { readonly target: GaleneTarget; readonly socket: URL; readonly authServer: boolean };

/**
 * Asks a group where its WebSocket is, and follows it where it has moved to, on the same host only: there will be a
 * password. Rejects with a RoomtapError: `signal-refused`, `signal-protocol`, `signal-closed` (cancelled).
 */
export async function findEndpoint(
  from: GaleneTarget,
  o: { readonly insecure: boolean; readonly signal: AbortSignal },
): Promise<Endpoint> {
  let target = from;
  let url = new URL(".status", target.location);
  for (let n = 0; n <= MAX_REDIRECTS; n++) {
    const reply = await exchange({ ...o, method: "GET", url, timeoutMs: STATUS_MS });
    const location = reply.header("location");
    if (
      reply.status >= 300 &&
      reply.status < 400 &&
      location !== undefined &&
      URL.canParse(location, url.href)
    ) {
      url = sameHost(url, new URL(location, url), from);
      continue;
    }
    if (reply.status !== 200) throw refused(reply.status, target);
    const status = parseStatus(reply.body);
    if (!status) throw stranger(target);
    if (status.redirect !== undefined) {
      target = movedTo(status.redirect, from);
      url = new URL(".status", target.location);
      continue;
    }
    return { target, socket: socketOf(status.endpoint, url, from), authServer: status.authServer };
  }
  throw new RoomtapError("signal-protocol", `${from.shown} sends us from place to place`, {
    hint: "check the address of the group",
  });
}

/** The group that a server sends us to. Throws a RoomtapError where that is on another host. */
export function movedTo(page: string, from: GaleneTarget): GaleneTarget {
  const to = groupAt(page, from.location);
  if (!to) throw stranger(from);
  sameHost(from.location, to.location, from);
  return { ...to, ...(from.token === undefined ? {} : { token: from.token }) };
}

function socketOf(endpoint: string, base: URL, from: GaleneTarget): URL {
  const to = endpoint.replace(/^ws(s?):/i, "http$1:");
  if (!URL.canParse(to, base.href)) throw stranger(from);
  const url = sameHost(from.location, new URL(to, base), from);
  return new URL(url.href.replace(/^http/, "ws"));
}

function sameHost(from: URL, to: URL, asked: GaleneTarget): URL {
  if (mayCarryToken(from, to)) return to;
  throw new RoomtapError("signal-refused", `${asked.shown} sends us to another server, ${to.host}`, {
    hint: "a password is not given to another server: use the address there",
  });
}

function refused(status: number, { shown }: GaleneTarget): RoomtapError {
  if (status === 404)
    return new RoomtapError("signal-refused", `${shown} is no group of that server (404)`, {
      hint: "check the group's name: it is what stands behind /group/",
    });
  const hint = "is it the address of a Galene group?";
  return new RoomtapError("signal-refused", `${shown} does not say how to join it (${status})`, { hint });
}

function stranger({ shown }: GaleneTarget): RoomtapError {
  return new RoomtapError("signal-protocol", `${shown} does not answer as Galene servers do`, {
    hint: "is it the address of a Galene group, like galene+https://host/group/NAME/?",
  });
}
