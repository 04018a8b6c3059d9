import { Backoff } from "../../core/backoff.ts";
import { RoomtapError } from "../../core/fault.ts";
import type {
  Cancel,
  EndReason,
  JoinWish,
  LayerWish,
  RoomAdapter,
  RoomEvent,
  RoomSession,
  RtcHost,
} from "../../core/room.ts";
import { EventQueue } from "../event-queue.ts";
import { TryLater } from "../http/endpoint.ts";
import { Board, type PlacedTrack } from "./board.ts";
import type { ServerMessage } from "./messages.ts";
import { SERVER } from "./names.ts";
import { Roster, type RosterChange } from "./roster.ts";
import { type Loss, Seat } from "./seat.ts";
import { Subscriptions } from "./subscriptions.ts";
import { type LiveKitTarget, liveKitLabel, parseLiveKitTarget } from "./target.ts";
import { type Pass, passFor } from "./token.ts";

/** A session that held for this long was a good one: after it, the first retry is quick again. */
const HEALTHY_MS = 10_000;
/** Joins in a row that got no media path, when there never was one. */
const MAX_NEVER_UP = 3;
/** A server that does not come back within this time ends the session. */
const GIVE_UP_MS = 300_000;
/** A server that has just started knows nobody: those who are missing have this long to come back as well. */
const RETURN_MS = 20_000;
/** What comes over the old connections is used no longer than this once the new ones are up. */
const HANDOVER_MS = 5000;

/** How the adapter keeps time; tests have less of it. */
export type LiveKitTiming = {
  readonly setupMs: number;
  readonly farewellMs: number;
  readonly backoffMs: number;
  readonly backoffCapMs: number;
};

const usual: LiveKitTiming = { setupMs: 15_000, farewellMs: 500, backoffMs: 300, backoffCapMs: 7000 };

/** Rooms of LiveKit servers. */
export function liveKitAdapter(
  random: () => number = Math.random,
  timing: LiveKitTiming = usual,
): RoomAdapter {
  return {
    schemes: ["livekit+ws", "livekit+wss"],
    label: liveKitLabel,
    join: async (host, address, wish, signal) => {
      const target = parseLiveKitTarget(address);
      const pass = passFor(target, wish);
      const session = new LiveKitSession({ host, target, pass, wish, random, timing });
      await session.join(signal);
      return session;
    },
  };
}

type SessionOptions = {
  readonly host: RtcHost;
  readonly target: LiveKitTarget;
  readonly pass: Pass;
  readonly wish: JoinWish;
  readonly random: () => number;
  readonly timing: LiveKitTiming;
};

class LiveKitSession implements RoomSession {
  readonly events = new EventQueue<RoomEvent>();
  readonly #o: SessionOptions;
  readonly #roster: Roster;
  readonly #board: Board;
  readonly #backoff: Backoff;
  readonly #identity: string;
  readonly #subscriptions: Subscriptions;
  readonly #stop = new AbortController();
  /** SIDs of videos that the server holds back. */
  readonly #held = new Set<string>();
  #seat: Seat | undefined;
  /** The seat before, whose connections still bring what the new ones do not bring yet. */
  #old: Seat | undefined;
  /** A token that the server gave us in the place of ours. */
  #freshToken: string | undefined;
  #upAt: number | undefined;
  #everUp = false;
  #neverUp = 0;
  #lostSince: number | undefined;
  #signalling = true;
  #retry: NodeJS.Timeout | undefined;
  #returning: NodeJS.Timeout | undefined;
  #handover: NodeJS.Timeout | undefined;
  #ended = false;
  #left: Promise<void> | undefined;

  constructor(o: SessionOptions) {
    const { wish, timing, random } = o;
    this.#o = o;
    this.#roster = new Roster(wish.wants);
    this.#board = new Board((e) => this.events.push(e));
    this.#backoff = new Backoff({ baseMs: timing.backoffMs, capMs: timing.backoffCapMs, random });
    this.#identity = this.#newIdentity();
    this.#subscriptions = new Subscriptions({
      roster: this.#roster,
      host: o.host,
      layer: wish.layer ?? "auto",
      send: (octets) => this.#seat?.send(octets),
    });
  }

  async join(signal: Cancel): Promise<void> {
    const abort = () => this.#stop.abort();
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    try {
      if (!this.#o.wish.receive) this.#introduceServer();
      await this.#sit();
    } catch (error) {
      this.#end("error");
      throw error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  prefer(layer: LayerWish, trackId?: string): void {
    this.#subscriptions.prefer(layer, trackId);
  }

  leave(): Promise<void> {
    this.#left ??= (async () => {
      this.#stop.abort();
      const seat = this.#seat;
      this.#seat = undefined;
      await seat?.leave();
      this.#end("left");
    })();
    return this.#left;
  }

  /** Those who only send see the server as the one they send to. */
  #introduceServer(): void {
    const peer = { id: SERVER, name: this.#o.target.shown, recorder: false };
    this.events.push({ t: "peer", op: "join", peer });
  }

  /** Takes a seat in the room. */
  async #sit(): Promise<void> {
    const { host, target, pass, wish, timing } = this.#o;
    const { signal } = this.#stop;
    const token = pass.signs
      ? pass.token(this.#hides ? this.#newIdentity() : this.#identity)
      : (this.#freshToken ?? pass.token());
    const seat = new Seat({
      host,
      target,
      token,
      wish,
      setupMs: timing.setupMs,
      farewellMs: timing.farewellMs,
      onMessage: (m) => this.#onMessage(m),
      onPlaces: () => this.#follow(),
      onUp: () => this.#onUp(seat),
      onLost: (loss) => this.#onLost(seat, loss),
      emit: (e) => this.events.push(e),
    });
    const abort = () => seat.close();
    signal.addEventListener("abort", abort);
    try {
      const join = await seat.open(signal);
      this.#mustGoOn();
      this.#seat = seat;
      this.#subscriptions.reset();
      this.#restored();
      this.#apply(this.#roster.enter(join.self.identity, join.others));
      this.#waitForMissing();
      seat.start();
      await seat.publish();
      this.#mustGoOn();
    } catch (error) {
      if (this.#seat === seat) this.#seat = undefined;
      void seat.leave();
      this.#follow();
      throw error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** Nobody sees us, so that we may be two for a moment: the old connections stay until the new ones are up. */
  get #hides(): boolean {
    return this.#o.wish.recorder && this.#o.wish.publish.length === 0;
  }

  #newIdentity(): string {
    const suffix = Math.floor(this.#o.random() * 36 ** 6).toString(36);
    return `${this.#o.wish.name}-${suffix.padStart(6, "0")}`;
  }

  #onMessage(m: ServerMessage): void {
    switch (m.t) {
      case "update":
        this.#apply(this.#roster.update(m.participants));
        break;
      case "token":
        this.#freshToken = m.token;
        break;
      case "permission":
        // With the permission the server takes the subscription up again by itself.
        if (!m.allowed) this.#o.host.log("warn", "a participant lets us take a track no more");
        break;
      case "not-subscribed":
        this.#o.host.log("warn", `the server cannot give us a track (error ${m.error})`);
        break;
      case "streams":
        for (const { sid, paused } of m.states) {
          if (paused) this.#held.add(sid);
          else if (!this.#held.delete(sid)) continue;
          const words = paused
            ? "the server holds a video back: the path is too narrow"
            : "the video goes on";
          this.#o.host.log(paused ? "warn" : "info", words);
        }
        break;
      default:
    }
  }

  /** Tells who came, takes what they send, tells who went: tracks go before their people. */
  #apply({ joined, left }: RosterChange): void {
    for (const peer of joined) this.events.push({ t: "peer", op: "join", peer });
    if (this.#o.wish.receive) this.#subscriptions.follow();
    this.#follow();
    for (const peer of left) this.events.push({ t: "peer", op: "leave", peer });
  }

  /** Tells the bot where tracks arrive now. */
  #follow(): void {
    if (this.#ended) return;
    const placed = this.#roster.tracks.flatMap((t): PlacedTrack[] => {
      const { id, sid, peerId, kind, source, muted } = t;
      const before = this.#old?.receiving ? this.#board.placeOf(id) : undefined;
      const now = this.#seat?.placeOf(sid);
      const place = now && (before === undefined || this.#seat?.receiving) ? now : before;
      if (!place) return [];
      const { linkId, mid } = place;
      return [{ muted, track: { id, peerId, kind, source, linkId, mid } }];
    });
    const seat = this.#seat;
    const settled = seat?.receiving && this.#roster.tracks.every((t) => seat.placeOf(t.sid) !== undefined);
    this.#board.show(placed);
    if (settled && !this.#roster.incomplete) this.#letGoOfOld();
  }

  #letGoOfOld(): void {
    clearTimeout(this.#handover);
    const old = this.#old;
    this.#old = undefined;
    old?.close();
  }

  #onUp(seat: Seat): void {
    if (seat !== this.#seat) return;
    this.#upAt = performance.now();
    this.#everUp = true;
    this.#neverUp = 0;
    this.#lostSince = undefined;
    this.events.push({ t: "link", op: "up", peerId: SERVER });
    if (!this.#o.wish.receive) this.#letGoOfOld();
    else if (this.#old) {
      this.#handover = setTimeout(() => {
        this.#letGoOfOld();
        this.#follow();
      }, HANDOVER_MS);
    }
    this.#follow();
  }

  #onLost(seat: Seat, loss: Loss): void {
    if (seat !== this.#seat || this.#left !== undefined || this.#ended) {
      seat.close();
      return;
    }
    const now = performance.now();
    const heldMs = this.#upAt === undefined ? 0 : now - this.#upAt;
    if (this.#upAt === undefined) this.#neverUp++;
    if (heldMs >= HEALTHY_MS) this.#backoff.reset();
    this.#upAt = undefined;
    this.#letGoOfOld();
    this.#seat = undefined;
    this.#old = seat;
    if (!seat.alive) this.#letGoOfOld();
    if (loss.ending) {
      this.#end(loss.ending.reason, loss.ending.error);
      return;
    }
    if (loss.what === "media")
      this.events.push({ t: "link", op: "down", peerId: SERVER, detail: loss.detail });
    this.#follow();
    if (!this.#everUp && this.#neverUp >= MAX_NEVER_UP) {
      const hint = "is UDP open between here and the server, and does it know its own address (rtc.node_ip)?";
      this.#end("error", new RoomtapError("ice-failed", loss.detail, { hint }));
      return;
    }
    if (loss.what === "signalling") this.#signallingLost(loss.detail);
    this.#comeBack();
  }

  #signallingLost(detail: string): void {
    if (!this.#signalling) return;
    this.#signalling = false;
    this.events.push({ t: "signalling", op: "lost", detail });
  }

  #restored(): void {
    if (this.#signalling) return;
    this.#signalling = true;
    this.events.push({ t: "signalling", op: "restored" });
  }

  /** `afterMs`: no sooner, the server says. */
  #comeBack(afterMs = 0): void {
    const now = performance.now();
    this.#lostSince ??= now;
    if (now - this.#lostSince > GIVE_UP_MS) {
      const error = new RoomtapError("signal-closed", `${this.#o.target.shown} did not take us back`);
      this.#end("error", error);
      return;
    }
    clearTimeout(this.#retry);
    this.#retry = setTimeout(
      () => {
        this.#sit().catch((error: unknown) => this.#onRefused(error));
      },
      Math.max(afterMs, this.#backoff.next()),
    );
  }

  #onRefused(error: unknown): void {
    if (this.#left !== undefined || this.#ended) return;
    const final = error instanceof RoomtapError ? finalRefusals[error.code] : undefined;
    if (final !== undefined && error instanceof RoomtapError) {
      this.#end(final, error);
      return;
    }
    this.#signallingLost(error instanceof Error ? error.message : "joining again failed");
    this.#comeBack(error instanceof TryLater ? error.afterMs : undefined);
  }

  #waitForMissing(): void {
    clearTimeout(this.#returning);
    if (!this.#roster.incomplete) return;
    this.#returning = setTimeout(() => this.#apply(this.#roster.giveUp()), RETURN_MS);
  }

  #mustGoOn(): void {
    if (this.#stop.signal.aborted) throw new RoomtapError("signal-closed", "joining was cancelled");
  }

  #end(reason: EndReason, error?: RoomtapError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stop.abort();
    for (const timer of [this.#retry, this.#returning, this.#handover]) clearTimeout(timer);
    this.#seat?.close();
    this.#old?.close();
    this.events.push({ t: "ended", reason, ...(error ? { error } : {}) });
    this.events.end();
  }
}

/** Refusals that another attempt cannot change. */
const finalRefusals: Partial<Record<RoomtapError["code"], EndReason>> = {
  auth: "auth",
  "room-full": "room-full",
  negotiation: "error",
};
