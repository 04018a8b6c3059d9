import { test } from "vitest";
import { seededRandom } from "../../src/core/random.ts";
import type {
  Cancel,
  JoinWish,
  LinkPlan,
  LocalTrack,
  RoomAdapter,
  RoomEvent,
  RoomSession,
} from "../../src/core/room.ts";
import { PeerHost } from "../../src/peer/host.ts";
import type { PeerLink } from "../../src/peer/link.ts";
import { Pump } from "../../src/peer/pump.ts";
import { createRoomServer, type RoomServer, type RoomServerOptions } from "../../src/server/room-server.ts";
import { roomAdapter } from "../../src/signaling/room/adapter.ts";
import type { SignalData } from "../../src/signaling/room/messages.ts";
import { clipSender } from "../support/clip.ts";
import type { FakeNetwork } from "../support/fake-transport.ts";
import { RoomClient } from "../support/room-client.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";

/** What a publisher has to send. */
export const tracks: readonly LocalTrack[] = [
  { id: "mic", kind: "audio", source: "microphone", codec: "opus" },
  { id: "cam", kind: "video", source: "camera", codec: "vp8" },
];
export const publishing: Partial<JoinWish> = { publish: tracks };
export const recording: Partial<JoinWish> = { recorder: true, receive: true };
const publisherPlan: LinkPlan = { send: tracks, receive: { audio: 0, video: 0 }, data: true };

/** Everything a test opens, closed in the reverse order when it is over. */
export class Cleanups {
  readonly #all: (() => unknown)[] = [];

  add(fn: () => unknown): void {
    this.#all.push(fn);
  }

  async run(): Promise<void> {
    for (const fn of this.#all.splice(0).reverse()) await fn();
  }

  async server(o: RoomServerOptions = {}): Promise<RoomServer> {
    const server = await createRoomServer(o);
    this.add(() => server.close());
    return server;
  }

  async proxy(target: number): Promise<TcpProxy> {
    const proxy = await TcpProxy.start(target);
    this.add(() => proxy.close());
    return proxy;
  }
}

/** A bot in a room: its engine over the fake network, its session, all events. */
export class Bot {
  readonly host: PeerHost;
  readonly events: RoomEvent[] = [];
  readonly logs: string[] = [];
  frames = 0;
  session: RoomSession | undefined;
  readonly #name: string;
  readonly #adapter: RoomAdapter;

  /** Default adapter: of Roomtap's own rooms, always with the same jitter: the first retry comes after 60 ms. */
  constructor(
    net: FakeNetwork,
    name: string,
    cleanups: Cleanups,
    adapter: RoomAdapter = roomAdapter(() => 0.2),
  ) {
    this.#name = name;
    this.#adapter = adapter;
    this.host = new PeerHost({
      transports: net.factory,
      pump: new Pump(),
      random: seededRandom(name.length),
      cname: name,
      maxBitrate: 1_000_000,
      sender: (_, media, now) => clipSender(media, now),
      onFrame: () => {
        this.frames++;
      },
      log: (_, message) => this.logs.push(message),
    });
    cleanups.add(async () => {
      await this.session?.leave();
      await this.host.close();
    });
  }

  async join(
    target: string,
    wish: Partial<JoinWish> = {},
    signal: Cancel = new AbortController().signal,
  ): Promise<this> {
    const full = { name: this.#name, recorder: false, publish: [], receive: false, ...wish };
    const session = await this.#adapter.join(this.host, target, full, signal);
    this.session = session;
    void (async () => {
      for await (const e of session.events) this.events.push(e);
    })();
    return this;
  }

  count(t: RoomEvent["t"], op?: string): number {
    return this.events.filter((e) => e.t === t && (op === undefined || ("op" in e && e.op === op))).length;
  }

  /** Tracks that are there now, as "source link". */
  get tracks(): string[] {
    const open = new Map<string, string>();
    for (const e of this.events) {
      if (e.t !== "track") continue;
      if (e.op === "add") open.set(e.track.id, `${e.track.source} ${e.track.linkId}`);
      else open.delete(e.track.id);
    }
    return [...open.values()].sort();
  }

  get ended(): Extract<RoomEvent, { t: "ended" }> | undefined {
    return this.events.find((e) => e.t === "ended");
  }
}

/** A peer whose every signal the test writes itself; its connections are real ends on the fake network. */
export class HandPeer {
  readonly client: Awaited<ReturnType<typeof RoomClient.join>>;
  readonly #host: PeerHost;

  private constructor(client: HandPeer["client"], net: FakeNetwork, cleanups: Cleanups) {
    this.client = client;
    this.#host = new PeerHost({
      transports: net.factory,
      pump: new Pump(),
      random: seededRandom(99),
      cname: "hand",
      maxBitrate: 1,
      sender: (_, media, now) => clipSender(media, now),
      onFrame: () => undefined,
      log: () => undefined,
    });
    cleanups.add(async () => {
      client.leave();
      await this.#host.close();
    });
  }

  static async join(server: RoomServer, net: FakeNetwork, cleanups: Cleanups): Promise<HandPeer> {
    const client = await RoomClient.join(server.wsUrl, { room: "demo", name: "Ann" });
    return new HandPeer(client, net, cleanups);
  }

  link(): PeerLink {
    return this.#host.link({ peerId: "bot", iceServers: [] });
  }

  /** Id of the only other peer. */
  get other(): string {
    const id = this.client.welcome.peers[0]?.id;
    if (id === undefined) throw new Error("nobody was there");
    return id;
  }

  tell(data: SignalData, to = this.other): void {
    this.client.send({ t: "signal", to, data });
  }

  /** The next signal that fits. */
  async hear<K extends "sdp" | "candidate" | "bye">(
    kind: K,
    fits: (data: Extract<SignalData, Record<K, unknown>>) => boolean = () => true,
  ): Promise<Extract<SignalData, Record<K, unknown>>> {
    for (;;) {
      const { data } = await this.client.nextOf("signal");
      if (!(kind in data)) continue;
      const found = data as Extract<SignalData, Record<K, unknown>>;
      if (fits(found)) return found;
    }
  }

  /** Offers a link of this name with our tracks and completes it with the answer. */
  async publishOver(link: PeerLink, name: string, to = this.other): Promise<void> {
    this.tell({ link: name, sdp: await link.offer(publisherPlan) }, to);
    const answer = await this.hear("sdp", (d) => d.sdp.type === "answer" && d.link === name);
    await link.answer(answer.sdp);
  }

  /** Resolves once the server has handled everything we sent before. */
  async settled(): Promise<void> {
    this.client.send({ t: "ping" });
    await this.client.nextOf("pong");
  }
}

/** A test with clean-ups of its own, so that tests can run at the same time. */
export const it = test.extend<{ cleanups: Cleanups }>({
  cleanups: async ({ task: _ }, use) => {
    const cleanups = new Cleanups();
    await use(cleanups);
    await cleanups.run();
  },
});
