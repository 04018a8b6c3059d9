/*
 * The official client in a LiveKit room: node livekit-client.mjs publish|watch URL, its token in LIVEKIT_TOKEN. Says JSON
 * lines: {"t":"published"} once its simulcast video is there; for somebody it watches {"t":"watch",...} every second. Ends
 * with its standard input.
 */
import {
  AudioStream,
  dispose,
  LocalVideoTrack,
  Room,
  RoomEvent,
  TrackKind,
  TrackPublishOptions,
  TrackSource,
  VideoBufferType,
  VideoCodec,
  VideoFrame,
  VideoSource,
  VideoStream,
} from "@livekit/rtc-node";

const [role, url] = process.argv.slice(2);
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const room = new Room();

/** Three layers from 1280x720: a light that moves over grey. */
async function publish() {
  const [width, height, fps] = [1280, 720, 15];
  const source = new VideoSource(width, height);
  const options = new TrackPublishOptions({
    source: TrackSource.SOURCE_CAMERA,
    simulcast: true,
    videoCodec: VideoCodec.VP8,
  });
  const track = LocalVideoTrack.createVideoTrack("camera", source);
  await room.localParticipant.publishTrack(track, options);
  const picture = new Uint8Array((width * height * 3) / 2).fill(128);
  let n = 0;
  setInterval(() => {
    const x = (n++ * 16) % (width - 64);
    for (let y = 0; y < 64; y++) {
      picture.fill(128, y * width, (y + 1) * width);
      picture.fill(255, y * width + x, y * width + x + 64);
    }
    source.captureFrame(new VideoFrame(picture, width, height, VideoBufferType.I420));
  }, 1000 / fps);
  say({ t: "published" });
}

/** Counts what comes of everybody together. */
function watch() {
  const seen = { t: "watch", frames: 0, width: 0, height: 0, audioMs: 0, loudest: 0 };
  room.on(RoomEvent.TrackSubscribed, async (track) => {
    if (track.kind === TrackKind.KIND_VIDEO) {
      for await (const { frame } of new VideoStream(track)) {
        seen.frames++;
        seen.width = frame.width;
        seen.height = frame.height;
      }
    } else {
      for await (const frame of new AudioStream(track)) {
        seen.audioMs += (1000 * frame.samplesPerChannel) / frame.sampleRate;
        for (const sample of frame.data) seen.loudest = Math.max(seen.loudest, Math.abs(sample));
      }
    }
  });
  setInterval(() => say(seen), 1000);
}

if (role === "watch") watch();
await room.connect(url, process.env.LIVEKIT_TOKEN, { autoSubscribe: role === "watch", dynacast: true });
if (role === "publish") await publish();
process.stdin.resume();
process.stdin.on("end", async () => {
  await room.disconnect();
  await dispose();
  process.exit(0);
});
