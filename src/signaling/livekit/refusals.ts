import { type ErrorCode, RoomtapError } from "../../core/fault.ts";
import type { EndReason } from "../../core/room.ts";
import { DisconnectReason, LeaveAction, type ServerMessage, words } from "./messages.ts";

/** What a refused WebSocket means. `said`: the body that came with it; `token`: of ours, which servers repeat. */
export function refusal(o: {
  readonly status: number;
  readonly said: string;
  readonly token: string;
  readonly shown: string;
}): RoomtapError {
  const { status, shown } = o;
  const said = wordsOf(o.said, o.token);
  const end = said === "" ? "" : `: ${said}`;
  const [code, what, hint] = meaning(status, said);
  return new RoomtapError(code, `${shown} ${what} (${status}${end})`, { hint });
}

/** The body of a refusal as one line: none of a page, and nothing of our token. */
function wordsOf(said: string, token: string): string {
  if (/<\s*(?:!doctype|html|head|body)/i.test(said)) return "";
  const plain = said.replaceAll(token, "").replace(/[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g, "");
  return words(plain.replace(/invalid token:\s*,?/i, "invalid token:").replace(/^"|"$/g, ""));
}

function meaning(status: number, said: string): [code: ErrorCode, what: string, hint: string] {
  if (/max(?:imum)? (?:number of )?participants/i.test(said))
    return [
      "room-full",
      "has no seat left in the room",
      "raise the room's limit, or wait for somebody to leave",
    ];
  if (status === 401 || status === 403)
    return [
      "auth",
      "does not let us in",
      "check the token, or key and secret: each server has its own, and tokens expire",
    ];
  if (status === 404)
    return [
      "signal-refused",
      "has no such room or is no LiveKit server",
      "check address and room: some servers want rooms made beforehand",
    ];
  if (status >= 300 && status < 400)
    return [
      "signal-refused",
      "sends us elsewhere, and our token goes nowhere else",
      "give the address that it redirects to",
    ];
  if (status === 429 || status >= 500)
    return ["signal-refused", "cannot take us now", "try again later, and look into the server's log"];
  return [
    "signal-refused",
    "answers with a page and not with a room",
    "is it the address of a LiveKit server?",
  ];
}

const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ALTNAME|ISSUER/;

/** A connection that could not be made. */
export function unreachable(cause: Error, url: URL): RoomtapError {
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : "";
  const { host } = url;
  if (CERTIFICATE.test(code))
    return new RoomtapError("signal-refused", `the TLS certificate of ${host} is not trusted (${code})`, {
      hint: "if you trust the server anyway, add --insecure",
      cause,
    });
  if (code === "EPROTO" || code.startsWith("HPE_") || code.startsWith("WS_ERR")) {
    const other = url.protocol === "wss:" ? "livekit+ws" : "livekit+wss";
    return new RoomtapError(
      "signal-protocol",
      `what answers at ${host} does not speak ${url.protocol.slice(0, -1)}`,
      {
        hint: `is it the right port? or try ${other}://`,
        cause,
      },
    );
  }
  return new RoomtapError("signal-refused", `cannot reach ${host} (${code || "no connection"})`, {
    hint: "is the server running, and are host and port right?",
    cause,
  });
}

/** How a session ends for good. */
export type Ending = { readonly reason: EndReason; readonly error?: RoomtapError };

/** What a `leave` of the server means; undefined: we may come back. */
export function endingOf(m: Extract<ServerMessage, { t: "leave" }>, shown: string): Ending | undefined {
  switch (m.reason) {
    case DisconnectReason.duplicateIdentity:
      return {
        reason: "replaced",
        error: new RoomtapError("signal-closed", "somebody else joined with our identity", {
          hint: "every participant needs a token of its own",
        }),
      };
    case DisconnectReason.participantRemoved:
      return { reason: "kicked", error: new RoomtapError("kicked", `${shown} removed us from the room`) };
    case DisconnectReason.roomDeleted:
    case DisconnectReason.roomClosed:
      return { reason: "room-closed" };
    case DisconnectReason.clientInitiated:
      return { reason: "kicked", error: new RoomtapError("kicked", `${shown} ended our session`) };
    default:
      // Its other reasons are its own troubles, or the path's. One without a reason means what it says.
      if (m.reason !== 0 || m.mayReturn || m.action !== LeaveAction.disconnect) return undefined;
      return { reason: "kicked", error: new RoomtapError("kicked", `${shown} ended our session`) };
  }
}
