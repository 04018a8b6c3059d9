import { concat } from "../../bytes.ts";
import { Id, idBytes, sizeBytes, uint } from "./ebml.ts";

/**
 * What comes before the octets of a cluster's only block: its size is told, so that who reads it as it comes need not
 * wait for the next one. `timeMs` is rounded. RFC 9559 sections 5.1.3 and 10.2.
 */
export function singleBlockHead(track: number, timeMs: number, keyframe: boolean, size: number): Uint8Array {
  const time = uint(Id.Timestamp, Math.round(timeMs));
  const block = concat([
    idBytes(Id.SimpleBlock),
    sizeBytes(4 + size),
    Uint8Array.of(0x80 | track, 0, 0, keyframe ? 0x80 : 0),
  ]);
  return concat([idBytes(Id.Cluster), sizeBytes(time.length + block.length + size), time, block]);
}
