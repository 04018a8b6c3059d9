/** Value of one parameter of an fmtp string ("a=1;b=2"), compared without case. */
export function fmtpValue(fmtp: string, key: string): string | undefined {
  for (const part of fmtp.split(";")) {
    const eq = part.indexOf("=");
    if (eq > 0 && part.slice(0, eq).trim().toLowerCase() === key) return part.slice(eq + 1).trim();
  }
  return undefined;
}
