/** `840 kB`, `12 MB`, `1.5 GB` of a number of octets, for a line that a person reads. */
export function amount(octets: number): string {
  if (octets < 999_500) return `${Math.round(octets / 1e3)} kB`;
  if (octets < 999_500_000) return `${Math.round(octets / 1e6)} MB`;
  return `${(octets / 1e9).toFixed(1)} GB`;
}
