// Sends a media file (or the test clip) into a room as a synthetic participant.
// Run: node samples/publish-file.mjs ws://127.0.0.1:8080/standup talk.mp4
import { publish } from "roomtap";

const [room = "ws://127.0.0.1:8080/standup", media = "test", seconds = "30"] = process.argv.slice(2);

process.exitCode = await publish({
  room,
  media,
  name: "Talk",
  durationMs: Number(seconds) * 1000,
  onStatus: (s) => {
    for (const p of s.participants) {
      const rates = p.tracks.map((t) => `${t.codec} ${Math.round(t.bitrate / 1000)} kbit/s`);
      console.error(`to ${p.name}: ${rates.join(", ")}`);
    }
  },
});
