import { expect, test } from "vitest";
import { SenderTimeline } from "../../../src/core/media/timeline.ts";
import { seededRandom } from "../../../src/core/random.ts";
import { type Millis, millis, wallMillis } from "../../../src/core/time.ts";

/** A sender whose wall clock and RTP clocks are known, seen through a path with delay and jitter. */
function sender(o: { delay: number; jitter: number; seed?: number; wallOffset?: number }) {
  const random = seededRandom(o.seed ?? 1);
  const wallOffset = o.wallOffset ?? 1_700_000_000_000;
  return {
    arrival: (sent: number): Millis => millis(sent + o.delay + o.jitter * random()),
    wall: (sent: number) => wallMillis(sent + wallOffset),
  };
}

const audioBase = 1_000_000;
const videoBase = 7_000_000;
const audioRtp = (t: number) => audioBase + Math.round(t * 48);
const videoRtp = (t: number) => videoBase + Math.round(t * 90);

test("with sender reports audio and video of one moment land on the same moment, whatever the jitter", () => {
  const path = sender({ delay: 30, jitter: 60 });
  const timeline = new SenderTimeline();
  const audio = timeline.track(48_000);
  const video = timeline.track(90_000);
  for (const t of [0, 20, 40, 60]) {
    audio.onPacket(audioRtp(t), path.arrival(t));
    video.onPacket(videoRtp(t), path.arrival(t));
  }
  audio.onReport(path.wall(70), audioRtp(70), path.arrival(70));
  video.onReport(path.wall(90), videoRtp(90), path.arrival(90));
  for (let t = 100; t < 5000; t += 20) {
    const arrival = path.arrival(t);
    audio.onPacket(audioRtp(t), arrival);
    video.onPacket(videoRtp(t), arrival);
    const a = audio.place(audioRtp(t), arrival);
    const v = video.place(videoRtp(t), arrival);
    expect(Math.abs(a - v)).toBeLessThan(2);
  }
  expect(audio.synchronized && video.synchronized).toBe(true);
});

test("a track that starts later is in sync with one that started on a late report", () => {
  const timeline = new SenderTimeline();
  const audio = timeline.track(48_000);
  const video = timeline.track(90_000);
  for (let t = 0; t < 200; t += 20) audio.onPacket(audioRtp(t), millis(t + 10));
  // The first report was held up by 80 ms; the second one, of the other track, was not.
  audio.onReport(wallMillis(1e12 + 200), audioRtp(200), millis(290));
  audio.place(audioRtp(200), millis(210));
  video.onPacket(videoRtp(400), millis(410));
  video.onReport(wallMillis(1e12 + 400), videoRtp(400), millis(410));
  for (let t = 400; t < 4000; t += 20) {
    audio.onPacket(audioRtp(t), millis(t + 10));
    video.onPacket(videoRtp(t), millis(t + 10));
    const a = audio.place(audioRtp(t), millis(t + 10));
    const v = video.place(videoRtp(t), millis(t + 10));
    expect(Math.abs(a - v)).toBeLessThan(6);
  }
});

test("before any report the arrival times place a track within the jitter of the path", () => {
  const path = sender({ delay: 20, jitter: 50 });
  const track = new SenderTimeline().track(90_000);
  let worst = 0;
  for (let t = 0; t < 4000; t += 33) {
    const arrival = path.arrival(t);
    track.onPacket(videoRtp(t), arrival);
    const local = track.place(videoRtp(t), arrival);
    if (t > 500) worst = Math.max(worst, Math.abs(local - (t + 20)));
  }
  expect(worst).toBeLessThan(60);
  expect(track.synchronized).toBe(false);
});

test("a report that comes after writing started moves frames by at most 5 ms per second", () => {
  const timeline = new SenderTimeline();
  const track = timeline.track(48_000);
  let last = -1;
  const place = (t: number) => {
    const arrival = millis(t + 100);
    track.onPacket(audioRtp(t), arrival);
    return track.place(audioRtp(t), arrival);
  };
  for (let t = 0; t < 1000; t += 20) last = place(t);
  // The reports say the capture was 60 ms earlier than arrival suggests.
  track.onReport(wallMillis(5_000_000), audioRtp(940), millis(980));
  for (let t = 1000; t < 3000; t += 20) {
    const local = place(t);
    expect(local - last).toBeGreaterThan(19);
    expect(local - last).toBeLessThan(20.2);
    last = local;
  }
});

test("a report that is off by five seconds is not believed", () => {
  const timeline = new SenderTimeline();
  const audio = timeline.track(48_000);
  const video = timeline.track(90_000);
  for (let t = 0; t < 500; t += 20) {
    audio.onPacket(audioRtp(t), millis(t + 10));
    video.onPacket(videoRtp(t), millis(t + 10));
  }
  audio.onReport(wallMillis(1_000_500), audioRtp(500), millis(510));
  video.onReport(wallMillis(1_000_500 + 5000), videoRtp(500), millis(510));
  const a = audio.place(audioRtp(520), millis(530));
  const v = video.place(videoRtp(520), millis(530));
  expect(Math.abs(a - v)).toBeLessThan(20);
});

test("a clock that runs 200 ppm fast stays in sync for an hour", () => {
  const timeline = new SenderTimeline();
  const audio = timeline.track(48_000);
  const video = timeline.track(90_000);
  const drift = 1 + 200e-6;
  let worst = 0;
  for (let t = 0; t < 3_600_000; t += 500) {
    const arrival = millis(t + 15);
    const a = audioBase + Math.round(t * 48 * drift);
    audio.onPacket(a, arrival);
    video.onPacket(videoRtp(t), arrival);
    if (t % 1000 === 0) {
      audio.onReport(wallMillis(t + 1e12), a, arrival);
      video.onReport(wallMillis(t + 1e12), videoRtp(t), arrival);
    }
    const offset = audio.place(a, arrival) - video.place(videoRtp(t), arrival);
    worst = Math.max(worst, Math.abs(offset));
  }
  expect(worst).toBeLessThan(8);
});

test("a jump of the timestamps starts the mapping anew at arrival time", () => {
  const track = new SenderTimeline().track(90_000);
  let last = 0;
  for (let t = 0; t < 2000; t += 33) {
    track.onPacket(videoRtp(t), millis(t));
    last = track.place(videoRtp(t), millis(t));
  }
  const jumped = videoRtp(2000) + 90_000 * 3600;
  track.onPacket(jumped, millis(2000));
  expect(track.place(jumped, millis(2000))).toBeCloseTo(2000, 0);
  expect(track.restarts).toBe(1);
  expect(last).toBeLessThan(2000);
});

test("a sender whose timestamps stood still for ten seconds continues at arrival time, not in the past", () => {
  const track = new SenderTimeline().track(90_000);
  for (let t = 0; t < 2000; t += 33) {
    track.onPacket(videoRtp(t), millis(t));
    track.place(videoRtp(t), millis(t));
  }
  let local = 0;
  for (let t = 2000; t < 8000; t += 33) {
    const arrival = millis(t + 10_000);
    track.onPacket(videoRtp(t), arrival);
    local = track.place(videoRtp(t), arrival);
  }
  expect(local).toBeGreaterThan(17_900);
});

test("a queue on the path that lasts for seconds does not move a track with reports", () => {
  const timeline = new SenderTimeline();
  const track = timeline.track(90_000);
  let local = 0;
  for (let t = 0; t < 20_000; t += 33) {
    const delay = t > 5000 ? 600 : 20;
    const arrival = millis(t + delay);
    track.onPacket(videoRtp(t), arrival);
    if (t % 990 === 0) track.onReport(wallMillis(t + 1e12), videoRtp(t), arrival);
    local = track.place(videoRtp(t), arrival);
    expect(Math.abs(local - (t + 20))).toBeLessThan(25);
  }
  expect(track.restarts).toBe(0);
});

test("placed times always grow", () => {
  const random = seededRandom(7);
  const track = new SenderTimeline().track(90_000);
  let last = Number.NEGATIVE_INFINITY;
  let rtp = 5_000_000;
  for (let i = 0; i < 5000; i++) {
    rtp += random() < 0.01 ? -Math.floor(random() * 1e6) : Math.floor(random() * 6000);
    const arrival = millis(i * 20 + random() * 500);
    track.onPacket(rtp, arrival);
    if (random() < 0.05) track.onReport(wallMillis(i * 20 + random() * 1e5), rtp, arrival);
    const local = track.place(rtp, arrival);
    expect(local).toBeGreaterThan(last);
    last = local;
  }
});

test("no frame is placed long after it came, nor long before, whatever its timestamp says", () => {
  const track = new SenderTimeline().track(48_000);
  for (let t = 0; t < 1000; t += 20) {
    track.onPacket(audioRtp(t), millis(t));
    track.place(audioRtp(t), millis(t), 20_000);
  }
  // Frames that were held while others came in between: days ahead of the mapping, and behind it.
  expect(track.place(audioRtp(8.64e7), millis(1000), 20_000)).toBeLessThanOrEqual(3000);
  const late = new SenderTimeline().track(48_000);
  late.onPacket(audioRtp(8.64e7), millis(5000));
  expect(late.place(audioRtp(0), millis(5000), 20_000)).toBeGreaterThanOrEqual(5000 - 60_000);
});
