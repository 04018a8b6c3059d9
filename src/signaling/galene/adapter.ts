import { Backoff } from "../../core/backoff.ts";
import { RoomtapError } from "../../core/fault.ts";
import type {
  Cancel,
  EndReason,
  IceServer,
  JoinWish,
  LayerWish,
  RoomAdapter,
  RoomEvent,
  RoomSession,
  RtcHost,
} from "../../core/room.ts";
import { EventQueue } from "../event-queue.ts";
import { cleanName } from "../room/names.ts";
import { findEndpoint } from "./find-endpoint.ts";
import { type ClientMessage, type ServerMessage, words } from "./messages.ts";
import { Publisher, SERVER } from "./publisher.ts";
import { Receiver } from "./receiver.ts";
import { type Joined, Seat } from "./seat.ts";
import { type GaleneTarget, parseGaleneTarget } from "./target.ts";

/** Connections that had their answer and did not come up, before any did. */
const MAX_NEVER_UP = 3;
/** A server that does not come back within this time ends the session. */
const GIVE_UP_MS = 300_000;
/** A seat that was held for this long was a good one. */
const HEALTHY_MS = 5000;
/** Labels under which the server's users find our streams. */
const labels = ["camera", "screenshare"] as const;

/** How long the adapter waits between attempts; tests have less time. */
export type GaleneTiming = {
  /** For a connection to come up after its answer. */
  readonly setupMs: number;
  readonly backoffMs: number;
  readonly backoffCapMs: number;
};

const usual: GaleneTiming = { setupMs: 15_000, backoffMs: 300, backoffCapMs: 5000 };

/** Groups of Galene servers, by version 2 of their protocol. */
export function galeneAdapter(random: () => number = Math.random, timing: GaleneTiming = usual): RoomAdapter {
  return {
    schemes: ["galene+http", "galene+https"],
    label: (address) => `galene+${parseGaleneTarget(address).location.href}`,
    join: async (host, address, wish, signal) => {
      const session = new GaleneSession({ host, target: parseGaleneTarget(address), wish, random, timing });
      await session.join(signal);
      return session;
    },
  };
}

type SessionOptions = {
  readonly host: RtcHost;
  readonly target: GaleneTarget;
  readonly wish: JoinWish;
  readonly random: () => number;
  readonly timing: GaleneTiming;
};

class GaleneSession implements RoomSession {
  readonly events = new EventQueue<RoomEvent>();
  readonly #o: SessionOptions;
  readonly #stop = new AbortController();
  readonly #backoff: Backoff;
  readonly #receiver: Receiver;
  readonly #publishers: readonly Publisher[];
  readonly #peers = new Map<string, string>();
  #seat: Seat | undefined;
  #iceServers: readonly IceServer[] = [];
  #retry: NodeJS.Timeout | undefined;
  #satAt = 0;
  #lostSince: number | undefined;
  #everUp = false;
  #neverUp = 0;
  #ended = false;
  #left: Promise<void> | undefined;

  constructor(o: SessionOptions) {
    const { host, wish, random, timing } = o;
    this.#o = o;
    const backoff = () => new Backoff({ baseMs: timing.backoffMs, capMs: timing.backoffCapMs, random });
    this.#backoff = backoff();
    const common = {
      host,
      iceServers: () => this.#iceServers,
      send: (m: ClientMessage) => this.#seat?.send(m),
      emit: (e: RoomEvent) => this.events.push(e),
      onPath: (up: boolean) => this.#onPath(up),
      setupMs: timing.setupMs,
    };
    this.#receiver = new Receiver({
      ...common,
      wish,
      introduce: (id, username) => this.#enter(id, username),
      backoff: backoff(),
    });
    this.#publishers = labels.flatMap((label) => {
      const screen = label === "screenshare";
      const tracks = wish.publish
        .filter((t) => (t.source === "screen") === screen)
        .map(({ layers: _, ...track }) => track);
      const onRefused = () =>
        this.#end("error", new RoomtapError("negotiation", `${o.target.shown} does not take our ${label}`));
      return tracks.length === 0
        ? []
        : [new Publisher({ ...common, tracks, label, onRefused, backoff: backoff() })];
    });
  }

  async join(signal: Cancel): Promise<void> {
    const abort = () => this.#stop.abort();
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    try {
      await this.#sit();
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  prefer(layer: LayerWish, trackId?: string): void {
    this.#receiver.prefer(layer, trackId);
  }

  leave(): Promise<void> {
    this.#left ??= (async () => {
      this.#stop.abort();
      for (const p of this.#publishers) p.close();
      const seat = this.#seat;
      this.#end("left");
      await seat?.close();
    })();
    return this.#left;
  }

  /** Takes a seat and begins with everything. Rejects with a RoomtapError; nothing is left of it then. */
  async #sit(): Promise<void> {
    const { target, wish } = this.#o;
    const { signal } = this.#stop;
    if (signal.aborted) throw new RoomtapError("signal-closed", "joining was cancelled");
    const insecure = wish.insecure === true;
    const endpoint = await findEndpoint(target, { insecure, signal });
    // An empty token is what an unset variable of a shell script leaves.
    const token = wish.token || target.token;
    if (endpoint.authServer && token === undefined)
      throw new RoomtapError("auth", `${target.shown} lets in who has a token of its authentication server`, {
        hint: "get one there, and pass it with --token or ROOMTAP_TOKEN",
      });
    const seat: Seat = new Seat({
      endpoint,
      name: wish.name,
      password: wish.pin,
      token,
      insecure,
      onMessage: (m) => this.#onMessage(m, seat),
      onMalformed: () => this.#o.host.fault("signal-malformed"),
      onLost: (detail) => this.#lost(detail, seat),
    });
    this.#seat = seat;
    try {
      this.#seated(await seat.join(signal));
    } catch (error) {
      this.#clear();
      void seat.close();
      throw error;
    }
  }

  #seated({ permissions, iceServers }: Joined): void {
    const { wish, target } = this.#o;
    this.#iceServers = iceServers;
    this.#satAt = performance.now();
    if (wish.publish.length > 0 && !permissions.includes("present"))
      throw new RoomtapError("auth", `${target.shown} does not let us publish`, {
        hint: "it takes a user who may present: --name, --pin or --token",
      });
    if (this.#lostSince !== undefined) this.events.push({ t: "signalling", op: "restored" });
    this.#lostSince = undefined;
    if (this.#publishers.length > 0) this.#enter(SERVER, target.shown);
    for (const p of this.#publishers) void p.start();
    if (wish.receive) this.#receiver.request();
  }

  #onMessage(m: ServerMessage, seat: Seat): void {
    if (seat !== this.#seat) return;
    const publisher = (fn: (p: Publisher) => boolean) => this.#publishers.some(fn);
    let expected = true;
    switch (m.t) {
      case "user":
        if (m.id === seat.id) break;
        if (m.kind === "delete") this.#exit(m.id);
        else this.#enter(m.id, m.username);
        break;
      case "offer":
        this.#receiver.onOffer(m);
        break;
      case "answer":
        expected = publisher((p) => p.onAnswer(m.id, m.sdp));
        break;
      case "ice":
        expected =
          publisher((p) => p.onCandidate(m.id, m.candidate)) || this.#receiver.onCandidate(m.id, m.candidate);
        break;
      case "renegotiate":
        expected = publisher((p) => p.onRenegotiate(m.id));
        break;
      case "abort":
        expected = publisher((p) => p.onAbort(m.id));
        break;
      case "close":
        this.#receiver.onClose(m.id);
        break;
      case "joined":
        if (m.kind === "leave") this.#end("room-closed");
        else if (m.iceServers.length > 0) this.#iceServers = m.iceServers;
        break;
      case "notice":
        this.#onNotice(m);
        break;
      default:
    }
    if (!expected) this.#o.host.fault("signal-unexpected");
  }

  #onNotice({ kind, value }: Extract<ServerMessage, { t: "notice" }>): void {
    const { host, target } = this.#o;
    const text = `${target.shown}: ${words(value)}`;
    if (kind === "kicked") this.#end("kicked", new RoomtapError("kicked", text));
    else host.log(kind === "info" ? "info" : "warn", text);
  }

  #enter(id: string, username: string): void {
    if (this.#peers.has(id)) return;
    const name = cleanName(username) || "anonymous";
    this.#peers.set(id, name);
    this.events.push({ t: "peer", op: "join", peer: { id, name, recorder: false } });
  }

  #exit(id: string): void {
    const name = this.#peers.get(id);
    if (name === undefined) return;
    this.#receiver.onGone(id);
    this.#peers.delete(id);
    this.events.push({ t: "peer", op: "leave", peer: { id, name, recorder: false } });
  }

  #onPath(up: boolean): void {
    if (up) this.#everUp = true;
    else this.#neverUp++;
    if (this.#everUp || this.#neverUp < MAX_NEVER_UP) return;
    const error = new RoomtapError("ice-failed", `no media path to ${this.#o.target.shown}`, {
      hint: "is UDP open between here and the server? it may need its address in its configuration",
    });
    this.#end("error", error);
  }

  /** The server forgets all streams with the seat. */
  #lost(detail: string, seat: Seat): void {
    if (seat !== this.#seat || this.#ended) return;
    const now = performance.now();
    if (now - this.#satAt > HEALTHY_MS) this.#backoff.reset();
    this.#clear();
    this.#lostSince ??= now;
    this.events.push({ t: "signalling", op: "lost", detail });
    this.#comeBack();
  }

  #comeBack(): void {
    if (performance.now() - (this.#lostSince ?? 0) > GIVE_UP_MS) {
      this.#end("error", new RoomtapError("signal-closed", `${this.#o.target.shown} did not come back`));
      return;
    }
    this.#retry = setTimeout(() => {
      this.#sit().catch((error: unknown) => {
        if (this.#ended) return;
        const final = error instanceof RoomtapError && (error.code === "auth" || error.code === "kicked");
        if (final) this.#end(error.code === "auth" ? "auth" : "kicked", error);
        else this.#comeBack();
      });
    }, this.#backoff.next());
  }

  /** Nothing is left of a seat: no streams, nobody there. */
  #clear(): void {
    this.#seat = undefined;
    for (const p of this.#publishers) p.close();
    this.#receiver.close();
    for (const id of [...this.#peers.keys()]) this.#exit(id);
  }

  #end(reason: EndReason, error?: RoomtapError): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#retry);
    const seat = this.#seat;
    this.#clear();
    void seat?.close();
    this.events.push({ t: "ended", reason, ...(error ? { error } : {}) });
    this.events.end();
  }
}
