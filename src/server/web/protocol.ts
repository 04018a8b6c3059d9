/**
 * The room server's messages as the page uses them. The page comes from the server it talks to, so it types the
 * messages and leaves strict parsing to the server; the meaning is told in signaling/room/messages.ts.
 */

/** What an m-line carries. */
export type Source = "camera" | "microphone" | "screen" | "screen-audio";

/** What of a peer is muted. */
export type Muted = { audio: boolean; video: boolean };

/** A participant. The name is data from strangers: text nodes only. */
export type Peer = { id: string; name: string; recorder: boolean; muted?: Muted };

/** What peers tell each other. */
export type SignalData = {
  link?: string;
  sdp?: { type: "offer" | "answer"; sdp: string };
  media?: Record<string, Source>;
  candidate?: { candidate: string; sdpMid?: string | null; sdpMLineIndex?: number | null };
  bye?: true;
};

/** The answer to a join. */
export type Welcome = {
  t: "welcome";
  you: string;
  peers: Peer[];
  ice: RTCIceServer[];
  rejoin: string;
};

/** What the server says. */
export type ServerMessage =
  | Welcome
  | { t: "peer-joined"; peer: Peer }
  | { t: "peer-left"; peer: Peer; reason: string }
  | { t: "signal"; from: string; data: SignalData }
  | { t: "state"; from: string; muted: Muted }
  | { t: "ice"; ice: RTCIceServer[] }
  | { t: "pong" }
  | { t: "error"; code: string; message: string };

/** What the page says. */
export type ClientMessage =
  | { t: "signal"; to: string; data: SignalData }
  | { t: "state"; muted: Muted }
  | { t: "ping" };
