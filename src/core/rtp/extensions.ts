import { u8 } from "../bytes.ts";
import type { RtpView } from "./packet.ts";

/** URIs of the header extensions Roomtap reads or writes. */
export const ExtensionUri = {
  /** RFC 9143 section 15. */
  mid: "urn:ietf:params:rtp-hdrext:sdes:mid",
  /** RFC 8852 section 3.1. */
  rid: "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
  /** RFC 8852 section 3.2. */
  repairedRid: "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
  absSendTime: "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
  transportCc: "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
  /** RFC 6464. */
  audioLevel: "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
  /** 3GPP TS 26.114 section 7.4.5. */
  videoOrientation: "urn:3gpp:video-orientation",
  absCaptureTime: "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
} as const;

const ONE_BYTE_PROFILE = 0xbede;
/** The low four bits are appbits (RFC 8285 section 4.3). */
const TWO_BYTE_PROFILE = 0x1000;
const EMPTY: Uint8Array = new Uint8Array(0);

/**
 * Walks the header extension elements of a packet in place (RFC 8285 section 4). One reader serves all
 * packets: `begin`, then `next` until it says false. Nothing is allocated.
 */
export class ExtensionReader {
  /** Element at the cursor: its id (1..14, or 1..255 in the two-byte form) and where its data lies. */
  id = 0;
  offset = 0;
  length = 0;
  /** An element did not fit into the block, or used id 0 with a length. What came before it was read. */
  malformed = false;
  #buf: Uint8Array = EMPTY;
  #next = 0;
  #end = 0;
  #twoByte = false;

  /** Sets the cursor before the first element. Unknown profiles have no elements. */
  begin(v: RtpView): void {
    this.#twoByte = (v.extProfile & 0xfff0) === TWO_BYTE_PROFILE;
    const known = this.#twoByte || v.extProfile === ONE_BYTE_PROFILE;
    this.#buf = v.buf;
    this.#next = v.extOffset;
    this.#end = known ? v.extOffset + v.extLength : v.extOffset;
    this.malformed = false;
  }

  /** Moves to the next element; false: there is none. */
  next(): boolean {
    const b = this.#buf;
    const end = this.#end;
    let i = this.#next;
    // Padding is allowed before, between and after elements.
    while (i < end && u8(b, i) === 0) i++;
    if (i >= end) return this.#stop(false);
    const head = u8(b, i);
    if (this.#twoByte) {
      if (i + 2 > end) return this.#stop(true);
      this.id = head;
      this.length = u8(b, i + 1);
      this.offset = i + 2;
    } else {
      this.id = head >> 4;
      // Section 4.2: id 15 ends the block; id 0 with a length ends it too and is an error.
      if (this.id === 15 || this.id === 0) return this.#stop(this.id === 0);
      this.length = (head & 0x0f) + 1;
      this.offset = i + 1;
    }
    this.#next = this.offset + this.length;
    return this.#next <= end || this.#stop(true);
  }

  #stop(malformed: boolean): false {
    this.malformed = malformed;
    this.#next = this.#end;
    return false;
  }
}
