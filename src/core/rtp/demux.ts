import type { Fault } from "../fault.ts";
import { ExtensionMap, noExtensions, type PacketExtensions } from "./extension-map.ts";
import type { RtpView } from "./packet.ts";

/** A payload type of a section; `apt` makes it the retransmissions of another one (RFC 4588 section 8.1). */
export type DemuxPayload = {
  readonly payloadType: number;
  readonly codec: string;
  readonly clockRate: number;
  readonly apt?: number;
};

/** What demultiplexing needs to know of an m-section. `NegotiatedMedia` fits. */
export type DemuxSection = {
  readonly mid: string;
  readonly payloads: readonly DemuxPayload[];
  /** Header extension id to URI. */
  readonly extensions: ReadonlyMap<number, string>;
  /** SSRCs that the description names, with their RTX SSRCs (a=ssrc-group:FID). */
  readonly remoteSsrcs: readonly { readonly ssrc: number; readonly rtx?: number }[];
  /** RIDs the remote side sends; RIDs in packets count only where some are declared. */
  readonly remoteRids: readonly string[];
};

/** Where the packets of one SSRC belong. The object changes when the answer changes, and only then. */
export type RtpRoute<S extends DemuxSection = DemuxSection> = {
  readonly ssrc: number;
  readonly mid: string;
  /** Simulcast layer; of an RTX stream: the layer it repairs. */
  readonly rid: string | undefined;
  readonly role: "media" | "rtx";
  /** The stream itself, or for RTX the stream it repairs; undefined: not known yet. */
  readonly primarySsrc: number | undefined;
  readonly section: S;
  readonly payloads: ReadonlyMap<number, S["payloads"][number]>;
  readonly extensionMap: ExtensionMap;
};

/** Why a packet has no route. */
export type DemuxFault = Extract<Fault, "rtp-unknown-ssrc" | "rtp-unknown-payload-type">;

/** SSRCs remembered; the longest silent one makes room. */
const MAX_STREAMS = 1024;

type Bound<S extends DemuxSection> = {
  readonly section: S;
  readonly payloads: ReadonlyMap<number, S["payloads"][number]>;
  readonly extensionMap: ExtensionMap;
  /** Current SSRC of each layer. */
  readonly rids: Map<string, number>;
  /** The media SSRC latched last. */
  latest: number | undefined;
};

type Stream<S extends DemuxSection> = {
  bound: Bound<S>;
  role: "media" | "rtx";
  rid: string | undefined;
  /** Primary SSRC by a=ssrc-group:FID. */
  fid: number | undefined;
  route: RtpRoute<S>;
  /** `#revision` at which `route` was made, and the packet count when the stream was last heard. */
  revision: number;
  heard: number;
};

/**
 * Assigns RTP packets to m-sections and streams (RFC 9143 section 9.2): by MID, then by SSRC (signalled, or
 * latched from an earlier packet), then by a payload type that only one section has. Senders stop repeating
 * MID and RID once they are acknowledged, so both are latched.
 */
export class RtpDemuxer<S extends DemuxSection = DemuxSection> {
  /** Header extensions of the packet routed last; filled for packets without a route, too. */
  readonly extensions: PacketExtensions = noExtensions();
  readonly #streams = new Map<number, Stream<S>>();
  #bounds: ReadonlyMap<string, Bound<S>> = new Map();
  /** undefined: more than one section has the payload type. */
  #byPayloadType: ReadonlyMap<number, Bound<S> | undefined> = new Map();
  #anyExtensions = new ExtensionMap(new Map());
  #own: ReadonlySet<number> = new Set();
  #revision = 0;
  #clock = 0;

  /** Takes over what was negotiated. Latched streams stay with their section. `own`: SSRCs we send. */
  update(sections: readonly S[], own: ReadonlySet<number> = new Set()): void {
    const bounds = new Map<string, Bound<S>>();
    const byPayloadType = new Map<number, Bound<S> | undefined>();
    const uris = new Map<number, string>();
    for (const section of sections) {
      const before = this.#bounds.get(section.mid);
      const bound: Bound<S> = {
        section,
        payloads: new Map(section.payloads.map((p) => [p.payloadType, p])),
        extensionMap: new ExtensionMap(section.extensions),
        rids: before?.rids ?? new Map(),
        latest: before?.latest,
      };
      bounds.set(section.mid, bound);
      for (const pt of bound.payloads.keys())
        byPayloadType.set(pt, byPayloadType.has(pt) ? undefined : bound);
      for (const [id, uri] of section.extensions) if (!uris.has(id)) uris.set(id, uri);
    }
    this.#bounds = bounds;
    this.#byPayloadType = byPayloadType;
    this.#anyExtensions = new ExtensionMap(uris);
    this.#own = own;
    this.#revision++;
    for (const [ssrc, stream] of this.#streams) {
      const bound = bounds.get(stream.bound.section.mid);
      if (bound) stream.bound = bound;
      else this.#streams.delete(ssrc);
    }
    for (const bound of bounds.values()) this.#signal(bound);
  }

  /** The route of a packet, or why it has none. Packets of our own SSRCs (loops) are unknown. */
  route(v: RtpView): RtpRoute<S> | DemuxFault {
    this.#clock++;
    const known = this.#streams.get(v.ssrc);
    const map = known?.bound.extensionMap ?? this.#anyExtensions;
    map.read(v, this.extensions);
    if (this.#own.has(v.ssrc)) return "rtp-unknown-ssrc";
    const { mid } = this.extensions;
    let bound = known?.bound;
    if (mid !== undefined && mid !== bound?.section.mid) {
      const named = this.#bounds.get(mid);
      // Servers on pion hand on the publisher's extensions with its packets, and so a MID of another connection.
      const possible = named?.payloads.has(v.payloadType);
      const foreign = !possible && bound?.payloads.has(v.payloadType) && isSignalled(v.ssrc, bound.section);
      if (!foreign) bound = named;
      if (!bound) return "rtp-unknown-ssrc";
    }
    bound ??= this.#byPayloadType.get(v.payloadType);
    if (!bound) return "rtp-unknown-ssrc";
    const payload = bound.payloads.get(v.payloadType);
    if (!payload) return "rtp-unknown-payload-type";
    if (bound.extensionMap !== map) bound.extensionMap.read(v, this.extensions);
    const role = payload.apt === undefined ? "media" : "rtx";
    const stream = known?.bound === bound ? known : this.#latch(v.ssrc, bound, role);
    stream.heard = this.#clock;
    if (stream.role !== role) {
      // Firefox has sent RTX on a media SSRC before the first media packet: media wins, RTX is ignored.
      if (role === "rtx") return "rtp-unknown-ssrc";
      stream.role = "media";
      stream.rid = undefined;
      this.#becomesMedia(v.ssrc, stream);
    }
    this.#latchRid(v.ssrc, stream);
    if (stream.revision !== this.#revision) this.#renew(v.ssrc, stream);
    return stream.route;
  }

  /** Streams that the description names. */
  #signal(bound: Bound<S>): void {
    for (const { ssrc, rtx } of bound.section.remoteSsrcs) {
      if (this.#streams.get(ssrc)?.bound !== bound) this.#latch(ssrc, bound, "media");
      if (rtx === undefined) continue;
      const known = this.#streams.get(rtx);
      const stream = known?.bound === bound && known.role === "rtx" ? known : this.#latch(rtx, bound, "rtx");
      stream.fid = ssrc;
    }
  }

  #latch(ssrc: number, bound: Bound<S>, role: "media" | "rtx"): Stream<S> {
    if (this.#streams.size >= MAX_STREAMS) this.#evict();
    const stream: Stream<S> = {
      bound,
      role,
      rid: undefined,
      fid: undefined,
      route: makeRoute(ssrc, bound, role, undefined, undefined),
      revision: -1,
      heard: this.#clock,
    };
    this.#streams.set(ssrc, stream);
    if (role === "media") this.#becomesMedia(ssrc, stream);
    return stream;
  }

  #becomesMedia(ssrc: number, stream: Stream<S>): void {
    stream.bound.latest = ssrc;
    this.#revision++;
  }

  #latchRid(ssrc: number, stream: Stream<S>): void {
    const rid = stream.role === "media" ? this.extensions.rid : this.extensions.repairedRid;
    if (rid === undefined || rid === stream.rid || !stream.bound.section.remoteRids.includes(rid)) return;
    stream.rid = rid;
    if (stream.role === "media") stream.bound.rids.set(rid, ssrc);
    this.#revision++;
  }

  /** Makes the route afresh where anything it depends on has changed. */
  #renew(ssrc: number, stream: Stream<S>): void {
    const { bound, role, rid } = stream;
    const primary = role === "media" ? ssrc : primaryOf(stream);
    const r = stream.route;
    stream.revision = this.#revision;
    if (r.section === bound.section && r.role === role && r.rid === rid && r.primarySsrc === primary) return;
    stream.route = makeRoute(ssrc, bound, role, rid, primary);
  }

  #evict(): void {
    let oldest: number | undefined;
    let heard = Number.POSITIVE_INFINITY;
    for (const [ssrc, s] of this.#streams) {
      if (s.heard >= heard) continue;
      heard = s.heard;
      oldest = ssrc;
    }
    if (oldest !== undefined) this.#streams.delete(oldest);
  }
}

/** The description names the SSRC for this section. */
function isSignalled(ssrc: number, { remoteSsrcs }: DemuxSection): boolean {
  return remoteSsrcs.some((s) => s.ssrc === ssrc || s.rtx === ssrc);
}

/** The stream that an RTX stream repairs: by FID, by repaired RID, or the only one of its section. */
function primaryOf<S extends DemuxSection>(stream: Stream<S>): number | undefined {
  if (stream.fid !== undefined) return stream.fid;
  const { rids, latest, section } = stream.bound;
  if (stream.rid !== undefined) return rids.get(stream.rid);
  const ambiguous = rids.size > 0 || section.remoteRids.length > 0 || section.remoteSsrcs.length > 1;
  return ambiguous ? undefined : latest;
}

function makeRoute<S extends DemuxSection>(
  ssrc: number,
  bound: Bound<S>,
  role: "media" | "rtx",
  rid: string | undefined,
  primarySsrc: number | undefined,
): RtpRoute<S> {
  const { section, payloads, extensionMap } = bound;
  return { ssrc, mid: section.mid, rid, role, primarySsrc, section, payloads, extensionMap };
}
