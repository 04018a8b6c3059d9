import { connect, type Socket } from "node:net";
import { connect as connectTls, type TlsOptions } from "node:tls";
import { audioBody, audioConfigBody, videoBody, videoConfigBody } from "../../core/rtmp/flv-body.ts";
import { type RtmpFailure, type RtmpPlace, RtmpPublisher } from "../../core/rtmp/publisher.ts";
import type { ProgramFormat, Rendition } from "../program/program.ts";
import type { OpenLink, PushFailure, PushLink, PushLinkEvents, PushSample } from "./link.ts";
import { hostOf, type PushAddress } from "./target.ts";

const PORT = 1935;
const TLS_PORT = 443;
/** Octets that may wait in the socket; more wait where they can be dropped. */
const MAX_WAITING = 256 << 10;
/** From saying that the stream is over to hanging up. */
const GOODBYE_MS = 3000;
/** A stream that ends so soon was refused. */
const BRIEF_MS = 3000;
/** A server that acknowledged so often is expected to go on with it. */
const RELIABLE_ACKS = 4;
/** What numbers of acknowledged octets count to. */
const WRAP = 0x1_0000_0000;

/** What an RTMP link needs. */
export type RtmpOptions = {
  readonly address: PushAddress;
  readonly rendition: Rendition;
  /** Takes secrets out of what the server says. */
  readonly redact: (text: string) => string;
  /** Authorities to trust besides the system's, for servers of one's own. */
  readonly ca?: TlsOptions["ca"];
};

/** Links that publish over RTMP, and over TLS for `rtmps`. */
export function rtmpLinks(o: RtmpOptions): OpenLink {
  return (_, events) => new RtmpLink(o, events);
}

/** Application and key of an address: the last part of the path, with the query, is the key. */
export function rtmpPlace(a: PushAddress): RtmpPlace {
  const path = a.path.replace(/^\//, "");
  const cut = path.lastIndexOf("/");
  // A path of one part has no key: servers that know streams by their path take it for one.
  const app = cut < 0 ? path : path.slice(0, cut);
  const query = a.query.map(([name, value]) => (value === "" ? name : `${name}=${value}`)).join("&");
  const key = `${cut < 0 ? "" : path.slice(cut + 1)}${query === "" ? "" : `?${query}`}`;
  return {
    tcUrl: octetString(`${a.scheme}://${hostOf(a)}/${app}`),
    app: octetString(app),
    key: octetString(key),
  };
}

function octetString(s: string): string {
  return Buffer.from(s).toString("latin1");
}

/** Why there is no connection, by the system's name for it. */
const unreachable: Readonly<Record<string, string>> = {
  ENOTFOUND: "the host's name is not known",
  EAI_AGAIN: "the host's name cannot be looked up now",
  ECONNREFUSED: "nothing listens there (connection refused)",
  ECONNRESET: "the connection was reset",
  ETIMEDOUT: "the connection timed out",
  EHOSTUNREACH: "the host cannot be reached",
  ENETUNREACH: "the network cannot be reached",
};

class RtmpLink implements PushLink {
  readonly #o: RtmpOptions;
  readonly #events: PushLinkEvents;
  readonly #publisher: RtmpPublisher;
  readonly #socket: Socket;
  #format: ProgramFormat | undefined;
  #connected = false;
  #waiting = 0;
  #full = false;
  /** Handed to the network. */
  #bytes = 0;
  /** Octets that the server has, how often it said so, and the longest way between. */
  #acks = { octets: 0, count: 0, step: 0 };
  #publishingSince = Number.POSITIVE_INFINITY;
  #failure: PushFailure | undefined;
  #ending = false;
  #goodbye: NodeJS.Timeout | undefined;

  constructor(o: RtmpOptions, events: PushLinkEvents) {
    this.#o = o;
    this.#events = events;
    this.#publisher = new RtmpPublisher(rtmpPlace(o.address), Math.random);
    this.#socket = this.#connect();
    this.#socket.setNoDelay(true);
    this.#socket.on("data", (bytes) => this.#take(bytes));
    this.#socket.on("error", (error) => this.#onError(error));
    this.#socket.on("close", () => this.#onClose());
  }

  get bytes(): number {
    return this.#bytes;
  }

  get idle(): boolean {
    return this.#waiting === 0 && !this.#overdue();
  }

  send(s: PushSample): boolean {
    if (s.format !== this.#format) this.#begin(s.format, s.timeMs);
    const body = s.kind === "video" ? videoBody(s.data, s.keyframe) : audioBody(s.data);
    this.#write(this.#publisher.media(s.kind, Math.round(s.timeMs), body));
    this.#full = this.#waiting > MAX_WAITING;
    return !this.#full;
  }

  takes(): boolean {
    return true;
  }

  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#socket.end(this.#publisher.end());
    this.#goodbye = setTimeout(() => this.#socket.destroy(), GOODBYE_MS);
  }

  abort(): void {
    this.#socket.destroy();
  }

  #connect(): Socket {
    const { address, ca } = this.#o;
    const { host } = address;
    const hello = () => {
      this.#connected = true;
      this.#write(this.#publisher.start());
    };
    if (address.scheme !== "rtmps") return connect({ host, port: address.port ?? PORT }, hello);
    // An address is no name that a certificate could be asked for by.
    const servername = /^[\d.]+$|:/.test(host) ? "" : host;
    const trust = ca === undefined ? {} : { ca };
    return connectTls({ host, port: address.port ?? TLS_PORT, servername, ...trust }, hello);
  }

  /** What the stream is, and what decoders must know before its samples. */
  #begin(f: ProgramFormat, timeMs: number): void {
    const time = Math.round(timeMs);
    if (!this.#format) this.#write(this.#publisher.metadata(describe(f, this.#o.rendition)));
    this.#write(this.#publisher.media("video", time, videoConfigBody(f.video.config)));
    this.#write(this.#publisher.media("audio", time, audioConfigBody(f.audio.config)));
    this.#format = f;
  }

  #take(bytes: Uint8Array): void {
    for (const e of this.#publisher.push(bytes)) {
      if (e.t === "send") this.#write(e.octets);
      else if (e.t === "publishing") {
        this.#publishingSince = performance.now();
        this.#events.onOpen();
      } else if (e.t === "acknowledged") this.#acknowledge(e.octets);
      else this.#fail(this.#refusal(e.failure));
    }
  }

  #write(octets: Uint8Array): void {
    if (this.#socket.destroyed || this.#ending) return;
    this.#waiting += octets.length;
    this.#socket.write(octets, () => {
      this.#waiting -= octets.length;
      this.#bytes += octets.length;
      if (this.#publisher.publishing && this.#format && !this.#overdue()) this.#events.onMoved();
      if (this.#full && this.#waiting <= MAX_WAITING / 2) {
        this.#full = false;
        this.#events.onRoom();
      }
    });
  }

  #acknowledge(octets: number): void {
    const step = (octets - this.#acks.octets + WRAP) % WRAP;
    this.#acks = { octets, count: this.#acks.count + 1, step: Math.max(step, this.#acks.step) };
    if (this.#format) this.#events.onMoved();
  }

  /** What lies in the system's buffers does not stand for a server: one that has them says so, and at some point did not. */
  #overdue(): boolean {
    if (this.#acks.count < RELIABLE_ACKS) return false;
    const away = ((this.#bytes % WRAP) - this.#acks.octets + WRAP) % WRAP;
    return away < WRAP / 2 && away > 2 * this.#acks.step + MAX_WAITING;
  }

  #refusal(f: RtmpFailure): PushFailure {
    const said = [f.code, f.description].filter((s) => s !== undefined && s !== "").join(": ");
    const what = {
      refused: "the server refused the stream",
      closed: "the server ended the stream",
      protocol: "what answers there is no RTMP server",
    }[f.reason];
    // A name that is taken may be free again: the server may not know yet that the last connection is dead.
    const final = f.reason === "refused" && /denied|unauthori[sz]ed|forbidden|authmod/i.test(said);
    return { text: this.#o.redact(said === "" ? what : `${what}: ${said}`), final };
  }

  #fail(failure: PushFailure): void {
    this.#failure ??= failure;
    this.#socket.destroy();
  }

  #onError(error: Error): void {
    const code = "code" in error ? String(error.code) : "";
    const cut = this.#connected && (code === "ECONNRESET" || code === "EPIPE");
    this.#fail({ text: cut ? this.#hungUp() : this.#o.redact(unreachable[code] ?? error.message) });
  }

  #onClose(): void {
    clearTimeout(this.#goodbye);
    if (this.#ending) this.#events.onClosed();
    else this.#events.onClosed(this.#failure ?? { text: this.#hungUp() });
  }

  #hungUp(): string {
    if (!this.#connected) return "no connection";
    // Many servers say no in this way, some of them only after they said yes.
    const briefly = performance.now() - this.#publishingSince < BRIEF_MS;
    if (this.#publisher.asking || briefly)
      return "the server hung up when asked to publish: a wrong stream key, or nobody may publish there";
    return `the server hung up${this.#publisher.publishing ? "" : " before anything was published"}`;
  }
}

/** The properties that players and servers look for (FLV, annex E.5). */
function describe(f: ProgramFormat, r: Rendition): { readonly [name: string]: number | boolean | string } {
  return {
    width: f.video.width,
    height: f.video.height,
    framerate: r.framesPerSecond,
    videocodecid: 7,
    videodatarate: Math.round(r.bitrate / 1000),
    audiocodecid: 10,
    audiosamplerate: f.audio.sampleRate,
    audiosamplesize: 16,
    stereo: f.audio.channels > 1,
    encoder: "roomtap",
  };
}
