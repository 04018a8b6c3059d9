import { putU16, putU32, u8, u16 } from "../bytes.ts";
import { ExtensionReader } from "./extensions.ts";
import type { RtpView } from "./packet.ts";

/** The original sequence number before the payload. */
const OSN = 2;

/** The stream an RTX stream repairs, and how it names it. */
export type RtxAssociation = {
  readonly primarySsrc: number;
  readonly primaryPayloadType: number;
  /** Ids of the two RID extensions: the repaired RID of the RTX packet becomes the RID of the original. */
  readonly repairedRidId?: number | undefined;
  readonly ridId?: number | undefined;
};

/**
 * Turns an RTX packet back into the packet it repeats (RFC 4588 section 4): `v` then shows the original.
 * The datagram is rewritten in place and belongs to the restored packet afterwards; tap it before.
 *
 * False, with nothing changed: there is no original inside (padding sent as a bandwidth probe).
 */
export class RtxUnwrapper {
  readonly #reader = new ExtensionReader();

  unwrap(v: RtpView, a: RtxAssociation): boolean {
    if (v.payloadEnd - v.payloadOffset < OSN) return false;
    if (a.repairedRidId !== undefined && a.ridId !== undefined) {
      this.#renameRid(v, a.repairedRidId, a.ridId);
    }
    const seq = u16(v.buf, v.payloadOffset);
    // The header moves up over the original sequence number: it is shorter than the payload.
    v.buf.copyWithin(OSN, 0, v.payloadOffset);
    v.buf = v.buf.subarray(OSN);
    v.buf[1] = (v.marker ? 0x80 : 0) | a.primaryPayloadType;
    putU16(v.buf, 2, seq);
    putU32(v.buf, 8, a.primarySsrc);
    v.payloadType = a.primaryPayloadType;
    v.seq = seq;
    v.ssrc = a.primarySsrc;
    v.payloadEnd -= OSN;
    return true;
  }

  #renameRid(v: RtpView, from: number, to: number): void {
    const r = this.#reader;
    r.begin(v);
    while (r.next()) {
      if (r.id !== from) continue;
      if (v.extProfile !== 0xbede) v.buf[r.offset - 2] = to;
      else if (to < 15) v.buf[r.offset - 1] = (to << 4) | (u8(v.buf, r.offset - 1) & 0x0f);
    }
  }
}
