/*
 * STUN messages and ChannelData on a stream, where they follow one another without a border of their own (RFC 8489
 * section 6.2.2, RFC 8656 section 12.5): both say how long they are, and ChannelData is padded to four octets.
 */

const STUN_HEADER = 20;
const CHANNEL_HEADER = 4;

/** What a datagram or a frame is by its first two bits; undefined: nothing that TURN knows. */
export function turnKind(b: Uint8Array): "stun" | "channel" | undefined {
  const first = b[0];
  if (first === undefined) return undefined;
  return first < 0x40 ? "stun" : first < 0x80 ? "channel" : undefined;
}

/** A datagram of an agent as it goes onto a stream; undefined: it is no whole message. */
export function frameForStream(datagram: Uint8Array): Uint8Array | undefined {
  const kind = turnKind(datagram);
  const said = ((datagram[2] ?? 0) << 8) | (datagram[3] ?? 0);
  if (kind === "stun") return datagram.length === STUN_HEADER + said && said % 4 === 0 ? datagram : undefined;
  const whole = CHANNEL_HEADER + said;
  // Over UDP padding is optional.
  if (kind === undefined || datagram.length < whole || datagram.length > padded(whole)) return undefined;
  if (datagram.length === padded(whole)) return datagram;
  const out = new Uint8Array(padded(whole));
  out.set(datagram.subarray(0, whole));
  return out;
}

/** Cuts a stream from a TURN server into datagrams for an agent. */
export class TurnDeframer {
  #held: Uint8Array = new Uint8Array(0);
  #broken = false;

  /** The stream holds something that is no frame: all that follows is lost. */
  get broken(): boolean {
    return this.#broken;
  }

  /** Takes what came and returns the whole frames in it, without padding; their memory is of its own. */
  push(bytes: Uint8Array): Uint8Array[] {
    const out: Uint8Array[] = [];
    if (this.#broken) return out;
    let b = bytes;
    if (this.#held.length > 0) {
      b = new Uint8Array(this.#held.length + bytes.length);
      b.set(this.#held);
      b.set(bytes, this.#held.length);
    }
    let at = 0;
    while (b.length - at >= CHANNEL_HEADER) {
      const kind = turnKind(b.subarray(at, at + 1));
      const said = ((b[at + 2] ?? 0) << 8) | (b[at + 3] ?? 0);
      if (kind === undefined || (kind === "stun" && said % 4 !== 0)) {
        this.#broken = true;
        break;
      }
      const length = (kind === "stun" ? STUN_HEADER : CHANNEL_HEADER) + said;
      if (b.length - at < padded(length)) break;
      out.push(b.slice(at, at + length));
      at += padded(length);
    }
    this.#held = this.#broken ? new Uint8Array(0) : b.slice(at);
    return out;
  }
}

function padded(n: number): number {
  return (n + 3) & ~3;
}
