import { networkInterfaces } from "node:os";
import {
  Audio,
  cleanup,
  type DataChannel,
  PeerConnection,
  type RtcConfig,
  type Track,
} from "node-datachannel";
import { RoomtapError } from "../core/fault.ts";
import type { TransportParams } from "../core/sdp/description.ts";
import { parseSdp } from "../core/sdp/parse.ts";
import { RAW_MID, rawDescription } from "../core/sdp/raw-transport.ts";
import { nativeIceServers } from "./ice-servers.ts";
import type {
  DataOptions,
  Transport,
  TransportFactory,
  TransportHandlers,
  TransportOptions,
  TransportState,
} from "./transport.ts";

/*
 * The only importer of the native addon. Its rules, each measured: a throw inside a callback aborts the
 * process, so every callback is guarded; a collected wrapper closes its native object, and one collected
 * before its onClosed came leaves a dangling pointer, so everything is held in `alive` until then.
 */

/** Wrappers whose closed callback has not come yet. */
const alive = new Set<object>();

/** Time for the native side to confirm a close. */
const CLOSE_TIMEOUT_MS = 1000;

type OnError = (where: string, error: unknown) => void;

function guard<A extends unknown[]>(
  where: string,
  onError: OnError,
  fn: (...args: A) => void,
): (...args: A) => void {
  return (...args) => {
    try {
      fn(...args);
    } catch (error) {
      try {
        onError(where, error);
      } catch {
        // Nothing may leave a native callback.
      }
    }
  };
}

/** Makes native transports. `onError` hears of bugs in handlers, which must not reach the addon. */
export function nativeTransports(onError: OnError): TransportFactory {
  return (options, handlers) => new NativeTransport(options, handlers, onError);
}

/** Ends the native threads. Call once, last; connections still open are closed. */
export function shutDownNative(): void {
  try {
    cleanup();
  } catch {
    // "cleanup timeout": some remote side vanished in the middle of a close; the process ends now anyway.
  }
}

class NativeTransport implements Transport {
  readonly #pc: PeerConnection;
  readonly #handlers: TransportHandlers;
  readonly #onError: OnError;
  readonly #channels = new Set<DataChannel>();
  readonly #open = new Set<object>();
  #track: Track | undefined;
  #trackOpen = false;
  #state: TransportState = "new";
  #localSdp: ((sdp: string) => void) | undefined;
  #closed: Promise<void> | undefined;
  #closing = false;
  #allClosed: (() => void) | undefined;

  constructor(o: TransportOptions, handlers: TransportHandlers, onError: OnError) {
    this.#handlers = handlers;
    this.#onError = onError;
    const bindAddress = o.bindAddress ?? loopbackOnly();
    const config: RtcConfig = {
      iceServers: nativeIceServers(o.iceServers),
      disableAutoNegotiation: true,
      forceMediaTransport: true,
      ...(bindAddress === undefined ? {} : { bindAddress }),
      ...(o.portRange ? { portRangeBegin: o.portRange.begin, portRangeEnd: o.portRange.end } : {}),
    };
    try {
      this.#pc = new PeerConnection(o.name, config);
    } catch (cause) {
      throw new RoomtapError("ice-failed", "the network options were refused by the ICE agent", { cause });
    }
    this.#hold(this.#pc);
    this.#pc.onStateChange(this.#guard("state", (s) => this.#onState(s)));
    this.#pc.onLocalDescription(this.#guard("description", (sdp) => this.#localSdp?.(sdp)));
    this.#pc.onLocalCandidate(
      this.#guard("candidate", (line) => handlers.onCandidate(line.replace(/^a=/, ""))),
    );
    this.#pc.onGatheringStateChange(
      this.#guard("gathering", (s) => {
        if (s === "complete") handlers.onGathered();
      }),
    );
    this.#pc.onTrack(this.#guard("track", (track) => this.#adopt(track)));
    this.#pc.onDataChannel(this.#guard("channel", (channel) => this.#adoptChannel(channel)));
  }

  async offer(o: DataOptions): Promise<TransportParams> {
    this.#addRawTrack();
    if (o.data) this.#adoptChannel(this.#pc.createDataChannel("roomtap"));
    return this.#describe("offer");
  }

  complete(remote: TransportParams, o: DataOptions): void {
    // As offerers we take whatever role the answer leaves us; an answer has no actpass (RFC 8842 section 5.3).
    const setup = remote.setup === "actpass" ? "passive" : remote.setup;
    this.#setRemote(rawDescription(remote, { ...o, setup }), "answer");
    this.#addRemoteCandidates(remote);
  }

  async accept(remote: TransportParams, o: DataOptions): Promise<TransportParams> {
    // The offering side becomes the DTLS client: with the roles the other way round every fourth connection
    // between two peers of this library waits a second for a retransmission.
    const setup = remote.setup === "passive" ? "passive" : "active";
    this.#setRemote(rawDescription(remote, { ...o, setup }), "offer");
    const local = await this.#describe("answer");
    this.#addRemoteCandidates(remote);
    return local;
  }

  addCandidate(line: string): boolean {
    if (this.#closing) return false;
    try {
      this.#pc.addRemoteCandidate(line, RAW_MID);
      return true;
    } catch {
      return false;
    }
  }

  send(packet: Uint8Array): boolean {
    if (!this.#trackOpen || !this.#track || packet.length < 12) return false;
    try {
      // The addon takes any Uint8Array; its types know Buffer only.
      return this.#track.sendMessageBinary(packet as Buffer);
    } catch {
      return false;
    }
  }

  selectedPair(): { local: string; remote: string } | undefined {
    if (this.#closing) return undefined;
    const pair = this.#pc.getSelectedCandidatePair();
    if (!pair) return undefined;
    const side = (c: { address: string; port: number; type: string; transportType: string }) =>
      `${c.type} ${c.transportType} ${c.address}:${c.port}`;
    return { local: side(pair.local), remote: side(pair.remote) };
  }

  close(): Promise<void> {
    this.#closing = true;
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#trackOpen = false;
    const done = new Promise<void>((resolve) => {
      this.#allClosed = resolve;
      setTimeout(resolve, CLOSE_TIMEOUT_MS).unref();
    });
    for (const channel of this.#channels) attempt(() => channel.close());
    attempt(() => this.#track?.close());
    attempt(() => this.#pc.close());
    if (this.#open.size > 0) await done;
    this.#setState("closed");
  }

  #addRawTrack(): void {
    const media = new Audio(RAW_MID, "SendRecv");
    media.addOpusCodec(111);
    this.#adopt(this.#pc.addTrack(media));
  }

  #adopt(track: Track): void {
    this.#hold(track);
    track.onClosed(
      this.#guard("track-closed", () => {
        this.#release(track);
        if (track === this.#track) this.#trackOpen = false;
      }),
    );
    if (this.#track) return;
    this.#track = track;
    track.onOpen(
      this.#guard("track-open", () => {
        this.#trackOpen = true;
        this.#setState("connected");
      }),
    );
    track.onMessage(this.#guard("packet", (packet) => this.#handlers.onPacket(packet)));
  }

  #adoptChannel(channel: DataChannel): void {
    this.#hold(channel);
    this.#channels.add(channel);
    channel.onClosed(
      this.#guard("channel-closed", () => {
        this.#channels.delete(channel);
        this.#release(channel);
      }),
    );
  }

  #describe(type: "offer" | "answer"): Promise<TransportParams> {
    const state = this.#pc.signalingState();
    // The addon aborts the process on setLocalDescription in a wrong state.
    if (type === "answer" ? state !== "have-remote-offer" : state !== "stable") {
      throw new RoomtapError("negotiation", `cannot make an ${type} in state ${state}`);
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new RoomtapError("negotiation", "the ICE agent gave no description")),
        5000,
      );
      this.#localSdp = (sdp) => {
        clearTimeout(timer);
        this.#localSdp = undefined;
        const parsed = parseSdp(sdp);
        if (parsed) resolve(parsed.transport);
        else reject(new RoomtapError("negotiation", "the ICE agent gave an unreadable description"));
      };
      this.#pc.setLocalDescription(type);
    });
  }

  #setRemote(sdp: string, type: "offer" | "answer"): void {
    try {
      this.#pc.setRemoteDescription(sdp, type);
    } catch (cause) {
      throw new RoomtapError("negotiation", "the remote description was refused by the ICE agent", { cause });
    }
    this.#setState("connecting");
  }

  #addRemoteCandidates(remote: TransportParams): void {
    for (const line of remote.candidates) this.addCandidate(line);
  }

  #onState(state: string): void {
    if (state === "failed") this.#setState("failed");
    else if (state === "disconnected") this.#setState("failed");
    else if (state === "closed") {
      this.#setState(this.#closing ? "closed" : "failed");
      this.#release(this.#pc);
    }
  }

  #setState(state: TransportState): void {
    if (this.#state === state || this.#state === "closed" || (this.#state === "failed" && state !== "closed"))
      return;
    if (this.#state === "connected" && state === "connecting") return;
    this.#state = state;
    this.#handlers.onState(state);
  }

  #hold(o: object): void {
    alive.add(o);
    this.#open.add(o);
  }

  #release(o: object): void {
    alive.delete(o);
    this.#open.delete(o);
    if (this.#open.size === 0) this.#allClosed?.();
  }

  #guard<A extends unknown[]>(where: string, fn: (...args: A) => void): (...args: A) => void {
    return guard(where, this.#onError, fn);
  }
}

function attempt(fn: () => void): void {
  try {
    fn();
  } catch {
    // Already closed by the other side: that is what we want.
  }
}

/** ICE agents skip loopback; a machine with nothing else can only talk to itself, and then wants to. */
function loopbackOnly(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return all.some((a) => !a.internal) ? undefined : "127.0.0.1";
}
