import { seededRandom } from "../core/random.ts";
import type {
  Description,
  IceCandidate,
  IceServer,
  Link,
  LinkPlan,
  LinkState,
  LogLevel,
  RemoteMedia,
  RtcHost,
  SignalingState,
} from "../core/room.ts";
import { defaultCapabilities } from "../core/sdp/capabilities.ts";
import type { TransportParams } from "../core/sdp/description.ts";
import { type DescriptionBody, Negotiator } from "../core/sdp/negotiator.ts";
import { parseSdp } from "../core/sdp/parse.ts";
import { withTransport } from "../core/sdp/raw-transport.ts";
import { writeSdp } from "../core/sdp/write.ts";

/**
 * An engine on paper: its links offer and answer with proper descriptions, of an agent at an address for documentation
 * (RFC 5737), and are connected as soon as both sides are described. No packet ever flows.
 */
export class PaperHost implements RtcHost {
  readonly links: PaperLink[] = [];
  /** Everything that was logged. */
  readonly said: string[] = [];
  /** Uses of the port that an engine refuses. */
  readonly misuse: string[] = [];

  link(o: { peerId: string; iceServers: readonly IceServer[] }): PaperLink {
    const n = this.links.length + 1;
    if (typeof o.peerId !== "string") this.misuse.push("a link needs the id of a peer");
    const link = new PaperLink(n, (what) => this.misuse.push(`link-${n}: ${what}`));
    this.links.push(link);
    return link;
  }

  fault(): void {
    // Counted by the real one.
  }

  log(_level: LogLevel, message: string): void {
    this.said.push(message);
  }

  /** Links that were not closed. */
  get open(): PaperLink[] {
    return this.links.filter((link) => link.state !== "closed");
  }
}

/** A link of a `PaperHost`. */
export class PaperLink implements Link {
  readonly id: string;
  readonly #misuse: (what: string) => void;
  readonly #negotiator: Negotiator;
  readonly #transport: TransportParams;
  readonly #onState: ((state: LinkState, cause?: string) => void)[] = [];
  #state: LinkState = "new";
  #last: Description | undefined;
  #version = 1;

  constructor(n: number, misuse: (what: string) => void) {
    this.id = `link-${n}`;
    this.#misuse = misuse;
    const random = seededRandom(n);
    this.#negotiator = new Negotiator({ random, capabilities: defaultCapabilities, cname: "paper" });
    // Two sides of a test are two agents.
    const octet = () => Math.floor(Math.random() * 256);
    const hex = Array.from({ length: 32 }, () => octet().toString(16).padStart(2, "0").toUpperCase());
    this.#transport = {
      ufrag: `paper${hex.slice(0, 4).join("")}`,
      pwd: hex.join(""),
      fingerprint: `sha-256 ${hex.join(":")}`,
      setup: "actpass",
      iceLite: false,
      candidates: [CANDIDATE],
      endOfCandidates: true,
    };
  }

  get state(): LinkState {
    return this.#state;
  }

  get signalingState(): SignalingState {
    return this.#negotiator.pending ? "have-local-offer" : "stable";
  }

  async offer(plan: LinkPlan): Promise<Description> {
    this.#mustBeOpen("offer");
    return this.#describe("offer", this.#negotiator.createOffer(plan));
  }

  async answer(remote: Description): Promise<readonly RemoteMedia[]> {
    this.#mustBeOpen("answer");
    const parsed = parseSdp(remote.sdp);
    if (remote.type !== "answer") this.#misuse(`answer() was given an ${remote.type}`);
    if (!parsed || !this.#negotiator.applyAnswer(parsed))
      throw new Error("the answer does not fit our offer");
    return this.#agreed();
  }

  async accept(
    remote: Description,
    plan: LinkPlan,
  ): Promise<{ answer: Description; media: readonly RemoteMedia[] }> {
    this.#mustBeOpen("accept");
    const parsed = parseSdp(remote.sdp);
    if (remote.type !== "offer") this.#misuse(`accept() was given an ${remote.type}`);
    if (!parsed) throw new Error("the remote description cannot be read");
    const answer = this.#describe("answer", this.#negotiator.acceptOffer(parsed, plan));
    return { answer, media: this.#agreed() };
  }

  unsent(plan: LinkPlan): boolean {
    return this.#negotiator.unsent(plan).length > 0;
  }

  addCandidate(c: IceCandidate): void {
    if (typeof c.candidate !== "string") this.#misuse("addCandidate() needs the text of a candidate");
  }

  onCandidate(cb: (c: IceCandidate) => void): void {
    cb({ candidate: CANDIDATE, mid: "0", index: 0 });
  }

  onState(cb: (state: LinkState, cause?: string) => void): void {
    this.#onState.push(cb);
  }

  async localReady(): Promise<Description> {
    this.#mustBeOpen("localReady");
    if (!this.#last) throw new Error("no local description yet");
    return this.#last;
  }

  close(): void {
    this.#enter("closed");
  }

  #describe(type: Description["type"], body: DescriptionBody): Description {
    const setup = type === "offer" ? "actpass" : "active";
    const o = { sessionId: "1", version: this.#version++, setup } as const;
    this.#last = { type, sdp: writeSdp(withTransport(body, this.#transport, o)) };
    return this.#last;
  }

  #agreed(): RemoteMedia[] {
    // After the caller has what it asked for, as with the real one.
    setTimeout(() => this.#enter("connected"), 0);
    return this.#negotiator.media.map((m) => ({
      mid: m.mid,
      kind: m.kind,
      sending: m.receiving,
      taking: m.send !== undefined,
      ...(m.remoteMsid ? { msid: m.remoteMsid } : {}),
    }));
  }

  #enter(state: LinkState): void {
    if (this.#state === state || this.#state === "closed") return;
    this.#state = state;
    for (const cb of this.#onState) cb(state);
  }

  #mustBeOpen(call: string): void {
    if (this.#state !== "closed") return;
    this.#misuse(`${call}() after close()`);
    throw new Error("the link is closed");
  }
}

const CANDIDATE = "candidate:1 1 udp 2130706431 192.0.2.10 50000 typ host";
