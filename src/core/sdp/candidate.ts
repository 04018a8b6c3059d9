/** A parsed ICE candidate line (RFC 8839 section 5.1). */
export type Candidate = {
  readonly foundation: string;
  readonly component: number;
  readonly protocol: "udp" | "tcp";
  readonly priority: number;
  readonly address: string;
  readonly port: number;
  readonly type: "host" | "srflx" | "prflx" | "relay";
};

/** Reads "candidate:..." with or without "a="; undefined when malformed or of an unknown type. */
export function parseCandidate(line: string): Candidate | undefined {
  if (line.length > 1024) return undefined;
  const m =
    /^(?:a=)?candidate:([A-Za-z0-9+/]{1,32}) (\d{1,5}) (udp|tcp) (\d{1,10}) (\S{1,255}) (\d{1,5}) typ (host|srflx|prflx|relay)(?: .*)?$/i.exec(
      line.trim(),
    );
  if (!m) return undefined;
  const port = Number(m[6]);
  if (port > 65_535) return undefined;
  return {
    foundation: m[1] ?? "",
    component: Number(m[2]),
    protocol: m[3]?.toLowerCase() === "tcp" ? "tcp" : "udp",
    priority: Number(m[4]),
    address: m[5] ?? "",
    port,
    type: (m[7]?.toLowerCase() ?? "host") as Candidate["type"],
  };
}

/** The line as JSON signalling wants it: without "a=". */
export function bareCandidate(line: string): string {
  return line.startsWith("a=") ? line.slice(2) : line;
}
