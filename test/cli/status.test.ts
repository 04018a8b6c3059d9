import { describe, expect, it } from "vitest";
import type { ParticipantStatus, StatusMessage, TrackStatus } from "../../src/bot/job.ts";
import { renderStatus } from "../../src/cli/status.ts";

const video: TrackStatus = {
  id: "1",
  kind: "video",
  source: "camera",
  codec: "vp8",
  width: 640,
  height: 360,
  bitrate: 1_234_000,
  framesPerSecond: 30,
  lost: 12,
  loss: 0.0123,
  recovered: 7,
  jitterMs: 4.6,
  keyframes: 3,
  frames: 300,
};
const audio: TrackStatus = {
  id: "2",
  kind: "audio",
  source: "microphone",
  codec: "opus",
  bitrate: 64_000,
  lost: 0,
  loss: 0,
  recovered: 0,
  keyframes: 0,
  frames: 500,
};
const ann: ParticipantStatus = {
  name: "Ann",
  connected: true,
  rttMs: 41.7,
  tracks: [audio, video],
  bytesOnDisk: 2_500_000,
};

function status(o: Partial<StatusMessage> = {}): StatusMessage {
  return {
    t: "status",
    phase: "recording",
    elapsedMs: 65_000,
    participants: [ann],
    faults: {},
    packets: 1,
    cpuMs: 1,
    ...o,
  };
}

const terminal = { interactive: true, color: true };
const mono = { interactive: true, color: false };
const pipe = { interactive: false, color: false };

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
const control = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

describe("the status", () => {
  it("shows people and tracks on a terminal", () => {
    expect(renderStatus(status(), mono).split("\n")).toEqual([
      "● recording 1:05",
      "  Ann  2.5 MB on disk  rtt 42 ms",
      "    microphone opus  64 kbit/s  0 % lost",
      "    camera     vp8 640x360 30 fps  1.23 Mbit/s  1.2 % lost (12)  7 recovered  3 keyframes  jitter 5 ms",
    ]);
  });

  it("is one line on a pipe", () => {
    expect(renderStatus(status(), pipe)).toBe(
      "recording 1:05  Ann [opus 64 kbit/s 0.0% lost 0 recovered, vp8 640x360 1.23 Mbit/s 1.2% lost 7 recovered 3 keyframes] 2.5 MB",
    );
    expect(renderStatus(status({ phase: "waiting", participants: [] }), pipe)).toBe(
      "in the room, waiting for media 1:05",
    );
  });

  it.each([-1, 0, 0.5, 1, 2])("keeps the bar of progress %d in its bounds", (progress) => {
    const [line = ""] = renderStatus(status({ phase: "finishing", progress, participants: [] }), mono).split(
      "\n",
    );
    expect(/[█░]+/.exec(line)?.[0]).toHaveLength(20);
    expect(line).toMatch(/ (0|50|100) %$/);
  });

  it("colours only where that is wanted", () => {
    expect(renderStatus(status(), terminal)).toContain("\u001b[1mAnn\u001b[0m");
    expect(renderStatus(status(), mono)).not.toMatch(control);
  });

  it.each([
    ["escape", "\u001b]0;owned\u0007Ann"],
    ["C1 control", "\u009b2JAnn"],
    ["new line", "Ann\r\nerror: fake"],
    ["bidi override", "Ann\u202egnp.exe"],
  ])("shows no %s in a name", (_, name) => {
    const s = status({
      participants: [
        { ...ann, name },
        { ...ann, name, connected: false },
      ],
    });
    for (const out of [mono, pipe]) {
      const text = renderStatus(s, out);
      expect(text).not.toMatch(control);
      expect(text.split("\n")).toHaveLength(out.interactive ? 7 : 1);
    }
  });

  it("shows no control characters in what a stranger's stream calls its codec", () => {
    const s = status({ participants: [{ ...ann, tracks: [{ ...video, codec: "vp8\u001b[2J" }] }] });
    for (const out of [mono, pipe]) expect(renderStatus(s, out)).not.toMatch(control);
  });
});

describe("the way that media takes", () => {
  it.each([
    ["host UDP 192.0.2.1:4000", "direct to 192.0.2.9:5000"],
    ["srflx UDP 192.0.2.1:4000", "through a NAT to 192.0.2.9:5000"],
    ["relay UDP 192.0.2.1:4000 by TURN over TLS", "relayed by TURN over TLS to 192.0.2.9:5000"],
    ["relay UDP 192.0.2.1:4000", "relayed to 192.0.2.9:5000"],
  ])("by %s is %s", (local, wanted) => {
    const path = { local, remote: "prflx UDP 192.0.2.9:5000" };
    expect(renderStatus(status({ participants: [{ ...ann, path }] }), mono)).toContain(`\n    ${wanted}\n`);
  });
});
