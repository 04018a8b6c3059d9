import { RoomtapError } from "../../core/fault.ts";

/** What a target is reached with. */
export type PushKind = "rtmp" | "srt" | "rtsp" | "file";

/** Where a program goes, as a person gives it. */
export type Target = {
  readonly kind: PushKind;
  /** An address with its secrets, or the path of a file. */
  readonly url: string;
};

/** An address, taken apart. */
export type PushAddress = {
  readonly scheme: string;
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** Without the brackets of an IPv6 address. */
  readonly host: string;
  readonly port: number | undefined;
  /** With its first `/`; empty where there is none. */
  readonly path: string;
  /** Names and values, as they stand there. */
  readonly query: readonly (readonly [name: string, value: string])[];
};

/** Schemes by kind. */
const schemes: Readonly<Record<Exclude<PushKind, "file">, readonly string[]>> = {
  rtmp: ["rtmp", "rtmps"],
  srt: ["srt"],
  rtsp: ["rtsp"],
};

/** Nothing of it is a fragment: identifiers of SRT streams begin with `#`. */
const ADDRESS =
  /^([a-z]+):\/\/(?:([^@/?#]*)@)?(\[[0-9a-f:.]+\]|[^:/?#[\]@\s]+)?(?::(\d{1,5}))?(\/[^?\s]*)?(?:\?(\S*))?$/i;

/** Takes the address of a target apart. Throws a RoomtapError `usage`, which does not repeat it, when it is none. */
export function addressOf(kind: Exclude<PushKind, "file">, url: string): PushAddress {
  const wanted = schemes[kind].map((s) => `${s}://`).join(" or ");
  const m = ADDRESS.exec(url);
  const scheme = m?.[1]?.toLowerCase() ?? "";
  const host = m?.[3]?.replace(/^\[|\]$/g, "") ?? "";
  const port = m?.[4] === undefined ? undefined : Number(m[4]);
  if (!schemes[kind].includes(scheme)) throw wrong(kind, `it does not begin with ${wanted}`);
  if (host === "" || port === 0 || (port ?? 1) > 65_535)
    throw wrong(kind, "it has no host, or no valid port");
  const [user, ...password] = m?.[2]?.split(":") ?? [];
  return {
    scheme,
    user,
    password: password.length > 0 ? password.join(":") : undefined,
    host,
    port,
    path: m?.[5] ?? "",
    query: (m?.[6] ?? "")
      .split("&")
      .filter((p) => p !== "")
      .map((p) => {
        const at = p.indexOf("=");
        return at < 0 ? ([p, ""] as const) : ([p.slice(0, at), p.slice(at + 1)] as const);
      }),
  };
}

function wrong(kind: string, why: string): RoomtapError {
  return new RoomtapError("usage", `the address for --${kind} cannot be used: ${why}`, {
    hint: hints[kind] ?? "",
  });
}

const hints: Readonly<Record<string, string>> = {
  rtmp: "give the server's address and the stream key in one: rtmp://server/app/key",
  srt: "give it as srt://server:port",
  rtsp: "give it as rtsp://server:port/path",
};

/** `host:port` of an address, as URLs have it. */
export function hostOf(a: PushAddress): string {
  const host = a.host.includes(":") ? `[${a.host}]` : a.host;
  return a.port === undefined ? host : `${host}:${a.port}`;
}
