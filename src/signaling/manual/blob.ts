import { deflateSync, inflateSync } from "node:zlib";
import type { Description } from "../../core/room.ts";

/*
 * Descriptions as people carry them. A blob is base64url of a zlib stream (RFC 1950: its checksum tells the end and
 * damage) of JSON `{v, type, sdp}`; pages and consoles have the JSON alone, or SDP as it is.
 */

/** How a description is written. `blob`: one line that survives messengers. */
export type BlobForm = "blob" | "json" | "sdp";

/** What is carried from one side to the other. */
export type Carried = Description & {
  /** Who made it. */
  readonly name?: string;
  /** Of an answer: ICE user name of the offer that it answers. */
  readonly to?: string;
};

/** What a text turned out to be. */
export type BlobReading =
  | {
      readonly t: "whole";
      /** Absent: SDP alone does not say whether it is an answer. */
      readonly type: Description["type"] | undefined;
      readonly sdp: string;
      readonly form: BlobForm;
      readonly name?: string;
      readonly to?: string;
    }
  /** The beginning of one. */
  | { readonly t: "part" }
  /** `why`: as the end of "that is ...". */
  | { readonly t: "wrong"; readonly why: string };

const VERSION = 1;
/** Characters of a text, and octets of what is packed in it. */
const MAX_TEXT = 512 * 1024;
/** What base64 makes of the first octets of a zlib stream with the usual window. */
const ZLIB_START = /^e(?:[A-P]|$)/;

/** Writes a description down, in a form that `readBlob` knows. */
export function writeBlob(c: Carried, form: BlobForm): string {
  if (form === "sdp") return c.sdp;
  if (form === "json") return JSON.stringify({ type: c.type, sdp: c.sdp });
  const { type, sdp, name, to } = c;
  const json = JSON.stringify({ v: VERSION, type, name, to, sdp });
  return deflateSync(json, { level: 9 }).toString("base64url");
}

/** Reads what somebody pasted: any of the forms, with white space, quotes or `manual:` around it. Never throws. */
export function readBlob(text: string): BlobReading {
  if (text.length > MAX_TEXT) return { t: "wrong", why: "too much for a description" };
  const bare = text
    .trim()
    .replace(/^(["'`])(.*)\1$/s, "$2")
    .replace(/^manual:/i, "")
    .trim();
  if (bare === "") return { t: "part" };
  if (bare.startsWith("{")) return bare.endsWith("}") ? fromJson(bare, "json") : { t: "part" };
  if (/^v=\d/.test(bare)) return fromSdp(`${bare}\r\n`);
  return fromPacked(bare.replace(/\s+/g, ""));
}

function fromPacked(text: string): BlobReading {
  const base64 = text.replace(/=+$/, "");
  if (!ZLIB_START.test(base64) || !/^[\w+/-]+$/.test(base64))
    return { t: "wrong", why: "neither a blob nor SDP" };
  const packed = Buffer.from(base64, "base64url");
  let json: string;
  try {
    json = inflateSync(packed, { maxOutputLength: MAX_TEXT }).toString("utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "Z_BUF_ERROR") return { t: "part" };
    return { t: "wrong", why: "a damaged blob: a character is missing or changed" };
  }
  return fromJson(json, "blob");
}

function fromJson(text: string, form: "json" | "blob"): BlobReading {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { t: "wrong", why: "JSON that cannot be read" };
  }
  const outer = fieldsOf(value);
  // Some pages send the description as a part of a message.
  const { v, type, sdp, name, to } = typeof outer.sdp === "object" ? fieldsOf(outer.sdp) : outer;
  if (typeof v === "number" && v > VERSION)
    return { t: "wrong", why: "a blob of a newer version of Roomtap: update this one" };
  if ((type !== "offer" && type !== "answer") || typeof sdp !== "string" || !/^v=\d/.test(sdp))
    return { t: "wrong", why: "no session description" };
  return {
    t: "whole",
    type,
    sdp,
    form,
    ...(typeof name === "string" ? { name } : {}),
    ...(typeof to === "string" ? { to } : {}),
  };
}

/** An offer leaves the DTLS role open (RFC 8842 section 5.2), most of the time; an answer never does. */
function fromSdp(sdp: string): BlobReading {
  const type = /^a=setup:actpass\s*$/m.test(sdp) ? "offer" : undefined;
  return { t: "whole", type, sdp, form: "sdp" };
}

function fieldsOf(v: unknown): Readonly<Record<string, unknown>> {
  return typeof v === "object" && v !== null ? { ...v } : {};
}
