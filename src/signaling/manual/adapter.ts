import { readFileSync } from "node:fs";
import { RoomtapError } from "../../core/fault.ts";
import type {
  Cancel,
  Courier,
  EndReason,
  JoinWish,
  Link,
  LinkPlan,
  RemoteMedia,
  RemoteTrack,
  RoomAdapter,
  RoomEvent,
  RoomSession,
  RtcHost,
} from "../../core/room.ts";
import { parseSdp } from "../../core/sdp/parse.ts";
import { EventQueue } from "../event-queue.ts";
import { cleanName } from "../room/names.ts";
import { type BlobForm, readBlob, writeBlob } from "./blob.ts";
import { type Pasted, takePaste } from "./paste.ts";
import { type ManualTarget, parseManualTarget } from "./target.ts";

/** A description is handed over with the candidates found in this time. */
const GATHER_MS = 2000;
/** After the answer was brought, both sides know everything: a connection that is not up by then has no way. */
const SETUP_MS = 20_000;
/** For how long the answer may be under way. */
const CARRY_MS = 600_000;
const QUIET_MS = 300;
/**
 * Before this our agent sends nothing to the side that offered, whose own checks find us as soon as it has the answer:
 * an agent that is met in the very moment of taking it may be through with ICE before it knows our fingerprint, and
 * refuses us. Later on, our checks open the way through a router.
 */
const HOLD_MS = 10_000;
/** Streams of one kind that we take where the other side offers. */
const MAX_STREAMS = 8;

/** The one other participant. */
const PEER = "manual";
const OFFER_PROMPT = "paste the other side's answer, and press Enter";
const WAIT_PROMPT = "paste the other side's offer, or press Enter to make one";

/** How long the adapter waits; tests have less time. */
export type ManualTiming = {
  readonly setupMs: number;
  readonly carryMs: number;
  /** Lines that come sooner one after the other are one paste. */
  readonly quietMs: number;
  readonly holdMs: number;
};

const usual: ManualTiming = { setupMs: SETUP_MS, carryMs: CARRY_MS, quietMs: QUIET_MS, holdMs: HOLD_MS };

/** `manual:` rooms: two sides, no server, descriptions copied and pasted by hand. */
export function manualAdapter(timing: ManualTiming = usual): RoomAdapter {
  return {
    schemes: ["manual"],
    label: () => "manual:",
    join: async (host, address, wish, signal) => {
      const target = parseManualTarget(address);
      const { courier } = wish;
      if (!courier)
        throw new RoomtapError("usage", "nobody is there to carry descriptions to the other side", {
          hint: "give a courier along with a manual: address",
        });
      const session = new ManualSession({ host, target, wish, courier, timing });
      await session.join(signal);
      return session;
    },
  };
}

type SessionOptions = {
  readonly host: RtcHost;
  readonly target: ManualTarget;
  readonly wish: JoinWish;
  readonly courier: Courier;
  readonly timing: ManualTiming;
};

class ManualSession implements RoomSession {
  readonly events = new EventQueue<RoomEvent>();
  readonly #o: SessionOptions;
  #link: Link | undefined;
  #setup: NodeJS.Timeout | undefined;
  #hold: NodeJS.Timeout | undefined;
  #name = PEER;
  #tracks: readonly RemoteTrack[] = [];
  #up = false;
  #ended = false;
  /** Tells who waits for the connection. */
  #settled: (error?: RoomtapError) => void = () => undefined;

  constructor(o: SessionOptions) {
    this.#o = o;
  }

  async join(signal: Cancel): Promise<void> {
    const cancelled = new Promise<never>((_, reject) => {
      const abort = () => reject(new RoomtapError("signal-closed", "joining was cancelled"));
      if (signal.aborted) abort();
      signal.addEventListener("abort", abort, { once: true });
    });
    try {
      await Promise.race([this.#exchange(), cancelled]);
    } catch (error) {
      this.#drop();
      throw error;
    }
  }

  leave(): Promise<void> {
    this.#end("left");
    return Promise.resolve();
  }

  async #exchange(): Promise<void> {
    const { wish } = this.#o;
    const connected = new Promise<void>((resolve, reject) => {
      this.#settled = (error) => (error ? reject(error) : resolve());
    });
    // Nobody may be waiting by then.
    connected.catch(() => undefined);
    const given = this.#given();
    if (given) await this.#answer(given);
    else if (wish.receive || !(await this.#answerWhatComes())) await this.#offer();
    // What is published is counted from the join on: people take their time, and it is not to be lost.
    if (!wish.receive) await connected;
  }

  /** The offer that came with the address. */
  #given(): Pasted | undefined {
    const { text, file } = this.#o.target;
    const source = file === undefined ? text : readOffer(file);
    if (source === undefined) return undefined;
    const reading = readBlob(source);
    const hint = "copy the whole of what the other side printed";
    if (reading.t === "part") throw new RoomtapError("usage", "the offer given is not all of it", { hint });
    if (reading.t === "wrong") throw new RoomtapError("usage", `the offer given is ${reading.why}`, { hint });
    if (reading.type === "answer")
      throw new RoomtapError("usage", "what was given is an answer", {
        hint: "an answer goes to the side that made the offer: paste it there",
      });
    return reading;
  }

  /** Answers the offer that is pasted. False: none is, we shall make one. */
  async #answerWhatComes(): Promise<boolean> {
    const { courier, timing } = this.#o;
    const check = (p: Pasted) =>
      p.type === "answer" ? "an answer, and there is no offer of ours yet" : objection(p);
    const pasted = await takePaste(courier, WAIT_PROMPT, check, timing.quietMs);
    if (pasted === undefined || pasted === "nothing") return false;
    await this.#answer(pasted);
    return true;
  }

  async #answer(offer: Pasted): Promise<void> {
    const { courier, target, timing, wish } = this.#o;
    const link = this.#open();
    this.#call(offer);
    const plan = this.#plan(MAX_STREAMS);
    const silent = offer.sdp.replace(/^a=(?:candidate:.*|end-of-candidates)\r?\n/gm, "");
    const { media } = await link.accept({ type: "offer", sdp: silent }, plan);
    this.#agreed(link, media);
    const { sdp } = await link.localReady(GATHER_MS);
    const form = target.form ?? offer.form;
    const { ufrag: to, candidates = [] } = parseSdp(offer.sdp)?.transport ?? {};
    this.#hold = setTimeout(() => {
      for (const candidate of candidates) link.addCandidate({ candidate });
    }, timing.holdMs);
    const answer = { type: "answer" as const, sdp, name: wish.name, ...(to === undefined ? {} : { to }) };
    courier.give(writeBlob(answer, form), "our answer: give it to the side that made the offer");
    this.#expect(timing.carryMs);
  }

  async #offer(): Promise<void> {
    const { courier, target, timing, wish } = this.#o;
    const link = this.#open();
    await link.offer(this.#plan(1));
    const { type, sdp } = await link.localReady(GATHER_MS);
    const form: BlobForm = target.form ?? "blob";
    courier.give(writeBlob({ type, sdp, name: wish.name }, form), "our offer: give it to the other side");
    const own = parseSdp(sdp)?.transport.ufrag;
    const prompt = form === "sdp" ? `${OFFER_PROMPT} twice` : OFFER_PROMPT;
    for (let ask = prompt; ; ) {
      const pasted = await takePaste(courier, ask, (p) => objection(p, own), timing.quietMs);
      if (pasted === undefined)
        throw new RoomtapError("signal-closed", "no answer came from the other side", {
          hint: "keep the input open, and paste the answer there",
        });
      if (pasted === "nothing") continue;
      if (pasted.type === "offer") {
        this.#drop();
        return this.#answer(pasted);
      }
      try {
        const media = await link.answer({ type: "answer", sdp: pasted.sdp });
        this.#call(pasted);
        this.#agreed(link, media);
        this.#expect(timing.setupMs);
        return;
      } catch (error) {
        if (!(error instanceof RoomtapError) || link.signalingState === "stable") throw error;
        ask = `${error.message}; ${prompt}`;
      }
    }
  }

  #open(): Link {
    const { host, target } = this.#o;
    const link = host.link({ peerId: PEER, iceServers: target.iceServers });
    this.#link = link;
    link.onState((state) => {
      if (link !== this.#link) return;
      if (state === "connected") this.#connected();
      else if (state === "failed" || state === "closed") this.#lost();
    });
    return link;
  }

  #plan(streams: number): LinkPlan {
    const { publish, receive } = this.#o.wish;
    const n = receive ? streams : 0;
    return { send: publish, receive: { audio: n, video: n }, data: false };
  }

  #call({ name }: Pasted): void {
    this.#name = cleanName(name ?? "") || PEER;
  }

  /** Both sides have said what they do. Throws a RoomtapError `negotiation` where that is nothing. */
  #agreed(link: Link, media: readonly RemoteMedia[]): void {
    if (!media.some((m) => m.sending || m.taking))
      throw new RoomtapError(
        "negotiation",
        "the other side neither sends what we take nor takes what we send",
        {
          hint: "does it have a camera or a microphone on, and a codec in common? try --video h264",
        },
      );
    let videos = 0;
    this.#tracks = media.flatMap((m) => {
      if (!m.sending || (m.kind !== "audio" && m.kind !== "video")) return [];
      const source = m.kind === "audio" ? "microphone" : videos++ === 0 ? "camera" : "screen";
      return [{ id: `${PEER}/${m.mid}`, peerId: PEER, kind: m.kind, source, linkId: link.id, mid: m.mid }];
    });
  }

  #expect(ms: number): void {
    if (this.#up) return;
    this.#setup = setTimeout(() => this.#lost(), ms);
  }

  #connected(): void {
    if (this.#up) return;
    this.#up = true;
    clearTimeout(this.#setup);
    const peer = { id: PEER, name: this.#name, recorder: false };
    this.events.push({ t: "peer", op: "join", peer });
    this.events.push({ t: "link", op: "up", peerId: PEER });
    for (const track of this.#tracks) this.events.push({ t: "track", op: "add", track });
    this.#settled();
  }

  /** Without a server nobody can be called again. */
  #lost(): void {
    if (this.#ended) return;
    if (!this.#up) {
      const error = new RoomtapError("ice-failed", "no media path to the other side", {
        hint: "was the answer pasted there? over the internet both sides need a STUN server: manual:?ice=stun:HOST:PORT",
      });
      this.#settled(error);
      this.#end("error", error);
      return;
    }
    for (const track of this.#tracks) this.events.push({ t: "track", op: "remove", track });
    const peer = { id: PEER, name: this.#name, recorder: false };
    this.events.push({ t: "peer", op: "leave", peer });
    this.#end("room-closed");
  }

  #end(reason: EndReason, error?: RoomtapError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#drop();
    this.events.push({ t: "ended", reason, ...(error ? { error } : {}) });
    this.events.end();
  }

  #drop(): void {
    clearTimeout(this.#setup);
    clearTimeout(this.#hold);
    const link = this.#link;
    this.#link = undefined;
    link?.close();
  }
}

/** What is wrong with what was pasted, as the end of "that is ...". `own`: ICE user name of our offer. */
function objection(p: Pasted, own?: string): string | undefined {
  const ufrag = parseSdp(p.sdp)?.transport.ufrag;
  if (ufrag === undefined) return "a description without ICE and DTLS parameters";
  if (ufrag === own) return "our own offer";
  if (p.to !== undefined && p.to !== own) return "the answer to another offer";
  return undefined;
}

function readOffer(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new RoomtapError("usage", `cannot read ${file}`, { hint: "check the path behind manual:@", cause });
  }
}
