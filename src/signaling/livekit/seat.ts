import { RoomtapError } from "../../core/fault.ts";
import type { Cancel, IceCandidate, JoinWish, Link, RoomEvent, RtcHost } from "../../core/room.ts";
import { type JoinInfo, type ServerMessage, Target, type TargetValue } from "./messages.ts";
import { Offerer } from "./offerer.ts";
import { Publisher } from "./publisher.ts";
import { type Place, Receiver } from "./receiver.ts";
import { type Ending, endingOf } from "./refusals.ts";
import { joinRequest, leave } from "./requests.ts";
import { LiveKitSocket } from "./socket.ts";
import type { LiveKitTarget } from "./target.ts";

/** The newest version of the protocol that we keep to: with the next one the server may move us to another room. */
const PROTOCOL = 15;

/** Candidates before the first offer; more are an attack. */
const MAX_EARLY = 64;

/** One joining. */
export type SeatOptions = {
  readonly host: RtcHost;
  readonly target: LiveKitTarget;
  readonly token: string;
  readonly wish: JoinWish;
  /** A media path that is not up this long after joining is given up. */
  readonly setupMs: number;
  /** What the server gets to say why it ended a connection. */
  readonly farewellMs: number;
  /** Messages about the room, in order. */
  readonly onMessage: (m: ServerMessage) => void;
  /** Tracks arrive elsewhere than before, or no more. */
  readonly onPlaces: () => void;
  /** Every connection is up. */
  readonly onUp: () => void;
  /** It is over, and not because of `leave` or `close`; called once, after `open` resolved. Connections may go on. */
  readonly onLost: (loss: Loss) => void;
  readonly emit: (e: RoomEvent) => void;
};

/** Why a seat was lost. `ending`: for good. */
export type Loss = {
  readonly what: "signalling" | "media";
  readonly detail: string;
  readonly ending?: Ending;
};

/** One stay in the room: the signalling connection of one join, and its peer connections. */
export class Seat {
  readonly #o: SeatOptions;
  readonly #socket: LiveKitSocket;
  #join: JoinInfo | undefined;
  #receiver: Receiver | undefined;
  #offerer: Offerer | undefined;
  #publisher: Publisher | undefined;
  /** Candidates that came before the first offer. */
  #early: IceCandidate[] = [];
  #setup: NodeJS.Timeout | undefined;
  #farewell: NodeJS.Timeout | undefined;
  #up = false;
  #over = false;

  constructor(o: SeatOptions) {
    const { target, token, wish } = o;
    this.#o = o;
    this.#socket = new LiveKitSocket({
      url: joinUrl(target),
      shown: target.shown,
      token,
      insecure: wish.insecure === true,
      onMessage: (m) => this.#onMessage(m),
      onMalformed: () => o.host.fault("signal-malformed"),
      onLost: (detail) => this.#lost({ what: "signalling", detail }),
    });
  }

  /** Every connection has been up. */
  get up(): boolean {
    return this.#up;
  }

  /** Where a track arrives; undefined: nowhere. */
  placeOf(sid: string): Place | undefined {
    return this.#receiver?.places.get(sid) ?? this.#offerer?.places.get(sid);
  }

  /** Media that was agreed on still comes. */
  get receiving(): boolean {
    return (this.#single ? this.#offerer : this.#receiver)?.state === "connected";
  }

  /** Joins. Rejects with a RoomtapError, see `LiveKitSocket.open`; `auth` also where the token does not allow what we want. */
  async open(signal: Cancel): Promise<JoinInfo> {
    const { target, wish, setupMs } = this.#o;
    const join = await this.#socket.open(signal);
    this.#join = join;
    if (join.alternativeUrl !== "")
      throw new RoomtapError("signal-refused", `${target.shown} sends us to another server`, {
        hint: "give the address of that one",
      });
    const { may } = join;
    const denied = [
      ...(wish.publish.length > 0 && may?.publish === false ? ["publish"] : []),
      ...(wish.receive && may?.subscribe === false ? ["receive"] : []),
    ];
    if (denied.length > 0)
      throw new RoomtapError("auth", `the token does not let us ${denied.join(" and ")}`, {
        hint: "it needs the grants canPublish to publish and canSubscribe to record",
      });
    this.#setup = setTimeout(
      () => this.#lost({ what: "media", detail: `no media path to ${target.shown}` }),
      setupMs,
    );
    return join;
  }

  /** The join is dealt with: from now on the server is heard, and its offers answered. */
  start(): void {
    this.#socket.release();
  }

  /** Publishes what is to be published. Rejects with a RoomtapError, see `Publisher.publish`. */
  async publish(): Promise<void> {
    const { host, wish, target, emit, onPlaces } = this.#o;
    if (wish.publish.length === 0 && !this.#single) return;
    const offerer = new Offerer({
      host,
      iceServers: this.#join?.iceServers ?? [],
      tracks: wish.publish,
      receive: wish.receive && this.#single,
      send: (octets) => this.send(octets),
      onState: (state) => this.#onState(state),
      onPlaces: () => {
        if (!this.#over) onPlaces();
      },
      onFailed: (error) => this.#onFailed(error),
    });
    this.#offerer = offerer;
    const { publish: tracks } = wish;
    this.#publisher = new Publisher({
      host,
      tracks,
      shown: target.shown,
      emit,
      offerer,
      send: (octets) => this.send(octets),
    });
    await this.#publisher.publish();
  }

  get #single(): boolean {
    return this.#o.target.dialect === "single";
  }

  send(octets: Uint8Array): void {
    this.#socket.send(octets);
  }

  /** Something still flows. */
  get alive(): boolean {
    return this.receiving || this.#offerer?.state === "connected";
  }

  /** Says good-bye and closes. Resolves when the server has heard it, after a second at most. */
  async leave(): Promise<void> {
    this.send(leave());
    this.close();
    await this.#socket.close();
  }

  /** Closes without a word. Idempotent. */
  close(): void {
    this.#over = true;
    clearTimeout(this.#setup);
    clearTimeout(this.#farewell);
    void this.#socket.close();
    this.#publisher?.giveUp(new RoomtapError("signal-closed", "the session ended"));
    this.#offerer?.close();
    this.#receiver?.close();
  }

  #onMessage(m: ServerMessage): void {
    if (this.#over) return;
    switch (m.t) {
      case "offer":
        void this.#onOffer(m);
        break;
      case "answer":
        void this.#offerer?.onAnswer(m);
        break;
      case "sections":
        if (this.#single) this.#offerer?.require(m);
        break;
      case "trickle":
        if (m.candidate) this.#onCandidate(m.target, m.candidate);
        break;
      case "leave": {
        const { shown } = this.#o.target;
        const ending = endingOf(m, shown);
        this.#lost({
          what: "signalling",
          detail: `${shown} ended the session`,
          ...(ending ? { ending } : {}),
        });
        break;
      }
      default:
        this.#publisher?.onMessage(m);
        this.#o.onMessage(m);
    }
  }

  async #onOffer(m: Extract<ServerMessage, { t: "offer" }>): Promise<void> {
    try {
      const receiver = this.#receiver ?? this.#receive();
      await receiver.accept(m);
    } catch (error) {
      this.#onFailed(error);
      return;
    }
    if (!this.#over) this.#o.onPlaces();
  }

  #onFailed(error: unknown): void {
    if (this.#over) return;
    this.#o.host.fault("signal-unexpected");
    if (error instanceof RoomtapError) this.#publisher?.giveUp(error);
    this.#lost({ what: "media", detail: error instanceof Error ? error.message : "negotiation failed" });
  }

  #receive(): Receiver {
    const { host, wish } = this.#o;
    const receiver = new Receiver({
      host,
      iceServers: this.#join?.iceServers ?? [],
      receive: wish.receive,
      send: (octets) => this.send(octets),
      onState: (state) => this.#onState(state),
    });
    this.#receiver = receiver;
    for (const c of this.#early.splice(0)) receiver.addCandidate(c);
    return receiver;
  }

  #onCandidate(target: TargetValue, c: IceCandidate): void {
    if (target === Target.publisher) this.#offerer?.addCandidate(c);
    else if (this.#receiver) this.#receiver.addCandidate(c);
    else if (this.#early.length < MAX_EARLY) this.#early.push(c);
  }

  #onState(state: Link["state"]): void {
    if (state === "failed" || state === "closed") {
      // The old connections of a seat that was lost go on as long as they can.
      if (this.#over) this.#o.onPlaces();
      else this.#awaitFarewell();
      return;
    }
    const { wish } = this.#o;
    const expected = [
      ...((wish.receive && !this.#single) || this.#receiver ? [this.#receiver] : []),
      ...(wish.publish.length > 0 || this.#single ? [this.#offerer] : []),
    ];
    if (this.#up || expected.some((c) => c?.state !== "connected")) return;
    this.#up = true;
    clearTimeout(this.#setup);
    this.#o.onUp();
  }

  /** Its word for good reasons comes by another way than the end of the connection, and may be later. */
  #awaitFarewell(): void {
    this.#farewell ??= setTimeout(
      () => this.#lost({ what: "media", detail: "the connection was lost" }),
      this.#o.farewellMs,
    );
  }

  #lost(loss: Loss): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#setup);
    clearTimeout(this.#farewell);
    void this.#socket.close();
    this.#publisher?.giveUp(loss.ending?.error ?? new RoomtapError("signal-closed", loss.detail));
    this.#o.onLost(loss);
  }
}

/** Where we join. We say ourselves what we take, track by track. */
function joinUrl({ base, dialect }: LiveKitTarget): URL {
  if (dialect === "single") {
    const url = new URL("rtc/v1", base);
    url.searchParams.set("join_request", joinRequest(PROTOCOL));
    return url;
  }
  const url = new URL("rtc", base);
  url.search = new URLSearchParams({
    auto_subscribe: "0",
    adaptive_stream: "0",
    protocol: String(PROTOCOL),
    os: process.platform,
    device_model: "roomtap",
  }).toString();
  return url;
}
