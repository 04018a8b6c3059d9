import { earliest, type Machine } from "../core/machine.ts";
import type { IceServer } from "../core/room.ts";
import { type Millis, millis } from "../core/time.ts";
import {
  type ClientMessage,
  CloseCode,
  type CloseCodeValue,
  type JoinMessage,
  type LeaveReason,
  type Muted,
  type PeerInfo,
  type RefusalCode,
  type ServerMessage,
} from "../signaling/room/messages.ts";

/** A connection, numbered by whoever owns the sockets. */
export type ConnectionId = number;

/** What the owner of the sockets reports. */
export type RoomInput =
  | { readonly t: "message"; readonly from: ConnectionId; readonly message: ClientMessage }
  /** The connection is gone; `onPurpose`: the peer left, its seat is not kept. */
  | { readonly t: "gone"; readonly from: ConnectionId; readonly onPurpose: boolean }
  | { readonly t: "kick"; readonly room: string; readonly peer: string };

/** What the owner of the sockets shall do. A close ends the connection: no `gone` is needed after it. */
export type RoomOutput =
  | { readonly t: "send"; readonly to: ConnectionId; readonly message: ServerMessage }
  | {
      readonly t: "close";
      readonly to: ConnectionId;
      readonly code: CloseCodeValue;
      readonly why: RefusalCode;
    }
  /** A line for the log: who came, came back or left. */
  | { readonly t: "log"; readonly line: string };

/** Rules of the rooms; ids, secrets and the check of the token come from outside. */
export type RoomsOptions = {
  readonly maxPeers: number;
  readonly maxRooms: number;
  /** Milliseconds for which a peer whose connection broke may come back before the others hear of it. */
  readonly graceMs: number;
  /** The peer id of whoever holds this key in this room: a one-way function, so that nobody can claim another's. */
  readonly peerId: (room: string, key: string) => string;
  /** An unguessable secret, at least 128 bits. */
  readonly secret: () => string;
  readonly admit: (token: string | undefined) => boolean;
  /** ICE servers for a peer, and the seconds for which they may be used. */
  readonly ice: (peer: string) => { readonly servers: readonly IceServer[]; readonly ttl: number };
};

/** Signals kept for a peer that is away: enough for one newcomer's offer and candidates of each kind. */
const MAX_HELD_SIGNALS = 256;
const MAX_HELD_CHARS = 2 * 1024 * 1024;

/** Between the two parts of a rejoin token: the key of the seat, and what is new every time. */
const KEY_END = ".";

type Seat = {
  readonly id: string;
  readonly name: string;
  readonly recorder: boolean;
  readonly room: Room;
  /** What the id is made of, known to the peer as the first part of its rejoin tokens. */
  readonly key: string;
  muted: Muted | undefined;
  rejoin: string;
  /** Undefined while away. */
  connection: ConnectionId | undefined;
  /** While away: when the seat is given up. */
  expires: Millis | undefined;
  held: ServerMessage[];
  heldChars: number;
  /** When it gets new ICE servers: those that it has go out of date. */
  iceAt: Millis | undefined;
};

type Room = { readonly name: string; readonly seats: Map<string, Seat> };

/**
 * Who sits in which room, and who may tell whom what. The server's only knowledge of a message's sender is the
 * connection it came from: what a client claims about itself is never relayed.
 */
export class Rooms implements Machine<RoomInput, RoomOutput> {
  readonly #o: RoomsOptions;
  readonly #rooms = new Map<string, Room>();
  readonly #byConnection = new Map<ConnectionId, Seat>();
  readonly #byRejoin = new Map<string, Seat>();
  readonly #away = new Set<Seat>();
  /** Seats whose ICE servers go out of date, the first first: all have the same time. */
  readonly #dated = new Set<Seat>();
  #out: RoomOutput[] = [];

  constructor(o: RoomsOptions) {
    this.#o = o;
  }

  /** Rooms with at least one seat taken. */
  get roomCount(): number {
    return this.#rooms.size;
  }

  /** Peers in all rooms, also those that are away. */
  get peerCount(): number {
    return this.#byRejoin.size;
  }

  get deadline(): Millis | undefined {
    let first: Millis | undefined;
    for (const seat of this.#away) first = earliest(first, seat.expires);
    for (const seat of this.#dated) return earliest(first, seat.iceAt);
    return first;
  }

  push(input: RoomInput, now: Millis): void {
    if (input.t === "kick") {
      const seat = this.#rooms.get(input.room)?.seats.get(input.peer);
      if (seat) this.#eject(seat, CloseCode.kicked, "kicked", "kicked");
      return;
    }
    const seat = this.#byConnection.get(input.from);
    if (input.t === "gone") {
      if (seat) this.#gone(seat, input.onPurpose, now);
    } else if (seat) {
      this.#hear(seat, input.from, input.message);
    } else if (input.message.t === "join") {
      this.#join(input.from, input.message, now);
    } else {
      this.#refuse(input.from, CloseCode.protocol, "malformed");
    }
  }

  poll(now: Millis): RoomOutput | undefined {
    for (const seat of this.#away) {
      if (seat.expires !== undefined && seat.expires <= now) this.#remove(seat, "lost");
    }
    for (const seat of this.#dated) {
      if (seat.iceAt === undefined || seat.iceAt > now) break;
      const { servers, ttl } = this.#freshIce(seat, now);
      if (seat.connection !== undefined) this.#send(seat.connection, { t: "ice", ice: servers, ttl });
    }
    return this.#out.shift();
  }

  #hear(seat: Seat, from: ConnectionId, m: ClientMessage): void {
    switch (m.t) {
      case "join":
        this.#eject(seat, CloseCode.protocol, "malformed", "left");
        break;
      case "ping":
        this.#send(from, { t: "pong" });
        break;
      case "state":
        seat.muted = m.muted;
        this.#tellOthers(seat, { t: "state", from: seat.id, muted: m.muted });
        break;
      case "signal": {
        const to = seat.room.seats.get(m.to);
        // A peer that has just left is no error of the sender.
        if (to && to !== seat) this.#deliver(to, { t: "signal", from: seat.id, data: m.data });
      }
    }
  }

  #join(from: ConnectionId, m: JoinMessage, now: Millis): void {
    if (!this.#o.admit(m.token)) {
      this.#refuse(from, CloseCode.auth, "auth");
      return;
    }
    const own = m.rejoin === undefined ? undefined : this.#byRejoin.get(m.rejoin);
    if (own?.room.name === m.room) {
      this.#return(own, from, now);
      return;
    }
    const room: Room = this.#rooms.get(m.room) ?? { name: m.room, seats: new Map() };
    const serverFull = room.seats.size === 0 && this.#rooms.size >= this.#o.maxRooms;
    if (serverFull || room.seats.size >= this.#o.maxPeers) {
      this.#refuse(from, CloseCode.roomFull, serverFull ? "server-full" : "room-full");
      return;
    }
    this.#rooms.set(room.name, room);
    const { id, key } = this.#identity(room, m.rejoin);
    const seat: Seat = {
      id,
      key,
      name: m.name || "Guest",
      recorder: m.caps.recorder,
      room,
      muted: undefined,
      rejoin: "",
      connection: from,
      expires: undefined,
      held: [],
      heldChars: 0,
      iceAt: undefined,
    };
    room.seats.set(seat.id, seat);
    this.#byConnection.set(from, seat);
    this.#welcome(seat, from, now);
    this.#tellOthers(seat, { t: "peer-joined", peer: info(seat) });
    this.#log(seat, "joined");
  }

  /**
   * Who comes with a token of a seat that is not known any more, because it was given up or this server has started
   * since, has the id that it had: peers that kept their connection to it recognise it.
   */
  #identity(room: Room, rejoin: string | undefined): { id: string; key: string } {
    const known = rejoin?.split(KEY_END, 1)[0];
    if (known) {
      const id = this.#o.peerId(room.name, known);
      if (!room.seats.has(id)) return { id, key: known };
    }
    const key = this.#o.secret();
    return { id: this.#o.peerId(room.name, key), key };
  }

  /** Gives a seat back to the holder of its rejoin token; an older connection of the seat is closed. */
  #return(seat: Seat, from: ConnectionId, now: Millis): void {
    if (seat.connection !== undefined) {
      this.#byConnection.delete(seat.connection);
      this.#refuse(seat.connection, CloseCode.replaced, "replaced");
    }
    this.#away.delete(seat);
    seat.connection = from;
    seat.expires = undefined;
    this.#byConnection.set(from, seat);
    this.#welcome(seat, from, now);
    for (const message of seat.held) this.#send(from, message);
    seat.held = [];
    seat.heldChars = 0;
    this.#log(seat, "came back");
  }

  #welcome(seat: Seat, to: ConnectionId, now: Millis): void {
    this.#byRejoin.delete(seat.rejoin);
    seat.rejoin = `${seat.key}${KEY_END}${this.#o.secret()}`;
    this.#byRejoin.set(seat.rejoin, seat);
    const peers = [...seat.room.seats.values()].filter((other) => other !== seat).map(info);
    const { servers, ttl } = this.#freshIce(seat, now);
    this.#send(to, { t: "welcome", you: seat.id, peers, ice: servers, ttl, rejoin: seat.rejoin });
  }

  /** Servers with their whole time before them; new ones follow at half of it. */
  #freshIce(seat: Seat, now: Millis): { servers: readonly IceServer[]; ttl: number } {
    const { servers, ttl } = this.#o.ice(seat.id);
    this.#dated.delete(seat);
    const dated = ttl > 0 && servers.some((s) => s.credential !== undefined);
    seat.iceAt = dated ? millis(now + 500 * ttl) : undefined;
    if (seat.iceAt !== undefined) this.#dated.add(seat);
    return { servers, ttl };
  }

  #gone(seat: Seat, onPurpose: boolean, now: Millis): void {
    if (onPurpose || this.#o.graceMs <= 0) {
      this.#remove(seat, onPurpose ? "left" : "lost");
      return;
    }
    if (seat.connection !== undefined) this.#byConnection.delete(seat.connection);
    seat.connection = undefined;
    seat.expires = millis(now + this.#o.graceMs);
    this.#away.add(seat);
  }

  #eject(seat: Seat, code: CloseCodeValue, why: RefusalCode, reason: LeaveReason): void {
    if (seat.connection !== undefined) this.#refuse(seat.connection, code, why);
    this.#remove(seat, reason);
  }

  #remove(seat: Seat, reason: LeaveReason): void {
    if (seat.connection !== undefined) this.#byConnection.delete(seat.connection);
    this.#byRejoin.delete(seat.rejoin);
    this.#away.delete(seat);
    this.#dated.delete(seat);
    seat.room.seats.delete(seat.id);
    if (seat.room.seats.size === 0) this.#rooms.delete(seat.room.name);
    this.#tellOthers(seat, { t: "peer-left", peer: info(seat), reason });
    this.#log(seat, `left (${reason})`);
  }

  /** Sends, or keeps for a peer that is away. Presence is not kept: the next welcome tells all of it. */
  #deliver(to: Seat, message: ServerMessage & { readonly t: "signal" }): void {
    if (to.connection !== undefined) {
      this.#send(to.connection, message);
      return;
    }
    to.heldChars += "sdp" in message.data ? message.data.sdp.sdp.length : 256;
    to.held.push(message);
    // A gap in the signals would break connections later: better that the peer joins afresh.
    if (to.held.length > MAX_HELD_SIGNALS || to.heldChars > MAX_HELD_CHARS) this.#remove(to, "lost");
  }

  #tellOthers(seat: Seat, message: ServerMessage): void {
    for (const other of seat.room.seats.values()) {
      if (other !== seat && other.connection !== undefined) this.#send(other.connection, message);
    }
  }

  #log(seat: Seat, what: string): void {
    const who = `${JSON.stringify(seat.name)} (${seat.id})`;
    this.#out.push({ t: "log", line: `room ${seat.room.name}: ${who} ${what}` });
  }

  #refuse(to: ConnectionId, code: CloseCodeValue, why: RefusalCode): void {
    this.#out.push({ t: "close", to, code, why });
  }

  #send(to: ConnectionId, message: ServerMessage): void {
    this.#out.push({ t: "send", to, message });
  }
}

function info(seat: Seat): PeerInfo {
  const { id, name, recorder, muted } = seat;
  return { id, name, recorder, ...(muted && { muted }) };
}
