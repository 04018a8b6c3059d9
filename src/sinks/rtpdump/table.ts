import { extname } from "node:path";
import type { MediaKind } from "../../core/frame.ts";
import type { Peer, RemoteTrack } from "../../core/room.ts";
import type { NegotiatedMedia } from "../../core/sdp/negotiated.ts";
import type { AskedFormat } from "../recorder/output.ts";
import type { RecordingPolicy } from "../recorder/policy.ts";

/*
 * What stands beside the packets of a dump. `FILE.json` is one document:
 *
 *   { "version": 1, "start": .., ..., "links": [ LinkSummary, .. ], "events": [ TimedEvent, .. ] }
 *
 * It is written when a dump ends. Until then, and when the process dies, `FILE.jsonl` holds the same as lines: the
 * session first, then every event. Times are whole milliseconds since `start`, as the offsets of the packets are.
 */

/** What the session was asked to do, and when it began. Nothing here opens any door: no tokens, no addresses. */
export type DumpSession = {
  readonly version: 1;
  /** Unix milliseconds of time zero of all packets and events. */
  readonly start: number;
  /** Unix milliseconds of the session's start; earlier, and that of the first attempt. */
  readonly startedAt: number;
  /** Times that the session had to start again before: each has its own dump. */
  readonly attempt: number;
  /** Address of the room, without its query. */
  readonly room: string;
  readonly format: AskedFormat;
  /** Only participants of this name were recorded, and of those only what was selected. */
  readonly participant?: string;
  readonly selection?: { readonly include: readonly string[]; readonly exclude: readonly string[] };
  readonly policy?: RecordingPolicy;
  readonly collapsePauses?: boolean;
  /** Media after this many milliseconds was not. */
  readonly durationMs?: number;
  /** Unix milliseconds of the first media of an earlier attempt. */
  readonly zeroAt?: number;
};

/** Something that happened, other than a packet. */
export type DumpEvent =
  /** A connection began; its packets are in `file`. `seed`: of its receiver's randomness. */
  | {
      readonly t: "opened";
      readonly link: string;
      readonly file: string;
      readonly peerId: string;
      readonly seed: number;
    }
  /** Offer and answer: all m-lines of the connection from here on. */
  | { readonly t: "agreed"; readonly link: string; readonly media: readonly NegotiatedMedia[] }
  | { readonly t: "closed"; readonly link: string }
  /** The event loop stood still for `lagMs` until then. */
  | { readonly t: "stalled"; readonly lagMs: number }
  | { readonly t: "peer"; readonly op: "join" | "leave"; readonly peer: Peer }
  | { readonly t: "track"; readonly op: "add" | "remove"; readonly track: RemoteTrack }
  /** The signalling, or the way of media to somebody, was lost or is back. */
  | {
      readonly t: "connection";
      readonly what: "signalling" | "media";
      readonly op: "down" | "up";
      readonly peerId?: string;
    }
  /** The recording was paused, went on, was ended, and finished. */
  | { readonly t: "pause" }
  | { readonly t: "resume" }
  | { readonly t: "stop" }
  | { readonly t: "end" };

/** An event, when it was, and how many packets of each connection came before it. */
export type TimedEvent = DumpEvent & {
  readonly at: number;
  readonly after: Readonly<Record<string, number>>;
};

/** A connection at a glance. Made from the events, for people and other programs. */
export type LinkSummary = {
  readonly link: string;
  readonly file: string;
  readonly peerId: string;
  /** Whose connection it is; absent: they were never announced. */
  readonly peerName?: string;
  readonly packets: number;
  /** By m-line: what its payload types mean, like `"96": "vp8/90000"`. */
  readonly media: readonly {
    readonly mid: string;
    readonly kind: MediaKind;
    /** What the room called it, like "camera". */
    readonly source?: string;
    readonly payloadTypes: Readonly<Record<string, string>>;
    readonly ssrcs: readonly number[];
  }[];
};

/** The whole table. */
export type DumpTable = DumpSession & {
  readonly links: readonly LinkSummary[];
  readonly events: readonly TimedEvent[];
};

/** Names of a dump's files. */
export type DumpPaths = {
  readonly table: string;
  readonly journal: string;
  /** The n-th connection's packets, from 1. */
  readonly packets: (n: number) => string;
};

/**
 * The files of a dump asked for as `file`: `call.rtpdump` has `call.json` beside it, and `call-2.rtpdump` for a
 * second connection. A restarted session, attempt 1, writes `call.1.rtpdump` and so on.
 */
export function dumpPaths(file: string, attempt = 0): DumpPaths {
  const extension = extname(file);
  const stem = `${file.slice(0, file.length - extension.length)}${attempt > 0 ? `.${attempt}` : ""}`;
  return {
    table: `${stem}.json`,
    journal: `${stem}.jsonl`,
    packets: (n) => `${stem}${n > 1 ? `-${n}` : ""}${extension}`,
  };
}

/** Maps become objects. */
export function toJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, (_, v) => (v instanceof Map ? Object.fromEntries(v) : v), indent);
}

/** The connections of a dump at a glance. `packets`: how many each had. */
export function summarize(
  events: readonly TimedEvent[],
  packets: ReadonlyMap<string, number>,
): LinkSummary[] {
  const names = new Map<string, string>();
  const sources = new Map<string, string>();
  const agreed = new Map<string, readonly NegotiatedMedia[]>();
  for (const e of events) {
    if (e.t === "peer") names.set(e.peer.id, e.peer.name);
    else if (e.t === "track") sources.set(`${e.track.linkId}/${e.track.mid}`, e.track.source);
    else if (e.t === "agreed") agreed.set(e.link, e.media);
  }
  return events.flatMap((e) => {
    if (e.t !== "opened") return [];
    const { link, file, peerId } = e;
    const peerName = names.get(peerId);
    const media = (agreed.get(link) ?? []).map((m) => {
      const source = sources.get(`${link}/${m.mid}`);
      return {
        mid: m.mid,
        kind: m.kind,
        ...(source === undefined ? {} : { source }),
        payloadTypes: Object.fromEntries(m.payloads.map((p) => [p.payloadType, payloadName(p)])),
        ssrcs: m.remoteSsrcs.flatMap((s) => (s.rtx === undefined ? [s.ssrc] : [s.ssrc, s.rtx])),
      };
    });
    const peer = peerName === undefined ? {} : { peerName };
    return [{ link, file, peerId, ...peer, packets: packets.get(link) ?? 0, media }];
  });
}

/** As in an `a=rtpmap` line, and what a retransmission repeats. */
function payloadName(p: NegotiatedMedia["payloads"][number]): string {
  const channels = p.channels !== undefined && p.channels > 1 ? `/${p.channels}` : "";
  return `${p.codec}/${p.clockRate}${channels}${p.apt === undefined ? "" : ` of ${p.apt}`}`;
}
