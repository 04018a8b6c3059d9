import { describe, expect, it } from "vitest";
import { KeyframePolicy } from "../../../src/core/media/keyframe-policy.ts";
import { millis } from "../../../src/core/time.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

function setup() {
  const clock = new VirtualClock();
  const policy = new KeyframePolicy();
  const sent: string[] = [];
  const push = clock.attach(policy, (reason, at) => sent.push(`${at} ${reason}`));
  return { clock, policy, sent, push };
}

/** Delta packets every 100 ms, as from a camera that ignores requests. */
function camera({ clock, policy }: ReturnType<typeof setup>, until: number) {
  for (let t = clock.now + 100; t <= until; t += 100) clock.at(t, (now) => policy.onPacket(false, now));
}

describe("requests for a keyframe", () => {
  it("start after a tenth of a second and are repeated after 0.5, 1, 2, 4, 4 seconds while no keyframe comes", () => {
    const s = setup();
    camera(s, 16_000);
    s.clock.at(1000, () => s.push("first-frame"));
    s.clock.runUntil(16_000);
    // A stream gets 100 ms to show that it begins with a keyframe.
    const at = [1100, 1600, 2600, 4600, 8600, 12_600];
    expect(s.sent).toEqual(at.map((t) => `${t} first-frame`));
    expect(s.policy.sent).toBe(6);
  });

  it("are at least 500 ms apart, also after an answered one", () => {
    const s = setup();
    s.push("first-frame");
    s.clock.run(100);
    s.policy.onKeyframe();
    s.clock.run(100);
    for (let i = 0; i < 10; i++) s.push("loss");
    s.clock.run(400);
    expect(s.sent).toEqual(["100 first-frame", "600 loss"]);
  });

  it("end with a keyframe, and the next series starts fast again", () => {
    const s = setup();
    camera(s, 10_000);
    s.push("first-frame");
    s.clock.runUntil(4000);
    s.policy.onKeyframe();
    s.clock.runUntil(6000);
    s.push("loss");
    s.clock.runUntil(6500);
    expect(s.sent.slice(-2)).toEqual(["6000 loss", "6500 loss"]);
    expect(s.sent).toHaveLength(6);
  });

  it("wait while a keyframe is arriving, and go out when it stays incomplete", () => {
    const s = setup();
    s.policy.onPacket(true, millis(0));
    s.push("loss");
    s.clock.run(150);
    s.policy.onPacket(true, s.clock.now);
    s.clock.run(199);
    expect(s.sent).toEqual([]);
    s.clock.run(1);
    expect(s.sent).toEqual(["350 loss"]);
  });

  it("rest while the sender is silent for 5 s, and go on when it speaks", () => {
    const s = setup();
    s.policy.onPacket(false, millis(0));
    s.push("loss");
    s.clock.runUntil(60_000);
    expect(s.sent.map((t) => Number.parseInt(t, 10))).toEqual([0, 500, 1500, 3500]);
    expect(s.policy.deadline).toBeUndefined();
    s.clock.at(61_000, (now) => s.policy.onPacket(false, now));
    s.clock.runUntil(61_000);
    expect(s.sent.at(-1)).toBe("61000 loss");
  });

  it("do not need a packet: a static screen sends nothing until it is asked", () => {
    const s = setup();
    s.push("first-frame");
    s.clock.runUntil(10_000);
    expect(s.sent).toHaveLength(5);
  });
});
