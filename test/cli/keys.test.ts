import { afterEach, beforeEach, expect, test } from "vitest";
import { RecordControl } from "../../src/bot/record.ts";
import { onKeys } from "../../src/cli/keys.ts";

let control: RecordControl;
let stop: AbortController;
let release: () => void;
beforeEach(() => {
  control = new RecordControl();
  stop = new AbortController();
  release = onKeys(control, stop);
});
afterEach(() => release());

test("SIGUSR2 pauses, and lets it go on", () => {
  const states: boolean[] = [];
  control.addEventListener("change", () => states.push(control.paused));
  process.emit("SIGUSR2");
  process.emit("SIGUSR2");
  process.emit("SIGUSR2");
  expect(states).toEqual([true, false, true]);
  expect(stop.signal.aborted).toBe(false);
});

test("afterwards nobody listens any more, however often it is released", () => {
  const listeners = process.listenerCount("SIGUSR2");
  release();
  release();
  expect(process.listenerCount("SIGUSR2")).toBe(listeners - 1);
});
