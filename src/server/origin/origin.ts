import type { Server } from "node:http";
import type { LogLevel } from "../../core/room.ts";
import type { AccessRules } from "../../net/access.ts";
import type { Certificate } from "../../net/certificate.ts";
import { checkExposure, listen, makeServer } from "../../net/listen.ts";
import type { HlsSource } from "../../sinks/hls/source.ts";
import { loadPlayer } from "./assets.ts";
import { OriginMetrics, type StreamFigures } from "./metrics.ts";
import { OriginRequests } from "./requests.ts";
import { WaitingRoom } from "./waiting-room.ts";

/** What an origin serves, and to whom. */
export type OriginOptions = {
  readonly source: HlsSource;
  /** Address to bind; default 127.0.0.1. */
  readonly host?: string;
  /** 0: any free port. */
  readonly port: number;
  /** Secret that every viewer gives, in the address or as a bearer token. */
  readonly token?: string;
  /** Allows an address other than loopback without a token. */
  readonly public?: boolean;
  readonly tls?: Certificate | "self-signed";
  /** What the stream tells of itself, for `/metrics`. */
  readonly figures: () => StreamFigures;
  /** Requests that wait at a time; default 2000. */
  readonly maxWaiting?: number;
  /** A viewer that takes nothing of an answer for so long, in milliseconds, is cut off; default 10,000. */
  readonly stalledMs?: number;
  /** Folder of the built page; default: next to this module. */
  readonly webRoot?: string;
  /** Never gets secrets. */
  readonly log?: (level: LogLevel, message: string) => void;
};

/** A running origin. */
export interface Origin {
  /** Of the player page, with a trailing slash. */
  readonly url: string;
  readonly port: number;
  /** Answers who waits, and frees the port within about a second. Idempotent. */
  close(): Promise<void>;
}

const MAX_WAITING = 2000;
const STALLED_MS = 10_000;
const MAX_CONNECTIONS = 5000;
const CLOSE_GRACE_MS = 500;

/**
 * Serves one live stream over HTTP: playlists, which can be waited for, segments, parts, a page that plays them,
 * `/healthz` and `/metrics`. Rejects with code `usage` for options that do not fit together or an address that cannot be
 * bound. The caller closes it.
 */
export async function createOrigin(o: OriginOptions): Promise<Origin> {
  const host = o.host ?? "127.0.0.1";
  checkExposure({ ...o, host }, "give a --serve-token, or --public when that is what you want");
  const player = await loadPlayer(o.webRoot);
  const rules: AccessRules = { host, allowOrigins: [] };
  const http = await makeServer(o.tls, host);
  const waiting = new WaitingRoom(o.source, o.maxWaiting ?? MAX_WAITING);
  const requests: OriginRequests = new OriginRequests({
    ...{ source: o.source, player, rules, waiting, token: o.token, secure: o.tls !== undefined },
    open: o.public === true && o.token === undefined,
    stalledMs: o.stalledMs ?? STALLED_MS,
    metrics: new OriginMetrics(
      o.figures,
      () => waiting.size,
      () => requests.ageSeconds,
    ),
  });
  http.on("request", (req, res) => void requests.answer(req, res));
  http.maxConnections = MAX_CONNECTIONS;
  http.headersTimeout = 10_000;
  http.requestTimeout = 15_000;
  http.keepAliveTimeout = 30_000;
  const at = await listen(http, { host, port: o.port, tls: o.tls !== undefined });
  http.on("error", (e) => o.log?.("error", `origin: ${e.message}`));
  if (player.size === 0) o.log?.("warn", "the player page is not built; players can open the stream itself");
  let closing: Promise<void> | undefined;
  return {
    ...at,
    close: () => {
      closing ??= close(http, requests, waiting);
      return closing;
    },
  };
}

async function close(http: Server, requests: OriginRequests, waiting: WaitingRoom): Promise<void> {
  requests.close();
  waiting.close();
  const closed = new Promise<void>((resolve) => http.close(() => resolve()));
  http.closeIdleConnections();
  const cut = setTimeout(() => http.closeAllConnections(), CLOSE_GRACE_MS);
  await closed;
  clearTimeout(cut);
}
