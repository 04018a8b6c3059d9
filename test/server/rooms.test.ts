import { beforeEach, describe, expect, it } from "vitest";
import { type Millis, millis } from "../../src/core/time.ts";
import { type ConnectionId, type RoomOutput, Rooms, type RoomsOptions } from "../../src/server/rooms.ts";
import type { ClientMessage } from "../../src/signaling/room/messages.ts";

let now: Millis;
let serial: number;
let rooms: Rooms;

function makeRooms(o: Partial<RoomsOptions> = {}): Rooms {
  return new Rooms({
    maxPeers: 3,
    maxRooms: 2,
    graceMs: 1000,
    peerId: (room, key) => `id of ${key} in ${room}`,
    secret: () => `secret${++serial}`,
    admit: () => true,
    ice: () => ({ servers: [{ urls: ["stun:h"] }], ttl: 60 }),
    ...o,
  });
}

beforeEach(() => {
  now = millis(0);
  serial = 0;
  rooms = makeRooms();
});

function drain(): RoomOutput[] {
  const out: RoomOutput[] = [];
  for (let o = rooms.poll(now); o; o = rooms.poll(now)) if (o.t !== "log") out.push(o);
  return out;
}

function say(from: ConnectionId, message: ClientMessage): RoomOutput[] {
  rooms.push({ t: "message", from, message }, now);
  return drain();
}

function join(from: ConnectionId, o: { room?: string; name?: string; rejoin?: string; token?: string } = {}) {
  const { room = "r", name = `name${from}`, ...rest } = o;
  const caps = { recorder: false, publish: true };
  const out = say(from, { t: "join", v: 1, room, name, caps, ...rest });
  const first = out[0];
  const welcome = first?.t === "send" && first.message.t === "welcome" ? first.message : undefined;
  return { out, id: welcome?.you ?? "", rejoin: welcome?.rejoin ?? "", peers: welcome?.peers ?? [] };
}

function gone(from: ConnectionId, onPurpose: boolean): RoomOutput[] {
  rooms.push({ t: "gone", from, onPurpose }, now);
  return drain();
}

const bye = { bye: true } as const;

describe("TURN servers whose credentials expire", () => {
  const turn = () => [{ urls: ["turn:h"], username: `at ${now}`, credential: "c" }];

  it("are handed out anew at half of their time, to those who are there", () => {
    rooms = makeRooms({ ice: () => ({ servers: turn(), ttl: 60 }) });
    join(1);
    join(2);
    expect(rooms.deadline).toBe(30_000);
    gone(2, true);
    now = millis(29_999);
    expect(drain()).toEqual([]);
    now = millis(30_000);
    expect(drain()).toEqual([{ t: "send", to: 1, message: { t: "ice", ice: turn(), ttl: 60 } }]);
    expect(rooms.deadline).toBe(60_000);
    gone(1, true);
    expect(rooms.deadline).toBeUndefined();
  });
});

describe("joining", () => {
  it("tells the newcomer who is there, and the others who came", () => {
    const a = join(1);
    expect(a.peers).toEqual([]);
    const b = join(2);
    expect(b.peers).toEqual([{ id: a.id, name: "name1", recorder: false }]);
    expect(b.out.slice(1)).toEqual([
      {
        t: "send",
        to: 1,
        message: { t: "peer-joined", peer: { id: b.id, name: "name2", recorder: false } },
      },
    ]);
  });

  it("keeps rooms apart", () => {
    const a = join(1, { room: "one" });
    const b = join(2, { room: "two" });
    expect(b.peers).toEqual([]);
    expect(b.out).toHaveLength(1);
    expect(say(2, { t: "signal", to: a.id, data: bye })).toEqual([]);
  });

  it("calls somebody without a readable name a guest", () => {
    join(1, { name: "" });
    expect(join(2).peers[0]?.name).toBe("Guest");
  });

  it("refuses a full room, a full server and a wrong token, each by its name", () => {
    rooms = makeRooms({ admit: (token) => token === "good" });
    const token = "good";
    expect(join(9, { token: "bad" }).out).toEqual([{ t: "close", to: 9, code: 4003, why: "auth" }]);
    for (const c of [1, 2, 3]) join(c, { token });
    expect(join(4, { token }).out).toEqual([{ t: "close", to: 4, code: 4002, why: "room-full" }]);
    join(5, { token, room: "second" });
    expect(join(6, { token, room: "third" }).out).toEqual([
      { t: "close", to: 6, code: 4002, why: "server-full" },
    ]);
    expect(rooms.roomCount).toBe(2);
    expect(rooms.peerCount).toBe(4);
  });

  it("closes on anything before the join, and on a second join", () => {
    const malformed = { t: "close", to: 1, code: 4004, why: "malformed" };
    expect(say(1, { t: "ping" })).toEqual([malformed]);
    join(1);
    join(2);
    expect(join(1).out[0]).toEqual(malformed);
    expect(rooms.peerCount).toBe(1);
  });
});

describe("relaying", () => {
  it("writes the sender itself", () => {
    const a = join(1);
    const b = join(2);
    const forged = { t: "signal", to: b.id, data: bye, from: "somebody" } as const;
    expect(say(1, forged)).toEqual([{ t: "send", to: 2, message: { t: "signal", from: a.id, data: bye } }]);
  });

  it("ignores signals to strangers and to oneself", () => {
    const a = join(1);
    expect(say(1, { t: "signal", to: "nobody", data: bye })).toEqual([]);
    expect(say(1, { t: "signal", to: a.id, data: bye })).toEqual([]);
  });

  it("relays what is muted, and tells newcomers", () => {
    const a = join(1);
    join(2);
    const muted = { audio: true, video: false };
    expect(say(1, { t: "state", muted })).toEqual([
      { t: "send", to: 2, message: { t: "state", from: a.id, muted } },
    ]);
    expect(join(3).peers).toContainEqual({ id: a.id, name: "name1", recorder: false, muted });
  });

  it("answers pings", () => {
    join(1);
    expect(say(1, { t: "ping" })).toEqual([{ t: "send", to: 1, message: { t: "pong" } }]);
  });
});

describe("leaving", () => {
  it("tells the others at once when a peer leaves on purpose, and forgets empty rooms", () => {
    const a = join(1);
    join(2);
    expect(gone(1, true)).toEqual([
      {
        t: "send",
        to: 2,
        message: { t: "peer-left", peer: { id: a.id, name: "name1", recorder: false }, reason: "left" },
      },
    ]);
    gone(2, true);
    expect(rooms.roomCount).toBe(0);
    expect(rooms.deadline).toBeUndefined();
  });

  it("kicks with its own code, for good", () => {
    const a = join(1);
    join(2);
    rooms.push({ t: "kick", room: "r", peer: a.id }, now);
    expect(drain()).toMatchObject([
      { t: "close", to: 1, code: 4001, why: "kicked" },
      { t: "send", to: 2, message: { t: "peer-left", reason: "kicked" } },
    ]);
    // Whoever comes back all the same is a newcomer under the old id.
    const again = join(3, { rejoin: a.rejoin });
    expect(again.out).toMatchObject([
      { to: 3 },
      { to: 2, message: { t: "peer-joined", peer: { id: a.id } } },
    ]);
  });
});

describe("coming back", () => {
  it("gives the seat back within the grace, and nobody notices", () => {
    const a = join(1);
    const b = join(2);
    expect(gone(1, false)).toEqual([]);
    expect(rooms.deadline).toBe(1000);
    now = millis(999);
    const again = join(3, { rejoin: a.rejoin, name: "other name" });
    expect(again.id).toBe(a.id);
    expect(again.rejoin).not.toBe(a.rejoin);
    expect(again.out).toHaveLength(1);
    expect(rooms.deadline).toBeUndefined();
    expect(say(2, { t: "signal", to: a.id, data: bye })).toEqual([
      { t: "send", to: 3, message: { t: "signal", from: b.id, data: bye } },
    ]);
  });

  it("tells the others when the grace is over, and again when the peer comes, with the id it had", () => {
    const a = join(1);
    join(2);
    gone(1, false);
    now = millis(1000);
    expect(drain()).toMatchObject([{ to: 2, message: { t: "peer-left", reason: "lost" } }]);
    const again = join(3, { rejoin: a.rejoin, name: "other name" });
    expect(again.out).toMatchObject([
      { to: 3 },
      { to: 2, message: { t: "peer-joined", peer: { id: a.id, name: "other name" } } },
    ]);
    expect(again.rejoin).not.toBe(a.rejoin);
  });

  it("gives everybody the id they had, at a server that has just started", () => {
    const [a, b] = [join(1), join(2)];
    serial = 100;
    rooms = makeRooms();
    expect(join(1, { rejoin: b.rejoin }).id).toBe(b.id);
    const first = join(2, { rejoin: a.rejoin });
    expect([first.id, first.peers]).toMatchObject([a.id, [{ id: b.id }]]);
    // An id that is taken is not given twice, and a seat not to an old token.
    const second = join(3, { rejoin: a.rejoin });
    expect([a.id, b.id]).not.toContain(second.id);
    expect(rooms.peerCount).toBe(3);
  });

  it("knows nobody by what only looks like a token", () => {
    const a = join(1);
    for (const rejoin of [a.id, ".", `.${a.rejoin}`, "x"]) {
      const other = join(2, { rejoin });
      expect([other.id, other.peers]).not.toContain(a.id);
      expect(other.peers).toHaveLength(1);
      gone(2, true);
    }
  });

  it("takes each token once", () => {
    const a = join(1);
    gone(1, false);
    expect(join(2, { rejoin: a.rejoin }).id).toBe(a.id);
    expect(join(3, { rejoin: a.rejoin }).id).not.toBe(a.id);
  });

  it("does not take a token of another room, which stays good for its own", () => {
    const a = join(1, { room: "one" });
    gone(1, false);
    const elsewhere = join(2, { room: "two", rejoin: a.rejoin });
    expect(elsewhere.id).not.toBe(a.id);
    expect(join(3, { room: "one", rejoin: a.rejoin }).id).toBe(a.id);
  });

  it("needs the room's token also to come back", () => {
    rooms = makeRooms({ admit: (token) => token === "good" });
    const a = join(1, { token: "good" });
    gone(1, false);
    expect(join(2, { rejoin: a.rejoin }).out).toMatchObject([{ t: "close", to: 2, code: 4003 }]);
  });

  it("replaces a connection that the server still believes in", () => {
    const a = join(1);
    const again = join(2, { rejoin: a.rejoin });
    expect(again.out[0]).toEqual({ t: "close", to: 1, code: 4005, why: "replaced" });
    expect(rooms.peerCount).toBe(1);
    expect(gone(1, false)).toEqual([]);
    expect(rooms.peerCount).toBe(1);
  });

  it("keeps the signals that came meanwhile, in order", () => {
    const a = join(1);
    const b = join(2);
    gone(1, false);
    for (const sdpMid of ["0", "1"]) {
      say(2, { t: "signal", to: a.id, data: { candidate: { candidate: "c", sdpMid } } });
    }
    const { out } = join(3, { rejoin: a.rejoin });
    expect(out.slice(1)).toMatchObject([
      { to: 3, message: { from: b.id, data: { candidate: { sdpMid: "0" } } } },
      { to: 3, message: { from: b.id, data: { candidate: { sdpMid: "1" } } } },
    ]);
  });

  it("gives the seat up rather than keep signals without bound", () => {
    const a = join(1);
    join(2);
    gone(1, false);
    const seen: RoomOutput[] = [];
    for (let i = 0; i < 300; i++) seen.push(...say(2, { t: "signal", to: a.id, data: bye }));
    expect(seen).toMatchObject([{ to: 2, message: { t: "peer-left", reason: "lost" } }]);
    expect(rooms.peerCount).toBe(1);
  });

  it("counts those who are away against the size of the room", () => {
    for (const c of [1, 2, 3]) join(c);
    gone(1, false);
    expect(join(4).out).toMatchObject([{ t: "close", why: "room-full" }]);
  });
});
