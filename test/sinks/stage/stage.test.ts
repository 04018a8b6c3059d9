import { afterEach, describe, expect, test } from "vitest";
import { RoomtapError } from "../../../src/core/fault.ts";
import type { RemoteTrack } from "../../../src/core/room.ts";
import { type Millis, millis } from "../../../src/core/time.ts";
import type { StartDecoder } from "../../../src/sinks/stage/decoder-slot.ts";
import { type Show, Stage } from "../../../src/sinks/stage/stage.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const [WIDTH, HEIGHT, FPS] = [320, 180, 30];
const DELAY_MS = 300;
/** From a frame to its picture. */
const DECODING_MS = 20;
/** Time zero of the program. */
const ZERO = 1000;

type Running = { readonly kind: "video" | "audio"; die(): void };

/** A stage with decoders that are none: a picture is as bright, a sound as loud, as the frame's last octet says. */
class Theatre {
  readonly clock = new VirtualClock(ZERO);
  /** Of the middle of each picture, by index. */
  readonly middles = new Map<number, number>();
  readonly indices: number[] = [];
  readonly sound: number[] = [];
  readonly asked: string[] = [];
  readonly running: Running[] = [];
  readonly stage: Stage;
  holes = 0;
  deaf = false;
  /** Time that passed while nothing could run. */
  #lost = 0;

  constructor(show: Show = { kind: "grid" }) {
    this.stage = new Stage(
      {
        ...{ ffmpeg: "ffmpeg", width: WIDTH, height: HEIGHT, fps: FPS, show, delayMs: DELAY_MS },
        now: () => this.now,
        zero: millis(ZERO),
        onPicture: (pixels, index) => {
          this.indices.push(index);
          this.middles.set(index, pixels[(HEIGHT / 2) * WIDTH + WIDTH / 2] ?? 0);
        },
        onSound: (samples, first) => {
          if (first !== this.sound.length) this.holes++;
          for (let i = 0; i < samples.length; i += 4)
            this.sound.push((((samples[i + 1] ?? 0) << 24) >> 16) | (samples[i] ?? 0));
        },
        requestKeyframe: (id) => void this.asked.push(id),
      },
      {
        start: this.#start,
        draw: async () => undefined,
        after: (ms, run) => {
          let wanted = true;
          this.clock.after(ms, () => wanted && run());
          return () => {
            wanted = false;
          };
        },
      },
    );
  }

  get now(): Millis {
    return millis(this.clock.now + this.#lost);
  }

  /** The process is held up. */
  stall(ms: number): void {
    this.#lost += ms;
  }

  join(name: string, ...kinds: ("camera" | "microphone" | "screen")[]): void {
    this.stage.peer("join", { id: name, name, recorder: false });
    for (const source of kinds) this.stage.track("add", track(name, source));
  }

  leave(name: string, ...kinds: ("camera" | "microphone" | "screen")[]): void {
    for (const source of kinds) this.stage.track("remove", track(name, source));
    this.stage.peer("leave", { id: name, name, recorder: false });
  }

  /** Sends 30 pictures a second for so long. */
  film(name: string, ms: number, bright: (n: number) => number, o: Sending = {}): void {
    for (let n = 0; n * 33 < ms; n++)
      this.clock.after(n * 33 + (o.lateMs ?? 0), (now) =>
        this.stage.frame(
          `${name}/${o.source ?? "camera"}`,
          {
            ...{
              codec: "vp8",
              data: Uint8Array.of(0, bright(n)),
              keyframe: n % (o.every ?? 10) === 0,
              rtpTime: 0,
            },
            ...{ lostBefore: 0, width: 64, height: 36 },
          },
          millis(now + this.#lost - (o.lateMs ?? 0)),
        ),
      );
  }

  /** Says something at 50 packets a second. `loud`: hundreds of a sample's value. */
  speak(name: string, ms: number, loud: number, o: Sending = {}): void {
    for (let n = 0; n * 20 < ms; n++)
      this.clock.after(n * 20 + (o.lateMs ?? 0), (now) =>
        this.stage.frame(
          `${name}/microphone`,
          {
            ...{ codec: "opus", data: Uint8Array.of(0, loud), keyframe: true, rtpTime: 0 },
            ...{ lostBefore: 0, duration: 20_000 },
          },
          millis(now + this.#lost - (o.lateMs ?? 0)),
          o.level,
        ),
      );
  }

  #start: StartDecoder = (o) => {
    let dead = false;
    const { picture } = o;
    const end = (failure?: RoomtapError) => {
      if (dead) return;
      dead = true;
      this.running.splice(this.running.indexOf(self), 1);
      o.onEnd(failure);
    };
    const self: Running = {
      kind: picture ? "video" : "audio",
      die: () => end(new RoomtapError("ffmpeg-failed", "killed")),
    };
    this.running.push(self);
    return {
      push: (timeMs, _keyframe, data) => {
        const value = data.at(-1) ?? 0;
        this.clock.after(DECODING_MS, () => {
          if (dead || this.deaf) return;
          if (!picture) o.onOutput(timeMs, new Uint8Array(new Int16Array(1920).fill(100 * value).buffer));
          else o.onOutput(timeMs, new Uint8Array((picture.width * picture.height * 3) / 2).fill(value));
        });
        return !dead;
      },
      finish: () => void this.clock.after(2 * DECODING_MS, () => end()),
      close: async () => end(),
    };
  };
}

type Sending = {
  readonly lateMs?: number;
  /** From one keyframe to the next, frames. */
  readonly every?: number;
  readonly level?: number;
  readonly source?: "camera" | "screen";
};

function track(name: string, source: "camera" | "microphone" | "screen"): RemoteTrack {
  const kind = source === "microphone" ? "audio" : "video";
  return { id: `${name}/${source}`, peerId: name, kind, source, linkId: "l", mid: "0" };
}

const steady = (indices: readonly number[]) => indices.every((n, i) => n === i);

describe("a stage", () => {
  let theatre: Theatre;
  afterEach(async () => {
    await theatre.stage.close();
    expect(theatre.running).toEqual([]);
  });

  test("plays at a constant rate to an empty room", () => {
    theatre = new Theatre();
    theatre.clock.run(2000);
    expect(theatre.indices).toHaveLength(61);
    expect(steady(theatre.indices)).toBe(true);
    expect(theatre.holes).toBe(0);
    expect(theatre.sound).toHaveLength(96_000);
    expect(theatre.stage.status()).toMatchObject({ participants: 0, decoders: 0, repeated: 0 });
  });

  test("shows and plays everything so much later as it was told, to the picture and the sample", () => {
    theatre = new Theatre();
    theatre.join("ada", "camera", "microphone");
    theatre.film("ada", 1500, (n) => 180 + n);
    theatre.speak("ada", 1000, 50);
    theatre.clock.run(1500);
    // Frame n happens at n * 33 ms and is due 300 ms later.
    for (const index of [12, 20, 33, 44]) {
      const n = Math.floor((index * 1000) / FPS / 33 - DELAY_MS / 33);
      expect(theatre.middles.get(index)).toBe(180 + n);
    }
    const first = theatre.sound.findIndex((v) => v !== 0);
    expect(Math.abs(first - 48 * DELAY_MS)).toBeLessThanOrEqual(2);
    expect(theatre.sound[first + 4800]).toBe(5000);
    expect(theatre.stage.status()).toMatchObject({ participants: 1, decoders: 2, lateSoundMs: 0 });
  });

  test("adds all voices up", () => {
    theatre = new Theatre();
    for (const [name, loud] of [["ada", 50] as const, ["bob", 30] as const]) {
      theatre.join(name, "microphone");
      theatre.speak(name, 1000, loud);
    }
    theatre.clock.run(1000);
    expect(theatre.sound[48 * 800]).toBe(8000);
  });

  test("shows initials when a camera is off, and the picture again when it is back", () => {
    theatre = new Theatre();
    theatre.join("ada", "camera");
    theatre.film("ada", 1000, () => 220);
    theatre.clock.run(1500);
    expect(theatre.middles.get(40)).toBe(220);
    theatre.clock.run(1500);
    expect(theatre.middles.get(88)).not.toBe(220);
    theatre.film("ada", 1000, () => 210);
    theatre.clock.run(1000);
    expect(theatre.middles.get(118)).toBe(210);
    expect(steady(theatre.indices)).toBe(true);
  });

  test("replaces a decoder that died, at a keyframe that it asks for", () => {
    theatre = new Theatre();
    theatre.join("ada", "camera");
    theatre.film("ada", 4000, (n) => (n < 35 ? 220 : 210), { every: 60 });
    theatre.clock.run(1200);
    theatre.running[0]?.die();
    theatre.clock.run(2800);
    expect(theatre.stage.status().restarts).toBe(1);
    expect(theatre.asked).toContain("ada/camera");
    expect(theatre.middles.get(115)).toBe(210);
    expect(steady(theatre.indices)).toBe(true);
  });

  test("replaces a decoder that hangs", () => {
    theatre = new Theatre();
    theatre.join("ada", "camera", "microphone");
    theatre.film("ada", 9000, () => 220);
    theatre.speak("ada", 9000, 50);
    theatre.clock.run(1000);
    theatre.deaf = true;
    theatre.clock.run(3600);
    theatre.deaf = false;
    theatre.clock.run(4000);
    expect(theatre.stage.status().restarts).toBeGreaterThanOrEqual(2);
    expect(theatre.middles.get(255)).toBe(220);
    expect(theatre.sound.at(-48)).toBe(5000);
    expect(theatre.holes).toBe(0);
  });

  test("waits longer for whom media take longer to come, and keeps their picture and sound together", () => {
    theatre = new Theatre();
    theatre.join("ada", "camera", "microphone");
    theatre.film("ada", 6000, (n) => (n < 120 ? 220 : 210), { lateMs: 500 });
    theatre.speak("ada", 3960, 50, { lateMs: 500 });
    theatre.clock.run(6400);
    const { delayMs, lateSoundMs } = theatre.stage.status();
    expect(delayMs).toBeGreaterThan(500);
    expect(delayMs).toBeLessThan(700);
    expect(lateSoundMs).toBeGreaterThan(0);
    const changes = theatre.indices.find((i) => theatre.middles.get(i) === 210) ?? 0;
    const ends = theatre.sound.lastIndexOf(5000);
    expect(Math.abs((changes * 1000) / FPS - ends / 48)).toBeLessThan(40);
    expect(theatre.holes).toBe(0);
  });

  test("makes up for being held up: sound has no hole, pictures are repeated for a second at most", () => {
    theatre = new Theatre();
    theatre.join("ada", "camera", "microphone");
    theatre.film("ada", 4000, () => 220);
    theatre.speak("ada", 4000, 50);
    theatre.clock.run(2000);
    theatre.stall(3000);
    theatre.clock.run(1000);
    expect(theatre.holes).toBe(0);
    expect(theatre.sound.length).toBeGreaterThan(48 * 5900);
    const { repeated, restarts } = theatre.stage.status();
    expect(repeated).toBeGreaterThan(25);
    expect(repeated).toBeLessThan(36);
    expect(restarts).toBe(0);
    expect(theatre.indices.every((n, i) => i === 0 || n > (theatre.indices[i - 1] ?? 0))).toBe(true);
    expect(theatre.middles.get(178)).toBe(220);
  });

  test("decodes no pictures that nobody sees", () => {
    theatre = new Theatre();
    for (let i = 0; i < 12; i++) theatre.join(`p${i}`, "camera");
    for (let i = 0; i < 12; i++) theatre.film(`p${i}`, 1000, () => 220);
    theatre.clock.run(1000);
    expect(theatre.stage.status()).toMatchObject({ participants: 12, decoders: 8 });
  });

  test("never shows recorders", () => {
    theatre = new Theatre();
    theatre.stage.peer("join", { id: "r", name: "r", recorder: true });
    theatre.stage.track("add", track("r", "camera"));
    theatre.clock.run(200);
    expect(theatre.stage.status()).toMatchObject({ participants: 0, decoders: 0 });
  });

  test("takes tracks that come before their participant", () => {
    theatre = new Theatre();
    theatre.stage.track("add", track("ada", "camera"));
    theatre.join("ada");
    theatre.film("ada", 1000, () => 220);
    theatre.clock.run(900);
    expect(theatre.middles.get(25)).toBe(220);
  });

  test("goes back to the slate when everyone has left", () => {
    theatre = new Theatre();
    theatre.clock.run(100);
    const empty = theatre.middles.get(2);
    theatre.join("ada", "camera", "microphone");
    theatre.film("ada", 800, () => 220);
    theatre.clock.run(900);
    theatre.leave("ada", "camera", "microphone");
    theatre.clock.run(200);
    expect(theatre.middles.get(34)).toBe(empty);
    expect(theatre.stage.status()).toMatchObject({ participants: 0, decoders: 0 });
  });

  test("puts who speaks into the middle, and a screen before all", () => {
    theatre = new Theatre({ kind: "speaker" });
    theatre.join("ada", "camera", "microphone");
    theatre.join("bob", "camera", "microphone", "screen");
    theatre.film("ada", 9000, () => 220);
    theatre.film("bob", 9000, () => 210);
    theatre.speak("ada", 3000, 50, { level: 20 });
    theatre.clock.run(4000);
    expect(theatre.middles.get(110)).toBe(220);
    theatre.speak("bob", 3000, 50, { level: 20 });
    theatre.clock.run(3000);
    expect(theatre.middles.get(205)).toBe(210);
    theatre.film("bob", 2000, () => 230, { source: "screen" });
    theatre.clock.run(2000);
    expect(theatre.middles.get(265)).toBe(230);
  });

  test("shows one participant, and waits for them", () => {
    theatre = new Theatre({ kind: "participant", name: "Bob" });
    theatre.join("ada", "camera");
    theatre.film("ada", 3000, () => 220);
    theatre.clock.run(1000);
    expect(theatre.middles.get(28)).not.toBe(220);
    theatre.join("bob", "camera");
    theatre.film("bob", 2000, () => 210);
    theatre.clock.run(1000);
    expect(theatre.middles.get(58)).toBe(210);
    expect(theatre.stage.status()).toMatchObject({ participants: 2, decoders: 1 });
  });
});
