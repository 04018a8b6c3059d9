/** The server, as the other side of connections: in statistics and in events about them. */
export const SERVER = "livekit";
