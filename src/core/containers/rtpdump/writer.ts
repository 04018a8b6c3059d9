import { asciiBytes, concat, putU16, putU32 } from "../../bytes.ts";
import type { Millis, WallMillis } from "../../time.ts";

/** First line of a dump: that of rtptools' "rtpdump", with the address that packets came from. */
export const RTPDUMP_MAGIC = "#!rtpplay1.0 ";
/** Octets of the binary header behind that line. */
export const FILE_HEADER = 16;
/** Octets of the header of every packet. */
export const PACKET_HEADER = 8;
/** Largest packet, in octets: the length field counts the packet's header too. */
export const MAX_PACKET = 0xffff - PACKET_HEADER;

/** Says nothing of anyone's network: readers want an address and a port here. */
const NO_ADDRESS = "0.0.0.0/1";

/** The beginning of a dump. `start`: the moment that all offsets count from, whole milliseconds. */
export function rtpDumpHeader(start: WallMillis): Uint8Array {
  const binary = new Uint8Array(FILE_HEADER);
  const seconds = Math.floor(start / 1000);
  putU32(binary, 0, seconds);
  putU32(binary, 4, Math.round(start - seconds * 1000) * 1000);
  putU16(binary, 12, 1);
  return concat([asciiBytes(`${RTPDUMP_MAGIC}${NO_ADDRESS}\n`), binary]);
}

/** Octets that a packet takes in a dump. */
export function rtpDumpSize(packet: Uint8Array): number {
  return PACKET_HEADER + packet.length;
}

/**
 * Writes a packet of at most `MAX_PACKET` octets at `at`, where there is room for it. `offset`: when it came, in
 * milliseconds since the start; it counts anew after 49 days.
 */
export function putRtpDumpPacket(
  b: Uint8Array,
  at: number,
  packet: Uint8Array,
  rtcp: boolean,
  offset: Millis,
): void {
  putU16(b, at, rtpDumpSize(packet));
  putU16(b, at + 2, rtcp ? 0 : packet.length);
  putU32(b, at + 4, offset % 0x1_0000_0000);
  b.set(packet, at + PACKET_HEADER);
}
