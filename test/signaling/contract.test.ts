import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AdapterContract, adapterContract, contractTrack } from "../../src/contract/adapter-contract.ts";
import { PaperHost } from "../../src/contract/paper-host.ts";
import type { RoomAdapter, RoomEvent } from "../../src/core/room.ts";
import { createRoomServer, type RoomServer } from "../../src/server/room-server.ts";
import { galeneAdapter } from "../../src/signaling/galene/adapter.ts";
import { janusAdapter } from "../../src/signaling/janus/adapter.ts";
import { listenAdapter } from "../../src/signaling/listen/adapter.ts";
import { liveKitAdapter } from "../../src/signaling/livekit/adapter.ts";
import { manualAdapter } from "../../src/signaling/manual/adapter.ts";
import { offerAdapter } from "../../src/signaling/offer/adapter.ts";
import { roomAdapter } from "../../src/signaling/room/adapter.ts";
import { whepAdapter } from "../../src/signaling/whep/adapter.ts";
import { whipAdapter } from "../../src/signaling/whip/adapter.ts";
import { FakeNetwork } from "../support/fake-transport.ts";
import { FakeGalene } from "../support/galene-server.ts";
import { HandCourier } from "../support/hand-courier.ts";
import { FakeJanus } from "../support/janus-server.ts";
import { FakeLiveKit } from "../support/livekit-server.ts";
import { WhipServer } from "../support/whip-server.ts";

const TOKEN = "tok-8s2k-secret";
const publishing = () => ({ publish: [contractTrack], receive: false, recorder: false, token: TOKEN });

let rooms: RoomServer;
let whip: WhipServer;
let whep: WhipServer;
let json: WhipServer;
let liveKit: FakeLiveKit;
let galene: FakeGalene;
let janus: FakeJanus;
let closedPort = 0;

beforeAll(async () => {
  rooms = await createRoomServer();
  whip = await new WhipServer(new FakeNetwork()).open();
  whep = await new WhipServer(new FakeNetwork(), undefined, { sends: [contractTrack] }).open();
  galene = await new FakeGalene(new FakeNetwork()).open();
  galene.password = TOKEN;
  janus = await new FakeJanus(new FakeNetwork()).open();
  janus.come({ id: 1, display: "Ann" });
  json = await new WhipServer(new FakeNetwork(), undefined, { json: true }).open();
  liveKit = await new FakeLiveKit(new FakeNetwork()).open();
  const tracks = [{ sid: "TR_a", type: 1, source: 1, muted: true } as const];
  liveKit.participants.push({ sid: "PA_a", identity: "ann", name: "Ann", tracks });
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (typeof address === "object" && address) closedPort = address.port;
  await new Promise((resolve) => {
    server.close(resolve);
  });
});

afterAll(async () => {
  const servers = [
    rooms.close(),
    whip.close(),
    whep.close(),
    json.close(),
    liveKit.shutDown(),
    galene.close(),
    janus.close(),
  ];
  await Promise.all(servers);
});

/** The rules are made before there are servers: addresses are looked up when a rule is tried. */
const ours: Record<string, AdapterContract> = {
  room: {
    adapter: () => roomAdapter(),
    target: () => `${rooms.url.replace("http", "ws")}contract?token=${TOKEN}`,
    invalid: ["ws://"],
    secrets: [TOKEN],
  },
  whip: {
    adapter: () => whipAdapter(),
    target: () => whip.address,
    invalid: ["whip+http:", "whip+http://"],
    wish: publishing,
    secrets: [TOKEN],
  },
  whep: {
    adapter: () => whepAdapter(),
    target: () => whep.address,
    invalid: ["whep+http:", "whip+http://h/x"],
    wish: () => ({ token: TOKEN }),
    secrets: [TOKEN, "secret-key"],
  },
  listen: {
    adapter: () => listenAdapter(),
    target: "whip-listen://127.0.0.1:0/live",
    invalid: ["whip-listen://", "whip-listen://127.0.0.1", "offer-listen://h:80/x?y"],
    wish: () => ({ listen: { token: TOKEN } }),
    secrets: [TOKEN],
  },
  offer: {
    adapter: () => offerAdapter(),
    target: () => json.address,
    invalid: ["offer+http:"],
    wish: publishing,
    secrets: [TOKEN],
  },
  livekit: {
    adapter: () => liveKitAdapter(),
    target: () => `${liveKit.address}?x=${TOKEN}`,
    invalid: ["livekit+ws:", "livekit+ws://host", "livekit+wss://host/"],
    wish: () => ({ apiKey: "key", apiSecret: TOKEN }),
    secrets: [TOKEN],
  },
  janus: {
    adapter: () => janusAdapter(),
    target: () => `${janus.address}?pin=${TOKEN}`,
    invalid: ["janus+ws:", "janus+ws://host", "janus+wss://host/"],
    wish: () => ({ token: TOKEN }),
    secrets: [TOKEN],
  },
  galene: {
    adapter: () => galeneAdapter(),
    target: () => galene.address,
    invalid: ["galene+http://127.0.0.1/", "galene+http:"],
    wish: () => ({ pin: TOKEN }),
    secrets: [TOKEN],
  },
  manual: {
    adapter: () => manualAdapter(),
    target: "manual:",
    invalid: ["manual:?as=xml", "manual:nonsense"],
    wish: () => ({ courier: echo() }),
  },
};

/** A courier who brings an answer that fits whatever is offered. */
function echo(): HandCourier {
  const courier = new HandCourier();
  const other = new HandCourier();
  void (async () => {
    const offer = await courier.text();
    const wish = { name: "o", recorder: false, publish: [contractTrack], receive: false, courier: other };
    const host = new PaperHost();
    void manualAdapter().join(host, `manual:${offer}`, wish, new AbortController().signal);
    courier.bring(await other.text());
  })().catch(() => undefined);
  return courier;
}

describe.concurrent.each(Object.entries(ours))("our adapter for %s", (name, contract) => {
  it.each(adapterContract(contract).map((c) => [c.name, c.run] as const))("%s", (_, run) => run());

  it("rejects where nobody answers", async () => {
    // Nobody has to be there.
    if (name === "manual" || name === "listen") return;
    const unreachable = `${contract.adapter().schemes[0]}://127.0.0.1:${closedPort}/group/x`;
    const [last] = adapterContract({ ...contract, unreachable }).slice(-1);
    await last?.run();
  });
});

describe.concurrent("the contract", () => {
  const good: RoomAdapter = {
    schemes: ["good"],
    join: async (host, target, _, signal) => {
      if (target === "good:bad") throw Object.assign(new Error("no"), { code: "usage" });
      if (signal.aborted) throw new Error("cancelled");
      const link = host.link({ peerId: "p", iceServers: [] });
      let leave: (() => void) | undefined;
      const left = new Promise<void>((resolve) => {
        leave = resolve;
      });
      const events = (async function* (): AsyncGenerator<RoomEvent> {
        await left;
        yield { t: "ended", reason: "left" };
      })();
      return {
        events,
        leave: async () => {
          link.close();
          leave?.();
        },
      };
    },
  };
  const brokenRules = async (adapter: RoomAdapter) => {
    const out: string[] = [];
    const o = { target: "good:room", invalid: ["good:bad"], secrets: ["s3cret"], patienceMs: 300 };
    for (const c of adapterContract({ ...o, adapter: () => adapter }))
      await c.run().catch((e: Error) => out.push(e.message));
    return out.join("\n");
  };
  const withSession = (change: (s: Awaited<ReturnType<RoomAdapter["join"]>>) => object): RoomAdapter => ({
    ...good,
    join: async (...a) => {
      const s = await good.join(...a);
      return { ...s, ...change(s) };
    },
  });

  it("has nothing against an adapter that keeps it", async () => {
    expect(await brokenRules(good)).toBe("");
  });

  it.each<[string, RoomAdapter, RegExp]>([
    ["an upper-case scheme", { ...good, schemes: ["Good:"] }, /not a scheme/],
    ["a label with a secret", { ...good, label: () => "good:s3cret" }, /a secret shows in: good:\*\*\*/],
    [
      "joining what was cancelled",
      { ...good, join: (h, t, w) => good.join(h, t, w, new AbortController().signal) },
      /went on although/,
    ],
    [
      "joining what cannot be read",
      { ...good, join: (h, _, w, s) => good.join(h, "good:x", w, s) },
      /it was joined/,
    ],
    [
      "an error without a code",
      { ...good, join: async () => Promise.reject(new Error("x")) },
      /code is none/,
    ],
    [
      "a link left open",
      withSession(({ events }) => ({
        leave: async () => undefined,
        events: (async function* () {
          yield* [];
        })(),
        kept: events,
      })),
      /left open/,
    ],
    [
      "leaving that hangs",
      withSession(() => ({ leave: () => new Promise(() => undefined) })),
      /leaving took more/,
    ],
    [
      "events without an end",
      withSession((s) => ({
        leave: s.leave,
        events: (async function* () {
          yield* [];
        })(),
      })),
      /ends once, this one did 0/,
    ],
    [
      "a track of nobody",
      withSession((s) => ({
        events: (async function* () {
          const track = {
            id: "t",
            peerId: "who",
            kind: "audio",
            source: "microphone",
            linkId: "l",
            mid: "0",
          };
          yield { t: "track", op: "add", track };
          yield* s.events;
        })(),
      })),
      /nobody was told of its peer who/,
    ],
  ])("finds %s", async (_, adapter, message) => {
    expect(await brokenRules(adapter)).toMatch(message);
  });
});
