import type { MediaKind, TrackSource } from "../../core/frame.ts";
import type { JoinWish, Peer } from "../../core/room.ts";
import { cleanName } from "../room/names.ts";
import { type ParticipantInfo, Source, type TrackInfo, TrackType } from "./messages.ts";

/** A track that we take: `id` outlives our own reconnections, `sid` is the server's of this time. */
export type RosterTrack = {
  readonly id: string;
  readonly sid: string;
  readonly peerId: string;
  readonly kind: MediaKind;
  readonly source: TrackSource;
  readonly muted: boolean;
};

/** Who came and who went. */
export type RosterChange = { readonly joined: readonly Peer[]; readonly left: readonly Peer[] };

type Person = {
  readonly peer: Peer;
  sid: string;
  tracks: readonly RosterTrack[];
};

/**
 * Who is in the room with which tracks. People are known by identity: when the server, or our own connection, begins
 * anew, they are the same as before, though everything has other SIDs.
 */
export class Roster {
  readonly #wants: NonNullable<JoinWish["wants"]>;
  readonly #people = new Map<string, Person>();
  /** Identities that were there before we joined again, and that the server does not know (yet). */
  readonly #missing = new Set<string>();
  readonly #encrypted = new Set<string>();
  #self = "";

  constructor(wants: JoinWish["wants"]) {
    this.#wants = wants ?? (() => true);
  }

  /** Tracks that we take, of everybody. */
  get tracks(): RosterTrack[] {
    return [...this.#people.values()].flatMap((p) => p.tracks);
  }

  /** Somebody is missing; see `giveUp`. */
  get incomplete(): boolean {
    return this.#missing.size > 0;
  }

  /** SIDs of tracks that cannot be taken because their pictures or sounds are encrypted for others. */
  get encrypted(): ReadonlySet<string> {
    return this.#encrypted;
  }

  /** We joined, as `self`. Whoever was there before and is not among `others` counts as missing. */
  enter(self: string, others: readonly ParticipantInfo[]): RosterChange {
    this.#self = self;
    for (const [identity, person] of this.#people) {
      person.sid = "";
      this.#missing.add(identity);
    }
    return this.update(others);
  }

  /** Follows what the server says of some participants. */
  update(infos: readonly ParticipantInfo[]): RosterChange {
    const joined: Peer[] = [];
    const left: Peer[] = [];
    for (const info of infos) {
      const { identity, sid } = info;
      if (identity === "" || identity === this.#self) continue;
      const known = this.#people.get(identity);
      // The word that somebody's last session is over may come after the next one has begun.
      if (info.gone && known?.sid !== sid) continue;
      // Another session of the same identity is another stay, unless it was we who were away.
      const stays = known !== undefined && !info.gone && (known.sid === "" || known.sid === sid);
      if (known && !stays) {
        this.#people.delete(identity);
        left.push(known.peer);
      }
      if (info.gone) continue;
      const person = stays ? known : this.#newcomer(info);
      if (!stays) joined.push(person.peer);
      this.#missing.delete(identity);
      person.tracks = this.#follow(person.sid === sid ? person.tracks : [], person.peer, info.tracks);
      person.sid = sid;
    }
    return { joined, left };
  }

  /** The missing are gone. */
  giveUp(): RosterChange {
    const left: Peer[] = [];
    for (const identity of this.#missing) {
      const person = this.#people.get(identity);
      this.#people.delete(identity);
      if (person) left.push(person.peer);
    }
    this.#missing.clear();
    return { joined: [], left };
  }

  #newcomer(info: ParticipantInfo): Person {
    const name = cleanName(info.name) || cleanName(info.identity) || "guest";
    const peer = { id: info.sid, name, recorder: info.recorder };
    const person = { peer, sid: info.sid, tracks: [] };
    this.#people.set(info.identity, person);
    return person;
  }

  #follow(before: readonly RosterTrack[], peer: Peer, infos: readonly TrackInfo[]): RosterTrack[] {
    const tracks: RosterTrack[] = [];
    const kept = before.filter((t) => infos.some((i) => i.sid === t.sid));
    const taken = new Set(kept.map((t) => t.id));
    for (const { sid, type, source: of, muted, encrypted } of infos) {
      if (sid === "" || (type !== TrackType.audio && type !== TrackType.video)) continue;
      const kind = type === TrackType.audio ? "audio" : "video";
      const source = sources[of] ?? (kind === "audio" ? "microphone" : "camera");
      if (!this.#wants({ name: peer.name, kind, source })) continue;
      if (encrypted) {
        this.#encrypted.add(sid);
        continue;
      }
      const id = kept.find((t) => t.sid === sid)?.id ?? freeId(`${peer.id}:${source}`, taken);
      taken.add(id);
      tracks.push({ id, sid, peerId: peer.id, kind, source, muted });
    }
    return tracks;
  }
}

const sources: Readonly<Record<number, TrackSource>> = {
  [Source.camera]: "camera",
  [Source.microphone]: "microphone",
  [Source.screen]: "screen",
  [Source.screenAudio]: "screen-audio",
};

function freeId(wish: string, taken: ReadonlySet<string>): string {
  let id = wish;
  for (let n = 2; taken.has(id); n++) id = `${wish}-${n}`;
  return id;
}
