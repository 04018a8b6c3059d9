import { asciiBytes, putU16, putU24, u16 } from "../../bytes.ts";
import { ExtensionMap } from "../extension-map.ts";
import { ExtensionUri } from "../extensions.ts";
import type { ExtensionElement } from "../packet.ts";

/** Header-extension ids of one m-line as negotiated; absent or undefined: not in use. */
export type SendExtensionIds = {
  readonly absSendTime?: number | undefined;
  readonly transportCc?: number | undefined;
  readonly audioLevel?: number | undefined;
  readonly mid?: number | undefined;
  readonly rid?: number | undefined;
  readonly repairedRid?: number | undefined;
};

/** The ids among negotiated extensions (id to URI) that outgoing packets use. */
export function sendExtensionIds(negotiated: ReadonlyMap<number, string>): SendExtensionIds {
  const map = new ExtensionMap(negotiated);
  return {
    absSendTime: map.idOf(ExtensionUri.absSendTime),
    transportCc: map.idOf(ExtensionUri.transportCc),
    audioLevel: map.idOf(ExtensionUri.audioLevel),
    mid: map.idOf(ExtensionUri.mid),
    rid: map.idOf(ExtensionUri.rid),
    repairedRid: map.idOf(ExtensionUri.repairedRid),
  };
}

/** What a stream says about itself in its header extensions. */
export type StreamIdentity = { readonly mid?: string | undefined; readonly rid?: string | undefined };

/** RFC 6464 level of digital silence, in -dBov. */
const SILENCE = 127;

/**
 * The header extensions of one outgoing stream. The elements that only the moment of sending knows
 * (abs-send-time, transport-wide sequence number) come first in every packet, as zeros, so that
 * `stampPacket` finds them without parsing.
 */
export class SendHeader {
  readonly ids: SendExtensionIds;
  /** The most octets a packet of this stream spends before its payload, the RTX prefix (OSN) included. */
  readonly overhead: number;
  readonly #plain: readonly ExtensionElement[];
  readonly #identified: readonly ExtensionElement[];
  readonly #levelled: readonly ExtensionElement[];
  readonly #both: readonly ExtensionElement[];
  readonly #repair: readonly ExtensionElement[];
  readonly #level = new Uint8Array(1);

  constructor(ids: SendExtensionIds, identity: StreamIdentity) {
    this.ids = ids;
    const level = element(ids.audioLevel, this.#level);
    const mid = identity.mid === undefined ? [] : element(ids.mid, asciiBytes(identity.mid));
    const rid = identity.rid === undefined ? undefined : asciiBytes(identity.rid);
    this.#plain = [
      ...element(ids.absSendTime, new Uint8Array(3)),
      ...element(ids.transportCc, new Uint8Array(2)),
    ];
    this.#levelled = [...this.#plain, ...level];
    this.#identified = [...this.#plain, ...mid, ...(rid ? element(ids.rid, rid) : [])];
    this.#both = [...this.#identified, ...level];
    this.#repair = [...this.#plain, ...mid, ...(rid ? element(ids.repairedRid, rid) : [])];
    this.overhead = Math.max(headerSize(this.#both), headerSize(this.#repair) + 2);
  }

  /**
   * Elements of a media packet, valid until the next call. `identify` adds MID and RID; `audioLevel` in -dBov
   * (0 loudest, 127 silence) adds the level, with the voice bit for anything louder than silence.
   */
  media(identify: boolean, audioLevel: number | undefined): readonly ExtensionElement[] {
    if (audioLevel === undefined) return identify ? this.#identified : this.#plain;
    this.#level[0] = (audioLevel < SILENCE ? 0x80 : 0) | (audioLevel & 0x7f);
    return identify ? this.#both : this.#levelled;
  }

  /** Elements of a retransmission: MID, and the RID as repaired RID (RFC 8852 section 3.2). */
  get repair(): readonly ExtensionElement[] {
    return this.#repair;
  }
}

/**
 * Writes abs-send-time (24 bits) and the transport-wide sequence number into a packet built with the elements
 * of a `SendHeader` of the same ids.
 */
export function stampPacket(
  b: Uint8Array,
  ids: SendExtensionIds,
  absSendTime: number,
  transportSeq: number,
): void {
  if (ids.absSendTime === undefined && ids.transportCc === undefined) return;
  // RFC 8285: element headers take one octet under 0xBEDE (section 4.2), else two (section 4.3).
  const head = u16(b, 12) === 0xbede ? 1 : 2;
  let i = 16 + head;
  if (ids.absSendTime !== undefined) {
    putU24(b, i, absSendTime);
    i += 3 + head;
  }
  if (ids.transportCc !== undefined) putU16(b, i, transportSeq);
}

function element(id: number | undefined, data: Uint8Array): ExtensionElement[] {
  return id === undefined || data.length === 0 ? [] : [{ id, data }];
}

function headerSize(elements: readonly ExtensionElement[]): number {
  if (elements.length === 0) return 12;
  let n = 0;
  for (const e of elements) n += 2 + e.data.length;
  return 16 + ((n + 3) & ~3);
}
