import type { TransportParams } from "../core/sdp/description.ts";

/** State of a transport. `failed` and `closed` are final. */
export type TransportState = "new" | "connecting" | "connected" | "failed" | "closed";

/** What a transport reports. Handlers are set once, before the first call. */
export type TransportHandlers = {
  /** One decrypted RTP or RTCP packet; the receiver owns the memory. */
  readonly onPacket: (packet: Uint8Array) => void;
  /** A local candidate line without "a=". */
  readonly onCandidate: (line: string) => void;
  readonly onGathered: () => void;
  readonly onState: (state: TransportState) => void;
};

/** Whether a data channel is part of the connection, with the remote side's SCTP parameters. */
export type DataOptions = {
  readonly data: boolean;
  readonly sctpPort?: number;
  readonly maxMessageSize?: number;
};

/**
 * ICE, DTLS and SRTP of one bundle: packets in, packets out. It negotiates once; a lost connection is
 * replaced by a new transport.
 */
export interface Transport {
  /** Starts as the offering side and resolves with our ICE and DTLS parameters. Gathering begins. */
  offer(o: DataOptions): Promise<TransportParams>;
  /** Completes `offer`. Throws a RoomtapError `negotiation` on parameters the agent refuses. */
  complete(remote: TransportParams, o: DataOptions): void;
  /**
   * Starts as the answering side; also after `offer`, which is rolled back. Resolves with our parameters.
   */
  accept(remote: TransportParams, o: DataOptions): Promise<TransportParams>;
  /** Adds a remote candidate. False when the agent refuses it. Needs a remote description. */
  addCandidate(line: string): boolean;
  /** Encrypts and sends one RTP or RTCP packet. False when it could not be sent. */
  send(packet: Uint8Array): boolean;
  /** The pair in use, for status and reports. */
  selectedPair(): { local: string; remote: string } | undefined;
  /** Idempotent; resolves when the native side has let go, after 1 s at most. */
  close(): Promise<void>;
}

/** Local network options of a transport. */
export type TransportOptions = {
  readonly name: string;
  readonly iceServers: readonly { urls: readonly string[]; username?: string; credential?: string }[];
  readonly bindAddress?: string;
  readonly portRange?: { readonly begin: number; readonly end: number };
};

/** Makes transports; the native one in programs, a fake in tests. */
export type TransportFactory = (o: TransportOptions, handlers: TransportHandlers) => Transport;
