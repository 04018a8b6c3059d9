import { RoomtapError } from "../../core/fault.ts";

/** Where a group is. */
export type GaleneTarget = {
  /** The group's page, without query: it ends with a slash. */
  readonly location: URL;
  readonly group: string;
  /** For people: the host, and the group's name. */
  readonly shown: string;
  /** A portal of authentication leaves it in the address. */
  readonly token?: string;
};

/**
 * Reads `galene+http(s)://host/group/NAME/`, as the browser shows it with `galene+` before it. Throws a RoomtapError
 * `usage`, which does not repeat the address.
 */
export function parseGaleneTarget(address: string): GaleneTarget {
  const m = /^galene\+(https?:\/\/\S+)$/i.exec(address.trim());
  const target = m?.[1] === undefined ? undefined : groupAt(m[1]);
  if (target) return target;
  throw new RoomtapError("usage", "the Galene address is not that of a group", {
    hint: "write it like galene+https://host/group/NAME/",
  });
}

/** The group at a page's address; undefined: that is none. */
export function groupAt(page: string, base?: URL): GaleneTarget | undefined {
  if (!URL.canParse(page, base?.href)) return undefined;
  const url = new URL(page, base);
  const group = decoded(/^\/group\/(.+?)\/?$/.exec(url.pathname)?.[1] ?? "");
  if (!/^https?:$/.test(url.protocol) || group === undefined || !isGroupName(group)) return undefined;
  const token = url.searchParams.get("token") ?? undefined;
  const location = new URL(`${url.origin}/group/${encodeURI(group)}/`);
  return { location, group, shown: `${url.host}/${group}`, ...(token === undefined ? {} : { token }) };
}

/** A name as the protocol has it; one with a dot at its beginning is a file of the group's. */
function isGroupName(name: string): boolean {
  return name !== "" && name.length <= 256 && !/(^|\/)\.|^\/|\/\/|\/$|[?#\\]|\p{Cc}/u.test(name);
}

function decoded(s: string): string | undefined {
  try {
    return decodeURIComponent(s);
  } catch {
    return undefined;
  }
}
