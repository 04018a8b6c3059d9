import { expect, test } from "vitest";
import { RoomtapError } from "../../src/core/fault.ts";
import { Intake } from "../../src/ffmpeg/intake.ts";

/** Whether a promise is settled once everything that can run has run. */
async function settled(p: Promise<void> | undefined): Promise<boolean> {
  let done = false;
  void p?.then(() => {
    done = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  return done;
}

test("a writer waits while the queue is full, and goes on when something was taken", async () => {
  const intake = new Intake<number>(2);
  expect(intake.put([1])).toBeUndefined();
  const wait = intake.put([2]);
  expect(await settled(wait)).toBe(false);
  expect(intake.take()).toBe(1);
  expect(await settled(wait)).toBe(true);
  expect(intake.head).toBe(2);
});

test("a reader waits until something is there, or nothing comes any more", async () => {
  const intake = new Intake<number>(2);
  const first = intake.ready();
  expect(await settled(first)).toBe(false);
  expect(intake.put([1])).toBeUndefined();
  expect(await settled(first)).toBe(true);
  intake.take();
  const second = intake.ready();
  const failure = new RoomtapError("ffmpeg-failed", "broken");
  intake.end(failure);
  expect(await settled(second)).toBe(true);
  expect(intake).toMatchObject({ head: undefined, drained: true, failure });
});

test("who gives up lets the writer go, whatever it still brings", async () => {
  const intake = new Intake<number>(1);
  const wait = intake.put([1]);
  intake.close();
  expect(await settled(wait)).toBe(true);
  expect(intake.put([2, 3])).toBeUndefined();
  expect(intake.drained).toBe(true);
});
