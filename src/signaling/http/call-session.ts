import { Backoff } from "../../core/backoff.ts";
import { RoomtapError } from "../../core/fault.ts";
import type {
  Cancel,
  EndReason,
  JoinWish,
  Link,
  LinkPlan,
  RemoteMedia,
  RemoteTrack,
  RoomEvent,
  RoomSession,
  RtcHost,
} from "../../core/room.ts";
import { EventQueue } from "../event-queue.ts";
import { type HttpEndpoint, type HttpResource, TryLater } from "./endpoint.ts";

/** A connection that is not up this long after the answer is given up. */
const SETUP_MS = 15_000;
/** First attempts that got an answer and no connection. */
const MAX_NEVER_UP = 3;
/** A connection that held for this long was a good one. */
const HEALTHY_MS = 5000;
/** Good-byes of the server in a row, each soon after we came: it means it. */
const MAX_SENT_AWAY = 5;
/** A server that does not come back within this time ends the session. */
const GIVE_UP_MS = 300_000;
/** For how long a first attempt follows the server's word to try again. */
const MAX_POSTPONED_MS = 60_000;
/** Of leaving, altogether. */
const LEAVE_MS = 2000;
/** Candidates found in this time go into a description; a STUN server that does not answer would hold it for 23 s. */
export const GATHER_MS = 2000;

/** How calls keep time; tests have less of it. */
export type CallTiming = {
  readonly setupMs: number;
  readonly backoffMs: number;
  readonly backoffCapMs: number;
};

/** See `CallTiming`. */
export const usualTiming: CallTiming = { setupMs: SETUP_MS, backoffMs: 500, backoffCapMs: 10_000 };

/** One attempt to get through, as the session sees it. */
export interface Attempt {
  readonly plan: LinkPlan;
  readonly signal: AbortSignal;
  /** The one before did not come up. */
  readonly again: boolean;
  /** A new connection; one opened before is closed. */
  open(): Link;
  /** What the server made for us: it is given back when this fails, and in the end. */
  hold(resource: HttpResource): void;
  /** Throws a RoomtapError `signal-closed` when joining was given up. */
  mustGoOn(): void;
}

/**
 * Our offer for dialects that take candidates later. It has none: a server that knew them would be there with its checks
 * before our agent has taken the answer in, and an agent that is connected in the middle of that refuses the
 * certificate. RFC 9725 section 4.3 allows it; a server that cannot do without gets them in the next attempt.
 */
export async function offerOf(link: Link, { plan, again }: Attempt): Promise<string> {
  const { sdp } = await link.offer(plan);
  return again ? (await link.localReady(GATHER_MS)).sdp : sdp;
}

/** How a dialect makes a connection. Resolves with what was agreed on the link that it opened last. */
export type Dial = (attempt: Attempt) => Promise<readonly RemoteMedia[]>;

/** What a call needs. */
export type CallOptions = {
  readonly host: RtcHost;
  readonly endpoint: HttpEndpoint;
  readonly wish: JoinWish;
  readonly dial: Dial;
  readonly random: () => number;
  readonly timing: CallTiming;
};

/** The server, as a participant. */
const SERVER = "server";

/**
 * One connection to a server that takes offers over HTTP, made anew when it breaks: of an old one nothing is left, as
 * the agent cannot restart ICE.
 */
export class CallSession implements RoomSession {
  readonly events = new EventQueue<RoomEvent>();
  readonly #o: CallOptions;
  readonly #shown: string;
  readonly #plan: LinkPlan;
  readonly #backoff: Backoff;
  readonly #stop = new AbortController();
  #link: Link | undefined;
  #resource: HttpResource | undefined;
  #tracks: readonly RemoteTrack[] = [];
  #setup: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #present = false;
  #upAt: number | undefined;
  #everUp = false;
  #neverUp = 0;
  #sentAway = 0;
  #lostSince: number | undefined;
  /** The server knows that what we let go of is over. */
  #gone: Promise<unknown> = Promise.resolve();
  #ended = false;
  #left: Promise<void> | undefined;

  constructor(o: CallOptions) {
    const { wish, timing, random, endpoint } = o;
    this.#o = o;
    this.#shown = endpoint.target.shown;
    const wanted = (kind: "audio" | "video") => {
      const source = kind === "audio" ? "microphone" : "camera";
      return wish.receive && (wish.wants?.({ name: this.#shown, kind, source }) ?? true) ? 1 : 0;
    };
    this.#plan = {
      send: wish.publish,
      receive: { audio: wanted("audio"), video: wanted("video") },
      data: false,
    };
    this.#backoff = new Backoff({ baseMs: timing.backoffMs, capMs: timing.backoffCapMs, random });
  }

  /** Gets through for the first time. Rejects with a RoomtapError. */
  async join(signal: Cancel): Promise<void> {
    const abort = () => this.#stop.abort();
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    try {
      await this.#o.endpoint.options(this.#stop.signal);
      await this.#callPatiently();
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  leave(): Promise<void> {
    this.#left ??= this.#leave();
    return this.#left;
  }

  async #leave(): Promise<void> {
    this.#stop.abort();
    clearTimeout(this.#retry);
    void this.#drop();
    await Promise.race([this.#gone, new Promise((resolve) => setTimeout(resolve, LEAVE_MS).unref())]);
    this.#end("left");
  }

  /** A server that says when to come again is asked again then, for a while. */
  async #callPatiently(): Promise<void> {
    const until = performance.now() + MAX_POSTPONED_MS;
    for (;;) {
      try {
        return await this.#call();
      } catch (error) {
        const afterMs = error instanceof TryLater ? error.afterMs : undefined;
        if (afterMs === undefined || performance.now() + afterMs > until) throw error;
        this.#o.host.log(
          "warn",
          `${messageOf(error)}; it says to try again in ${Math.ceil(afterMs / 1000)} s`,
        );
        await this.#pause(afterMs);
      }
    }
  }

  /** One offer and its answer. Leaves nothing behind when it fails. */
  async #call(): Promise<void> {
    this.#mustGoOn();
    try {
      const media = await this.#o.dial(this.#attempt());
      this.#mustGoOn();
      const link = this.#link;
      if (!link) throw new RoomtapError("internal", "no connection was opened");
      this.#checkSent(media);
      this.#enter(link, media);
      link.onState((state) => this.#onState(link, state));
      this.#setup = setTimeout(
        () => this.#lost(link, `no media path to ${this.#shown}`),
        this.#o.timing.setupMs,
      );
      this.#onState(link, link.state);
    } catch (error) {
      await this.#drop();
      throw error;
    }
  }

  #attempt(): Attempt {
    const { host, endpoint } = this.#o;
    return {
      plan: this.#plan,
      signal: this.#stop.signal,
      again: this.#neverUp % 2 === 1,
      open: () => {
        this.#link?.close();
        this.#link = host.link({ peerId: SERVER, iceServers: endpoint.iceServers });
        return this.#link;
      },
      hold: (resource) => {
        this.#resource = resource;
      },
      mustGoOn: () => this.#mustGoOn(),
    };
  }

  #checkSent(media: readonly RemoteMedia[]): void {
    const { host, wish } = this.#o;
    if (wish.publish.length === 0) {
      if (media.some((m) => m.sending)) return;
      throw new RoomtapError("negotiation", `${this.#shown} sends nothing that we can take`, {
        hint: "is somebody publishing there, in a codec that we know?",
      });
    }
    const taken = new Set(media.filter((m) => m.taking).map((m) => m.kind));
    const refused = wish.publish.filter((t) => !taken.has(t.kind));
    const names = refused.map((t) => `${t.kind} (${t.codec})`).join(" and ");
    if (refused.length === wish.publish.length)
      throw new RoomtapError("negotiation", `${this.#shown} takes no ${names}`, {
        hint: "it may want another codec: try --video h264 or --video vp8",
      });
    if (refused.length > 0) host.log("warn", `${this.#shown} takes no ${names}: the rest is sent`);
  }

  /** The server is there, with what it sends. */
  #enter(link: Link, media: readonly RemoteMedia[]): void {
    if (!this.#present)
      this.events.push({
        t: "peer",
        op: "join",
        peer: { id: SERVER, name: this.#shown, recorder: false },
      });
    this.#present = true;
    this.#tracks = media.filter((m) => m.sending).map((m, i, all) => trackOf(link, m, all.slice(0, i)));
    for (const track of this.#tracks) this.events.push({ t: "track", op: "add", track });
  }

  #onState(link: Link, state: Link["state"]): void {
    if (link !== this.#link) return;
    if (state === "connected" && this.#upAt === undefined) {
      clearTimeout(this.#setup);
      this.#upAt = performance.now();
      this.#everUp = true;
      this.#lostSince = undefined;
      this.events.push({ t: "link", op: "up", peerId: SERVER });
    } else if (state === "failed" || state === "closed") {
      const how = this.#upAt === undefined ? `no media path to ${this.#shown}` : `${this.#shown} is gone`;
      this.#lost(link, how);
    }
  }

  /** The connection is over: another one is made, unless it was never up or was ended on purpose. */
  #lost(link: Link, detail: string): void {
    if (link !== this.#link || this.#left !== undefined) return;
    const now = performance.now();
    const upMs = this.#upAt === undefined ? undefined : now - this.#upAt;
    void this.#drop();
    if (upMs === undefined) this.#neverUp++;
    else this.#neverUp = 0;
    if (upMs !== undefined && upMs < HEALTHY_MS) this.#sentAway++;
    else this.#sentAway = 0;
    if (upMs !== undefined && upMs >= HEALTHY_MS) this.#backoff.reset();
    this.events.push({ t: "link", op: "down", peerId: SERVER, detail });
    if (this.#sentAway >= MAX_SENT_AWAY)
      this.#end("kicked", new RoomtapError("kicked", `${this.#shown} ends every session at once`));
    else if (!this.#everUp && this.#neverUp >= MAX_NEVER_UP)
      this.#end("error", new RoomtapError("ice-failed", detail, { hint: PATH_HINT }));
    else this.#comeBack();
  }

  #comeBack(atLeastMs = 0): void {
    const now = performance.now();
    this.#lostSince ??= now;
    if (now - this.#lostSince > GIVE_UP_MS) {
      const error = new RoomtapError("signal-closed", `${this.#shown} did not take us back`);
      this.#end("error", error);
      return;
    }
    this.#retry = setTimeout(
      () => {
        this.#call().catch((error: unknown) => this.#onRefused(error));
      },
      Math.max(atLeastMs, this.#backoff.next()),
    );
  }

  #onRefused(error: unknown): void {
    if (this.#left !== undefined) return;
    if (error instanceof RoomtapError && error.code === "auth") {
      this.#end("auth", error);
      return;
    }
    this.#o.host.log("debug", messageOf(error));
    this.#comeBack(error instanceof TryLater ? error.afterMs : 0);
  }

  /** Lets go of the connection and of the server's session. Resolves when the server knows. */
  async #drop(): Promise<void> {
    const link = this.#link;
    const resource = this.#resource;
    this.#link = undefined;
    this.#resource = undefined;
    this.#upAt = undefined;
    clearTimeout(this.#setup);
    for (const track of this.#tracks) this.events.push({ t: "track", op: "remove", track });
    this.#tracks = [];
    link?.close();
    const deleted = resource?.delete();
    this.#gone = Promise.all([this.#gone, deleted]);
    await deleted;
  }

  #end(reason: EndReason, error?: RoomtapError): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#retry);
    void this.#drop();
    this.events.push({ t: "ended", reason, ...(error ? { error } : {}) });
    this.events.end();
  }

  #mustGoOn(): void {
    if (this.#stop.signal.aborted) throw new RoomtapError("signal-closed", "joining was cancelled");
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const { signal } = this.#stop;
      const over = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", over);
        resolve();
      };
      const timer = setTimeout(over, ms);
      signal.addEventListener("abort", over, { once: true });
    });
  }
}

/** A stream of the server's. `before`: others on the same connection. */
function trackOf(link: Link, m: RemoteMedia, before: readonly RemoteMedia[]): RemoteTrack {
  const source = m.kind === "audio" ? "microphone" : "camera";
  const n = 1 + before.filter((b) => b.kind === m.kind).length;
  return {
    id: `${SERVER}:${source}${n === 1 ? "" : `-${n}`}`,
    ...{ peerId: SERVER, kind: m.kind, source, linkId: link.id, mid: m.mid },
  };
}

const PATH_HINT = "is UDP open between here and the server? it may need its address in its configuration";

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : "it failed";
}
