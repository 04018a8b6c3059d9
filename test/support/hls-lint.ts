/*
 * Rules of live playlists (RFC 8216, draft-pantos-hls-rfc8216bis), checked from outside on what a player fetches, with a
 * reader of its own.
 */

/** A playlist as a player reads it. Durations in seconds. */
export type ReadPlaylist = {
  readonly version: number;
  readonly event: boolean;
  readonly targetDuration: number;
  readonly partTarget: number | undefined;
  readonly mediaSequence: number;
  readonly discontinuitySequence: number;
  readonly independent: boolean;
  readonly ended: boolean;
  readonly skipped: number;
  readonly control: Readonly<Record<string, string>>;
  readonly hint: string | undefined;
  readonly segments: readonly ReadSegment[];
  /** Parts of the segment that is being made. */
  readonly openParts: readonly ReadPart[];
};

/** A segment as a playlist lists it. */
export type ReadSegment = {
  readonly msn: number;
  readonly uri: string;
  readonly duration: number;
  readonly map: string | undefined;
  readonly discontinuity: boolean;
  /** Discontinuities from the beginning of the stream up to it. */
  readonly discontinuities: number;
  /** Unix milliseconds. */
  readonly time: number;
  readonly parts: readonly ReadPart[];
  /** It is not there, and the playlist says so. */
  readonly gap: boolean;
};

/** A part as a playlist lists it. */
export type ReadPart = { readonly uri: string; readonly duration: number; readonly independent: boolean };

/** Reads a media playlist; throws at what is none. */
export function readPlaylist(text: string): ReadPlaylist {
  const lines = text.split("\n");
  if (lines[0] !== "#EXTM3U" || !text.endsWith("\n")) throw new Error(`no playlist: ${text.slice(0, 80)}`);
  const tag = (name: string) => lines.find((l) => l.startsWith(`#EXT-X-${name}:`))?.slice(name.length + 8);
  const required = (name: string) => {
    const value = tag(name);
    if (value === undefined) throw new Error(`no ${name} in ${text}`);
    return value;
  };
  const mediaSequence = Number(required("MEDIA-SEQUENCE"));
  const discontinuitySequence = Number(tag("DISCONTINUITY-SEQUENCE") ?? 0);
  const skipped = Number(attributes(tag("SKIP") ?? "")["SKIPPED-SEGMENTS"] ?? 0);
  const segments: ReadSegment[] = [];
  let [map, discontinuity, duration, parts]: [string | undefined, boolean, number, ReadPart[]] = [
    ...([undefined, false, 0, []] as [undefined, boolean, number, ReadPart[]]),
  ];
  let time = Number.NaN;
  let gap = false;
  let discontinuities = discontinuitySequence;
  for (const line of lines) {
    const value = line.slice(line.indexOf(":") + 1);
    if (line.startsWith("#EXT-X-MAP:")) map = attributes(value).URI;
    else if (line === "#EXT-X-DISCONTINUITY") {
      discontinuity = true;
      discontinuities++;
    } else if (line.startsWith("#EXT-X-PROGRAM-DATE-TIME:")) time = Date.parse(value);
    else if (line.startsWith("#EXT-X-PART:")) {
      const a = attributes(value);
      parts.push({
        ...{ uri: a.URI ?? "", duration: Number(a.DURATION), independent: a.INDEPENDENT === "YES" },
      });
    } else if (line === "#EXT-X-GAP") gap = true;
    else if (line.startsWith("#EXTINF:")) duration = Number(value.replace(",", ""));
    else if (line !== "" && !line.startsWith("#")) {
      const msn = mediaSequence + skipped + segments.length;
      segments.push({ msn, uri: line, duration, map, discontinuity, discontinuities, time, parts, gap });
      [discontinuity, parts, time, gap] = [false, [], Number.NaN, false];
    }
  }
  const target = attributes(tag("PART-INF") ?? "")["PART-TARGET"];
  return {
    ...{ mediaSequence, discontinuitySequence, skipped, segments, openParts: parts },
    version: Number(required("VERSION")),
    event: tag("PLAYLIST-TYPE") === "EVENT",
    targetDuration: Number(required("TARGETDURATION")),
    partTarget: target === undefined ? undefined : Number(target),
    independent: lines.includes("#EXT-X-INDEPENDENT-SEGMENTS"),
    ended: lines.includes("#EXT-X-ENDLIST"),
    control: attributes(tag("SERVER-CONTROL") ?? ""),
    hint: attributes(tag("PRELOAD-HINT") ?? "").URI,
  };
}

function attributes(list: string): Record<string, string> {
  const out: Record<string, string> = {};
  for (const m of list.matchAll(/([A-Z0-9-]+)=("[^"]*"|[^,]*)/g))
    out[m[1] ?? ""] = (m[2] ?? "").replaceAll('"', "");
  return out;
}

/** Durations are written with so many digits. */
const EPSILON = 0.00002;

/** Watches one rendition's playlists, in the order in which they were fetched. */
export class PlaylistLint {
  readonly problems: string[] = [];
  readonly #segments = new Map<number, ReadSegment>();
  /** Parts as they were seen first, by the number of their segment. */
  readonly #seen = new Map<number, readonly ReadPart[]>();
  #last: ReadPlaylist | undefined;
  #dependent = false;
  playlists = 0;

  /** Every segment that was ever listed, in order. */
  get segments(): ReadSegment[] {
    return [...this.#segments.values()].toSorted((a, b) => a.msn - b.msn);
  }

  /** Of the newest one. */
  get last(): ReadPlaylist | undefined {
    return this.#last;
  }

  push(text: string): ReadPlaylist {
    const p = this.#complete(readPlaylist(text));
    this.playlists++;
    this.#alone(p);
    if (this.#last) this.#after(this.#last, p);
    for (const s of p.segments) {
      this.#remember(s);
      if (s.parts.length > 0) this.#sameParts(s.msn, s.parts, true);
    }
    this.#sameParts(p.mediaSequence + p.skipped + p.segments.length, p.openParts, false);
    this.#last = p;
    return p;
  }

  /** Checks a delta update, and puts in what its player knows: the map, and discontinuities, of what is left out. */
  #complete(p: ReadPlaylist): ReadPlaylist {
    if (p.skipped === 0) return p;
    const first = p.mediaSequence + p.skipped;
    const before = this.#segments.get(first - 1);
    this.#say(p.version >= 9, `a delta update has version ${p.version}`);
    this.#say(before !== undefined, `${first - 1} is left out, and was never seen`);
    const behind = [...p.segments, ...p.openParts].reduce((sum, s) => sum + s.duration, 0);
    const until = Number(p.control["CAN-SKIP-UNTIL"]);
    this.#say(behind >= until - 0.001, `left out until ${behind} s before the end, of ${until}`);
    const missing = (before?.discontinuities ?? 0) - p.discontinuitySequence;
    return {
      ...p,
      segments: p.segments.map((s) => ({
        ...s,
        map: s.map ?? before?.map,
        discontinuities: s.discontinuities + missing,
      })),
    };
  }

  #sameParts(msn: number, parts: readonly ReadPart[], whole: boolean): void {
    const before = this.#seen.get(msn) ?? [];
    const same = before.every((a, i) => {
      const b = parts[i];
      return b && a.uri === b.uri && a.duration === b.duration && a.independent === b.independent;
    });
    this.#say(same && (!whole || parts.length >= before.length), `parts of segment ${msn} changed`);
    this.#seen.set(msn, parts);
  }

  #alone(p: ReadPlaylist): void {
    this.#say(p.version >= 8 || !p.segments.some((s) => s.gap), `gaps in version ${p.version}`);
    this.#say(p.version >= 6 || !p.segments.some((s) => s.map), `maps in version ${p.version}`);
    this.#say(!p.independent || !this.#dependent, "independence is claimed again");
    this.#dependent ||= !p.independent;
    let sum = Number.NaN;
    for (const s of p.segments) {
      if (s.discontinuity || Number.isNaN(sum)) sum = s.time;
      // However long it goes on: durations may not drift away from the times.
      this.#say(Math.abs(s.time - sum) < 100, `the time of ${s.uri} is ${s.time - sum} ms off the durations`);
      sum += 1000 * s.duration;
    }
    for (const s of p.segments) {
      this.#say(Math.round(s.duration) <= p.targetDuration, `${s.uri} lasts ${s.duration} s`);
      this.#say(!Number.isNaN(s.time), `${s.uri} has no time`);
      if (s.parts.length === 0) continue;
      const sum = s.parts.reduce((n, part) => n + part.duration, 0);
      this.#say(Math.abs(sum - s.duration) < 0.001, `parts of ${s.uri} last ${sum}, it ${s.duration}`);
      this.#parts(p, s.parts, true);
    }
    this.#parts(p, p.openParts, false);
    for (let i = 1; i < p.segments.length; i++) {
      const [a, b] = [p.segments[i - 1], p.segments[i]];
      if (!a || !b) continue;
      const drift = b.time - a.time - 1000 * a.duration;
      if (!b.discontinuity) this.#say(Math.abs(drift) < 100, `the time of ${b.uri} is ${drift} ms off`);
      this.#say(b.discontinuity || b.map === a.map, `${b.uri} has another map without a discontinuity`);
    }
    const { partTarget, control, targetDuration } = p;
    if (partTarget === undefined) return;
    this.#say(control["CAN-BLOCK-RELOAD"] === "YES", "no blocking reload");
    this.#say(
      Number(control["PART-HOLD-BACK"]) >= 2 * partTarget,
      "PART-HOLD-BACK is below two part targets",
    );
    this.#say(
      Number(control["HOLD-BACK"]) >= 3 * targetDuration,
      "HOLD-BACK is below three target durations",
    );
    const skip = control["CAN-SKIP-UNTIL"];
    this.#say(skip === undefined || Number(skip) >= 6 * targetDuration, "CAN-SKIP-UNTIL is too short");
    this.#say(p.ended === (p.hint === undefined), "a hint is there, or it is not");
  }

  #parts({ partTarget }: ReadPlaylist, parts: readonly ReadPart[], whole: boolean): void {
    for (const [i, part] of parts.entries()) {
      const most = partTarget ?? 0;
      this.#say(part.duration <= most + EPSILON, `${part.uri} lasts ${part.duration} of ${most} s`);
      const last = i === parts.length - 1;
      const exempt = part.independent || last;
      this.#say(
        exempt || !whole || part.duration >= 0.85 * most - EPSILON,
        `${part.uri} is short: ${part.duration}`,
      );
    }
  }

  #after(a: ReadPlaylist, b: ReadPlaylist): void {
    this.#say(a.targetDuration === b.targetDuration, "the target duration changed");
    this.#say(b.mediaSequence >= a.mediaSequence, "the media sequence went back");
    this.#say(b.discontinuitySequence >= a.discontinuitySequence, "the discontinuity sequence went back");
    this.#say(!a.ended || b.ended, "it went on after its end");
    const end = (p: ReadPlaylist) => p.mediaSequence + p.skipped + p.segments.length;
    this.#say(end(b) >= end(a), "segments disappeared at the end");
    this.#say(a.event === b.event, "the type changed");
    if (b.mediaSequence === a.mediaSequence) return;
    this.#say(!b.event, "an event lost its beginning");
    const removed = Array.from({ length: b.mediaSequence - a.mediaSequence }, (_, i) =>
      this.#segments.get(a.mediaSequence + i),
    );
    // What a slow reader never saw cannot be counted.
    if (removed.every((s) => s !== undefined)) {
      const discontinuities = removed.filter((s) => s.discontinuity).length;
      this.#say(
        b.discontinuitySequence - a.discontinuitySequence === discontinuities,
        `the discontinuity sequence is ${b.discontinuitySequence} after ${a.discontinuitySequence}`,
      );
    }
    if (b.ended || b.skipped > 0) return;
    const left = b.segments.reduce((sum, s) => sum + s.duration, 0);
    this.#say(left >= 3 * b.targetDuration - 0.001, `segments were removed, and ${left} s are left`);
  }

  /** A segment as it was fetched, against its parts as they were: octet for octet the same. */
  whole(uri: string, segment: Uint8Array, parts: readonly Uint8Array[]): void {
    this.#say(Buffer.concat(parts).equals(segment), `${uri} is not its parts`);
  }

  #remember(s: ReadSegment): void {
    const known = this.#segments.get(s.msn);
    if (known) {
      const same =
        known.uri === s.uri &&
        known.duration === s.duration &&
        known.time === s.time &&
        known.map === s.map &&
        known.discontinuity === s.discontinuity &&
        known.discontinuities === s.discontinuities;
      this.#say(same, `segment ${s.msn} changed: ${JSON.stringify(known)} ${JSON.stringify(s)}`);
    } else this.#segments.set(s.msn, s);
  }

  #say(ok: boolean, problem: string): void {
    if (!ok && this.problems.length < 50) this.problems.push(problem);
  }
}
