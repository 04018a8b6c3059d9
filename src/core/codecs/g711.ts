import type { CodecName } from "../frame.ts";
import type { Codec } from "./codec.ts";
import { OctetDepacketizer, OctetPacketizer } from "./octet-audio.ts";

/** Both laws at once: 256 codes each, as 16-bit linear samples (ITU-T G.711). */
const tables = { pcmu: Int16Array.from({ length: 256 }, mu), pcma: Int16Array.from({ length: 256 }, a) };

/** 16-bit little-endian samples of G.711 octets. */
export function decodeG711(law: "pcmu" | "pcma", octets: Uint8Array): Uint8Array {
  const table = tables[law];
  const out = new Uint8Array(2 * octets.length);
  for (let i = 0; i < octets.length; i++) {
    const sample = table[octets[i] ?? 0] ?? 0;
    out[2 * i] = sample & 0xff;
    out[2 * i + 1] = (sample >> 8) & 0xff;
  }
  return out;
}

function mu(_: unknown, code: number): number {
  const v = ~code & 0xff;
  const magnitude = ((((v & 0x0f) << 3) + 0x84) << ((v & 0x70) >> 4)) - 0x84;
  return v & 0x80 ? -magnitude : magnitude;
}

function a(_: unknown, code: number): number {
  const v = code ^ 0x55;
  const segment = (v & 0x70) >> 4;
  const base = ((v & 0x0f) << 4) + 8;
  const magnitude = segment === 0 ? base : (base + 0x100) << (segment - 1);
  return v & 0x80 ? magnitude : -magnitude;
}

const g711 = (name: CodecName, rtpName: string): Codec => ({
  name,
  kind: "audio",
  rtpName,
  clockRate: 8000,
  marker: "end",
  depacketizer: () => new OctetDepacketizer(),
  packetizer: () => new OctetPacketizer(),
});

/** G.711 over RTP (RFC 3551 section 4.5.14): an octet a sample, mu-law and A-law. */
export const pcmu: Codec = g711("pcmu", "PCMU");
/** See `pcmu`. */
export const pcma: Codec = g711("pcma", "PCMA");
