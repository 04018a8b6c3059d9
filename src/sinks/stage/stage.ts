import type { Frame } from "../../core/frame.ts";
import type { Peer, RemoteTrack } from "../../core/room.ts";
import { type Millis, micros } from "../../core/time.ts";
import { LiveDecoder } from "../../ffmpeg/decode-live.ts";
import { SOUND } from "../../ffmpeg/decode-sound.ts";
import { Mixer } from "../compositor/mixer.ts";
import { Painter, type Shot } from "../compositor/painter.ts";
import { Attendee, type AttendeeTrack } from "./attendee.ts";
import type { StartDecoder } from "./decoder-slot.ts";
import { type Draw, LiveLettering } from "./live-lettering.ts";
import { PlayoutDelay } from "./playout-delay.ts";
import { Director, type LiveTile } from "./scene.ts";
import { paintSlate } from "./slate.ts";
import { type FeedContext, SoundFeed } from "./sound-feed.ts";
import { VideoFeed } from "./video-feed.ts";

/** What is to be seen: everyone, who speaks, or somebody. */
export type Show =
  | { readonly kind: "grid" }
  | { readonly kind: "speaker" }
  | { readonly kind: "participant"; readonly name: string };

/** How a stage is doing. */
export type StageStatus = {
  readonly participants: number;
  /** Tracks that are decoded. */
  readonly decoders: number;
  /** Decoders that died or hung and were replaced. */
  readonly restarts: number;
  /** Milliseconds of sound that came too late to be heard. */
  readonly lateSoundMs: number;
  /** Pictures made, and those of them that only repeat the one before, for there was no time. */
  readonly pictures: number;
  readonly repeated: number;
  /** The longest delay of a participant, milliseconds. */
  readonly delayMs: number;
};

/** What a stage is, and where its pictures and sound go. */
export type StageOptions = {
  readonly ffmpeg: string;
  /** Pixels, even. */
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly show: Show;
  /** A line above everything. */
  readonly title?: string;
  /** Monotonic, the same on the whole machine, milliseconds. */
  readonly now: () => Millis;
  /** Picture n is due at `zero + n * 1000 / fps`, sample n at `zero + n / 48`. */
  readonly zero: Millis;
  /** What is shown happened so long before, or longer where media take longer to come. Milliseconds. */
  readonly delayMs: number;
  /** YUV 4:2:0, planar; valid until it returns. Indices only grow. */
  readonly onPicture: (pixels: Uint8Array, index: number) => void;
  /** 16 bits, little-endian, stereo, 48 kHz: without holes from the first call on. */
  readonly onSound: (samples: Uint8Array, firstSample: number) => void;
  readonly requestKeyframe: (trackId: string) => void;
};

/** Parts of a stage that tests replace. */
export type StageParts = {
  readonly start: StartDecoder;
  readonly draw: Draw;
  /** Calls back after so many milliseconds; returns how to forget it. */
  readonly after: (ms: number, run: () => void) => () => void;
};

/** After a longer stall, pictures are left out: nobody waits for repetitions of one. */
const MAX_REPEATS_MS = 1000;
/** So late, this process was held up; what came meanwhile is read and decoded before anything is made. */
const STALL_MS = 150;
const BREATH_MS = 80;
/** Sound is mixed in pieces of at most this, samples. */
const PIECE = SOUND.rate / 10;
/** A camera's picture is shown for so long, when no other one comes. */
const OLD_MS = 2000;
/** What is where is looked at this often; nobody notices more. Milliseconds. */
const SCENE_MS = 100;

/**
 * A room as one picture at a constant rate and one sound without holes, whatever its participants do. Frames go in as
 * they come; each track is decoded by a process of its own, and nothing here ever waits for one.
 */
export class Stage {
  readonly #o: StageOptions;
  readonly #after: StageParts["after"];
  readonly #context: FeedContext;
  readonly #director: Director;
  readonly #letters: LiveLettering;
  readonly #painter: Painter;
  readonly #mixer = new Mixer();
  readonly #voice = new Int16Array(PIECE * SOUND.channels);
  readonly #attendees = new Map<string, Attendee>();
  readonly #tracks = new Map<string, { readonly attendee: Attendee; readonly track: AttendeeTrack }>();
  /** Of participants that were not announced yet. */
  readonly #early = new Map<string, RemoteTrack>();
  readonly #closing = new Set<Promise<void>>();
  #cancel: () => void = () => undefined;
  #closed = false;
  #picture: number;
  #sample: number;
  #tiles: readonly LiveTile[] = [];
  #shots: (Shot | undefined)[] = [];
  #slate: string | undefined;
  #sceneAt = Number.NEGATIVE_INFINITY;
  #pictures = 0;
  #repeated = 0;
  /** Of tracks that are gone. */
  #past = { restarts: 0, lateMs: 0 };

  /** Starts; whoever does it closes it. */
  constructor(o: StageOptions, parts: Partial<StageParts> = {}) {
    this.#o = o;
    this.#after = parts.after ?? afterTimeout;
    const start: StartDecoder = parts.start ?? ((d) => new LiveDecoder({ ...d, ffmpeg: o.ffmpeg }));
    this.#context = { start, now: () => this.#clock(), frameMs: 1000 / o.fps };
    this.#director = new Director(o);
    this.#letters = new LiveLettering({
      ffmpeg: o.ffmpeg,
      onDrawn: () => this.#forget(),
      ...(parts.draw ? { draw: parts.draw } : {}),
    });
    this.#painter = new Painter(o.width, o.height, this.#letters, this.#director.title);
    this.#picture = Math.max(0, Math.ceil(((o.now() - o.zero) * o.fps) / 1000));
    this.#sample = this.#sampleOf(this.#picture);
    this.#schedule();
  }

  /** Somebody comes, is called something else, or goes. Recorders are not shown. */
  peer(op: "join" | "leave", peer: Peer): void {
    if (this.#closed) return;
    const known = this.#attendees.get(peer.id);
    if (op === "leave" || peer.recorder) {
      for (const id of known?.tracks.keys() ?? []) this.#remove(id);
      this.#attendees.delete(peer.id);
    } else if (known) known.rename(peer.name);
    else {
      const person = { id: peer.id, name: peer.name };
      const attendee = new Attendee(person, new PlayoutDelay(this.#o.delayMs), this.#o.now());
      this.#attendees.set(peer.id, attendee);
      for (const track of this.#early.values()) if (track.peerId === peer.id) this.track("add", track);
    }
    this.#sceneAt = Number.NEGATIVE_INFINITY;
  }

  /** A track begins or ends. */
  track(op: "add" | "remove", track: RemoteTrack): void {
    if (this.#closed) return;
    this.#remove(track.id);
    this.#early.delete(track.id);
    if (op === "remove") return;
    const attendee = this.#attendees.get(track.peerId);
    if (!attendee) {
      this.#early.set(track.id, track);
      return;
    }
    const { source } = track;
    const ask = () => this.#o.requestKeyframe(track.id);
    const added: AttendeeTrack =
      track.kind === "video"
        ? {
            kind: "video",
            source,
            addedMs: this.#clock(),
            feed: new VideoFeed(this.#context, attendee.delay, ask),
          }
        : { kind: "audio", source, feed: new SoundFeed(this.#context, attendee.delay) };
    attendee.tracks.set(track.id, added);
    this.#tracks.set(track.id, { attendee, track: added });
    // At once: its first frame is a keyframe.
    this.#sceneAt = Number.NEGATIVE_INFINITY;
    this.#arrange(this.#clock());
  }

  /** A frame that shows at `atMs` on the clock of `now`. `audioLevel`: as its sender says, -dBov. */
  frame(trackId: string, frame: Omit<Frame, "time">, atMs: Millis, audioLevel?: number): void {
    const known = this.#tracks.get(trackId);
    if (!known || this.#closed) return;
    const timed: Frame = { ...frame, time: micros(Math.round(atMs * 1000)) };
    if (known.track.kind === "video") known.track.feed.frame(timed, atMs);
    else known.track.feed.frame(timed, atMs, audioLevel);
  }

  /** How it is doing now. */
  status(): StageStatus {
    let { restarts, lateMs } = this.#past;
    let decoders = 0;
    let delayMs = this.#o.delayMs;
    for (const { attendee, track } of this.#tracks.values()) {
      restarts += track.feed.counters.restarts;
      if (track.kind === "audio") lateMs += track.feed.counters.lateMs;
      if (track.feed.running) decoders++;
      delayMs = Math.max(delayMs, attendee.delay.ms);
    }
    return {
      participants: this.#attendees.size,
      decoders,
      restarts,
      lateSoundMs: Math.round(lateMs),
      pictures: this.#pictures,
      repeated: this.#repeated,
      delayMs: Math.round(delayMs),
    };
  }

  /** Ends all processes. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    for (const id of [...this.#tracks.keys()]) this.#remove(id);
    await Promise.all([this.#letters.close(), ...this.#closing]);
  }

  #remove(id: string): void {
    const known = this.#tracks.get(id);
    if (!known) return;
    const { feed } = known.track;
    this.#past.restarts += feed.counters.restarts;
    if (known.track.kind === "audio") this.#past.lateMs += known.track.feed.counters.lateMs;
    this.#tracks.delete(id);
    known.attendee.tracks.delete(id);
    const closing: Promise<void> = feed.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
    this.#sceneAt = Number.NEGATIVE_INFINITY;
  }

  #schedule(): void {
    const dueMs = this.#dueMs(this.#picture);
    const tick = () => {
      this.#tick();
      if (!this.#closed) this.#schedule();
    };
    this.#cancel = this.#after(Math.max(0, dueMs - this.#o.now()), () => {
      if (this.#o.now() - dueMs < STALL_MS) tick();
      else this.#cancel = this.#after(BREATH_MS, tick);
    });
  }

  /** Stands still while nothing could be read: what waits to be read then is not late. */
  #clock(): number {
    return Math.min(this.#o.now(), this.#dueMs(this.#picture));
  }

  /** Makes everything that is due. */
  #tick(): void {
    const { now, zero, fps } = this.#o;
    const nowMs = now();
    // A timer may be early by a part of a millisecond.
    const due = Math.floor(((nowMs - zero) * fps) / 1000 + 0.05);
    if (due < this.#picture) return;
    const clock = this.#clock();
    for (const attendee of this.#attendees.values()) attendee.advance(clock);
    this.#arrange(clock);
    this.#paint(this.#dueMs(due));
    const first = Math.max(this.#picture, due - Math.round((MAX_REPEATS_MS * fps) / 1000));
    for (let i = first; i <= due && !this.#closed; i++) {
      this.#sound(this.#sampleOf(i));
      this.#pictures++;
      if (i < due) this.#repeated++;
      this.#o.onPicture(this.#painter.canvas.pixels, i);
    }
    this.#picture = due + 1;
  }

  #arrange(nowMs: number): void {
    if (nowMs - this.#sceneAt < SCENE_MS) return;
    this.#sceneAt = nowMs;
    const tiles = this.#director.tiles(this.#attendees.values(), nowMs);
    if (tiles !== this.#tiles) this.#shots = tiles.map(() => undefined);
    this.#tiles = tiles;
    const seen = new Map<VideoFeed, LiveTile>();
    for (const tile of tiles) {
      const feed = tile.clip ?? (tile.more ? undefined : this.#attendees.get(tile.member.id)?.lens);
      if (feed) seen.set(feed, tile);
    }
    for (const { track } of this.#tracks.values()) {
      if (track.kind !== "video") continue;
      const { feed, source } = track;
      // A screen gets its place when there is something to be seen on it.
      const soon = source === "screen" && feed.frameAt === Number.NEGATIVE_INFINITY;
      const tile = seen.get(feed);
      const size = tile ? this.#director.sizeOf(tile) : soon ? this.#painter.canvas : undefined;
      feed.want(size && { width: size.width, height: size.height });
    }
  }

  #paint(dueMs: number): void {
    const tiles = this.#tiles;
    if (tiles.length === 0) {
      const { slate } = this.#director;
      if (slate.waiting === this.#slate) return;
      this.#slate = slate.waiting;
      paintSlate(this.#painter.canvas, this.#letters, slate);
      this.#painter.forget();
      return;
    }
    this.#slate = undefined;
    for (let i = 0; i < tiles.length; i++) {
      const tile = tiles[i];
      const attendee = tile && this.#attendees.get(tile.member.id);
      const atMs = dueMs - (attendee?.delay.ms ?? 0);
      const shot = attendee && tile.clip?.at(atMs);
      // What a camera showed before it was off is not shown again.
      const old = shot && tile.what === "camera" && atMs - shot.picture.atMs > OLD_MS;
      this.#shots[i] = old ? undefined : shot;
    }
    this.#painter.paint(tiles, this.#shots);
  }

  /** Mixes what is heard up to a sample. */
  #sound(until: number): void {
    while (this.#sample < until && !this.#closed) {
      const first = this.#sample;
      const count = Math.min(PIECE, until - first);
      const dueMs = this.#o.zero + (first * 1000) / SOUND.rate;
      this.#mixer.begin(count * SOUND.channels);
      for (const { attendee, track } of this.#tracks.values()) {
        if (track.kind !== "audio") continue;
        if (track.feed.read(dueMs - attendee.delay.ms, count, this.#voice))
          this.#mixer.add(this.#voice, count * SOUND.channels, 0);
      }
      this.#sample += count;
      this.#o.onSound(this.#mixer.end(), first);
    }
  }

  /** Letters are there that were not: all is painted anew. */
  #forget(): void {
    this.#painter.forget();
    this.#slate = undefined;
  }

  #dueMs(picture: number): number {
    return this.#o.zero + (picture * 1000) / this.#o.fps;
  }

  /** The sample that is heard as a picture begins to be seen. */
  #sampleOf(picture: number): number {
    return Math.round((picture * SOUND.rate) / this.#o.fps);
  }
}

function afterTimeout(ms: number, run: () => void): () => void {
  const timer = setTimeout(run, ms);
  return () => clearTimeout(timer);
}
