import { concat, u8, u32 } from "../../src/core/bytes.ts";
import { type Amf, decodeAmf, encodeAmf } from "../../src/core/rtmp/amf0.ts";
import { ChunkReader, chunksOf, MessageType, type RtmpMessage } from "../../src/core/rtmp/chunks.ts";

const HANDSHAKE = 1536;

/** A command of the client, with its values. */
export type ClientCommand = {
  readonly name: string;
  readonly values: readonly Amf[];
  readonly stream: number;
};

/** What it answers; by the name of the command. Default: what a server says that takes everything. */
export type Answers = {
  readonly [command: string]: (server: RtmpServer, c: ClientCommand) => readonly Uint8Array[];
};

/** A server's side of RTMP, for one connection that publishes. Octets in, octets out. */
export class RtmpServer {
  readonly commands: ClientCommand[] = [];
  readonly media: RtmpMessage[] = [];
  /** Messages of other types. */
  readonly others: RtmpMessage[] = [];
  readonly #reader = new ChunkReader();
  readonly #answers: Answers;
  readonly #chunkSize: number;
  #early: Uint8Array = new Uint8Array(0);
  #shaken = false;

  /** `chunkSize`: of what it sends. */
  constructor(answers: Answers = {}, chunkSize = 128) {
    this.#answers = answers;
    this.#chunkSize = chunkSize;
  }

  /** What it read was no RTMP. */
  get failed(): boolean {
    return this.#reader.failed;
  }

  /** Takes octets of the client, gives what it answers. */
  push(bytes: Uint8Array): Uint8Array[] {
    if (this.#shaken) return this.#read(bytes);
    this.#early = concat([this.#early, bytes]);
    if (this.#early.length < 1 + 2 * HANDSHAKE) {
      // S0, S1 and S2 at once, as soon as C1 is here.
      const before = this.#early.length - bytes.length;
      if (before >= 1 + HANDSHAKE || this.#early.length < 1 + HANDSHAKE) return [];
      const c1 = this.#early.slice(1, 1 + HANDSHAKE);
      return [concat([Uint8Array.of(3), new Uint8Array(HANDSHAKE).fill(7), c1])];
    }
    this.#shaken = true;
    const chunkSize = new Uint8Array(4);
    new DataView(chunkSize.buffer).setUint32(0, this.#chunkSize);
    const first =
      this.#chunkSize === 128
        ? []
        : [
            chunksOf(
              { type: MessageType.setChunkSize, stream: 0, chunkStream: 2, time: 0, payload: chunkSize },
              128,
            ),
          ];
    return [...first, ...this.#read(this.#early.slice(1 + 2 * HANDSHAKE))];
  }

  /** A command for the client. */
  say(stream: number, ...values: readonly Amf[]): Uint8Array {
    return this.message(MessageType.commandAmf0, encodeAmf(...values), stream);
  }

  /** `onStatus` on the stream. */
  status(level: "status" | "error", code: string, description = ""): Uint8Array {
    return this.say(1, "onStatus", 0, null, { level, code, description });
  }

  /** Any message for the client. */
  message(type: number, payload: Uint8Array, stream = 0): Uint8Array {
    return chunksOf({ type, stream, chunkStream: 3, time: 0, payload }, this.#chunkSize);
  }

  #read(bytes: Uint8Array): Uint8Array[] {
    return this.#reader.push(bytes).flatMap((m) => {
      if (m.type === MessageType.audio || m.type === MessageType.video) this.media.push(m);
      else if (m.type !== MessageType.commandAmf0) this.others.push(m);
      else {
        const [name, ...values] = decodeAmf(m.payload);
        const command = { name: String(name), values, stream: m.stream };
        this.commands.push(command);
        const answer = this.#answers[command.name];
        return answer ? [...answer(this, command)] : this.#usual(command);
      }
      return [];
    });
  }

  #usual({ name, values }: ClientCommand): Uint8Array[] {
    if (name === "connect")
      return [this.say(0, "_result", 1, {}, { level: "status", code: "NetConnection.Connect.Success" })];
    if (name === "createStream") return [this.say(0, "_result", values[0], null, 1)];
    if (name === "publish") return [this.status("status", "NetStream.Publish.Start")];
    return [];
  }
}

/** Whether a body of video or audio is a decoder's configuration; a keyframe; what is behind its header. */
export function bodyOf(m: RtmpMessage): { config: boolean; keyframe: boolean; data: Uint8Array } {
  const b = m.payload;
  const isVideo = m.type === MessageType.video;
  return {
    config: u8(b, 1) === 0,
    keyframe: !isVideo || u8(b, 0) >> 4 === 1,
    data: b.slice(isVideo ? 5 : 2),
  };
}

/** The number in a control message. */
export function numberOf(m: RtmpMessage | undefined): number | undefined {
  return m && m.payload.length >= 4 ? u32(m.payload, 0) : undefined;
}
