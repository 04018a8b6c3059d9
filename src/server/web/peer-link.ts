import type { Peer, SignalData, Source } from "./protocol.ts";
import { preferCodec, tuneSender } from "./sending.ts";

/** A local track with the stream it belongs to. */
export type LocalTrack = { track: MediaStreamTrack; stream: MediaStream };

/** How the connection to a peer is doing. */
export type LinkState = "connecting" | "connected" | "interrupted";

/** What a link needs around it. */
export type PeerLinkOptions = {
  self: string;
  peer: Peer;
  codec: string | undefined;
  ice(): RTCIceServer[];
  local(): ReadonlyMap<Source, LocalTrack>;
  send(data: SignalData): void;
  /** All that the peer sends now. */
  onTracks(tracks: ReadonlyMap<Source, MediaStreamTrack>): void;
  onState(state: LinkState): void;
};

/** A connection that is not up after this time is made anew. */
const SETUP_MS = 15_000;
/** The side that did not offer leaves the retry to the other for this long. */
const ANSWERER_PATIENCE_MS = 5000;
const MAX_EARLY_CANDIDATES = 200;

/**
 * The connection to one peer: perfect negotiation (W3C WebRTC section 10.7), and a new connection under a new
 * link name when one fails.
 */
export class PeerLink {
  readonly #o: PeerLinkOptions;
  readonly #polite: boolean;
  #pc: RTCPeerConnection | undefined;
  #name = "";
  #offerer = false;
  #described = false;
  #makingOffer = false;
  #settingAnswer = false;
  #closed = false;
  #attempt = 0;
  #timer: number | undefined;
  /** Signals are handled one after the other. */
  #queue: Promise<void> = Promise.resolve();
  #early: SignalData[] = [];
  #remoteSources: Record<string, Source> = {};
  readonly #sending = new Map<Source, RTCRtpTransceiver>();

  constructor(o: PeerLinkOptions) {
    this.#o = o;
    this.#polite = o.self > o.peer.id;
  }

  get pc(): RTCPeerConnection | undefined {
    return this.#pc;
  }

  /** Offers a new connection; an older one is dropped. */
  connect(): void {
    if (this.#closed) return;
    const pc = this.#open(randomName(), true);
    // Peers on libdatachannel cannot add a data channel later, and notice the end of the connection through it.
    pc.createDataChannel("roomtap");
    for (const kind of ["audio", "video"]) {
      const have = pc.getTransceivers().some((t) => t.sender.track?.kind === kind);
      if (!have) pc.addTransceiver(kind, { direction: "recvonly" });
    }
  }

  /** Takes what the peer sent through the server. */
  receive(data: SignalData): void {
    this.#queue = this.#queue
      .then(() => this.#handle(data))
      .catch((e: unknown) => console.warn("negotiation failed", e));
  }

  /** Starts, changes or stops (undefined) what is sent as `source`. */
  setTrack(source: Source, local: LocalTrack | undefined): void {
    const pc = this.#pc;
    if (!pc) return;
    const known = this.#sending.get(source);
    if (known && known.direction !== "stopped") {
      known.sender.replaceTrack(local?.track ?? null).catch((e: unknown) => console.warn("replaceTrack", e));
      if (local) known.sender.setStreams(local.stream);
      const direction = local ? "sendrecv" : "recvonly";
      if (known.direction !== direction) known.direction = direction;
    } else if (local) {
      this.#add(pc, source, local);
    }
  }

  /** The loudness of the peer's microphone, 0 to 1. */
  audioLevel(): number {
    let level = 0;
    for (const { mid, receiver } of this.#pc?.getTransceivers() ?? []) {
      if (mid === null || receiver.track.kind !== "audio") continue;
      for (const s of receiver.getSynchronizationSources()) level = Math.max(level, s.audioLevel ?? 0);
    }
    return level;
  }

  /** Says good-bye and closes for good. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#pc) this.#o.send({ link: this.#name, bye: true });
    this.#drop();
  }

  #open(name: string, offerer: boolean): RTCPeerConnection {
    this.#drop();
    const pc = new RTCPeerConnection({ iceServers: this.#o.ice(), bundlePolicy: "max-bundle" });
    this.#pc = pc;
    this.#name = name;
    this.#offerer = offerer;
    this.#described = false;
    this.#remoteSources = {};
    pc.onicecandidate = ({ candidate }) => {
      if (this.#pc !== pc || !candidate?.candidate) return;
      const { candidate: line, sdpMid, sdpMLineIndex } = candidate;
      this.#o.send({ link: name, candidate: { candidate: line, sdpMid, sdpMLineIndex } });
    };
    pc.onnegotiationneeded = () => {
      // The first offer of a connection belongs to the side that named it.
      if (this.#pc === pc && (offerer || this.#described)) void this.#offer(pc);
    };
    pc.onconnectionstatechange = () => {
      if (this.#pc === pc) this.#follow(pc.connectionState);
    };
    for (const [source, local] of this.#o.local()) this.#add(pc, source, local);
    this.#timer = window.setTimeout(() => this.#fail(), SETUP_MS);
    this.#o.onState("connecting");
    return pc;
  }

  #add(pc: RTCPeerConnection, source: Source, local: LocalTrack): void {
    const sender = pc.addTrack(local.track, local.stream);
    const transceiver = pc.getTransceivers().find((t) => t.sender === sender);
    if (transceiver) this.#sending.set(source, transceiver);
  }

  #follow(state: RTCPeerConnectionState): void {
    if (state === "connected") {
      window.clearTimeout(this.#timer);
      this.#attempt = 0;
      this.#o.onState("connected");
    } else if (state === "disconnected") this.#o.onState("interrupted");
    else if (state === "failed") this.#fail();
  }

  #fail(): void {
    const patience = this.#offerer ? 0 : ANSWERER_PATIENCE_MS;
    this.#drop();
    this.#o.onState("connecting");
    const ceiling = Math.min(5000, 300 * 2 ** this.#attempt++);
    this.#timer = window.setTimeout(() => this.connect(), patience + ceiling * Math.random());
  }

  #drop(): void {
    window.clearTimeout(this.#timer);
    const pc = this.#pc;
    this.#pc = undefined;
    this.#sending.clear();
    if (!pc) return;
    pc.close();
    if (!this.#closed) this.#o.onTracks(new Map());
  }

  async #offer(pc: RTCPeerConnection): Promise<void> {
    try {
      this.#makingOffer = true;
      preferCodec(pc, this.#o.codec);
      await pc.setLocalDescription();
      if (this.#pc === pc) this.#sendDescription(pc);
    } catch (e) {
      console.warn("offer failed", e);
    } finally {
      this.#makingOffer = false;
    }
  }

  async #handle(data: SignalData): Promise<void> {
    if (this.#closed) return;
    if (data.candidate) await this.#candidate(data);
    else if (data.sdp?.type === "offer") await this.#remoteOffer(data, data.sdp);
    else if (data.sdp) await this.#remoteAnswer(data, data.sdp);
    // A peer that ends the connection also makes the next one, or leaves.
    else if (data.bye && this.#isCurrent(data)) this.#drop();
  }

  async #remoteOffer(data: SignalData, sdp: RTCSessionDescriptionInit): Promise<void> {
    let pc = this.#pc;
    if (pc && this.#isCurrent(data)) {
      const ready = !this.#makingOffer && (pc.signalingState === "stable" || this.#settingAnswer);
      if (!ready && !this.#polite) return;
    } else {
      // Two first offers that crossed: the one of the smaller id wins.
      if (pc && this.#offerer && !this.#described && !this.#polite) return;
      pc = this.#open(data.link ?? randomName(), false);
    }
    this.#remoteSources = data.media ?? {};
    await pc.setRemoteDescription(sdp);
    this.#described = true;
    preferCodec(pc, this.#o.codec);
    await pc.setLocalDescription();
    if (this.#pc !== pc) return;
    this.#sendDescription(pc);
    await this.#settled(pc);
  }

  async #remoteAnswer(data: SignalData, sdp: RTCSessionDescriptionInit): Promise<void> {
    const pc = this.#pc;
    if (!pc || !this.#isCurrent(data) || pc.signalingState !== "have-local-offer") return;
    this.#remoteSources = data.media ?? {};
    this.#settingAnswer = true;
    try {
      await pc.setRemoteDescription(sdp);
    } finally {
      this.#settingAnswer = false;
    }
    this.#described = true;
    await this.#settled(pc);
  }

  async #candidate(data: SignalData): Promise<void> {
    const pc = this.#pc;
    if (!pc?.remoteDescription || !this.#isCurrent(data)) {
      // Candidates may overtake the offer they belong to.
      this.#early.push(data);
      if (this.#early.length > MAX_EARLY_CANDIDATES) this.#early.shift();
      return;
    }
    // One that does not fit belongs to an offer that lost a collision.
    await pc.addIceCandidate(data.candidate).catch(() => {});
  }

  /** After an exchange of descriptions: late candidates, limits of the senders, and what the peer sends now. */
  async #settled(pc: RTCPeerConnection): Promise<void> {
    const early = this.#early.filter((data) => this.#isCurrent(data));
    this.#early = [];
    for (const data of early) await pc.addIceCandidate(data.candidate).catch(() => {});
    for (const [source, { sender }] of this.#sending) await tuneSender(sender, source, this.#o.codec);
    if (this.#pc !== pc) return;
    const tracks = new Map<Source, MediaStreamTrack>();
    for (const { mid, currentDirection, receiver } of pc.getTransceivers()) {
      if (mid === null || (currentDirection !== "sendrecv" && currentDirection !== "recvonly")) continue;
      const fallback = receiver.track.kind === "audio" ? "microphone" : "camera";
      tracks.set(this.#remoteSources[mid] ?? fallback, receiver.track);
    }
    this.#o.onTracks(tracks);
  }

  #sendDescription(pc: RTCPeerConnection): void {
    const d = pc.localDescription;
    if (!d || (d.type !== "offer" && d.type !== "answer")) return;
    const media: Record<string, Source> = {};
    for (const [source, { mid, sender }] of this.#sending) {
      if (mid !== null && sender.track) media[mid] = source;
    }
    this.#o.send({ link: this.#name, sdp: { type: d.type, sdp: d.sdp }, media });
  }

  #isCurrent(data: SignalData): boolean {
    return data.link === undefined || data.link === this.#name;
  }
}

function randomName(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(9)), (b) => b.toString(16).padStart(2, "0")).join(
    "",
  );
}
