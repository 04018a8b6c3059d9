import { createHmac } from "node:crypto";

/** Credentials that a TURN server with the same secret takes until they expire. */
export type TurnCredentials = {
  readonly username: string;
  readonly credential: string;
  /** Unix seconds. A connection made before goes on after. */
  readonly expiresAt: number;
};

/**
 * Short-lived credentials (draft-uberti-behave-turn-rest-00; coturn: `use-auth-secret`): the user name is the time of expiry
 * and the user, the password its HMAC-SHA1. `ttl`: seconds from `now`, Unix milliseconds. `user`: without a colon.
 */
export function turnCredentials(secret: string, user: string, ttl: number, now: number): TurnCredentials {
  const expiresAt = Math.floor(now / 1000) + ttl;
  const username = user === "" ? String(expiresAt) : `${expiresAt}:${user}`;
  return { username, credential: createHmac("sha1", secret).update(username).digest("base64"), expiresAt };
}
