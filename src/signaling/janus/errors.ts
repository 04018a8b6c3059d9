import { type ErrorCode, RoomtapError } from "../../core/fault.ts";
import type { RoomData } from "./messages.ts";

/** What the VideoRoom plugin refuses with a meaning of its own here: its code, or what its words have to match. */
const meanings: readonly { is: (code: number, text: string) => boolean; code: ErrorCode; hint: string }[] = [
  {
    is: (code) => code === 426,
    code: "signal-refused",
    hint: "rooms are made on the server; check the last part of the address",
  },
  {
    is: (code) => code === 432,
    code: "room-full",
    hint: "the room has all the publishers that it takes",
  },
  {
    is: (code, text) => code === 433 || (code === 429 && /\(pin\)/.test(text)),
    code: "auth",
    hint: "pass the room's password with --pin, or a token with --token",
  },
  {
    is: (_, text) => /codec/i.test(text),
    code: "negotiation",
    hint: "the room wants another codec: try --video vp8 or --video h264",
  },
];

/** The server's ids are texts, and the one that was given is a number. */
export function wantsTextId({ error }: RoomData): boolean {
  return error !== undefined && /room should be a string/i.test(error.text);
}

/** Throws what a room refused as a RoomtapError. */
export function throwRefusal(data: RoomData, shown: string): void {
  if (!data.error) return;
  const { code, text } = data.error;
  const meaning = meanings.find((m) => m.is(code, text));
  throw new RoomtapError(meaning?.code ?? "signal-refused", `${shown}: ${text} (${code})`, {
    hint: meaning?.hint ?? "the server's log says more",
  });
}
