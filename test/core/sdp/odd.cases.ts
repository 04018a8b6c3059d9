/** Descriptions that are odd or hostile and written by hand, shared by the tests of this folder. */

const fingerprint = `sha-256 ${Array(32).fill("AB").join(":")}`;
const ice = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n";
const keys = `${ice}a=fingerprint:${fingerprint}\r\na=setup:actpass\r\n`;
const head = "v=0\r\no=- 7 3 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n";
const opus = "a=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n";
const vp8 = "a=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n";

/** The usual minimum: one audio m-line. */
export const plain = `${head}a=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n${keys}a=mid:0\r\na=sendonly\r\n${opus}`;

/** Line feeds alone, as some servers write. */
export const lineFeedOnly = plain.replaceAll("\r\n", "\n");

/** No a=mid and no bundle: m-lines are known by their place. */
export const noMids = `${head}m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n${keys}${opus}m=video 9 UDP/TLS/RTP/SAVPF 96\r\n${keys}${vp8}`;

/** Feedback for every payload type at once (RFC 4585 section 4.2). */
export const wildcardFeedback = `${head}a=group:BUNDLE 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 98\r\n${keys}a=mid:0\r\n${vp8}a=rtpmap:98 VP9/90000\r\na=rtcp-fb:* nack\r\na=rtcp-fb:* nack pli\r\na=rtcp-fb:96 goog-remb\r\n`;

/** ICE, fingerprint, direction and extensions for the whole session, in lower case and SHA-512; an ICE-lite server. */
export const sessionLevel = `${head}a=group:BUNDLE a v\r\na=ice-lite\r\n${ice}a=fingerprint:sha-512 ${Array(64).fill("0f").join(":")}\r\na=setup:holdconn\r\na=sendonly\r\na=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:a\r\n${opus}m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\na=recvonly\r\n${vp8}`;

/** ICE for the whole session, the DTLS role on the m-line. */
export const setupOnMediaOnly = `${head}a=group:BUNDLE 0\r\n${ice}a=fingerprint:${fingerprint}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=setup:active\r\n${opus}`;

/** The second m-line has port 0 only because it waits for the bundle; the third is refused. */
export const bundleOnly = `${head}a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n${keys}a=mid:0\r\n${opus}m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=bundle-only\r\na=mid:1\r\n${vp8}m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:2\r\na=inactive\r\n${vp8}`;

/** The first m-line was removed, and its ICE parameters are stale. */
export const staleFirst = `${head}a=group:BUNDLE 1\r\nm=audio 0 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:stale\r\na=ice-pwd:9999999999999999999999\r\na=mid:0\r\n${opus}m=video 9 UDP/TLS/RTP/SAVPF 96\r\n${keys}a=mid:1\r\n${vp8}`;

/** Two m-lines with one name. */
export const duplicateMids = `${plain.replace("BUNDLE 0", "BUNDLE 0 0")}m=video 9 UDP/TLS/RTP/SAVPF 96\r\n${keys}a=mid:0\r\n${vp8}`;

/** Fax over UDP, a second m-line outside the bundle, and RTP without multiplexed RTCP. */
export const strangeKinds = `${head}a=group:BUNDLE a f x\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n${keys}a=mid:a\r\n${opus}m=image 9 udptl t38\r\n${keys}a=mid:f\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n${keys}a=mid:x\r\na=rtpmap:96 VP8/90000\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n${keys}a=mid:outside\r\n${vp8}`;

/** A server that offers layers of its own and asks for layers of ours. */
export const layersBothWays = `${head}a=group:BUNDLE 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n${keys}a=mid:0\r\n${vp8}a=rid:hi send\r\na=rid:lo send pt=96;max-width=320\r\na=rid:a recv\r\na=rid:b recv\r\na=simulcast:recv a;b send hi;~lo\r\n`;

/** Numbers that overflow, repeat or are none. */
export const badNumbers = `v=0\r\no=- x 99999999999999999999 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=video 9/2 UDP/TLS/RTP/SAVPF 96 96 097 0x60 1e2 128 999999999999 \r\n${keys}a=mid:0\r\n${vp8}a=rtpmap:97 VP8/${"9".repeat(400)}\r\na=rtpmap:128 VP8/90000\r\na=extmap:0 urn:zero\r\na=extmap:256 urn:large\r\na=extmap:x urn:none\r\na=ssrc:4294967296 cname:too-large\r\na=ssrc:4294967295 cname:largest\r\na=ssrc-group:FID 1 4294967296\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:d\r\na=sctp-port:1e9\r\na=max-message-size:-1\r\n`;

/** H.265 before VP8, as from a page that prefers it, both with retransmissions. */
export const h265First = `${head}a=group:BUNDLE 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 49 50 51 52 96 97\r\n${keys}a=mid:0\r\na=sendonly\r\na=rtcp-mux\r\na=rtpmap:49 H265/90000\r\na=rtcp-fb:49 nack pli\r\na=fmtp:49 level-id=180;profile-id=1;tier-flag=0;tx-mode=SRST\r\na=rtpmap:50 rtx/90000\r\na=fmtp:50 apt=49\r\na=rtpmap:51 H265/90000\r\na=fmtp:51 level-id=93;profile-id=2;tier-flag=0;tx-mode=SRST\r\na=rtpmap:52 rtx/90000\r\na=fmtp:52 apt=51\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n`;

/** All that is readable, by what it is. */
export const readable = {
  plain,
  lineFeedOnly,
  noMids,
  wildcardFeedback,
  sessionLevel,
  setupOnMediaOnly,
  bundleOnly,
  staleFirst,
  strangeKinds,
  layersBothWays,
  badNumbers,
  h265First,
};

/** What must be refused, by why. */
export const unreadable = {
  "nothing at all": "",
  "only a version": "v=0\r\n",
  "no version": plain.slice(5),
  "two m-lines of one name": duplicateMids,
  "no ICE user": plain.replace(/a=ice-ufrag.*\r\n/, ""),
  "no ICE password": plain.replace(/a=ice-pwd.*\r\n/, ""),
  "a short ICE password": plain.replace(/a=ice-pwd:.*/, "a=ice-pwd:short"),
  "an ICE user that would break a line": plain.replace("ufrag:abcd", "ufrag:ab cd"),
  "no fingerprint": plain.replace(/a=fingerprint.*\r\n/, ""),
  "a fingerprint that is none": plain.replace(/a=fingerprint.*/, "a=fingerprint:sha-256 zz"),
  "a port past the last": plain.replace("m=audio 9", "m=audio 65536"),
  "a port that is no number": plain.replace("m=audio 9", "m=audio nine"),
  "an m-line cut short": plain.replace(/m=audio.*/, "m=audio 9"),
  "half a megabyte": plain + "a=x\r\n".repeat(110_000),
  "too many lines": plain + "a=x\r\n".repeat(20_001),
  "too many m-lines": plain + "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\n".repeat(256),
} as const;
