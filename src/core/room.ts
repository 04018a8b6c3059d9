import type { MediaKind, TrackSource } from "./frame.ts";

/**
 * The port between signalling adapters and the engine. Adapters speak a server's protocol; they ask the
 * engine for links and hand over descriptions and candidates. They never see packets.
 */

/** A STUN or TURN server, as in RTCIceServer of W3C WebRTC. */
export type IceServer = {
  readonly urls: readonly string[];
  readonly username?: string;
  readonly credential?: string;
};

/** How connections are made, besides what a room says. */
export type NetworkWish = {
  /** Used beside those that the room names. */
  readonly iceServers?: readonly IceServer[];
  /** Milliseconds after which a description goes out with the candidates that are there. */
  readonly gatherMs?: number;
  /** Local address; absent: all. */
  readonly bindAddress?: string;
  /** Local UDP ports, both included. */
  readonly portRange?: { readonly begin: number; readonly end: number };
  /** Nothing but TURN servers is talked to, and no other candidate is told or taken. */
  readonly relayOnly?: boolean;
  /** Accept any certificate of a TURN server. */
  readonly insecure?: boolean;
};

/** A session description as it travels. */
export type Description = { readonly type: "offer" | "answer"; readonly sdp: string };

/** A trickled candidate: the `candidate:` line without `a=`, and its m-line. */
export type IceCandidate = { readonly candidate: string; readonly mid?: string; readonly index?: number };

/** One stream we offer to send. The engine fills it with media; the adapter only names it. */
export type LocalTrack = {
  readonly id: string;
  readonly kind: MediaKind;
  readonly source: TrackSource;
  readonly codec: string;
  /** H.264: the `profile-level-id` of what is sent, to name it so where the other side takes that profile. */
  readonly profile?: string;
  /** RIDs of the layers to offer (simulcast, RFC 8853), the smallest picture first; absent: one stream. */
  readonly layers?: readonly string[];
};

/** What a link shall carry: streams of ours, and how many streams of each kind we can take. */
export type LinkPlan = {
  readonly send: readonly LocalTrack[];
  readonly receive: { readonly audio: number; readonly video: number };
  /** Negotiate a data channel in the first description (it cannot be added later). */
  readonly data: boolean;
};

/** What the remote description says of one m-line. */
export type RemoteMedia = {
  readonly mid: string;
  readonly kind: MediaKind;
  /** The remote side sends on it, and we agreed to receive. */
  readonly sending: boolean;
  /** The remote side takes what we offered to send on it, in the codec that it has. */
  readonly taking: boolean;
  readonly msid?: { readonly stream: string; readonly track: string };
};

/** Life of a link. `failed` and `closed` are final: reconnecting means a new link. */
export type LinkState = "new" | "connecting" | "connected" | "failed" | "closed";

/** W3C signalling states that a link can be in between calls. */
export type SignalingState = "stable" | "have-local-offer";

/** One peer connection. Every negotiation call waits for the one before it. */
export interface Link {
  readonly id: string;
  readonly signalingState: SignalingState;
  readonly state: LinkState;
  /** Our offer for the plan; later calls make a re-offer. Rejects with code `negotiation`. */
  offer(plan: LinkPlan): Promise<Description>;
  /** Applies the remote answer to our pending offer. */
  answer(remote: Description): Promise<readonly RemoteMedia[]>;
  /**
   * Accepts a remote offer and returns our answer. A pending offer of ours is rolled back first (the polite
   * side of perfect negotiation).
   */
  accept(
    remote: Description,
    plan: LinkPlan,
  ): Promise<{ answer: Description; media: readonly RemoteMedia[] }>;
  /** The plan has streams that nothing carries yet: a re-offer is due. */
  unsent(plan: LinkPlan): boolean;
  /** Adds a remote candidate; queued until a remote description is there. Never throws. */
  addCandidate(c: IceCandidate): void;
  /** Calls back for every local candidate, also those found before the call. */
  onCandidate(cb: (c: IceCandidate) => void): void;
  onState(cb: (state: LinkState, cause?: string) => void): void;
  /** Resolves with the newest local description holding all candidates gathered, after at most `capMs`. */
  localReady(capMs: number): Promise<Description>;
  /** Idempotent. */
  close(): void;
}

/** What the engine offers to adapters. */
export interface RtcHost {
  /** A new peer connection; the adapter closes it. `peerId` names the remote participant in statistics. */
  link(o: { peerId: string; iceServers: readonly IceServer[] }): Link;
  /** Counts malformed or unexpected signalling. */
  fault(name: "signal-malformed" | "signal-unexpected" | "candidate-rejected"): void;
  log(level: LogLevel, message: string): void;
}

/** Severity of a log line. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** A participant. `name` is data from strangers: never markup, never a path. */
export type Peer = { readonly id: string; readonly name: string; readonly recorder: boolean };

/** A track of a remote participant, and where its packets arrive. */
export type RemoteTrack = {
  readonly id: string;
  readonly peerId: string;
  readonly kind: MediaKind;
  readonly source: TrackSource;
  readonly linkId: string;
  readonly mid: string;
};

/** Why a room session ended for good. */
export type EndReason = "left" | "kicked" | "room-closed" | "replaced" | "auth" | "room-full" | "error";

/** What a room tells the bot. */
export type RoomEvent =
  | { readonly t: "peer"; readonly op: "join" | "leave"; readonly peer: Peer }
  /** `mute` and `unmute`: the other side, or the server, said so. */
  | { readonly t: "track"; readonly op: "add" | "remove" | "mute" | "unmute"; readonly track: RemoteTrack }
  /** Layers (RIDs) of a stream of ours that anybody needs from now on; none: nobody takes it. */
  | { readonly t: "wanted"; readonly trackId: string; readonly layers: readonly string[] | "all" }
  /** The server's signalling was lost and is being re-established, or is back. Media may go on. */
  | { readonly t: "signalling"; readonly op: "lost" | "restored"; readonly detail?: string }
  /** A connection to a peer could not be made or broke, and is tried again. */
  | { readonly t: "link"; readonly op: "up" | "down"; readonly peerId: string; readonly detail?: string }
  | { readonly t: "ended"; readonly reason: EndReason; readonly error?: Error };

/** Which simulcast layer to receive. `auto`: what the server thinks best. */
export type LayerWish = "high" | "medium" | "low" | "auto";

/** How an address is served on which others call us. */
export type ListenWish = {
  /** Secret that callers give as a bearer token. */
  readonly token?: string;
  /** PEM texts: with both, callers come by TLS. */
  readonly certificate?: string;
  readonly key?: string;
  /** Anybody may call, from other machines as well. */
  readonly public?: boolean;
  /** End with the first caller. */
  readonly once?: boolean;
};

/** How a room lets us in, and what we take of it: the same for every command. Adapters read what concerns them. */
export type RoomAccess = {
  /** Secret of the room or the server: a bearer token, a JWT, an API token. */
  readonly token?: string;
  /** Password of the room. */
  readonly pin?: string;
  /** Key and secret of a server that takes tokens which its users sign themselves. */
  readonly apiKey?: string;
  readonly apiSecret?: string;
  /** Accept any TLS certificate of the signalling server. */
  readonly insecure?: boolean;
  /** Default: `auto`. */
  readonly layer?: LayerWish;
  readonly listen?: ListenWish;
};

/** The person who carries texts between the two sides of a room that has no server. */
export interface Courier {
  /** Hands over a text for the other side, whole. `note`: what it is, for the person. */
  give(text: string, note: string): void;
  /** Asks for the next line of what the other side gave; undefined: no more come. One call at a time. */
  line(prompt: string): Promise<string | undefined>;
}

/** What we want in the room. */
export type JoinWish = RoomAccess & {
  readonly name: string;
  /** Announce ourselves as a recorder: others show a badge. */
  readonly recorder: boolean;
  /** Streams to publish. Empty: receive only. */
  readonly publish: readonly LocalTrack[];
  /** Take remote media. */
  readonly receive: boolean;
  /** Of remote media, what we take; absent: everything. An adapter that cannot choose may ignore it. */
  readonly wants?: (c: Candidate) => boolean;
  /** For rooms without a server. */
  readonly courier?: Courier;
};

/** A remote track, as far as it matters for being taken. `name`: the participant's. */
export type Candidate = {
  readonly name: string;
  readonly kind: MediaKind;
  readonly source: TrackSource;
};

/** The part of AbortSignal that the port needs; the core has no DOM types. */
export interface Cancel {
  readonly aborted: boolean;
  addEventListener(type: "abort", listener: () => void, o?: { once?: boolean }): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** One signalling dialect. */
export interface RoomAdapter {
  /** URL schemes it answers for, without the colon. */
  readonly schemes: readonly string[];
  /** The address as manifests and messages may have it, without secrets; absent: all before `?` or `#`. */
  label?(target: string): string;
  /** Joins; rejects with a RoomtapError (signal-refused, auth, room-full, signal-protocol, usage). */
  join(host: RtcHost, target: string, wish: JoinWish, signal: Cancel): Promise<RoomSession>;
}

/** A joined room. */
export interface RoomSession {
  /** Events in order; ends after `ended`. One consumer. */
  readonly events: AsyncIterable<RoomEvent>;
  /** Receives another layer from now on: of one track, or of all there are and will be. Absent: no choice here. */
  prefer?(layer: LayerWish, trackId?: string): void;
  /** Leaves, says good-bye to every peer, closes every link. Idempotent, bounded to 2 s. */
  leave(): Promise<void>;
}
