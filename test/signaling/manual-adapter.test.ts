import { describe, expect } from "vitest";
import type { JoinWish } from "../../src/core/room.ts";
import { manualAdapter } from "../../src/signaling/manual/adapter.ts";
import { readBlob, writeBlob } from "../../src/signaling/manual/blob.ts";
import { FakeNetwork, type FakeNetworkOptions } from "../support/fake-transport.ts";
import { HandCourier } from "../support/hand-courier.ts";
import { until } from "../support/until.ts";
import { Bot, type Cleanups, it, publishing, recording } from "./room-bot.ts";

const quick = { setupMs: 200, carryMs: 200, quietMs: 0, holdMs: 50 };
const adapter = manualAdapter(quick);

class Side {
  readonly courier = new HandCourier();
  readonly bot: Bot;
  readonly #wish: Partial<JoinWish>;

  constructor(net: FakeNetwork, name: string, cleanups: Cleanups, wish: Partial<JoinWish>, timing = quick) {
    this.bot = new Bot(net, name, cleanups, manualAdapter(timing));
    this.#wish = { ...wish, courier: this.courier };
  }

  join(address = "manual:", signal?: AbortSignal): Promise<Bot> {
    const joined = this.bot.join(address, this.#wish, signal);
    // A test that looks at what happens meanwhile is not yet waiting for this.
    joined.catch(() => undefined);
    return joined;
  }
}

function sides(cleanups: Cleanups, o: FakeNetworkOptions = {}) {
  const net = new FakeNetwork(o);
  return {
    net,
    recorder: new Side(net, "Rec", cleanups, recording),
    publisher: new Side(net, "Pub", cleanups, publishing),
  };
}

describe.concurrent("two sides without a server", () => {
  it("connect when the offer is given to one and its answer to the other", async ({ cleanups }) => {
    const { net, recorder, publisher } = sides(cleanups);
    const recorded = recorder.join();
    const published = publisher.join(`manual:${await recorder.courier.text()}`);
    recorder.courier.bring(await publisher.courier.text());
    await Promise.all([recorded, published]);
    await until("media", () => recorder.bot.frames > 10);
    expect(recorder.bot.events).toMatchObject([
      { t: "peer", op: "join", peer: { name: "Pub" } },
      { t: "link", op: "up" },
      { t: "track", op: "add", track: { source: "microphone" } },
      { t: "track", op: "add", track: { source: "camera" } },
    ]);
    expect(publisher.bot.events).toMatchObject([{ peer: { name: "Rec" } }, { t: "link", op: "up" }]);
    expect(net.misuse).toEqual([]);
    await recorder.bot.session?.leave();
    expect(recorder.bot.ended?.reason ?? (await ending(recorder.bot))).toBe("left");
  });

  it("connect when the one that publishes is asked for the offer, with SDP or JSON as pages have it", async ({
    cleanups,
  }) => {
    for (const form of ["sdp", "json"] as const) {
      const { recorder, publisher } = sides(cleanups);
      const published = publisher.join();
      await publisher.courier.asked(/paste the other side's offer/);
      void recorder.join(`manual:?as=${form}`);
      publisher.courier.bring(`${await recorder.courier.text()}\n`);
      const answer = await publisher.courier.text();
      expect(readBlob(answer)).toMatchObject({ form });
      recorder.courier.bring(`${answer}\n`);
      await published;
      await until("media", () => recorder.bot.frames > 3);
    }
  });

  it("connect when the publisher makes the offer, and the recorder answers that instead of waiting", async ({
    cleanups,
  }) => {
    const { net, recorder, publisher } = sides(cleanups);
    void publisher.join();
    publisher.courier.bring("");
    void recorder.join();
    await recorder.courier.text();
    recorder.courier.bring(await publisher.courier.text());
    publisher.courier.bring(await recorder.courier.text(1));
    await until("media", () => recorder.bot.frames > 3);
    expect(recorder.bot.ended).toBeUndefined();
    expect(net.misuse).toEqual([]);
  });

  it("say what is wrong with what is pasted, and ask again", async ({ cleanups }) => {
    const { recorder, publisher } = sides(cleanups);
    const joined = recorder.join();
    const { courier } = recorder;
    const offer = await courier.text();
    const tries: [text: string, complaint: RegExp][] = [
      ["nonsense", /neither a blob nor SDP; paste the other side's answer/],
      [offer, /our own offer; paste/],
      [`${offer.slice(0, 500)}\n`, /not all of it; paste/],
      [`${offer.slice(0, 400)}x${offer.slice(401)}`, /damaged/],
      ['{"type":"answer","sdp":"v=0"}', /without ICE and DTLS/],
    ];
    for (const [text, complaint] of tries) {
      courier.bring(text);
      await courier.asked(complaint);
    }
    void publisher.join(`manual:${offer}`);
    const answer = await publisher.courier.text();
    const reading = readBlob(answer);
    if (reading.t !== "whole") throw new Error("our answer cannot be read");
    courier.bring(writeBlob({ type: "answer", sdp: reading.sdp, to: "other" }, "blob"));
    await courier.asked(/the answer to another offer/);
    courier.bring(answer.replace(/.{60}/g, "$&\n"));
    await joined;
    await until("media", () => recorder.bot.frames > 3);
  });

  it("complain once of a page that was pasted whole", async ({ cleanups }) => {
    const timing = { ...quick, quietMs: 5000 };
    const recorder = new Side(new FakeNetwork(), "Rec", cleanups, recording, timing);
    void recorder.join();
    await recorder.courier.text();
    recorder.courier.bring(Array(200).fill("<p>nothing</p>").join("\n"));
    await until("all lines to be read", () => recorder.courier.prompts.length > 200);
    expect(recorder.courier.prompts.filter((p) => /neither/.test(p))).toHaveLength(1);
  });

  it("say so when the input ends, and when nobody is there to carry anything", async ({ cleanups }) => {
    const { recorder } = sides(cleanups);
    const joined = recorder.join();
    recorder.courier.bring(undefined);
    await expect(joined).rejects.toMatchObject({ code: "signal-closed", message: /no answer came/ });
    const net = new FakeNetwork();
    await expect(new Bot(net, "b", cleanups, adapter).join("manual:", recording)).rejects.toMatchObject({
      code: "usage",
    });
  });

  it.each([
    ["manual:nonsense", /neither a blob nor SDP/],
    ["manual:@/nowhere/offer.txt", /cannot read/],
    [`manual:${writeBlob({ type: "answer", sdp: "v=0\r\n" }, "blob")}`, /is an answer/],
  ])("refuse %.30s", async (address, message) => {
    const net = new FakeNetwork();
    const courier = new HandCourier();
    const host = new Bot(net, "b", { add: () => undefined } as unknown as Cleanups, adapter);
    await expect(host.join(address, { ...publishing, courier })).rejects.toMatchObject({
      code: "usage",
      message,
    });
    expect(net.open).toEqual([]);
  });

  it("end with ice-failed where no path comes up, on both sides", async ({ cleanups }) => {
    const { net, recorder, publisher } = sides(cleanups, { connects: () => false });
    const joined = recorder.join();
    const published = publisher.join(`manual:${await recorder.courier.text()}`);
    recorder.courier.bring(await publisher.courier.text());
    await joined;
    await expect(published).rejects.toMatchObject({ code: "ice-failed" });
    await until("the end", () => recorder.bot.ended);
    expect(recorder.bot.ended).toMatchObject({ reason: "error", error: { code: "ice-failed" } });
    await until("the end of all connections", () => net.open.length === 0);
  });

  it("end when the other side does, and when joining is cancelled", async ({ cleanups }) => {
    const { net, recorder, publisher } = sides(cleanups);
    void recorder.join();
    void publisher.join(`manual:${await recorder.courier.text()}`);
    recorder.courier.bring(await publisher.courier.text());
    await until("media", () => recorder.bot.frames > 3);
    await publisher.bot.session?.leave();
    await until("the end", () => recorder.bot.ended);
    expect(recorder.bot.events.slice(-4)).toMatchObject([
      { t: "track", op: "remove" },
      { t: "track", op: "remove" },
      { t: "peer", op: "leave" },
      { t: "ended", reason: "room-closed" },
    ]);
    const stop = new AbortController();
    const late = new Side(net, "Late", cleanups, recording);
    const joined = late.join("manual:", stop.signal);
    await late.courier.text();
    stop.abort();
    await expect(joined).rejects.toMatchObject({ code: "signal-closed" });
    await until("the end of all connections", () => net.open.length === 0);
  });
});

async function ending(bot: Bot): Promise<string | undefined> {
  await until("the end", () => bot.ended);
  return bot.ended?.reason;
}
