import { describe, expect, it, vi } from "vitest";
import { seededRandom } from "../../src/core/random.ts";
import type { IceCandidate, LinkPlan, LinkState } from "../../src/core/room.ts";
import { defaultCapabilities } from "../../src/core/sdp/capabilities.ts";
import type { NegotiatedMedia } from "../../src/core/sdp/negotiated.ts";
import { Negotiator } from "../../src/core/sdp/negotiator.ts";
import { parseSdp } from "../../src/core/sdp/parse.ts";
import { PeerLink } from "../../src/peer/link.ts";
import {
  FakeNetwork,
  type FakeNetworkOptions,
  type FakeTransport,
  hostCandidate,
} from "../support/fake-transport.ts";
import { until } from "../support/until.ts";

const camera = { id: "cam", kind: "video", source: "camera", codec: "vp8" } as const;
const microphone = { id: "mic", kind: "audio", source: "microphone", codec: "opus" } as const;
const publisher: LinkPlan = { send: [microphone, camera], receive: { audio: 0, video: 0 }, data: true };
const recorder: LinkPlan = { send: [], receive: { audio: 1, video: 1 }, data: true };

/** A link over a fake transport, and all that it reported. */
class End {
  readonly link: PeerLink;
  readonly states: LinkState[] = [];
  readonly candidates: IceCandidate[] = [];
  readonly log: string[] = [];
  media: readonly NegotiatedMedia[] = [];
  faults = 0;
  readonly #net: FakeNetwork;

  constructor(net: FakeNetwork, seed: number) {
    this.#net = net;
    this.link = new PeerLink({
      id: `link-${seed}`,
      sessionId: String(1000 + seed),
      negotiator: new Negotiator({
        random: seededRandom(seed),
        capabilities: defaultCapabilities,
        cname: `end-${seed}`,
      }),
      open: (handlers) => net.factory({ name: `end-${seed}`, iceServers: [] }, handlers),
      onMedia: (media) => {
        this.media = media;
        this.log.push("media");
      },
      onPacket: () => this.log.push("packet"),
      onState: (state) => this.log.push(state),
      onFault: () => this.faults++,
      onClosing: () => this.log.push("closing"),
    });
    this.link.onState((s) => this.states.push(s));
    this.link.onCandidate((c) => this.candidates.push(c));
  }

  get transport(): FakeTransport {
    const t = this.#net.transports.find((x) => x.name === `end-${this.link.id.slice(5)}`);
    if (!t) throw new Error("no transport");
    return t;
  }
}

function pair(o: FakeNetworkOptions = {}): { net: FakeNetwork; a: End; b: End } {
  const net = new FakeNetwork(o);
  return { net, a: new End(net, 1), b: new End(net, 2) };
}

/** A completed first exchange, `a` offering. */
async function connected(aPlan = publisher, bPlan = recorder, o: FakeNetworkOptions = {}) {
  const ends = pair(o);
  const { a, b } = ends;
  const { answer, media } = await b.link.accept(await a.link.offer(aPlan), bPlan);
  const back = await a.link.answer(answer);
  await until("connected", () => a.link.state === "connected" && b.link.state === "connected");
  return { ...ends, answer, media, back };
}

describe("a link", () => {
  it.each([
    ["the publisher", publisher, recorder],
    ["the recorder", recorder, publisher],
  ])("connects when %s offers", async (_, offering, answering) => {
    const { net, a, b, media, back } = await connected(offering, answering);
    const sending = (offering === publisher ? media : back).filter((m) => m.sending).map((m) => m.kind);
    expect(sending.sort()).toEqual(["audio", "video"]);
    expect((offering === publisher ? back : media).some((m) => m.sending)).toBe(false);
    expect(a.states).toEqual(["connecting", "connected"]);
    expect(b.states).toEqual(["connecting", "connected"]);
    expect(a.link.signalingState).toBe("stable");
    expect(net.misuse).toEqual([]);
  });

  it("names its own stream and track to the other side", async () => {
    const { media } = await connected();
    expect(media.map((m) => m.msid)).toEqual([
      { stream: "end-1", track: "mic" },
      { stream: "end-1", track: "cam" },
    ]);
  });

  it("says actpass in offers and keeps its DTLS role in every answer", async () => {
    const { a, b, answer } = await connected();
    const role = parseSdp(answer.sdp)?.transport.setup;
    expect(["active", "passive"]).toContain(role);
    const reoffer = await a.link.offer(publisher);
    expect(parseSdp(reoffer.sdp)?.transport.setup).toBe("actpass");
    const second = await b.link.accept(reoffer, recorder);
    expect(parseSdp(second.answer.sdp)?.transport.setup).toBe(role);
    await a.link.answer(second.answer);
    // The other way round, the side that offered first has the other role.
    const third = await a.link.accept(await b.link.offer(recorder), publisher);
    expect(parseSdp(third.answer.sdp)?.transport.setup).toBe(role === "active" ? "passive" : "active");
  });

  it("keeps the session id and counts the version up", async () => {
    const { a } = await connected();
    const versions = [];
    for (let i = 0; i < 3; i++) {
      const d = parseSdp((await a.link.offer(publisher)).sdp);
      versions.push([d?.sessionId, d?.version]);
    }
    expect(versions).toEqual([
      ["1001", 2],
      ["1001", 3],
      ["1001", 4],
    ]);
  });

  it("renegotiates without the transport", async () => {
    const { net, a, b } = await connected();
    const before = [...a.transport.calls, ...b.transport.calls];
    const screen = { id: "screen", kind: "video", source: "screen", codec: "vp8" } as const;
    const more: LinkPlan = { ...publisher, send: [...publisher.send, screen] };
    expect(a.link.unsent(more)).toBe(true);
    const { answer, media } = await b.link.accept(await a.link.offer(more), recorder);
    await a.link.answer(answer);
    expect(a.link.unsent(more)).toBe(false);
    expect(media.filter((m) => m.sending)).toHaveLength(3);
    await a.link.accept(await b.link.offer(recorder), more);
    expect([...a.transport.calls, ...b.transport.calls]).toEqual(before);
    expect(net.transports).toHaveLength(2);
    expect(net.misuse).toEqual([]);
  });

  it("rolls its offer back for an offer of the other side", async () => {
    const { net, a, b } = pair();
    const [mine, theirs] = await Promise.all([a.link.offer(publisher), b.link.offer(recorder)]);
    expect(mine.type).toBe("offer");
    expect(a.link.signalingState).toBe("have-local-offer");
    const { answer } = await a.link.accept(theirs, publisher);
    expect(a.link.signalingState).toBe("stable");
    const media = await b.link.answer(answer);
    expect(media.filter((m) => m.sending)).toHaveLength(2);
    await until("connected", () => a.link.state === "connected" && b.link.state === "connected");
    expect(net.misuse).toEqual([]);
  });

  it("runs negotiation calls one after the other", async () => {
    const { net, a, b } = pair();
    const first = a.link.offer(publisher);
    const second = a.link.offer(publisher);
    const [d1, d2] = await Promise.all([first, second]);
    expect(parseSdp(d2.sdp)?.version).toBe((parseSdp(d1.sdp)?.version ?? 0) + 1);
    const accepted = b.link.accept(d2, recorder);
    const reoffer = b.link.offer(recorder);
    await a.link.answer((await accepted).answer);
    expect((await reoffer).type).toBe("offer");
    expect(net.misuse).toEqual([]);
  });
});

describe("what does not fit", () => {
  it("refuses a description it cannot read, and goes on", async () => {
    const { a, b } = pair();
    const rubbish = { type: "offer", sdp: "v=0\r\nrubbish" } as const;
    await expect(b.link.accept(rubbish, recorder)).rejects.toMatchObject({ code: "negotiation" });
    const offer = await a.link.offer(publisher);
    await expect(b.link.accept(offer, recorder)).resolves.toMatchObject({ answer: { type: "answer" } });
  });

  it("refuses an answer that nobody asked for", async () => {
    const { a, b, answer } = await connected();
    await expect(a.link.answer(answer)).rejects.toMatchObject({ code: "negotiation" });
    expect(a.link.state).toBe("connected");
    await expect(b.link.accept(await a.link.offer(publisher), recorder)).resolves.toBeDefined();
  });

  it("refuses an answer with another number of m-lines, and waits on", async () => {
    const { a, b } = pair();
    const { answer } = await b.link.accept(await a.link.offer(publisher), recorder);
    const short = { ...answer, sdp: answer.sdp.slice(0, answer.sdp.indexOf("m=video")) };
    await expect(a.link.answer(short)).rejects.toMatchObject({ code: "negotiation" });
    expect(a.link.signalingState).toBe("have-local-offer");
    await a.link.answer(answer);
    await until("connected", () => a.link.state === "connected");
  });

  it.each([
    ["ICE user name", /a=ice-ufrag:\S+/g, "a=ice-ufrag:other"],
    ["fingerprint", /a=fingerprint:sha-256 \S+/g, `a=fingerprint:sha-256 ${Array(32).fill("EE").join(":")}`],
  ])("says ice-restart for an offer with another %s, and keeps the connection", async (_, line, other) => {
    const { net, a, b } = await connected();
    const offer = await a.link.offer(publisher);
    const restart = { ...offer, sdp: offer.sdp.replace(line, other) };
    await expect(b.link.accept(restart, recorder)).rejects.toMatchObject({ code: "ice-restart" });
    expect(b.link.state).toBe("connected");
    expect(net.misuse).toEqual([]);
  });

  it("says ice-restart for an answer with other credentials", async () => {
    const { a, b } = await connected();
    const { answer } = await b.link.accept(await a.link.offer(publisher), recorder);
    const restart = { ...answer, sdp: answer.sdp.replace(/a=ice-ufrag:\S+/g, "a=ice-ufrag:other") };
    await expect(a.link.answer(restart)).rejects.toMatchObject({ code: "ice-restart" });
  });

  it("keeps working after a call that the transport refused", async () => {
    const { a } = pair();
    vi.spyOn(a.transport, "offer").mockRejectedValueOnce(new Error("no sockets"));
    await expect(a.link.offer(publisher)).rejects.toThrow("no sockets");
    expect((await a.link.offer(publisher)).type).toBe("offer");
  });
});

describe("candidates", () => {
  it("wait for the remote description and then go on in their order", async () => {
    const { net, a, b } = pair();
    const lines = Array.from({ length: 20 }, (_, i) => hostCandidate(i + 1));
    const offer = await a.link.offer(publisher);
    for (const candidate of lines.slice(0, 10)) b.link.addCandidate({ candidate });
    const accepting = b.link.accept(offer, recorder);
    for (const candidate of lines.slice(10)) b.link.addCandidate({ candidate });
    await accepting;
    expect(b.transport.remoteCandidates).toEqual(lines);
    b.link.addCandidate({ candidate: hostCandidate(30) });
    expect(b.transport.remoteCandidates).toHaveLength(21);
    expect([net.misuse, b.faults]).toEqual([[], 0]);
  });

  it.each([
    ["not a candidate", "hello"],
    ["a second line", `${hostCandidate(1)}\r\na=ice-lite`],
    ["too long", `${hostCandidate(1)} ${"x".repeat(2000)}`],
    ["refused by the agent", `${hostCandidate(1)} refuse-me 1`],
  ])("count as a fault when they are %s", async (_, candidate) => {
    const { net, b } = await connected();
    b.transport.remoteCandidates.length = 0;
    b.link.addCandidate({ candidate });
    expect(b.faults).toBe(1);
    expect(b.transport.remoteCandidates).toEqual([]);
    expect(net.misuse).toEqual([]);
  });

  it("of any number before the description take bounded memory", async () => {
    const { a, b } = pair();
    for (let i = 0; i < 300; i++) b.link.addCandidate({ candidate: hostCandidate(i % 200) });
    expect(b.faults).toBe(300 - 256);
    await b.link.accept(await a.link.offer(publisher), recorder);
    expect(b.transport.remoteCandidates).toHaveLength(256);
  });

  it("that are empty mean the end, and nothing else", async () => {
    const { b } = await connected();
    const before = b.transport.remoteCandidates.length;
    b.link.addCandidate({ candidate: "" });
    expect([b.faults, b.transport.remoteCandidates.length]).toEqual([0, before]);
  });

  it("of ours reach listeners that come later, with the bundle's first m-line", async () => {
    const { a } = await connected();
    const late: IceCandidate[] = [];
    a.link.onCandidate((c) => late.push(c));
    expect(late).toEqual([{ candidate: hostCandidate(1), mid: "0", index: 0 }]);
    a.transport.discover(hostCandidate(7));
    expect(late[1]).toEqual({ candidate: hostCandidate(7), mid: "0", index: 0 });
  });
});

describe("our candidates", () => {
  it("stay here until the answer to a first offer is taken, for whoever knows them may connect too early", async () => {
    const { a, b } = pair({ candidates: [hostCandidate(1), hostCandidate(2)] });
    const offer = await a.link.offer(publisher);
    await until("candidates", () => a.transport.found === 2);
    expect(parseSdp(offer.sdp)?.transport.candidates).toEqual([]);
    expect(a.candidates).toEqual([]);
    const { answer } = await b.link.accept(offer, recorder);
    await a.link.answer(answer);
    expect(a.candidates.map((c) => c.candidate)).toEqual([hostCandidate(1), hostCandidate(2)]);
    a.transport.discover(hostCandidate(3));
    expect(a.candidates.at(-1)?.candidate).toBe(hostCandidate(3));
  });

  it("go out at once when an offer of the other side takes the place of ours", async () => {
    const { a, b } = pair({ candidates: [hostCandidate(1)] });
    await a.link.offer(publisher);
    await until("candidates", () => a.transport.found === 1);
    await a.link.accept(await b.link.offer(publisher), recorder);
    expect(a.candidates.map((c) => c.candidate)).toEqual([hostCandidate(1)]);
  });
});

describe("the complete local description", () => {
  it("comes when gathering ends, with every candidate and their end", async () => {
    const { a } = pair({ holdGathering: true, candidates: [hostCandidate(1), hostCandidate(2)] });
    const offer = await a.link.offer(publisher);
    const ready = a.link.localReady(60_000);
    await until("candidates", () => a.transport.found === 2);
    a.transport.gathered();
    const d = parseSdp((await ready).sdp);
    expect(d?.transport.candidates).toEqual([hostCandidate(1), hostCandidate(2)]);
    expect(d?.transport.endOfCandidates).toBe(true);
    expect(d?.media.map((m) => m.mid)).toEqual(parseSdp(offer.sdp)?.media.map((m) => m.mid));
  });

  it("comes at the cap with what was found, and does not claim to be complete", async () => {
    const { a } = pair({ holdGathering: true, candidates: [hostCandidate(1)] });
    await a.link.offer(publisher);
    const d = parseSdp((await a.link.localReady(20)).sdp);
    expect(d?.transport.candidates).toEqual([hostCandidate(1)]);
    expect(d?.transport.endOfCandidates).toBe(false);
  });

  it("is refused before there is one", async () => {
    const { a } = pair();
    await expect(a.link.localReady(1)).rejects.toMatchObject({ code: "negotiation" });
  });

  it("does not wait for a link that is closed", async () => {
    const { a } = pair({ holdGathering: true });
    await a.link.offer(publisher);
    const ready = a.link.localReady(60_000);
    a.link.close();
    await expect(ready).rejects.toMatchObject({ code: "negotiation" });
  });
});

describe("the end of a link", () => {
  it("comes once, however often it is asked for", async () => {
    const { net, a } = await connected();
    a.link.close();
    a.link.close();
    await Promise.all([a.link.closed(), a.link.closed()]);
    expect(a.log.filter((l) => l === "closing")).toHaveLength(1);
    expect(a.transport.calls.filter((c) => c === "close")).toHaveLength(1);
    expect(a.states.at(-1)).toBe("closed");
    expect(net.misuse).toEqual([]);
  });

  it("leaves time for last packets before the transport goes", async () => {
    const { a } = await connected();
    a.link.close();
    expect(a.log.at(-1)).toBe("closing");
    await a.link.closed();
    expect(a.log.slice(-2)).toEqual(["closing", "closed"]);
  });

  it("refuses negotiation from the first moment on", async () => {
    const { net, a, b } = pair();
    const offer = await a.link.offer(publisher);
    const waiting = b.link.accept(offer, recorder);
    b.link.close();
    await expect(waiting).rejects.toMatchObject({ code: "negotiation" });
    await expect(b.link.offer(recorder)).rejects.toMatchObject({ code: "negotiation" });
    b.link.addCandidate({ candidate: hostCandidate(1) });
    await b.link.closed();
    expect(net.misuse).toEqual([]);
    expect(b.media).toEqual([]);
  });

  it("is told to the other side, which has failed", async () => {
    const { a, b } = await connected();
    a.link.close();
    await until("failed", () => b.link.state === "failed");
    expect(b.states).toEqual(["connecting", "connected", "failed"]);
    b.link.close();
    await b.link.closed();
    expect(b.link.state).toBe("closed");
  });

  it("is a failure when the network never works", async () => {
    const { a, b } = pair({ connects: () => false });
    await a.link.answer((await b.link.accept(await a.link.offer(publisher), recorder)).answer);
    await until("failed", () => a.link.state === "failed" && b.link.state === "failed");
    expect(a.states).toEqual(["connecting", "failed"]);
  });
});
