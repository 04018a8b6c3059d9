// Talks to Roomtap with nothing but libdatachannel: RTP of a VP8 encoder goes into a call, or out of it to a player.
//
//   roomtap record offer-listen://127.0.0.1:8080/offer
//   node samples/libdatachannel.mjs send http://127.0.0.1:8080/offer/Ann 5004
//   ffmpeg -re -i talk.webm -map 0:v -c copy -f rtp "rtp://127.0.0.1:5004?pkt_size=1200"
//
//   roomtap publish offer-listen://127.0.0.1:8080/offer
//   node samples/libdatachannel.mjs receive http://127.0.0.1:8080/offer 5006      (RTP with payload type 96, to that port)
import { createSocket } from "node:dgram";
import { PeerConnection, Video } from "node-datachannel";

const [way, url, port] = process.argv.slice(2);
const SSRC = 42;
const VP8 = 96;
const receiving = way === "receive";

const pc = new PeerConnection("sample", { iceServers: [], disableAutoNegotiation: true });
const video = new Video("video", receiving ? "RecvOnly" : "SendOnly");
video.addVP8Codec(VP8);
if (!receiving) video.addSSRC(SSRC, "sample", "stream", "camera");
const track = pc.addTrack(video);
const socket = createSocket("udp4");

if (receiving) {
  // RTCP has packet types 200 to 207 where RTP has its payload type (RFC 5761).
  track.onMessage((packet) => {
    if (packet[1] < 192 || packet[1] > 223) socket.send(packet, Number(port), "127.0.0.1");
  });
} else {
  socket.on("message", (packet) => {
    packet.writeUInt32BE(SSRC, 8);
    if (track.isOpen()) track.sendMessageBinary(packet);
  });
  socket.bind(Number(port), "127.0.0.1");
}

pc.onStateChange((state) => {
  console.log(state);
  if (state === "closed" || state === "failed") process.exit();
});
await new Promise((resolve) => {
  pc.onGatheringStateChange((state) => {
    if (state === "complete") resolve();
  });
  pc.setLocalDescription("offer");
});
const response = await fetch(url, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(pc.localDescription()),
});
if (!response.ok) throw new Error(`${url} answered with HTTP ${response.status}: ${await response.text()}`);
const { sdp, type } = await response.json();
pc.setRemoteDescription(sdp, type);
process.once("SIGINT", () => pc.close());
