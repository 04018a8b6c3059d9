import type { OutputStatus, RestreamStatus } from "../bot/restream.ts";
import type { Output } from "./output.ts";
import { renderStatus } from "./status.ts";
import { formatBytes, shown } from "./units.ts";

/** Live status of a stream for people: the room, the encoder, and every way out. */
export function renderStream(s: RestreamStatus, out: Pick<Output, "color" | "interactive">): string {
  const { encoder, outputs } = s;
  const behind = encoder.delayMs > 1000 ? `, ${(encoder.delayMs / 1000).toFixed(1)} s behind` : "";
  const dropped = encoder.dropped > 0 ? `, ${encoder.dropped} left out` : "";
  const encoding = `${encoder.frames} pictures encoded${dropped}${behind}`;
  if (!out.interactive) return [renderStatus(s, out), encoding, ...outputs.map(outputLine)].join("  ");
  return [renderStatus(s, out), `  ${encoding}`, ...outputs.map((o) => `  ${outputLine(o)}`)].join("\n");
}

function outputLine(o: OutputStatus): string {
  const detail = o.detail === undefined ? "" : ` (${shown(o.detail)})`;
  const dropped = o.dropped > 0 ? `, ${o.dropped} dropped` : "";
  return `${o.name}: ${o.state}${detail}, ${formatBytes(o.bytes)}${dropped}`;
}
