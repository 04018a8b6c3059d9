import { RoomtapError } from "../core/fault.ts";

const MAX_DURATION_MS = 30 * 86_400_000;
const MIN_SEGMENT_MS = 1000;

/** Reads a duration like `500ms`, `30s`, `5m`, `2h`; a bare number is seconds. Milliseconds. */
export function parseDuration(text: string): number {
  const m = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text.trim());
  const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[m?.[2] ?? "s"] ?? 1000;
  const value = Number(m?.[1]) * unit;
  if (value > MAX_DURATION_MS) {
    throw new RoomtapError("usage", `too long: ${shown(text)}`, { hint: "30 days (720h) are the longest" });
  }
  if (!m || !(value > 0)) {
    throw new RoomtapError("usage", `not a duration: ${shown(text)}`, {
      hint: "write it like 500ms, 30s, 5m or 2h; a number alone is seconds",
    });
  }
  return Math.round(value);
}

/** Reads the length of a segment: a duration of at least a second, as keyframes come no closer. Milliseconds. */
export function parseSegment(text: string): number {
  const ms = parseDuration(text);
  if (ms >= MIN_SEGMENT_MS) return ms;
  throw new RoomtapError("usage", `too short for a segment: ${shown(text)}`, { hint: "1s is the shortest" });
}

/** Reads a size or rate like `64k`, `2M`, `2.5M`; k and M are 1000 and 1000000. */
export function parseSize(text: string): number {
  const m = /^(\d+(?:\.\d+)?)([kKmMgG])?$/.exec(text.trim());
  const unit = { k: 1e3, m: 1e6, g: 1e9 }[m?.[2]?.toLowerCase() ?? ""] ?? 1;
  const value = Number(m?.[1]) * unit;
  if (!m || !(value > 0) || value > 1e15) {
    throw new RoomtapError("usage", `not a size: ${shown(text)}`, { hint: "write it like 64k or 2M" });
  }
  return Math.round(value);
}

/** Reads a share like `5%` or `0.05`, from 0 up to but not including 1. */
export function parseShare(text: string): number {
  const m = /^(\d+(?:\.\d+)?)(%)?$/.exec(text.trim());
  const value = Number(m?.[1]) / (m?.[2] ? 100 : 1);
  if (!m || !(value < 1)) {
    throw new RoomtapError("usage", `not a share: ${shown(text)}`, {
      hint: "write it like 5% or 0.05, less than all",
    });
  }
  return value;
}

/** Reads a whole number from 0 to 4294967295. */
export function parseSeed(text: string): number {
  const value = Number(text);
  if (!/^\d{1,10}$/.test(text.trim()) || value > 0xffffffff) {
    throw new RoomtapError("usage", `not a seed: ${shown(text)}`, {
      hint: "any whole number up to 4294967295; the same one gives the same result",
    });
  }
  return value;
}

/** Reads a TCP port, 0 for any free one. */
export function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text.trim()) || port > 65_535) {
    throw new RoomtapError("usage", `not a port: ${shown(text)}`, {
      hint: "ports are 1 to 65535; 0 takes a free one",
    });
  }
  return port;
}

/** `1:02:03` or `2:03` of a number of milliseconds. */
export function formatElapsed(ms: number): string {
  const s = Math.floor(ms / 1000);
  const two = (n: number) => String(n).padStart(2, "0");
  const h = Math.floor(s / 3600);
  const m = Math.floor(s / 60) % 60;
  return h > 0 ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
}

/** `1.5 MB` of a number of bytes. */
export function formatBytes(n: number): string {
  if (n < 1000) return `${n} B`;
  if (n < 999_500) return `${(n / 1e3).toFixed(0)} kB`;
  return n < 999_950_000 ? `${(n / 1e6).toFixed(1)} MB` : `${(n / 1e9).toFixed(2)} GB`;
}

/** `1.7 Mbit/s` of a number of bits per second. */
export function formatBitrate(bps: number): string {
  return bps < 999_500 ? `${(bps / 1e3).toFixed(0)} kbit/s` : `${(bps / 1e6).toFixed(2)} Mbit/s`;
}

/**
 * Text from outside made fit for a terminal: one line, no control characters, nothing invisible or turned around
 * but the joiners of emoji and Indic scripts, at most `max` characters.
 */
export function shown(text: string, max = 80): string {
  // A character is at most two code units: nothing that is shown is cut off here.
  return [...text.slice(0, 2 * max).replace(unprintable, "?")].slice(0, max).join("");
}

const unprintable = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
