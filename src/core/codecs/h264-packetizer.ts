import { equalBytes, putU16, u8 } from "../bytes.ts";
import type { Packetizer, PayloadChunk } from "./codec.ts";
import { NalType, nalType, splitAnnexB } from "./h264-nal.ts";
import { sliceEvenly } from "./slice.ts";

/** Bytes of FU indicator and FU header. */
const FU_LENGTH = 2;

/**
 * Sending side (RFC 6184, packetization mode 1). Parameter sets travel in one STAP-A before the IDR picture,
 * and are repeated before an IDR picture that comes without; large NAL units become FU-A fragments.
 */
export class H264Packetizer implements Packetizer {
  #sets: readonly Uint8Array[] = [];

  packetize(frame: Uint8Array, o: { maxPayload: number }): PayloadChunk[] {
    const sets: Uint8Array[] = [];
    const rest: Uint8Array[] = [];
    for (const nal of splitAnnexB(frame)) {
      const type = nalType(nal);
      if (type === NalType.sps || type === NalType.pps) {
        if (!sets.some((s) => equalBytes(s, nal))) sets.push(nal);
      } else if (type !== NalType.delimiter && type !== NalType.filler) rest.push(nal);
    }
    if (sets.some((s) => nalType(s) === NalType.sps)) this.#sets = sets.map((s) => s.slice());
    const idr = rest.some((nal) => nalType(nal) === NalType.idr);
    const payloads: Uint8Array[] = [];
    addSets(payloads, sets.length === 0 && idr ? this.#sets : sets, o.maxPayload);
    for (const nal of rest) addNal(payloads, nal, o.maxPayload);
    return payloads.map((payload, i) => ({ payload, marker: i === payloads.length - 1 }));
  }
}

function addSets(out: Uint8Array[], sets: readonly Uint8Array[], maxPayload: number): void {
  const size = sets.reduce((n, s) => n + 2 + s.length, 1);
  if (sets.length < 2 || size > maxPayload) {
    for (const s of sets) addNal(out, s, maxPayload);
    return;
  }
  const payload = new Uint8Array(size);
  // Section 5.7.1: F is the OR of all, NRI the greatest of all.
  const f = sets.reduce((v, s) => v | (u8(s, 0) & 0x80), 0);
  const nri = Math.max(...sets.map((s) => u8(s, 0) & 0x60));
  payload[0] = f | nri | NalType.stapA;
  let n = 1;
  for (const s of sets) {
    putU16(payload, n, s.length);
    payload.set(s, n + 2);
    n += 2 + s.length;
  }
  out.push(payload);
}

function addNal(out: Uint8Array[], nal: Uint8Array, maxPayload: number): void {
  if (nal.length <= maxPayload) {
    out.push(nal);
    return;
  }
  const header = u8(nal, 0);
  // The NAL unit is longer than a payload, so there are at least two slices: S and E never meet.
  const slices = sliceEvenly(nal.subarray(1), maxPayload - FU_LENGTH);
  for (const [i, slice] of slices.entries()) {
    const payload = new Uint8Array(FU_LENGTH + slice.length);
    payload[0] = (header & 0xe0) | NalType.fuA;
    payload[1] = (i === 0 ? 0x80 : 0) | (i === slices.length - 1 ? 0x40 : 0) | (header & 0x1f);
    payload.set(slice, FU_LENGTH);
    out.push(payload);
  }
}
