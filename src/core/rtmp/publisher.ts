import { concat, putU32, u8, u16, u32 } from "../bytes.ts";
import type { Random } from "../random.ts";
import { type Amf, decodeAmf, encodeAmf, textOf } from "./amf0.ts";
import { ChunkReader, chunksOf, MessageType, type RtmpMessage } from "./chunks.ts";

/** Where a stream goes. All are octet strings: what is not ASCII is UTF-8 with a character for each octet. */
export type RtmpPlace = {
  /** `rtmp://host/app`, without the key: servers choose the host by it. */
  readonly tcUrl: string;
  readonly app: string;
  /** Name of the stream, with its query: a secret. */
  readonly key: string;
};

/** Why a stream cannot be published, or not any longer. */
export type RtmpFailure = {
  /** `refused`: the server said no. `closed`: it ended the stream. `protocol`: what it sent is no RTMP. */
  readonly reason: "refused" | "closed" | "protocol";
  /** Like `NetStream.Publish.BadName`, where the server gave one. */
  readonly code?: string;
  /** The server's own words, which may repeat the key. */
  readonly description?: string;
};

/** What comes of the server's octets. */
export type RtmpEvent =
  | { readonly t: "send"; readonly octets: Uint8Array }
  /** Samples may be sent now. */
  | { readonly t: "publishing" }
  /** The server has this many octets of ours, counted modulo 2^32 from the start of the connection. */
  | { readonly t: "acknowledged"; readonly octets: number }
  | { readonly t: "failed"; readonly failure: RtmpFailure };

/** Octets of C1, S1, C2 and S2 (section 5.2.3). */
const HANDSHAKE_SIZE = 1536;
const VERSION = 3;
/** Ours: what most publishers take, so that no server is surprised. */
const CHUNK_SIZE = 4096;
/** After as many octets of ours the server is to say that it has them. */
const ACKNOWLEDGE_EVERY = 250_000;
const Channel = { control: 2, command: 3, audio: 4, video: 6 } as const;
const Transaction = {
  connect: 1,
  release: 2,
  prepare: 3,
  create: 4,
  publish: 5,
  unprepare: 6,
  remove: 7,
} as const;
const PING_REQUEST = 6;
const PING_RESPONSE = 7;

type State = "handshake" | "connecting" | "creating" | "asking" | "publishing" | "failed";

/**
 * The side of an RTMP 1.0 connection that publishes one stream. Octets of the server go in, octets for it and news come
 * out; time is for the owner, who ends what takes too long.
 */
export class RtmpPublisher {
  readonly #place: RtmpPlace;
  readonly #random: Random;
  readonly #reader = new ChunkReader();
  /** Of the handshake, until it is whole. */
  #early: Uint8Array = new Uint8Array(0);
  #state: State = "handshake";
  #stream = 0;
  #received = 0;
  #acknowledged = 0;
  /** The server wants to be told after as many octets. */
  #window: number | undefined;
  #events: RtmpEvent[] = [];

  constructor(place: RtmpPlace, random: Random) {
    this.#place = place;
    this.#random = random;
  }

  get publishing(): boolean {
    return this.#state === "publishing";
  }

  /** The server was asked to let us publish, and did not answer yet. */
  get asking(): boolean {
    return this.#state === "asking";
  }

  /** The first octets of the connection: C0 and C1 (section 5.2). */
  start(): Uint8Array {
    const out = new Uint8Array(1 + HANDSHAKE_SIZE);
    out[0] = VERSION;
    for (let i = 9; i < out.length; i++) out[i] = 256 * this.#random();
    return out;
  }

  /** Takes octets of the server. After `failed` nothing more comes. */
  push(bytes: Uint8Array): readonly RtmpEvent[] {
    this.#events = [];
    if (this.#state === "failed" || bytes.length === 0) return [];
    this.#received += bytes.length;
    if (this.#state === "handshake") this.#shake(bytes);
    else this.#read(bytes);
    return this.#events;
  }

  /** The octets that carry a sample, its body as FLV has it. `time`: milliseconds since the start of the stream. */
  media(kind: "audio" | "video", time: number, body: Uint8Array): Uint8Array {
    const type = kind === "audio" ? MessageType.audio : MessageType.video;
    return chunksOf(
      { type, chunkStream: Channel[kind], stream: this.#stream, time, payload: body },
      CHUNK_SIZE,
    );
  }

  /** The octets that say what the stream is, before its samples. */
  metadata(properties: { readonly [name: string]: Amf }): Uint8Array {
    const payload = encodeAmf("@setDataFrame", "onMetaData", properties);
    const type = MessageType.dataAmf0;
    return chunksOf({ type, chunkStream: Channel.audio, stream: this.#stream, time: 0, payload }, CHUNK_SIZE);
  }

  /** The last octets: the stream is over. */
  end(): Uint8Array {
    if (this.#state !== "publishing") return new Uint8Array(0);
    return concat([
      command(0, "FCUnpublish", Transaction.unprepare, null, this.#place.key),
      command(0, "deleteStream", Transaction.remove, null, this.#stream),
    ]);
  }

  #shake(bytes: Uint8Array): void {
    this.#early = concat([this.#early, bytes]);
    const b = this.#early;
    if (u8(b, 0) !== VERSION) this.#fail({ reason: "protocol" });
    // S0, S1 and S2; the third repeats ours, which nobody needs to check.
    if (this.#state === "failed" || b.length < 1 + 2 * HANDSHAKE_SIZE) return;
    this.#send(b.slice(1, 1 + HANDSHAKE_SIZE));
    this.#state = "connecting";
    this.#early = new Uint8Array(0);
    this.#send(control(MessageType.setChunkSize, CHUNK_SIZE));
    const { app, tcUrl } = this.#place;
    const flashVer = "FMLE/3.0 (compatible; roomtap)";
    this.#send(command(0, "connect", Transaction.connect, { app, type: "nonprivate", flashVer, tcUrl }));
    this.#read(b.slice(1 + 2 * HANDSHAKE_SIZE));
  }

  #read(bytes: Uint8Array): void {
    for (const m of this.#reader.push(bytes)) if (this.#state !== "failed") this.#message(m);
    if (this.#reader.failed) this.#fail({ reason: "protocol" });
    if (this.#window !== undefined && this.#received - this.#acknowledged >= this.#window) {
      this.#acknowledged = this.#received;
      this.#send(control(MessageType.acknowledgement, this.#received % 0x1_0000_0000));
    }
  }

  #message(m: RtmpMessage): void {
    const b = m.payload;
    if (m.type === MessageType.acknowledgement && b.length >= 4)
      this.#events.push({ t: "acknowledged", octets: u32(b, 0) });
    else if (m.type === MessageType.windowAcknowledgementSize && b.length >= 4)
      this.#window = u32(b, 0) || undefined;
    else if (m.type === MessageType.setPeerBandwidth && b.length >= 4)
      this.#send(control(MessageType.windowAcknowledgementSize, ACKNOWLEDGE_EVERY));
    else if (m.type === MessageType.userControl && b.length >= 6 && u16(b, 0) === PING_REQUEST) {
      const payload = b.slice(0, 6);
      payload[1] = PING_RESPONSE;
      this.#send(onControl(MessageType.userControl, payload));
    } else if (m.type === MessageType.commandAmf0) this.#command(decodeAmf(b));
    // An octet before what is AMF0 after all.
    else if (m.type === MessageType.commandAmf3) this.#command(decodeAmf(b, 1));
  }

  #command([name, transaction, , info]: readonly Amf[]): void {
    if (name === "_result") this.#result(transaction, info);
    else if (name === "_error") {
      // Not every server knows the two that come before createStream, and none needs them.
      if (transaction !== Transaction.connect && transaction !== Transaction.create) return;
      this.#fail({ reason: "refused", ...words(info) });
    } else if (name === "onStatus") this.#status(info);
    else if (name === "close") this.#fail({ reason: "closed" });
  }

  #result(transaction: Amf, info: Amf): void {
    const { key } = this.#place;
    if (transaction === Transaction.connect && this.#state === "connecting") {
      this.#state = "creating";
      this.#send(control(MessageType.windowAcknowledgementSize, ACKNOWLEDGE_EVERY));
      this.#send(command(0, "releaseStream", Transaction.release, null, key));
      this.#send(command(0, "FCPublish", Transaction.prepare, null, key));
      this.#send(command(0, "createStream", Transaction.create, null));
    } else if (transaction === Transaction.create && this.#state === "creating") {
      if (typeof info !== "number") {
        this.#fail({ reason: "protocol" });
        return;
      }
      this.#state = "asking";
      this.#stream = info >>> 0;
      this.#send(command(this.#stream, "publish", Transaction.publish, null, key, "live"));
    }
  }

  #status(info: Amf): void {
    const said = words(info);
    if (said.code === "NetStream.Publish.Start" && this.#state === "asking") {
      this.#state = "publishing";
      this.#events.push({ t: "publishing" });
    } else if (textOf(info, "level") === "error") {
      this.#fail({ reason: this.#state === "publishing" ? "closed" : "refused", ...said });
    } else if (said.code === "NetStream.Unpublish.Success" || said.code === "NetConnection.Connect.Closed") {
      this.#fail({ reason: "closed", ...said });
    }
  }

  #send(octets: Uint8Array): void {
    this.#events.push({ t: "send", octets });
  }

  #fail(failure: RtmpFailure): void {
    if (this.#state === "failed") return;
    this.#state = "failed";
    this.#events.push({ t: "failed", failure });
  }
}

/** What the server says of it. */
function words(info: Amf): { code?: string; description?: string } {
  const code = textOf(info, "code");
  const description = textOf(info, "description");
  return { ...(code === undefined ? {} : { code }), ...(description === undefined ? {} : { description }) };
}

function command(stream: number, ...values: readonly Amf[]): Uint8Array {
  const payload = encodeAmf(...values);
  const type = MessageType.commandAmf0;
  return chunksOf({ type, chunkStream: Channel.command, stream, time: 0, payload }, CHUNK_SIZE);
}

/** A protocol control message of one number (section 5.4). */
function control(type: number, value: number): Uint8Array {
  const payload = new Uint8Array(4);
  putU32(payload, 0, value);
  return onControl(type, payload);
}

/** The first message of all, the size of our chunks, is shorter than any. */
function onControl(type: number, payload: Uint8Array): Uint8Array {
  return chunksOf({ type, chunkStream: Channel.control, stream: 0, time: 0, payload }, CHUNK_SIZE);
}
