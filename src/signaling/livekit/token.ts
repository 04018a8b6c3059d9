import { createHmac } from "node:crypto";
import { RoomtapError } from "../../core/fault.ts";
import type { JoinWish } from "../../core/room.ts";
import type { LiveKitTarget } from "./target.ts";

/** A token is made for every join, and the server keeps a session going after that. */
const LIFE_S = 3600;
/** Clocks differ. */
const EARLY_S = 60;

/** How we get in: with a token that we were given, or with one that we sign. */
export type Pass = {
  /** The token for the next join, new where we sign. `identity`: who we are in it; absent: whoever it names. */
  readonly token: (identity?: string) => string;
  /** We sign our tokens, and may come as anybody. */
  readonly signs: boolean;
};

/** What a token may be for. */
export type Grants = {
  readonly room: string;
  readonly publish: boolean;
  readonly subscribe: boolean;
  /** Not shown to others, and the room does not stay open for us alone. */
  readonly recorder: boolean;
};

/** The pass that a wish gives. Throws a RoomtapError `auth`, or `usage` for the token of another room. */
export function passFor(target: LiveKitTarget, wish: JoinWish): Pass {
  const token = wish.token || target.token;
  if (token) {
    checkToken(token, target);
    return { token: () => token, signs: false };
  }
  const { apiKey, apiSecret } = wish;
  if (!apiKey || !apiSecret)
    throw new RoomtapError("auth", `${target.shown} wants a token, and there is none`, {
      hint: "give --token, or the key and the secret of the server: LIVEKIT_API_KEY and LIVEKIT_API_SECRET",
    });
  const grants: Grants = {
    room: target.room,
    publish: wish.publish.length > 0,
    subscribe: wish.receive,
    recorder: wish.recorder,
  };
  return {
    token: (identity = wish.name) =>
      signToken({
        apiKey,
        apiSecret,
        identity,
        name: wish.name,
        grants,
        nowS: Math.floor(Date.now() / 1000),
      }),
    signs: true,
  };
}

/** An access token as LiveKit's documentation has it: a JWT (RFC 7519), HS256. */
export function signToken(o: {
  readonly apiKey: string;
  readonly apiSecret: string;
  readonly identity: string;
  readonly name: string;
  readonly grants: Grants;
  readonly nowS: number;
}): string {
  const { room, publish, subscribe, recorder } = o.grants;
  const claims = {
    iss: o.apiKey,
    sub: o.identity,
    name: o.name,
    nbf: o.nowS - EARLY_S,
    exp: o.nowS + LIFE_S,
    video: {
      roomJoin: true,
      room,
      canPublish: publish,
      canPublishData: false,
      canSubscribe: subscribe,
      ...(recorder ? { hidden: true, recorder: true } : {}),
    },
  };
  const signed = [{ alg: "HS256", typ: "JWT" }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".");
  return `${signed}.${createHmac("sha256", o.apiSecret).update(signed).digest("base64url")}`;
}

/** The server goes by the token's room, whatever the address says: nobody shall get another one unawares. */
function checkToken(token: string, target: LiveKitTarget): void {
  const hint = "check the token: --token, or the variable ROOMTAP_TOKEN";
  const room = roomOf(token);
  if (room === undefined) throw new RoomtapError("auth", "the token is no access token of LiveKit", { hint });
  if (room !== target.room)
    throw new RoomtapError("usage", `the token is for another room than ${target.room}`, { hint });
}

/** The room that a token is for; undefined: it is no token for a room. */
function roomOf(token: string): string | undefined {
  try {
    const claims: { video?: { room?: unknown } } | null = JSON.parse(
      Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8"),
    );
    return typeof claims?.video?.room === "string" ? claims.video.room : undefined;
  } catch {
    return undefined;
  }
}
