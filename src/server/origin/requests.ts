import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { type AccessRules, hostAllowed } from "../../net/access.ts";
import type { HlsFile, HlsSource } from "../../sinks/hls/source.ts";
import { securityHeaders } from "../page.ts";
import type { Player } from "./assets.ts";
import type { OriginMetrics, RequestKind } from "./metrics.ts";
import { judgeReload, parseReload } from "./reload.ts";
import { sendBody } from "./send-body.ts";
import { Viewers } from "./viewers.ts";
import type { WaitingRoom } from "./waiting-room.ts";

/** What answers are made of. */
export type OriginRequestsOptions = {
  readonly source: HlsSource;
  readonly player: Player;
  readonly rules: AccessRules;
  readonly waiting: WaitingRoom;
  readonly metrics: OriginMetrics;
  readonly token: string | undefined;
  /** Other web pages may read the stream: whoever reaches it may. */
  readonly open: boolean;
  readonly secure: boolean;
  /** A viewer that takes nothing of an answer for so long, in milliseconds, is cut off. */
  readonly stalledMs: number;
};

const PLAYLIST = "application/vnd.apple.mpegurl";
const TEXT = "text/plain; charset=utf-8";
/** How long segments may be kept by others; their names do not come again. */
const MEDIA_AGE_S = 3600;
/** Segments that players without parts begin with. */
const CLASSIC_SEGMENTS = 4;
/** A stream whose newest media is older than so many target durations stands still. */
const STALE_TARGETS = 3;
/** Playlists are waited for so many target durations (rfc8216bis section 6.2.5.2). */
const WAIT_TARGETS = 3;

/** An answer that takes longer is for somebody who is minutes behind by now. */
const MAX_ANSWER_MS = 60_000;
/** Requests on one connection that wait for their answers. Browsers send one after the other. */
const MAX_PIPELINED = 8;

type Answer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body: readonly Uint8Array[];
};

/** Answers the requests of an origin. */
export class OriginRequests {
  readonly #o: OriginRequestsOptions;
  readonly #viewers: Viewers;
  readonly #stopped = new AbortController();
  /** Unanswered requests of each connection. */
  readonly #open = new WeakMap<Socket, number>();
  readonly #unwatch: () => void;
  /** When something was new last; undefined: nothing yet. */
  #changedAt: number | undefined;

  constructor(o: OriginRequestsOptions) {
    this.#o = o;
    this.#viewers = new Viewers(o.token, o.secure);
    this.#unwatch = o.source.onChange(() => {
      this.#changedAt = performance.now();
    });
  }

  /** Age of the newest media; undefined: there was none. */
  get ageSeconds(): number | undefined {
    return this.#changedAt === undefined ? undefined : (performance.now() - this.#changedAt) / 1000;
  }

  /** Answers one request. Never rejects. */
  async answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { socket } = req;
    const open = (this.#open.get(socket) ?? 0) + 1;
    if (open > MAX_PIPELINED) {
      socket.destroy();
      return;
    }
    this.#open.set(socket, open);
    const gone = new AbortController();
    let cut: NodeJS.Timeout | undefined;
    res.on("close", () => {
      this.#open.set(socket, (this.#open.get(socket) ?? 1) - 1);
      clearTimeout(cut);
      gone.abort();
    });
    const path = pathOf(req.url);
    const kind = kindOf(path);
    try {
      const answer = await this.#route(req, path, AbortSignal.any([gone.signal, this.#stopped.signal]));
      this.#o.metrics.request(kind, answer.status);
      // Whoever waited may have gone: nothing closes that answer any more.
      if (!res.writable || gone.signal.aborted) return;
      const headers = {
        ...securityHeaders,
        ...PLAYER_PERMISSIONS,
        ...this.#sharing(kind),
        ...answer.headers,
      };
      res.writeHead(answer.status, headers);
      cut = setTimeout(() => socket.destroy(), MAX_ANSWER_MS).unref();
      if (req.method !== "HEAD" && !(await sendBody(res, answer.body, this.#o.stalledMs))) {
        socket.destroy();
        return;
      }
      res.end();
    } catch {
      // A viewer that went away in the middle; there is nobody to answer.
      res.destroy();
    }
  }

  /** Answers those who wait. */
  close(): void {
    this.#stopped.abort();
    this.#unwatch();
  }

  async #route(req: IncomingMessage, path: string, gone: AbortSignal): Promise<Answer> {
    if (!hostAllowed(authorityOf(req), this.#o.rules))
      return say(421, "this server does not answer to that host name");
    if (req.method !== "GET" && req.method !== "HEAD")
      return say(405, "only GET and HEAD", { allow: "GET, HEAD" });
    if (path === "/healthz") return this.#health();
    const query = new URLSearchParams((req.url ?? "").split("?").slice(1).join("?"));
    const admission = this.#viewers.admit(req, query);
    if (admission === "no") return say(401, "this stream wants a token", { "www-authenticate": "Bearer" });
    const answer = await this.#serve(req, path, query, gone);
    if (admission !== "fresh") return answer;
    const cookie = { "set-cookie": this.#viewers.cookieHeader(req) };
    // The secret leaves the address bar.
    if (path === "/")
      return { ...say(303, "here", { location: "/" }), headers: { ...cookie, location: "/" } };
    return { ...answer, headers: { ...answer.headers, ...cookie } };
  }

  async #serve(
    req: IncomingMessage,
    path: string,
    query: URLSearchParams,
    gone: AbortSignal,
  ): Promise<Answer> {
    const { source, player, metrics } = this.#o;
    if (path === "/metrics") {
      const text = await metrics.text();
      return found(metrics.contentType, [Buffer.from(text)], "no-store");
    }
    const page = player.get(path);
    if (page) return found(page.type, [page.body], "no-cache");
    if (path === "/") return say(503, "the player page is not built: run npm run build");
    if (path === "/index.m3u8") return this.#multivariant(gone);
    const rendition = /^\/([\w-]+)\/index\.m3u8$/.exec(path)?.[1];
    if (rendition !== undefined) return this.#playlist(rendition, query, gone);
    const name = path.slice(1);
    if (source.promised(name)) {
      const there = await this.#wait(() => source.file(name) !== undefined, gone);
      if (there === undefined) return busy();
    }
    const file = source.file(name);
    return file ? this.#media(file, req.headers.range) : say(404, "not found");
  }

  /**
   * The first segments take a moment: players that come before them wait. Without parts they stay three segments behind,
   * and one that began with fewer would stand still again and again.
   */
  async #multivariant(gone: AbortSignal): Promise<Answer> {
    const { source } = this.#o;
    const enough = source.partTarget === undefined ? CLASSIC_SEGMENTS : 1;
    const made = () => Math.min(...source.renditions.map((r) => source.edge(r)?.nextMsn ?? 0));
    const ready = () => source.multivariant() !== undefined && (source.ended || made() >= enough);
    const there = await this.#wait(ready, gone);
    if (there === undefined) return busy();
    const text = source.multivariant();
    return text === undefined ? notYet() : found(PLAYLIST, [Buffer.from(text)], "no-cache");
  }

  async #playlist(rendition: string, query: URLSearchParams, gone: AbortSignal): Promise<Answer> {
    const { source } = this.#o;
    if (!source.renditions.includes(rendition)) return say(404, "not found");
    const wish = parseReload(query);
    if (!wish) return say(400, "these directives are malformed");
    // Without parts there is nothing that a player was told it may wait for.
    const judged = source.partTarget === undefined ? "ready" : judgeReload(source, rendition, wish);
    if (judged === "too-far") return say(400, "that segment is too far ahead");
    if (judged === "wait") {
      const there = await this.#wait(() => judgeReload(source, rendition, wish) === "ready", gone);
      if (there === undefined) return busy();
      if (!there && !source.ended) return notYet();
    }
    const text = source.playlist(rendition, { skip: wish.skip });
    if (text === undefined) return notYet();
    return found(PLAYLIST, [Buffer.from(text)], "no-cache");
  }

  #wait(there: () => boolean, gone: AbortSignal): Promise<boolean | undefined> {
    const { waiting, source } = this.#o;
    return waiting.wait(there, WAIT_TARGETS * 1000 * source.targetDuration, gone);
  }

  #media(file: HlsFile, range: string | undefined): Answer {
    const headers = {
      "content-type": file.type,
      "cache-control": `${this.#o.token === undefined ? "public" : "private"}, max-age=${MEDIA_AGE_S}, immutable`,
      "accept-ranges": "bytes",
    };
    const m = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(range ?? "");
    if (!m || m[0] === "bytes=-")
      return { status: 200, headers: { ...headers, "content-length": file.length }, body: file.body };
    const last = file.length - 1;
    const from = m[1] === "" ? Math.max(0, file.length - Number(m[2])) : Number(m[1]);
    const to = m[1] === "" || m[2] === "" ? last : Math.min(last, Number(m[2]));
    if (from > to)
      return {
        ...say(416, "no such range"),
        headers: { "content-range": `bytes */${file.length}`, "content-length": 0 },
        body: [],
      };
    const contentRange = `bytes ${from}-${to}/${file.length}`;
    return {
      status: 206,
      headers: { ...headers, "content-length": to - from + 1, "content-range": contentRange },
      body: part(file.body, from, to + 1),
    };
  }

  #health(): Answer {
    const { source } = this.#o;
    const age = this.ageSeconds;
    const stale = age !== undefined && age > STALE_TARGETS * source.targetDuration;
    const status = source.ended ? "ended" : age === undefined ? "starting" : stale ? "stalled" : "ok";
    const body = JSON.stringify({
      status,
      ...(age === undefined ? {} : { newestMediaAgeSeconds: Number(age.toFixed(3)) }),
    });
    const answer = found("application/json", [Buffer.from(`${body}\n`)], "no-store");
    return { ...answer, status: status === "ok" ? 200 : 503 };
  }

  #sharing(kind: RequestKind): Record<string, string> {
    if (!this.#o.open || (kind !== "playlist" && kind !== "segment" && kind !== "part")) return {};
    return { "access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin" };
  }
}

/** The page plays; it wants nothing of the viewer. */
const PLAYER_PERMISSIONS = {
  "permissions-policy": "camera=(), microphone=(), geolocation=(), autoplay=(self), fullscreen=(self)",
};

function found(type: string, body: readonly Uint8Array[], cache: string): Answer {
  const length = body.reduce((n, b) => n + b.length, 0);
  return {
    status: 200,
    headers: { "content-type": type, "content-length": length, "cache-control": cache },
    body,
  };
}

function say(status: number, text: string, headers: Record<string, string> = {}): Answer {
  const body = Buffer.from(`${text}\n`);
  return {
    status,
    headers: { "content-type": TEXT, "content-length": body.length, "cache-control": "no-store", ...headers },
    body: [body],
  };
}

function notYet(): Answer {
  return say(503, "there is nothing to play yet", { "retry-after": "1" });
}

function busy(): Answer {
  return say(503, "too many players wait", { "retry-after": "1" });
}

/** The octets of `pieces` from `from` to before `to`, in the same memory. */
function part(pieces: readonly Uint8Array[], from: number, to: number): Uint8Array[] {
  let at = 0;
  return pieces.flatMap((p) => {
    const [start, end] = [Math.max(0, from - at), Math.min(p.length, to - at)];
    at += p.length;
    return start < end ? [p.subarray(start, end)] : [];
  });
}

/** Scheme and authority of a target in absolute form, which every server takes (RFC 9112 section 3.2.2). */
const ABSOLUTE = /^https?:\/\/([^/?#]*)/i;

/** The path as it was sent: nothing of it is decoded, and so nothing leads anywhere else. */
function pathOf(url: string | undefined): string {
  return (url ?? "/").replace(ABSOLUTE, "").split("?", 1)[0] || "/";
}

/** Whom the request is for; a target in absolute form says it better than the Host header. */
function authorityOf(req: IncomingMessage): string | undefined {
  return ABSOLUTE.exec(req.url ?? "")?.[1] ?? req.headers.host;
}

function kindOf(path: string): RequestKind {
  if (path.endsWith(".m3u8")) return "playlist";
  if (path.includes(".part-")) return "part";
  if (/\.(m4s|ts|mp4)$/.test(path)) return "segment";
  if (path === "/metrics") return "metrics";
  return /^\/([\w.]*)$/.test(path) ? "page" : "other";
}
