import { RoomtapError } from "../../core/fault.ts";

/** Where callers come, and how they call. */
export type ListenTarget = {
  readonly dialect: "whip" | "offer";
  /** Address to bind, without brackets. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Path of the endpoint, without a `/` at its end; empty for the root. */
  readonly path: string;
};

const ADDRESS = /^(whip|offer)-listen:\/\/(\[[0-9a-f:.]+\]|[^:/?#[\]@\s]+):(\d{1,5})(\/[\w.~/-]*)?$/i;

/** Reads `whip-listen://host:port/PATH` and `offer-listen://...`. Throws a RoomtapError `usage`. */
export function parseListenTarget(address: string): ListenTarget {
  const m = ADDRESS.exec(address.trim());
  const port = Number(m?.[3]);
  const path = (m?.[4] ?? "").replace(/\/+$/, "");
  if (!m || port > 65_535 || path.split("/").some((part) => part.startsWith(".")))
    throw new RoomtapError("usage", "not an address to listen on", {
      hint: "write it like whip-listen://127.0.0.1:8080/live; the path has letters, digits, - _ . ~ and /",
    });
  const host = (m[2] ?? "").replace(/^\[|\]$/g, "").toLowerCase();
  return { dialect: m[1]?.toLowerCase() === "whip" ? "whip" : "offer", host, port, path };
}
