import type { MediaKind } from "../frame.ts";
import { type Random, randomInt } from "../random.ts";
import type { LinkPlan, LocalTrack } from "../room.ts";
import { negotiatedSend, type OwnStream, payloadOf, remoteSsrcs, sentFormat } from "./agreement.ts";
import type { Capability } from "./capabilities.ts";
import type { Direction, MediaSection, SdpCodec, SessionDescription } from "./description.ts";
import { answerCodecs, answerExtensions, offerCodecs, offerExtensions, PayloadTypes } from "./formats.ts";
import type { NegotiatedMedia, NegotiatedPayload } from "./negotiated.ts";
import { acceptLayers, noLayers } from "./simulcast.ts";

/** One m-line as both sides know it. Replaced, never changed, so that a rollback is to forget a copy. */
type Slot = {
  readonly mid: string;
  readonly kind: string;
  readonly rejected: boolean;
  /** Our side as last described. */
  readonly local: MediaSection;
  readonly wantReceive: boolean;
  /** The plan has the stream of `send`. False: the m-line keeps its SSRCs, for the stream to come back to. */
  readonly planned: boolean;
  readonly send?: OwnStream;
  readonly negotiated?: NegotiatedMedia;
};

/** A description without transport parameters: the caller adds those of its ICE agent. */
export type DescriptionBody = Pick<SessionDescription, "bundle" | "media">;

/**
 * Offer/answer (RFC 3264, RFC 8829) of one connection, without a network. It decides every m-line in
 * TypeScript; the transport below sees one synthetic m-line and never renegotiates.
 */
export class Negotiator {
  readonly #random: Random;
  readonly #capabilities: readonly Capability[];
  readonly #cname: string;
  readonly #types = new PayloadTypes();
  #slots: readonly Slot[] = [];
  #pending: readonly Slot[] | undefined;
  #nextMid = 0;

  constructor(o: { random: Random; capabilities: readonly Capability[]; cname: string }) {
    this.#random = o.random;
    this.#capabilities = o.capabilities;
    this.#cname = o.cname;
  }

  /** An offer of ours waits for its answer. */
  get pending(): boolean {
    return this.#pending !== undefined;
  }

  /** Every m-line in use, after the last completed exchange. */
  get media(): readonly NegotiatedMedia[] {
    return this.#slots.flatMap((s) => (s.negotiated && !s.rejected ? [s.negotiated] : []));
  }

  /** The data-channel section is part of the connection. */
  get hasData(): boolean {
    return (this.#pending ?? this.#slots).some((s) => s.kind === "application" && !s.rejected);
  }

  /** Streams of the plan that no m-line carries yet: a re-offer is due. */
  unsent(plan: LinkPlan): readonly LocalTrack[] {
    return plan.send.filter((t) => !this.#slots.some((s) => s.planned && s.send?.track.id === t.id));
  }

  /** Our offer for the plan. It stays pending until `applyAnswer` or `rollback`. */
  createOffer(plan: LinkPlan): DescriptionBody {
    const slots = this.#slots.map((s) => this.#reoffer(s, plan));
    const carried = new Set(slots.map((s) => s.send?.track.id));
    const receivers = (kind: string) =>
      slots.filter((s) => s.kind === kind && s.wantReceive && !s.rejected).length;
    for (const track of plan.send) {
      if (carried.has(track.id)) continue;
      slots.push(this.#newSlot(track.kind, receivers(track.kind) < plan.receive[track.kind], track));
    }
    for (const kind of ["audio", "video"] as const) {
      while (receivers(kind) < plan.receive[kind]) slots.push(this.#newSlot(kind, true, undefined));
    }
    // The transport fixes SCTP at its first description; a later data section cannot be joined to it.
    if (plan.data && this.#slots.length === 0) slots.push(this.#newDataSlot());
    this.#pending = slots;
    return body(slots, bundled(slots));
  }

  /** Forgets our pending offer (the polite side of a collision). */
  rollback(): void {
    this.#pending = undefined;
  }

  /** Completes our offer with the remote answer. False when the answer does not fit it; nothing changes then. */
  applyAnswer(remote: SessionDescription): boolean {
    const pending = this.#pending;
    if (!pending || remote.media.length !== pending.length) return false;
    this.#slots = pending.map((slot, i) => {
      const m = remote.media[i];
      const refused = !m || m.kind !== slot.kind || (m.port === 0 && !m.bundleOnly);
      if (refused || slot.rejected) return { ...slot, rejected: true };
      if (slot.kind === "application") return slot;
      return this.#agree(
        slot,
        m,
        slot.local.codecs,
        slot.wantReceive && sends(m.direction),
        receives(m.direction),
      );
    });
    this.#pending = undefined;
    return true;
  }

  /** Answers a remote offer. A pending offer of ours is rolled back. */
  acceptOffer(remote: SessionDescription, plan: LinkPlan): DescriptionBody {
    this.rollback();
    for (const m of remote.media) this.#types.learn(m);
    const free = [...this.unsent(plan)];
    this.#slots = remote.media.map((m, i) => {
      // There is one transport: a section outside the offer's bundle would need its own.
      const reachable = remote.bundle.length === 0 || remote.bundle.includes(m.mid);
      return reachable ? this.#answerSlot(m, this.#slots[i], plan, free) : refusal(m);
    });
    // An answer's bundle is a subset of the offer's, in its order (RFC 9143 section 7.3).
    const inUse = new Set(bundled(this.#slots));
    return body(
      this.#slots,
      remote.bundle.filter((mid) => inUse.has(mid)),
    );
  }

  #answerSlot(m: MediaSection, old: Slot | undefined, plan: LinkPlan, free: LocalTrack[]): Slot {
    const known = old?.mid === m.mid && old.kind === m.kind ? old : undefined;
    if (m.port === 0 && !m.bundleOnly) return refusal(m);
    const base = { mid: m.mid, kind: m.kind, rejected: false };
    if (m.kind === "application") {
      // As for our own offers: data comes with the first description or not at all.
      if (!plan.data || !m.protocol.includes("SCTP") || (this.#slots.length > 0 && !known)) return refusal(m);
      return { ...base, wantReceive: false, planned: false, local: dataSection(m.mid, m) };
    }
    if ((m.kind !== "audio" && m.kind !== "video") || !m.rtcpMux) return refusal(m);
    const kind: MediaKind = m.kind;
    const codecs = answerCodecs(m, this.#capabilities);
    if (codecs.length === 0) return refusal(m);
    // The wish outlives a pause of the other side: our next offer asks for media on the same m-line.
    const wantReceive = plan.receive[kind] > 0;
    const receiving = wantReceive && sends(m.direction);
    const kept = known?.send && isPlanned(known.send.track, plan) ? known.send : undefined;
    const taken = !kept && receives(m.direction) ? this.#takeTrack(kind, codecs, free) : undefined;
    const send = kept ?? taken ?? known?.send;
    const planned = (kept ?? taken) !== undefined;
    const sending = planned && receives(m.direction);
    const { msid: _remote, simulcast: _layers, ...theirs } = m;
    const { rids, simulcast } = receiving ? acceptLayers(m, codecs) : noLayers;
    const local: MediaSection = {
      ...theirs,
      port: 9,
      bundleOnly: false,
      direction: direction(sending, receiving),
      codecs: send ? preferSent(codecs, send.track) : codecs,
      extensions: answerExtensions(m),
      rids,
      ...(simulcast === undefined ? {} : { simulcast }),
      ...this.#sendLines(send, codecs),
      ...(send ? { msid: { stream: this.#cname, track: send.track.id } } : {}),
    };
    const slot: Slot = { ...base, wantReceive, planned, local, ...(send ? { send } : {}) };
    const theirLayers = m.rids.filter((r) => rids.some((own) => own.id === r.id));
    return this.#agree(slot, { ...m, rids: theirLayers }, local.codecs, receiving, sending);
  }

  #takeTrack(kind: MediaKind, codecs: readonly SdpCodec[], free: LocalTrack[]): OwnStream | undefined {
    const i = free.findIndex((t) => t.kind === kind && codecs.some((c) => c.name.toLowerCase() === t.codec));
    const track = free[i];
    if (!track) return undefined;
    free.splice(i, 1);
    return this.#streams(track, []);
  }

  #reoffer(s: Slot, plan: LinkPlan): Slot {
    if (s.rejected || (s.kind !== "audio" && s.kind !== "video")) return s;
    const planned = s.send !== undefined && isPlanned(s.send.track, plan);
    const receive = s.wantReceive && plan.receive[s.kind] > 0;
    return { ...s, planned, local: { ...s.local, direction: direction(planned, receive) } };
  }

  #newSlot(kind: MediaKind, wantReceive: boolean, track: LocalTrack | undefined): Slot {
    const mid = this.#mid();
    const layers = track?.layers ?? [];
    const send = track && this.#streams(track, layers);
    const codecs = offerCodecs(kind, this.#capabilities, this.#types, wantReceive ? undefined : track?.codec);
    const local: MediaSection = {
      kind,
      port: 9,
      protocol: "UDP/TLS/RTP/SAVPF",
      mid,
      direction: direction(send !== undefined, wantReceive),
      codecs: send ? preferSent(codecs, send.track) : codecs,
      extensions: offerExtensions(kind, this.#types),
      rids: layers.map((id) => ({ id, direction: "send", params: "" })),
      ...(layers.length > 0 ? { simulcast: `send ${layers.join(";")}` } : {}),
      bundleOnly: false,
      rtcpMux: true,
      rtcpRsize: kind === "video",
      extmapAllowMixed: true,
      ...this.#sendLines(send, codecs),
      ...(send ? { msid: { stream: this.#cname, track: send.track.id } } : {}),
    };
    const planned = send !== undefined;
    return { mid, kind, rejected: false, local, wantReceive, planned, ...(send ? { send } : {}) };
  }

  #newDataSlot(): Slot {
    const mid = this.#mid();
    const local = dataSection(mid);
    return { mid, kind: "application", rejected: false, wantReceive: false, planned: false, local };
  }

  #streams(track: LocalTrack, rids: readonly string[]): OwnStream {
    const pair = () => ({ ssrc: this.#ssrc(), rtxSsrc: this.#ssrc() });
    return { track, ...pair(), layers: rids.map((rid) => ({ rid, ...pair() })) };
  }

  /** Layers are known by their RIDs, like those of browsers. */
  #sendLines(
    send: OwnStream | undefined,
    codecs: readonly SdpCodec[],
  ): Pick<MediaSection, "ssrcs" | "ssrcGroups"> {
    if (!send || send.layers.length > 0) return { ssrcs: new Map(), ssrcGroups: [] };
    const rtx = codecs.some((c) => c.name.toLowerCase() === "rtx");
    const line = { cname: this.#cname };
    return {
      ssrcs: new Map(
        rtx
          ? [
              [send.ssrc, line],
              [send.rtxSsrc, line],
            ]
          : [[send.ssrc, line]],
      ),
      ssrcGroups: rtx ? [{ semantics: "FID", ssrcs: [send.ssrc, send.rtxSsrc] }] : [],
    };
  }

  /** Joins both sides of one section. `offered` is the list that both sides' payload types are taken from. */
  #agree(
    slot: Slot,
    remote: MediaSection,
    ours: readonly SdpCodec[],
    receiving: boolean,
    sending: boolean,
  ): Slot {
    const payloads: NegotiatedPayload[] = [];
    for (const c of remote.codecs) {
      const mine = ours.find(
        (o) => o.payloadType === c.payloadType && o.name.toLowerCase() === c.name.toLowerCase(),
      );
      if (mine) payloads.push(payloadOf(mine, c));
    }
    const send = slot.send && sending ? negotiatedSend(slot.send, remote, payloads) : undefined;
    const negotiated: NegotiatedMedia = {
      mid: slot.mid,
      kind: slot.kind === "audio" ? "audio" : "video",
      receiving,
      payloads,
      extensions: new Map(
        remote.extensions
          .filter((e) => slot.local.extensions.some((l) => l.uri === e.uri))
          .map((e) => [e.id, e.uri]),
      ),
      remoteSsrcs: remoteSsrcs(remote),
      remoteRids: remote.rids.filter((r) => r.direction === "send").map((r) => r.id),
      rtcpRsize: slot.local.rtcpRsize && remote.rtcpRsize,
      ...(remote.msid ? { remoteMsid: remote.msid } : {}),
      ...(send ? { send } : {}),
    };
    return { ...slot, rejected: false, negotiated };
  }

  #mid(): string {
    const used = new Set(this.#slots.map((s) => s.mid));
    while (used.has(String(this.#nextMid))) this.#nextMid++;
    return String(this.#nextMid++);
  }

  #ssrc(): number {
    return 1 + randomInt(this.#random, 0xfffffffe);
  }
}

function bundled(slots: readonly Slot[]): string[] {
  return slots.filter((s) => !s.rejected).map((s) => s.mid);
}

function body(slots: readonly Slot[], bundle: readonly string[]): DescriptionBody {
  const media = slots.map((s) => (s.rejected ? { ...s.local, port: 0, bundleOnly: false } : s.local));
  return { bundle, media };
}

/** An m-line of the other side that we refuse, or that it removed. */
function refusal(m: MediaSection): Slot {
  const local = { ...m, port: 0, bundleOnly: false, codecs: m.codecs.slice(0, 1) };
  return { mid: m.mid, kind: m.kind, rejected: true, wantReceive: false, planned: false, local };
}

function isPlanned(track: LocalTrack, plan: LinkPlan): boolean {
  return plan.send.some((t) => t.id === track.id);
}

/** `like`: the section that it answers (RFC 8841 section 10.3: the same protocol). */
function dataSection(
  mid: string,
  like: Pick<MediaSection, "protocol" | "sctpPort"> = { protocol: "UDP/DTLS/SCTP" },
): MediaSection {
  return {
    kind: "application",
    port: 9,
    protocol: like.protocol,
    mid,
    direction: "sendrecv",
    codecs: [],
    extensions: [],
    ssrcs: new Map(),
    ssrcGroups: [],
    rids: [],
    bundleOnly: false,
    rtcpMux: false,
    rtcpRsize: false,
    extmapAllowMixed: false,
    sctpPort: like.sctpPort ?? 5000,
    maxMessageSize: 262_144,
  };
}

/** The codec we really send goes first: the other side reads the order as our preference. */
function preferSent(codecs: readonly SdpCodec[], track: LocalTrack): readonly SdpCodec[] {
  const formats = codecs.filter((c) => c.name.toLowerCase() === track.codec);
  const sent = sentFormat(formats, track);
  return sent ? [sent, ...codecs.filter((c) => c !== sent)] : codecs;
}

const sends = (d: Direction): boolean => d === "sendrecv" || d === "sendonly";
const receives = (d: Direction): boolean => d === "sendrecv" || d === "recvonly";

function direction(send: boolean, receive: boolean): Direction {
  if (send) return receive ? "sendrecv" : "sendonly";
  return receive ? "recvonly" : "inactive";
}
