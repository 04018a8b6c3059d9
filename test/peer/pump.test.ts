import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Millis, millis } from "../../src/core/time.ts";
import { monotonicNow, Pump, type Pumped, sessionClock } from "../../src/peer/pump.ts";

/** A member that is due at the times it was given, and writes down when it ran. */
class Member implements Pumped {
  readonly runs: number[] = [];
  readonly stalls: number[] = [];
  due: number[];
  during: (() => void) | undefined;

  constructor(...due: number[]) {
    this.due = due;
  }

  get deadline(): Millis | undefined {
    const first = this.due[0];
    return first === undefined ? undefined : millis(first);
  }

  run(now: Millis): void {
    this.runs.push(now);
    this.due = this.due.filter((d) => d > now);
    this.during?.();
  }

  onStall(lagMs: number): void {
    this.stalls.push(lagMs);
  }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  vi.advanceTimersByTime(1000);
});
afterEach(() => {
  vi.useRealTimers();
});

const start = () => monotonicNow();

describe("the pump", () => {
  it("runs every member at its deadline and no other", () => {
    const t = start();
    const pump = new Pump();
    const a = new Member(t + 10, t + 30);
    const b = new Member(t + 20);
    pump.add(a);
    pump.add(b);
    vi.advanceTimersByTime(100);
    expect(a.runs).toEqual([t + 10, t + 30]);
    expect(b.runs).toEqual([t + 20]);
  });

  it("keeps one timer, for the earliest deadline", () => {
    const t = start();
    const pump = new Pump();
    for (let i = 0; i < 50; i++) pump.add(new Member(t + 500 - i));
    expect(vi.getTimerCount()).toBe(1);
    const early = new Member(t + 3);
    pump.add(early);
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(3);
    expect(early.runs).toEqual([t + 3]);
  });

  it("takes over an earlier deadline after a touch", () => {
    const t = start();
    const pump = new Pump();
    const m = new Member(t + 100);
    pump.add(m);
    m.due = [t + 5];
    pump.touch(m);
    vi.advanceTimersByTime(5);
    expect(m.runs).toEqual([t + 5]);
  });

  it("survives members that touch, add and remove one another while they run", () => {
    const t = start();
    const pump = new Pump();
    const late = new Member(t + 50);
    const newcomer = new Member(t + 12);
    const first = new Member(t + 10);
    first.during = () => {
      pump.remove(first);
      pump.remove(late);
      pump.add(newcomer);
    };
    for (const m of [first, late]) pump.add(m);
    vi.advanceTimersByTime(200);
    expect(first.runs).toHaveLength(1);
    expect(newcomer.runs).toEqual([t + 12]);
    expect(late.runs).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("tells everyone how long the event loop stood still, before anyone runs", () => {
    const t = start();
    const pump = new Pump();
    const due = new Member(t + 10);
    const other = new Member(t + 1000);
    pump.add(due);
    pump.add(other);
    const spy = vi.spyOn(performance, "now").mockReturnValue(t + 90);
    vi.advanceTimersByTime(10);
    spy.mockRestore();
    expect(due.stalls).toEqual([80]);
    expect(other.stalls).toEqual([80]);
    expect(due.runs).toEqual([t + 90]);
  });

  it("tells of a stall before the first packet read after it, and once", () => {
    const t = start();
    const pump = new Pump();
    const m = new Member(t + 10);
    pump.add(m);
    pump.notice(millis(t + 20));
    expect(m.stalls).toEqual([]);
    pump.notice(millis(t + 90));
    pump.notice(millis(t + 91));
    expect(m.stalls).toEqual([80]);
    const spy = vi.spyOn(performance, "now").mockReturnValue(t + 95);
    vi.advanceTimersByTime(10);
    spy.mockRestore();
    expect(m.stalls).toEqual([80]);
    expect(m.runs).toEqual([t + 95]);
  });

  it("runs on a clock of whole milliseconds from zero, when it is given one", () => {
    const pump = new Pump(sessionClock());
    const m = new Member(3, 7);
    pump.add(m);
    vi.advanceTimersByTime(20);
    expect(m.runs).toEqual([3, 7]);
    const spy = vi.spyOn(performance, "now").mockReturnValue(start() + 5.9);
    expect(pump.now()).toBe(25);
    spy.mockRestore();
  });

  it("does not take a deadline that was past already for a stall", () => {
    const t = start();
    const pump = new Pump();
    const m = new Member(t - 500);
    pump.add(m);
    vi.advanceTimersByTime(1);
    expect(m.runs).toHaveLength(1);
    expect(m.stalls).toEqual([]);
  });

  it("holds no timer for nobody", () => {
    const t = start();
    const pump = new Pump();
    const m = new Member(t + 10);
    pump.add(m);
    pump.remove(m);
    expect(vi.getTimerCount()).toBe(0);
    pump.touch(m);
    expect(vi.getTimerCount()).toBe(0);
    const idle = new Member();
    pump.add(idle);
    expect(vi.getTimerCount()).toBe(0);
  });
});
