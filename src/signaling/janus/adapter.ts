import { Backoff } from "../../core/backoff.ts";
import { RoomtapError } from "../../core/fault.ts";
import type {
  Cancel,
  EndReason,
  JoinWish,
  LayerWish,
  RemoteTrack,
  RoomAdapter,
  RoomEvent,
  RoomSession,
  RtcHost,
} from "../../core/room.ts";
import { EventQueue } from "../event-queue.ts";
import { JanusClient } from "./client.ts";
import { throwRefusal, wantsTextId } from "./errors.ts";
import type { JanusMessage, Publisher, RoomData } from "./messages.ts";
import { Publication } from "./publication.ts";
import { Subscription, type WantedStream } from "./subscription.ts";
import { type JanusId, type JanusTarget, parseJanusTarget } from "./target.ts";

/** First connections that never came up. */
const MAX_NEVER_UP = 3;
/** A first connection that is not up after this time is given up. */
const SETUP_MS = 15_000;
/** Of leaving, altogether. */
const LEAVE_MS = 2000;

/** How the adapter keeps time, milliseconds; tests have less of it. */
export type JanusTiming = { readonly backoffMs: number; readonly backoffCapMs: number };

const usual: JanusTiming = { backoffMs: 300, backoffCapMs: 2000 };

/** The VideoRoom plugin of Janus 1.x over WebSocket: publishing, and receiving everybody over one connection. */
export function janusAdapter(random: () => number = Math.random, timing: JanusTiming = usual): RoomAdapter {
  return {
    schemes: ["janus+ws", "janus+wss"],
    join: async (host, address, wish, signal) => {
      const session = new JanusSession(host, parseJanusTarget(address), wish, random, timing);
      await session.join(signal);
      return session;
    },
  };
}

class JanusSession implements RoomSession {
  readonly events = new EventQueue<RoomEvent>();
  readonly #host: RtcHost;
  readonly #target: JanusTarget;
  readonly #wish: JoinWish;
  readonly #client: JanusClient;
  readonly #backoff: Backoff;
  readonly #publishers = new Map<JanusId, Publisher>();
  readonly #people = new Set<JanusId>();
  #room: JanusId;
  /** Our seat. */
  #handle: number | undefined;
  #privateId: number | undefined;
  #publication: Publication | undefined;
  #subscription: Subscription | undefined;
  /** Which layer of all streams, and of single ones. */
  #layer: LayerWish | undefined;
  readonly #layers = new Map<string, LayerWish>();
  #retry: NodeJS.Timeout | undefined;
  #setup: NodeJS.Timeout | undefined;
  #everUp = false;
  #neverUp = 0;
  #isDown = false;
  #ended = false;
  #left: Promise<void> | undefined;

  constructor(host: RtcHost, target: JanusTarget, wish: JoinWish, random: () => number, timing: JanusTiming) {
    this.#host = host;
    this.#target = target;
    this.#wish = wish;
    this.#room = target.room;
    this.#layer = wish.layer;
    const backoff = { baseMs: timing.backoffMs, capMs: timing.backoffCapMs };
    this.#backoff = new Backoff({ ...backoff, random });
    this.#client = new JanusClient({
      ...{ url: target.url, shown: target.shown, random, backoff },
      ...(wish.token === undefined ? {} : { token: wish.token }),
      ...(wish.apiSecret === undefined ? {} : { apiSecret: wish.apiSecret }),
      ...(wish.insecure === undefined ? {} : { insecure: wish.insecure }),
      onMessage: (m) => this.#onMessage(m),
      onMalformed: () => host.fault("signal-malformed"),
      onLost: (detail) => this.events.push({ t: "signalling", op: "lost", detail }),
      onBack: (claimed) => this.#onBack(claimed),
      onEnded: (error) => this.#end(error.code === "auth" ? "auth" : "error", error),
    });
  }

  async join(signal: Cancel): Promise<void> {
    try {
      await this.#client.open(signal);
      await this.#sitDown();
      await this.#startSending();
    } catch (error) {
      this.#publication?.close();
      await this.#client.close();
      throw error;
    }
  }

  prefer(layer: LayerWish, trackId?: string): void {
    if (trackId === undefined) {
      this.#layer = layer;
      this.#layers.clear();
    } else this.#layers.set(trackId, layer);
    this.#subscription?.layersChanged();
  }

  leave(): Promise<void> {
    this.#left ??= this.#leave();
    return this.#left;
  }

  async #leave(): Promise<void> {
    const late = new Promise<void>((resolve) => setTimeout(resolve, LEAVE_MS).unref());
    await Promise.race([this.#sayGoodbye(), late]);
    this.#end("left");
    await Promise.race([this.#client.close(), late]);
  }

  async #sayGoodbye(): Promise<void> {
    this.#dropConnections();
    if (this.#handle === undefined) return;
    await this.#client.message(this.#handle, { request: "leave" }).catch(() => undefined);
  }

  /** Takes a seat in the room: who publishes is told from now on. Also for those who only receive. */
  async #sitDown(): Promise<void> {
    const { name, token, pin = this.#target.pin } = this.#wish;
    const handle = await this.#client.attach();
    this.#handle = handle;
    const ask = (room: JanusId) =>
      this.#client.message(handle, {
        ...{ request: "join", ptype: "publisher", room, display: name },
        ...(pin === undefined ? {} : { pin }),
        ...(token === undefined ? {} : { token }),
      });
    let { data } = await ask(this.#room);
    // A server whose ids are texts may well call a room "1234".
    if (wantsTextId(data) && typeof this.#room === "number") {
      this.#room = String(this.#room);
      ({ data } = await ask(this.#room));
    }
    throwRefusal(data, this.#target.shown);
    if (data.kind !== "joined")
      throw new RoomtapError(
        "signal-protocol",
        `${this.#target.shown} did not let us in, and does not say why`,
      );
    this.#privateId = data.privateId;
    this.#meet(data);
  }

  /** Everybody who is there now; whoever is not has left meanwhile. */
  #meet(data: RoomData): void {
    const here = new Set([...data.publishers, ...data.attendees].map((p) => p.id));
    for (const id of [...this.#people]) if (!here.has(id)) this.#goes(id);
    this.#take(data);
  }

  /** News of publishers and other people. */
  #take(data: RoomData): void {
    for (const { id, display } of [...data.attendees, ...data.publishers]) {
      if (this.#people.has(id)) continue;
      this.#people.add(id);
      this.events.push({
        t: "peer",
        op: "join",
        peer: { id: String(id), name: display || `participant ${id}`, recorder: false },
      });
    }
    for (const p of data.publishers) this.#publishers.set(p.id, p);
    if (data.publishers.length > 0) this.#subscribe();
  }

  #goes(id: JanusId): void {
    if (this.#publishers.delete(id)) this.#subscribe();
    if (!this.#people.delete(id)) return;
    this.events.push({ t: "peer", op: "leave", peer: { id: String(id), name: "", recorder: false } });
  }

  async #startSending(): Promise<void> {
    if (this.#wish.publish.length === 0 || this.#handle === undefined) return;
    const publication = new Publication({
      ...{ client: this.#client, host: this.#host, handle: this.#handle },
      ...{ wish: this.#wish, shown: this.#target.shown },
      onUp: () => this.#onUp(),
      onBroken: (error) => this.#onBroken(error),
    });
    this.#publication = publication;
    this.#watchSetup();
    await publication.start();
  }

  #subscribe(): void {
    if (!this.#wish.receive || this.#left !== undefined || this.#ended) return;
    const streams = this.#wantedStreams();
    if (!this.#subscription) {
      if (streams.length === 0) return;
      this.#subscription = new Subscription({
        ...{ client: this.#client, host: this.#host, room: this.#room, shown: this.#target.shown },
        ...{ pin: this.#wish.pin ?? this.#target.pin, token: this.#wish.token, privateId: this.#privateId },
        layerOf: (trackId) => this.#layers.get(trackId) ?? this.#layer,
        onTrack: (op, track) => this.events.push({ t: "track", op, track }),
        onUp: () => this.#onUp(),
        onBroken: (error) => this.#onBroken(error),
      });
      this.#watchSetup();
    }
    this.#subscription.want(streams);
  }

  #wantedStreams(): WantedStream[] {
    const { wants } = this.#wish;
    return [...this.#publishers.values()].flatMap((p) =>
      p.streams.flatMap(({ mid, kind, description }) => {
        const source = sourceOf(kind, description);
        return wants?.({ name: p.display, kind, source }) === false ? [] : [{ feed: p.id, mid, source }];
      }),
    );
  }

  #onMessage(m: JanusMessage): void {
    if (this.#subscription?.message(m)) return;
    if (m.sender !== this.#handle) return;
    if (m.data) this.#onRoom(m.data);
    else this.#publication?.message(m);
  }

  #onRoom(data: RoomData): void {
    const { shown } = this.#target;
    if (data.kind === "destroyed") {
      this.#end("room-closed", new RoomtapError("signal-closed", `${shown} was closed`));
      return;
    }
    if (data.leaving === "ok") {
      if (data.reason === "kicked")
        this.#end("kicked", new RoomtapError("kicked", `we were removed from ${shown}`));
      return;
    }
    this.#take(data);
    if (data.unpublished !== undefined && this.#publishers.delete(data.unpublished)) this.#subscribe();
    for (const id of [data.leaving, data.kicked]) if (id !== undefined) this.#goes(id);
  }

  #onBack(claimed: boolean): void {
    if (claimed) {
      this.events.push({ t: "signalling", op: "restored" });
      this.#subscription?.signallingBack();
      return;
    }
    // The server knows nothing of us any more, and so has nothing that we could go on with.
    this.#handle = undefined;
    this.#rejoin();
  }

  /** Everything anew, on another seat. One that we have still is given back: nobody is in a room twice. */
  #rejoin(): void {
    this.#dropConnections();
    const seat = this.#handle;
    this.#handle = undefined;
    const free = seat === undefined ? Promise.resolve() : this.#client.detach(seat);
    free
      .then(() => this.#sitDown())
      .then(() => {
        this.events.push({ t: "signalling", op: "restored" });
        return this.#startSending();
      })
      .catch((error: unknown) => this.#onRefused(error));
  }

  /** A seat or a connection that was there once is not given back at once; some refusals are final. */
  #onRefused(error: unknown): void {
    if (this.#left !== undefined || this.#ended) return;
    const e = error instanceof RoomtapError ? error : new RoomtapError("internal", String(error));
    if (e.code === "auth") {
      this.#end("auth", e);
      return;
    }
    if (e.code === "kicked") {
      this.#end("kicked", e);
      return;
    }
    this.#host.log("debug", e.message);
    this.#again(() => this.#rejoin());
  }

  #onUp(): void {
    clearTimeout(this.#setup);
    this.#everUp = true;
    this.#neverUp = 0;
    this.#backoff.reset();
    this.#isDown = false;
    this.events.push({ t: "link", op: "up", peerId: "janus" });
  }

  /** A connection broke: another one is made on the same seat. */
  #onBroken(error: RoomtapError): void {
    if (this.#left !== undefined || this.#ended) return;
    if (!this.#isDown) this.events.push({ t: "link", op: "down", peerId: "janus", detail: error.message });
    this.#isDown = true;
    if (!this.#everUp && ++this.#neverUp >= MAX_NEVER_UP) {
      const hint =
        "is UDP open between here and the server? it may have to be told its address (nat_1_1_mapping)";
      this.#end("error", new RoomtapError("ice-failed", error.message, { hint }));
      return;
    }
    this.#dropConnections();
    this.#again(() => {
      this.#subscribe();
      this.#startSending().catch((e: unknown) => this.#onRefused(e));
    });
  }

  #again(task: () => void): void {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(task, this.#backoff.next());
  }

  #watchSetup(): void {
    if (this.#everUp) return;
    clearTimeout(this.#setup);
    this.#setup = setTimeout(() => {
      this.#neverUp = MAX_NEVER_UP;
      this.#onBroken(new RoomtapError("ice-failed", `no media path to ${this.#target.shown}`));
    }, SETUP_MS);
  }

  #dropConnections(): void {
    clearTimeout(this.#retry);
    clearTimeout(this.#setup);
    void this.#subscription?.close();
    this.#subscription = undefined;
    this.#publication?.close();
    this.#publication = undefined;
  }

  #end(reason: EndReason, error?: RoomtapError): void {
    if (this.#ended) return;
    this.#dropConnections();
    this.#ended = true;
    this.events.push({ t: "ended", reason, ...(error ? { error } : {}) });
    this.events.end();
    if (reason !== "left") void this.#client.close();
  }
}

/** Publishers may say what a stream is; Janus itself does not. */
function sourceOf(kind: "audio" | "video", description = ""): RemoteTrack["source"] {
  const screen = /screen/i.test(description);
  if (kind === "audio") return screen ? "screen-audio" : "microphone";
  return screen ? "screen" : "camera";
}
