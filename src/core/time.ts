/** Three kinds of time that never share a type. All are plain numbers at run time. */

/** Monotonic now in milliseconds (fractional allowed), from an arbitrary origin. */
export type Millis = number & { readonly _unit: "ms" };
/** Position on the session timeline in microseconds; 0 is the first accepted media. */
export type Micros = number & { readonly _unit: "us" };
/** Unix time in milliseconds. */
export type WallMillis = number & { readonly _unit: "wall-ms" };

/** Brands a number of milliseconds as monotonic now. */
export const millis = (n: number): Millis => n as Millis;
/** Brands a number of microseconds as session time. */
export const micros = (n: number): Micros => n as Micros;
/** Brands a number of milliseconds since 1970 as wall time. */
export const wallMillis = (n: number): WallMillis => n as WallMillis;

/** Seconds between 1900 (NTP era 0) and 1970 (RFC 868). */
export const NTP_UNIX_OFFSET_S = 2_208_988_800;

/** A 64-bit NTP timestamp as two 32-bit halves (RFC 3550 section 4). */
export type Ntp = { readonly seconds: number; readonly fraction: number };

/** Wall time of an NTP timestamp. */
export function ntpToWall(ntp: Ntp): WallMillis {
  return wallMillis((ntp.seconds - NTP_UNIX_OFFSET_S) * 1000 + (ntp.fraction * 1000) / 0x1_0000_0000);
}

/** NTP timestamp of a wall time. */
export function wallToNtp(wall: WallMillis): Ntp {
  const s = wall / 1000;
  const whole = Math.floor(s);
  return {
    seconds: (whole + NTP_UNIX_OFFSET_S) >>> 0,
    fraction: Math.min(0xffffffff, Math.round((s - whole) * 0x1_0000_0000)),
  };
}

/** The middle 32 bits of an NTP timestamp, the unit of LSR and DLSR: 1/65536 s (RFC 3550 section 6.4.1). */
export function ntpMid32(ntp: Ntp): number {
  return (((ntp.seconds & 0xffff) << 16) | (ntp.fraction >>> 16)) >>> 0;
}
