import { addressOf, hostOf, type PushAddress, type Target } from "./target.ts";

/** Parameters of SRT that everybody may know. */
const openParameters: ReadonlySet<string> = new Set([
  ...["mode", "latency", "rcvlatency", "peerlatency", "transtype", "pkt_size", "payload_size", "pbkeylen"],
  ...[
    "timeout",
    "connect_timeout",
    "listen_timeout",
    "maxbw",
    "inputbw",
    "oheadbw",
    "mss",
    "ffs",
    "ipttl",
    "iptos",
  ],
  ...[
    "tlpktdrop",
    "nakreport",
    "lossmaxttl",
    "linger",
    "sndbuf",
    "rcvbuf",
    "messageapi",
    "minversion",
    "smoother",
  ],
]);
/** Shorter ones stand in words that mean nothing; inside an address they are hidden all the same. */
const MIN_SECRET = 4;
const ANY_ADDRESS = /\b(rtmps?|srt|rtsp):\/\/[^\s'"]+/gi;

/** A target without what nobody is to read. */
export type Concealed = {
  /** What it is called: `rtmp://host/app/***`. */
  readonly shown: string;
  /** Takes every secret of the target out of a text. */
  readonly redact: (text: string) => string;
};

/** Hides the secrets of a target: stream keys, values of queries, users and passwords. Paths of files are none. */
export function conceal(t: Target): Concealed {
  if (t.kind === "file") return { shown: t.url, redact: (text) => text };
  const a = addressOf(t.kind, t.url);
  const shown = shownAddress(a);
  const secrets = secretsOf(a).sort((x, y) => y.length - x.length);
  return {
    shown,
    redact: (text) => {
      let out = text
        .replaceAll(t.url, shown)
        .replace(ANY_ADDRESS, (found) => (found === shown ? found : shown));
      for (const s of secrets) out = out.replaceAll(s, "***");
      return out;
    },
  };
}

function shownAddress(a: PushAddress): string {
  const credentials = a.user === undefined ? "" : "***@";
  const path = a.scheme.startsWith("rtmp") ? a.path.replace(/[^/]*$/, "***") : a.path;
  return `${a.scheme}://${credentials}${hostOf(a)}${path}${a.query.length > 0 && !path.endsWith("***") ? "?***" : ""}`;
}

function secretsOf(a: PushAddress): string[] {
  const key = a.scheme.startsWith("rtmp") ? a.path.slice(a.path.lastIndexOf("/") + 1) : "";
  const values = a.query.flatMap(([name, value]) => (openParameters.has(name) ? [] : [value]));
  const all = [key, a.user ?? "", a.password ?? "", ...values].flatMap((s) => [s, decoded(s)]);
  return [...new Set(all)].filter((s) => s.length >= MIN_SECRET);
}

/** Without percent encoding, as servers and programs repeat it. */
export function decoded(s: string): string {
  try {
    return decodeURIComponent(s);
  } catch {
    return s;
  }
}
