import { concat, u8 } from "../bytes.ts";
import { bareObuHeader, isDroppedObu, ObuType, splitObus } from "./av1-obu.ts";
import { type PlannedPacket, planAv1Packets } from "./av1-packet-plan.ts";
import { isShownKeyframe } from "./av1-temporal-unit.ts";
import type { Packetizer, PayloadChunk } from "./codec.ts";
import { putLeb128 } from "./leb128.ts";

const CONTINUES = 0x80;
const UNFINISHED = 0x40;
const NEW_SEQUENCE = 0x08;

/**
 * Sending side (AOM RTP payload format for AV1): takes temporal units in low-overhead format and sends their OBUs
 * without sizes. A keyframe that comes without a sequence header gets the last one.
 */
export class Av1Packetizer implements Packetizer {
  #sequence: Uint8Array | undefined;

  packetize(frame: Uint8Array, o: { maxPayload: number }): PayloadChunk[] {
    const obus: Uint8Array[] = [];
    let pictured = false;
    let key = false;
    let sequence = false;
    for (const obu of splitObus(frame)) {
      if (isDroppedObu(obu.type)) continue;
      const bare = concat([bareObuHeader(frame, obu), frame.subarray(obu.data, obu.end)]);
      obus.push(bare);
      if (obu.type === ObuType.sequenceHeader) {
        this.#sequence = bare;
        sequence = true;
      } else if (!pictured && (obu.type === ObuType.frame || obu.type === ObuType.frameHeader)) {
        pictured = true;
        key = isShownKeyframe(u8(frame, obu.data));
      }
    }
    if (key && !sequence && this.#sequence) {
      obus.unshift(this.#sequence);
      sequence = true;
    }
    const packets = planAv1Packets(
      obus.map((b) => b.length),
      o.maxPayload,
    );
    return packets.map((packet, i) => {
      const payload = written(packet, obus);
      if (i === 0 && key && sequence) payload[0] = u8(payload, 0) | NEW_SEQUENCE;
      return { payload, marker: i === packets.length - 1 };
    });
  }
}

function written(packet: PlannedPacket, obus: readonly Uint8Array[]): Uint8Array {
  const payload = new Uint8Array(packet.size);
  let at = 1;
  let flags = packet.pieces.length << 4;
  for (const [k, { element, from, to }] of packet.pieces.entries()) {
    const last = k === packet.pieces.length - 1;
    if (k === 0 && from > 0) flags |= CONTINUES;
    if (last && to < (obus[element]?.length ?? 0)) flags |= UNFINISHED;
    if (!last) at = putLeb128(payload, at, to - from);
    const obu = obus[element];
    if (obu) payload.set(obu.subarray(from, to), at);
    at += to - from;
  }
  payload[0] = flags;
  return payload;
}
