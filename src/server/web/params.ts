/** What the address of the page asks for. */
export type Params = {
  room: string | undefined;
  name: string;
  token: string | undefined;
  autojoin: boolean;
  audio: boolean;
  video: boolean;
  /** Only these codecs, in lower case: one for video, one for audio, or both with a comma between. */
  codec: string | undefined;
};

/**
 * `/r/ROOM` or `/?room=ROOM`, with `name`, `autojoin=1`, `audio=0`, `video=0`, `codec=h264` or `codec=av1,g722`. The token stands
 * behind the `#`, where it stays out of requests and logs; `?token=` is read too, and moved there.
 */
export function readParams(url: URL): Params {
  const q = url.searchParams;
  const path = /^\/r\/([^/]+)$/.exec(url.pathname)?.[1];
  return {
    room: cleanRoom(q.get("room") ?? (path === undefined ? "" : decode(path))),
    name: q.get("name") ?? "",
    token: q.get("token") ?? new URLSearchParams(url.hash.slice(1)).get("token") ?? undefined,
    autojoin: q.get("autojoin") === "1",
    audio: q.get("audio") !== "0",
    video: q.get("video") !== "0",
    codec: q.get("codec")?.toLowerCase() ?? undefined,
  };
}

/** A room name made from what somebody typed, or undefined when nothing of it can stay. */
export function cleanRoom(typed: string): string | undefined {
  const name = typed
    .normalize("NFC")
    .trim()
    .replace(/\s+/gu, "-")
    .replace(/[^\p{L}\p{N}\p{M}_.~-]/gu, "");
  const short = [...name].slice(0, 64).join("");
  return short === "" || short === "." || short === ".." ? undefined : short;
}

/** The link that brings others into the room. */
export function inviteLink(room: string, token: string | undefined): string {
  const url = new URL(`/r/${encodeURIComponent(room)}`, location.origin);
  if (token !== undefined) url.hash = new URLSearchParams({ token }).toString();
  return url.href;
}

function decode(s: string): string {
  try {
    return decodeURIComponent(s);
  } catch {
    return s;
  }
}
