import { u8, u16, u32 } from "../../bytes.ts";
import type { Ntp } from "../../time.ts";
import { type DlrrItem, type ExtendedReport, XrBlock } from "./packet.ts";

const DLRR_ITEM = 12;

/** Body of an XR at [at, end) (RFC 3611 section 2). Blocks of other types are skipped by their length. */
export function parseXr(b: Uint8Array, at: number, end: number): ExtendedReport | undefined {
  if (at + 4 > end) return undefined;
  const dlrr: DlrrItem[] = [];
  let rrtr: Ntp | undefined;
  let i = at + 4;
  while (i < end) {
    const next = i + 4 * (u16(b, i + 2) + 1);
    if (i + 4 > end || next > end) return undefined;
    const type = u8(b, i);
    if (type === XrBlock.rrtr) {
      if (next - i !== 12) return undefined;
      rrtr = { seconds: u32(b, i + 4), fraction: u32(b, i + 8) };
    } else if (type === XrBlock.dlrr) {
      if ((next - i - 4) % DLRR_ITEM !== 0) return undefined;
      for (let k = i + 4; k < next; k += DLRR_ITEM) {
        dlrr.push({ ssrc: u32(b, k), lastRr: u32(b, k + 4), delay: u32(b, k + 8) });
      }
    }
    i = next;
  }
  return { type: "xr", sender: u32(b, at), dlrr, ...(rrtr && { rrtr }) };
}
