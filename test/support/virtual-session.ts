import { mkdirSync } from "node:fs";
import { Recording } from "../../src/bot/recording.ts";
import { FaultCounter } from "../../src/core/fault.ts";
import { ConnectionReceiver } from "../../src/core/media/connection-receiver.ts";
import type { MediaSender } from "../../src/core/media/media-sender.ts";
import { ReceivingEngine } from "../../src/core/media/receiving-engine.ts";
import { type Random, randomInt, seededRandom } from "../../src/core/random.ts";
import type { Peer, RemoteTrack } from "../../src/core/room.ts";
import { ExtensionUri } from "../../src/core/rtp/extensions.ts";
import type { NegotiatedMedia, NegotiatedPayload } from "../../src/core/sdp/negotiated.ts";
import { type Millis, millis } from "../../src/core/time.ts";
import { RtpDump } from "../../src/sinks/rtpdump/dump.ts";
import type { DumpEvent } from "../../src/sinks/rtpdump/table.ts";
import { clipSender } from "./clip.ts";
import { Netem, type NetworkProfile } from "./netem.ts";

/** Unix milliseconds of time zero. */
const START = 1_700_000_000_250;

/** How a session in virtual time goes. */
export type VirtualSession = {
  /** Where the session directory and the dump are made. */
  readonly directory: string;
  readonly dumpFile: string;
  readonly seed: number;
  readonly profile: NetworkProfile;
  readonly ms: number;
  /** Chance that a timer fires in a millisecond in which something is due. */
  readonly punctuality: number;
  /** The event loop stands still for up to this long now and then. */
  readonly stallMs?: number;
  readonly durationMs?: number;
  /** Names of those who publish. The last one's connection is made anew in the middle, and the first leaves early. */
  readonly people: readonly string[];
  /** Nobody sends anything for this long at the end. */
  readonly quietMs?: number;
  /** Stop without the end of the dump, as if the process had died. */
  readonly dies?: boolean;
};

const extensions = new Map([
  [1, ExtensionUri.audioLevel],
  [2, ExtensionUri.absSendTime],
  [3, ExtensionUri.transportCc],
  [4, ExtensionUri.mid],
]);
const feedback = ["nack", "nack pli", "transport-cc", "goog-remb"];

/** What both sides of a connection agreed on: camera and microphone of person `n`. */
export function agreedMedia(n: number): { ours: NegotiatedMedia[]; theirs: NegotiatedMedia[] } {
  const base = { extensions, remoteRids: [], rtcpRsize: false };
  const opus: NegotiatedPayload = {
    payloadType: 111,
    codec: "opus",
    clockRate: 48_000,
    channels: 2,
    fmtp: "",
    feedback: ["nack", "transport-cc"],
  };
  const vp8: NegotiatedPayload = { payloadType: 96, codec: "vp8", clockRate: 90_000, fmtp: "", feedback };
  const rtx = { payloadType: 97, codec: "rtx", clockRate: 90_000, fmtp: "apt=96", feedback: [], apt: 96 };
  const [audio, video, repair] = [100 * n + 1, 100 * n + 2, 100 * n + 3];
  const cname = `person-${n}`;
  const ours: NegotiatedMedia[] = [
    {
      ...base,
      mid: "0",
      kind: "audio",
      receiving: true,
      payloads: [opus],
      remoteSsrcs: [{ ssrc: audio, cname }],
      remoteMsid: { stream: "s", track: "a" },
    },
    {
      ...base,
      mid: "1",
      kind: "video",
      receiving: true,
      payloads: [vp8, rtx],
      remoteSsrcs: [{ ssrc: video, rtx: repair, cname }],
    },
  ];
  const track = { id: "t", source: "camera", codec: "vp8" } as const;
  const theirs: NegotiatedMedia[] = [
    {
      ...base,
      mid: "0",
      kind: "audio",
      receiving: false,
      payloads: [opus],
      remoteSsrcs: [],
      send: { track: { ...track, kind: "audio" }, ssrc: audio, payload: opus },
    },
    {
      ...base,
      mid: "1",
      kind: "video",
      receiving: false,
      payloads: [vp8, rtx],
      remoteSsrcs: [],
      send: {
        track: { ...track, kind: "video" },
        ssrc: video,
        payload: vp8,
        rtx: { payloadType: 97, ssrc: repair },
      },
    },
  ];
  return { ours, theirs };
}

type Connection = {
  readonly link: string;
  readonly sender: MediaSender;
  readonly there: Netem<Uint8Array>;
  readonly back: Netem<Uint8Array>;
  readonly tracks: readonly RemoteTrack[];
};

/**
 * A recording session in virtual time that is dumped: several people over emulated networks, timers that come when
 * they like, an event loop that stands still. The same options and seed send the same media.
 */
export class VirtualRoom {
  readonly #o: VirtualSession;
  readonly #random: Random;
  readonly #dump: RtpDump;
  readonly #engine: ReceivingEngine;
  readonly #recording: Recording;
  readonly #open = new Map<string, Connection>();
  readonly failures: unknown[] = [];
  #links = 0;

  constructor(o: VirtualSession) {
    this.#o = o;
    this.#random = seededRandom(o.seed);
    mkdirSync(o.directory, { recursive: true });
    const session = {
      version: 1,
      start: START,
      startedAt: START - 40,
      attempt: 0,
      room: "ws://127.0.0.1:1/standup",
      format: "mkv",
      ...(o.durationMs === undefined ? {} : { durationMs: o.durationMs }),
    } as const;
    this.#dump = RtpDump.create({ file: o.dumpFile, session, onFailure: (e) => this.failures.push(e) });
    this.#engine = new ReceivingEngine({
      onFrame: (link, mid, frame) => this.#recording.frame(link, mid, frame),
      onRtcp: (link, data, now) => this.#open.get(link)?.back.push({ item: data, bytes: data.length }, now),
      onTick: (at) => this.#recording.tick(at),
    });
    this.#recording = new Recording({
      ...session,
      directory: o.directory,
      ffmpeg: "",
      requestKeyframe: (link, mid) => this.#engine.requestKeyframe(link, mid),
      firstMedia: (link) => this.#engine.receiver(link)?.firstMedia,
      onFailure: (e) => this.failures.push(e),
    });
  }

  /** Runs the session and finishes its files. */
  async run(): Promise<void> {
    const { ms, people } = this.#o;
    const peers = people.map((name, i) => ({ id: `p${i + 1}`, name, recorder: false }));
    let sleep: { since: number; until: number } | undefined;
    for (let t = 0; t < ms; t++) {
      const now = millis(t);
      for (const [i, peer] of peers.entries()) {
        if (t === 5 + 3 * i) this.#join(peer, i + 1, now);
        if (i === 0 && peers.length > 1 && t === Math.floor(0.7 * ms)) this.#leave(peer, now);
        if (i === peers.length - 1 && i > 0 && t === Math.floor(0.4 * ms)) this.#reconnect(peer, i + 1, now);
      }
      for (const c of this.#open.values()) this.#send(c, now);
      if (!sleep && this.#o.stallMs !== undefined && this.#random() < 0.01)
        sleep = { since: t, until: t + randomInt(this.#random, this.#o.stallMs) };
      if (sleep && t < sleep.until) continue;
      if (sleep) this.#notice(t - sleep.since, now);
      sleep = undefined;
      this.#receive(now);
      const { deadline } = this.#engine;
      if (deadline !== undefined && deadline <= now && this.#random() < this.#o.punctuality)
        this.#engine.advance(now);
    }
    await this.#end(millis(ms));
  }

  #notice(lagMs: number, now: Millis): void {
    if (lagMs <= 15) return;
    this.#dump.stalled(lagMs, now);
    this.#engine.stall(lagMs, now);
  }

  async #end(now: Millis): Promise<void> {
    if (this.#o.dies) {
      // What the disk got until then; the rest of the process is gone.
      this.#dump.flush();
      await new Promise((resolve) => setTimeout(resolve, 50));
    } else {
      this.#event({ t: "stop" }, now);
      for (const c of [...this.#open.values()]) this.#drop(c, millis(now + randomInt(this.#random, 3)));
      this.#event({ t: "end" }, millis(now + 7));
      await this.#dump.finish();
    }
    this.#recording.stop(now);
    await this.#recording.finish([]);
    await this.#recording.convert(new AbortController().signal, () => undefined);
    this.#recording.close();
  }

  #event(e: DumpEvent, now: Millis): void {
    this.#dump.event(e, now);
    this.#engine.settle(now);
    if (e.t === "peer") this.#recording.peer(e.op, e.peer, now);
    else if (e.t === "track") this.#recording.track(e.op, e.track);
    else if (e.t === "stop") this.#recording.stop(now);
  }

  #join(peer: Peer, n: number, now: Millis): void {
    this.#event({ t: "peer", op: "join", peer }, now);
    this.#connect(peer, n, now);
  }

  #leave(peer: Peer, now: Millis): void {
    for (const c of [...this.#open.values()]) if (c.tracks[0]?.peerId === peer.id) this.#drop(c, now);
    this.#event({ t: "peer", op: "leave", peer }, now);
  }

  #reconnect(peer: Peer, n: number, now: Millis): void {
    for (const c of [...this.#open.values()]) if (c.tracks[0]?.peerId === peer.id) this.#drop(c, now);
    this.#connect(peer, n + 10, now);
  }

  #connect(peer: Peer, n: number, now: Millis): void {
    const link = `link-${++this.#links}`;
    const seed = randomInt(this.#random, 2 ** 32);
    const { ours, theirs } = agreedMedia(n);
    this.#dump.opened(link, { peerId: peer.id, seed }, now);
    const receiver = new ConnectionReceiver({
      random: seededRandom(seed),
      cname: "live",
      maxBitrate: 2e6,
      faults: new FaultCounter(),
    });
    this.#engine.open(link, receiver, now);
    this.#dump.agreed(link, ours, now);
    this.#engine.configure(link, ours, now);
    const tracks = ours.map((m): RemoteTrack => {
      const source = m.kind === "audio" ? "microphone" : "camera";
      return { id: `${peer.id}:${source}`, peerId: peer.id, kind: m.kind, source, linkId: link, mid: m.mid };
    });
    for (const track of tracks) this.#event({ t: "track", op: "add", track }, now);
    const net = () => new Netem<Uint8Array>(this.#o.profile, seededRandom(randomInt(this.#random, 1e9)));
    const sender = clipSender(theirs, now, { wallOffsetMs: START });
    this.#open.set(link, { link, sender, there: net(), back: net(), tracks });
  }

  #drop(c: Connection, now: Millis): void {
    for (const track of c.tracks) this.#event({ t: "track", op: "remove", track }, now);
    this.#dump.closed(c.link, now);
    this.#engine.close(c.link, now);
    this.#open.delete(c.link);
  }

  #send(c: Connection, now: Millis): void {
    for (let p = c.back.poll(now); p; p = c.back.poll(now)) c.sender.onRtcp(p, now);
    if (now >= this.#o.ms - (this.#o.quietMs ?? 0)) return;
    for (let p = c.sender.poll(now); p; p = c.sender.poll(now))
      c.there.push({ item: p.slice(), bytes: p.length }, now);
  }

  /** Reads what has arrived, from the connections in any order. */
  #receive(now: Millis): void {
    const left = [...this.#open.values()];
    while (left.length > 0) {
      const i = randomInt(this.#random, left.length);
      const c = left[i];
      const packet = c?.there.poll(now);
      if (!c || !packet) {
        left.splice(i, 1);
        continue;
      }
      this.#dump.packet(c.link, packet, now);
      this.#engine.packet(c.link, packet, now);
    }
  }
}
