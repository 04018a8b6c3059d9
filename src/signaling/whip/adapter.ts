import { Backoff } from "../../core/backoff.ts";
import { RoomtapError } from "../../core/fault.ts";
import type {
  Cancel,
  EndReason,
  JoinWish,
  Link,
  LinkPlan,
  RemoteMedia,
  RoomAdapter,
  RoomEvent,
  RoomSession,
  RtcHost,
} from "../../core/room.ts";
import { EventQueue } from "../event-queue.ts";
import { TryLater, WhipEndpoint, type WhipResource } from "./endpoint.ts";
import { candidatesOf, isComplete, refusesAll, whipOffer } from "./messages.ts";
import { parseWhipTarget, type WhipTarget } from "./target.ts";
import { trickle } from "./trickle.ts";

/** Candidates found in this time go into the offer; a STUN server that does not answer would hold it for 23 s. */
const GATHER_MS = 2000;
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

/** How the adapter keeps time; tests have less of it. */
export type WhipTiming = {
  readonly setupMs: number;
  readonly backoffMs: number;
  readonly backoffCapMs: number;
};

const usual: WhipTiming = { setupMs: SETUP_MS, backoffMs: 500, backoffCapMs: 10_000 };

/** WHIP endpoints (RFC 9725): publishing to a server with one HTTP request. */
export function whipAdapter(random: () => number = Math.random, timing: WhipTiming = usual): RoomAdapter {
  return {
    schemes: ["whip+http", "whip+https"],
    join: async (host, address, wish, signal) => {
      const target = parseWhipTarget(address);
      if (wish.publish.length === 0)
        throw new RoomtapError("usage", "a WHIP endpoint only takes media, and there is none to publish", {
          hint: "to receive from a server, use another of its addresses",
        });
      const session = new WhipSession({ host, target, wish, random, timing });
      await session.join(signal);
      return session;
    },
  };
}

type SessionOptions = {
  readonly host: RtcHost;
  readonly target: WhipTarget;
  readonly wish: JoinWish;
  readonly random: () => number;
  readonly timing: WhipTiming;
};

/** The server, as a participant. */
const SERVER = "whip";

class WhipSession implements RoomSession {
  readonly events = new EventQueue<RoomEvent>();
  readonly #o: SessionOptions;
  readonly #plan: LinkPlan;
  readonly #endpoint: WhipEndpoint;
  readonly #backoff: Backoff;
  readonly #stop = new AbortController();
  #link: Link | undefined;
  #resource: WhipResource | undefined;
  #setup: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #upAt: number | undefined;
  #everUp = false;
  #neverUp = 0;
  #sentAway = 0;
  #lostSince: number | undefined;
  /** The server knows that what we let go of is over. */
  #gone: Promise<unknown> = Promise.resolve();
  #ended = false;
  #left: Promise<void> | undefined;

  constructor(o: SessionOptions) {
    const { wish, target, timing, random } = o;
    this.#o = o;
    this.#plan = { send: wish.publish, receive: { audio: 0, video: 0 }, data: false };
    this.#endpoint = new WhipEndpoint({ target, token: wish.token, insecure: wish.insecure });
    this.#backoff = new Backoff({ baseMs: timing.backoffMs, capMs: timing.backoffCapMs, random });
  }

  async join(signal: Cancel): Promise<void> {
    const abort = () => this.#stop.abort();
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    try {
      await this.#endpoint.options(this.#stop.signal);
      await this.#publishPatiently();
    } finally {
      signal.removeEventListener("abort", abort);
    }
    const peer = { id: SERVER, name: this.#o.target.shown, recorder: false };
    this.events.push({ t: "peer", op: "join", peer });
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
  async #publishPatiently(): Promise<void> {
    const until = performance.now() + MAX_POSTPONED_MS;
    for (;;) {
      try {
        return await this.#publish();
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

  /** One offer and its answer. What it began is dropped by whoever called, also when it fails. */
  async #publish(): Promise<void> {
    const { host, target } = this.#o;
    this.#mustGoOn();
    const link = host.link({ peerId: SERVER, iceServers: this.#endpoint.iceServers });
    this.#link = link;
    try {
      await link.offer(this.#plan);
      const { sdp } = await link.localReady(GATHER_MS);
      this.#mustGoOn();
      const { answer, resource } = await this.#endpoint.post(whipOffer(sdp), this.#stop.signal);
      this.#resource = resource;
      const media = refusesAll(answer) ? [] : await link.answer({ type: "answer", sdp: answer });
      this.#mustGoOn();
      this.#checkTaken(media);
      link.onState((state) => this.#onState(link, state));
      if (!isComplete(sdp)) trickle({ link, resource, known: candidatesOf(sdp) });
      const shown = target.shown;
      this.#setup = setTimeout(() => this.#lost(link, `no media path to ${shown}`), this.#o.timing.setupMs);
      this.#onState(link, link.state);
    } catch (error) {
      await this.#drop();
      throw error;
    }
  }

  #checkTaken(media: readonly RemoteMedia[]): void {
    const { host, target, wish } = this.#o;
    const taken = new Set(media.filter((m) => m.taking).map((m) => m.kind));
    const refused = wish.publish.filter((t) => !taken.has(t.kind));
    const names = refused.map((t) => `${t.kind} (${t.codec})`).join(" and ");
    if (refused.length === wish.publish.length)
      throw new RoomtapError("negotiation", `${target.shown} takes no ${names}`, {
        hint: "it may want another codec: try --video h264 or --video vp8",
      });
    if (refused.length > 0) host.log("warn", `${target.shown} takes no ${names}: the rest is sent`);
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
      const { shown } = this.#o.target;
      this.#lost(link, this.#upAt === undefined ? `no media path to ${shown}` : `${shown} is gone`);
    }
  }

  /** The connection is over: another one is made, unless it was never up or was ended on purpose. */
  #lost(link: Link, detail: string): void {
    if (link !== this.#link || this.#left !== undefined) return;
    const now = performance.now();
    const upMs = this.#upAt === undefined ? undefined : now - this.#upAt;
    const { shown } = this.#o.target;
    void this.#drop();
    if (upMs === undefined) this.#neverUp++;
    else this.#neverUp = 0;
    if (upMs !== undefined && upMs < HEALTHY_MS) this.#sentAway++;
    else this.#sentAway = 0;
    if (upMs !== undefined && upMs >= HEALTHY_MS) this.#backoff.reset();
    this.events.push({ t: "link", op: "down", peerId: SERVER, detail });
    if (this.#sentAway >= MAX_SENT_AWAY)
      this.#end("kicked", new RoomtapError("kicked", `${shown} ends every session at once`));
    else if (!this.#everUp && this.#neverUp >= MAX_NEVER_UP)
      this.#end("error", new RoomtapError("ice-failed", detail, { hint: PATH_HINT }));
    else this.#comeBack();
  }

  #comeBack(atLeastMs = 0): void {
    const now = performance.now();
    this.#lostSince ??= now;
    if (now - this.#lostSince > GIVE_UP_MS) {
      const error = new RoomtapError("signal-closed", `${this.#o.target.shown} did not take us back`);
      this.#end("error", error);
      return;
    }
    this.#retry = setTimeout(
      () => {
        this.#publish().catch((error: unknown) => this.#onRefused(error));
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

const PATH_HINT = "is UDP open between here and the server? it may need its address in its configuration";

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : "it failed";
}
