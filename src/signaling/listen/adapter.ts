import { RoomtapError } from "../../core/fault.ts";
import type { Cancel, JoinWish, RoomAdapter, RoomEvent, RoomSession, RtcHost } from "../../core/room.ts";
import { checkExposure } from "../../net/listen.ts";
import { EventQueue } from "../event-queue.ts";
import { Listener } from "./listener.ts";
import { Reception, type ReceptionOptions } from "./reception.ts";
import { type ListenTarget, parseListenTarget } from "./target.ts";

/** What tests have less of. */
export type ListenLimits = Pick<ReceptionOptions, "setupMs" | "maxCallers">;

/** Rooms that we are the server of: WHIP (RFC 9725) and JSON offers, as endpoints that others call. */
export function listenAdapter(limits: ListenLimits = {}): RoomAdapter {
  return {
    schemes: ["whip-listen", "offer-listen"],
    join: async (host, address, wish, signal) => {
      const target = parseListenTarget(address);
      check(target, wish);
      const session = new ListenSession({ host, target, wish, limits });
      await session.join(signal);
      return session;
    },
  };
}

function check(target: ListenTarget, wish: JoinWish): void {
  const { listen } = wish;
  checkExposure(
    {
      host: target.host,
      ...(listen?.token === undefined ? {} : { token: listen.token }),
      ...(listen?.public === undefined ? {} : { public: listen.public }),
    },
    "give callers a token with --listen-token or ROOMTAP_LISTEN_TOKEN, or say --public",
  );
  if (target.dialect === "whip" && !wish.receive)
    throw new RoomtapError(
      "usage",
      "whoever calls a WHIP endpoint only sends, and nothing is received here",
      {
        hint: "to send to those who call, listen on offer-listen://",
      },
    );
}

type SessionOptions = {
  readonly host: RtcHost;
  readonly target: ListenTarget;
  readonly wish: JoinWish;
  readonly limits: ListenLimits;
};

class ListenSession implements RoomSession {
  readonly events = new EventQueue<RoomEvent>();
  readonly #o: SessionOptions;
  readonly #reception: Reception;
  #listener: Listener | undefined;
  #ended = false;

  constructor(o: SessionOptions) {
    this.#o = o;
    this.#reception = new Reception({
      ...o.limits,
      ...{ host: o.host, target: o.target, wish: o.wish },
      emit: (event) => this.events.push(event),
      onEmpty: () => {
        if (o.wish.listen?.once) this.#end("room-closed");
      },
    });
  }

  async join(signal: Cancel): Promise<void> {
    const { target, wish, host } = this.#o;
    const { certificate: cert, key } = wish.listen ?? {};
    const listener = await Listener.open({
      ...{ host: target.host, port: target.port },
      ...(cert === undefined || key === undefined ? {} : { tls: { cert, key } }),
      handle: (request) => this.#reception.handle(request),
    });
    if (signal.aborted) {
      listener.close();
      throw new RoomtapError("signal-closed", "joining was cancelled");
    }
    this.#listener = listener;
    host.log("info", `callers come to ${listener.url}${target.path.slice(1)}`);
  }

  async leave(): Promise<void> {
    this.#end("left");
  }

  #end(reason: "left" | "room-closed"): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#reception.close();
    this.#listener?.close();
    this.events.push({ t: "ended", reason });
    this.events.end();
  }
}
