import { RoomtapError } from "../../core/fault.ts";
import type { JoinWish, Link, RtcHost } from "../../core/room.ts";
import type { JanusClient } from "./client.ts";
import { throwRefusal } from "./errors.ts";
import type { JanusMessage } from "./messages.ts";
import { trickleOut } from "./trickle-out.ts";

/** What a publication needs. */
export type PublicationOptions = {
  readonly client: JanusClient;
  readonly host: RtcHost;
  /** Our seat in the room. */
  readonly handle: number;
  readonly wish: JoinWish;
  readonly shown: string;
  readonly onUp: () => void;
  readonly onBroken: (error: RoomtapError) => void;
};

/** What we send into the room, over one connection. */
export class Publication {
  readonly #o: PublicationOptions;
  readonly #link: Link;
  #closed = false;

  constructor(o: PublicationOptions) {
    this.#o = o;
    this.#link = o.host.link({ peerId: "janus", iceServers: [] });
    this.#link.onState((state) => {
      if (state === "connected") o.onUp();
      if (state === "failed" || state === "closed")
        this.#broken(new RoomtapError("ice-failed", `no media path to ${o.shown}`));
    });
  }

  /** Offers. Rejects with a RoomtapError when the room takes nothing of it. */
  async start(): Promise<void> {
    const { client, handle, wish, shown, host } = this.#o;
    // Janus takes the first layer of an offer for the best.
    const send = wish.publish.map((t) => (t.layers ? { ...t, layers: [...t.layers].reverse() } : t));
    const plan = { send, receive: { audio: 0, video: 0 }, data: false };
    const offer = await this.#link.offer(plan);
    const kinds = new Set(wish.publish.map((t) => t.kind));
    const codecOf = (kind: "audio" | "video") => wish.publish.find((t) => t.kind === kind)?.codec;
    const [audio, video] = [codecOf("audio"), codecOf("video")];
    const { data, jsep } = await client.message(
      handle,
      {
        ...{ request: "publish", audio: kinds.has("audio"), video: kinds.has("video") },
        ...(audio === undefined ? {} : { audiocodec: audio }),
        ...(video === undefined ? {} : { videocodec: video }),
        descriptions: wish.publish.map((t, i) => ({ mid: String(i), description: t.source })),
      },
      offer,
    );
    throwRefusal(data, shown);
    if (jsep?.type !== "answer")
      throw new RoomtapError("signal-protocol", `${shown} gave no answer to our offer`);
    const media = await this.#link.answer(jsep);
    const taken = media.filter((m) => m.taking).map((m) => m.kind);
    const refused = wish.publish.filter((t) => !taken.includes(t.kind));
    const names = refused.map((t) => `${t.kind} (${t.codec})`).join(" and ");
    if (refused.length === wish.publish.length)
      throw new RoomtapError("negotiation", `${shown} takes no ${names}`, {
        hint: "the room may want another codec: try --video vp8 or --video h264",
      });
    if (refused.length > 0) host.log("warn", `${shown} takes no ${names}: the rest is sent`);
    trickleOut(this.#link, client, handle);
  }

  /** What the server says of our seat. */
  message(m: JanusMessage): void {
    if (m.candidate) this.#link.addCandidate(m.candidate);
    else if (m.type === "hangup")
      this.#broken(
        new RoomtapError("peer-lost", `${this.#o.shown} hung up${m.reason ? `: ${m.reason}` : ""}`),
      );
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#link.close();
  }

  #broken(error: RoomtapError): void {
    if (!this.#closed) this.#o.onBroken(error);
  }
}
