import type { TrackSource } from "../../core/frame.ts";
import type { Person } from "../compositor/seating.ts";
import type { PlayoutDelay } from "./playout-delay.ts";
import type { SoundFeed } from "./sound-feed.ts";
import type { VideoFeed } from "./video-feed.ts";

/** A camera that sends nothing for so long is off. Milliseconds. */
const DARK_MS = 1000;
/** Screens stand still for longer, and are then not sent. */
const SCREEN_DARK_MS = 10_000;
/** No sound for so long: the microphone is off. Some senders say nothing but every 400 ms while it is quiet. */
const MUTED_MS = 1500;
/** Who has just come has not begun to send yet. */
const ARRIVING_MS = 2000;

/** A track of somebody. */
export type AttendeeTrack =
  | {
      readonly kind: "video";
      readonly source: TrackSource;
      readonly addedMs: number;
      readonly feed: VideoFeed;
    }
  | { readonly kind: "audio"; readonly source: TrackSource; readonly feed: SoundFeed };

/** Somebody in the room: what they send, and whether they speak. Times are those of the stage's clock. */
export class Attendee {
  /** How far behind they are shown and heard. */
  readonly delay: PlayoutDelay;
  readonly tracks: Map<string, AttendeeTrack> = new Map();
  readonly #joinedMs: number;
  #person: Person;
  #speaking = false;

  constructor(person: Person, delay: PlayoutDelay, nowMs: number) {
    this.#person = person;
    this.delay = delay;
    this.#joinedMs = nowMs;
  }

  /** The same object while the name is the same. */
  get person(): Person {
    return this.#person;
  }

  get speaking(): boolean {
    return this.#speaking;
  }

  rename(name: string): void {
    if (name !== this.#person.name) this.#person = { id: this.#person.id, name };
  }

  /** The camera; undefined: it is off. */
  camera(nowMs: number): VideoFeed | undefined {
    return this.#newest(false, nowMs - DARK_MS);
  }

  /** The camera, also while it is off: nothing of its first moments is lost when it is decoded before. */
  get lens(): VideoFeed | undefined {
    return this.#newest(false, Number.NEGATIVE_INFINITY);
  }

  /** The screen that is shared. */
  screen(nowMs: number): VideoFeed | undefined {
    return this.#newest(true, nowMs - SCREEN_DARK_MS);
  }

  /** Nothing comes from the microphone. */
  muted(nowMs: number): boolean {
    if (nowMs - this.#joinedMs < ARRIVING_MS) return false;
    for (const t of this.tracks.values())
      if (t.kind === "audio" && isVoice(t.source) && nowMs - t.feed.soundAt < MUTED_MS) return false;
    return true;
  }

  /** Time passes. */
  advance(nowMs: number): void {
    this.delay.advance(nowMs);
    let speaking = false;
    for (const t of this.tracks.values()) {
      t.feed.check(nowMs);
      if (t.kind === "audio" && isVoice(t.source)) speaking = t.feed.speaking(nowMs) || speaking;
    }
    this.#speaking = speaking;
  }

  /** The one of several that sent last, or came, if it did since then: after a reconnect, two may be there. */
  #newest(screen: boolean, sinceMs: number): VideoFeed | undefined {
    let best: VideoFeed | undefined;
    let bestMs = sinceMs;
    for (const t of this.tracks.values()) {
      if (t.kind !== "video" || (t.source === "screen") !== screen) continue;
      const aliveMs = screen ? t.feed.frameAt : Math.max(t.addedMs, t.feed.frameAt);
      if (aliveMs < bestMs) continue;
      best = t.feed;
      bestMs = aliveMs;
    }
    return best;
  }
}

/** What a screen plays is not said by whoever shows it. */
function isVoice(source: TrackSource): boolean {
  return source !== "screen-audio" && source !== "screen";
}
