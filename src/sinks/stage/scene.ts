import type { TextLine } from "../../ffmpeg/draw-text.ts";
import { even } from "../compositor/layout.ts";
import { titleText } from "../compositor/lettering.ts";
import { plainName } from "../compositor/names.ts";
import { type Look, type Person, Seating, type SeatTile, sameTiles } from "../compositor/seating.ts";
import { titleStyle } from "../compositor/style.ts";
import type { Attendee } from "./attendee.ts";
import { LiveFloor } from "./live-floor.ts";
import type { SlateText } from "./slate.ts";
import type { Show } from "./stage.ts";
import type { VideoFeed } from "./video-feed.ts";

/** A tile of the stage. */
export type LiveTile = SeatTile<Person, VideoFeed>;

/** People that are shown one by one. */
const MOST = 9;
/** So many of those who spoke last are likely to speak next. */
const RECENT = 3;
/** Screens that are shown at a time. */
const MAX_SCREENS = 2;

/** Decides what is where, from moment to moment. */
export class Director {
  readonly #show: Show;
  readonly #width: number;
  readonly #height: number;
  readonly #given: string | undefined;
  readonly #seating: Seating<Person, VideoFeed>;
  readonly #floor = new LiveFloor();
  #tiles: readonly LiveTile[] = [];
  #anybody = false;
  /** Who had the floor last, the holder first. */
  #recent: readonly string[] = [];

  constructor(o: {
    readonly show: Show;
    readonly width: number;
    readonly height: number;
    readonly title?: string;
  }) {
    this.#show = o.show;
    this.#width = o.width;
    this.#height = o.height;
    this.#given = o.title;
    const top = o.title === undefined ? 0 : titleStyle(o.height).bar;
    const layout = o.show.kind === "speaker" ? "speaker" : "grid";
    this.#seating = new Seating({ layout, width: o.width, height: o.height, top, most: MOST });
  }

  /** The line above the tiles. */
  get title(): TextLine | undefined {
    return this.#given === undefined ? undefined : titleText(this.#given, this.#width, this.#height);
  }

  /** How large somebody has to be decoded, at least, to be seen well when their picture becomes large. */
  sizeOf(tile: LiveTile): { readonly width: number; readonly height: number } {
    const [main] = this.#tiles;
    const soon = main && this.#show.kind === "speaker" && this.#recent.includes(tile.member.id);
    if (!soon || tile.what === "screen" || tile.width >= main.width / 2) return tile;
    return { width: even(main.width / 2), height: even(main.height / 2) };
  }

  /** The tiles of now; the same array while the same is to be seen. None: nobody is there. */
  tiles(attendees: Iterable<Attendee>, nowMs: number): readonly LiveTile[] {
    const all = [...attendees];
    const { name } = this.#show.kind === "participant" ? this.#show : { name: undefined };
    // After a reconnect there may be two: the one who came last is there.
    const shown = name === undefined ? all : all.filter((a) => sameName(a.person.name, name)).slice(-1);
    this.#anybody ||= shown.length > 0;
    const looks = shown.map((a) => this.#look(a, nowMs));
    const screens = shown
      .flatMap((a) => {
        const clip = a.screen(nowMs);
        return clip ? [screenOf(a.person, clip)] : [];
      })
      .slice(-MAX_SCREENS)
      .reverse();
    this.#floor.update(
      nowMs,
      shown.map(({ person: { id }, speaking }) => ({ id, speaking })),
    );
    const { holder } = this.#floor;
    if (holder !== undefined && holder !== this.#recent[0])
      this.#recent = [holder, ...this.#recent.filter((id) => id !== holder)].slice(0, RECENT);
    const tiles = this.#seating.tiles(looks, screens, holder);
    if (!sameTiles(this.#tiles, tiles)) this.#tiles = tiles;
    return this.#tiles;
  }

  /** What is to be read while nobody is there. */
  get slate(): SlateText {
    const { kind } = this.#show;
    const first = this.#anybody ? "participants" : "the first participant";
    const whom = kind === "participant" ? this.#show.name : first;
    return { title: this.#given, waiting: `Waiting for ${whom}` };
  }

  #look(a: Attendee, nowMs: number): Look<Person, VideoFeed> {
    return {
      member: a.person,
      what: "camera",
      clip: a.camera(nowMs),
      speaking: a.speaking,
      muted: a.muted(nowMs),
    };
  }
}

function screenOf(member: Person, clip: VideoFeed): Look<Person, VideoFeed> {
  return { member, what: "screen", clip, speaking: false, muted: false };
}

function sameName(a: string, b: string): boolean {
  const plain = (name: string) => plainName(name).toLocaleLowerCase("en");
  return plain(a) === plain(b);
}
