import { afterEach, expect, test } from "vitest";
import { namespaces } from "../support/netns.ts";
import {
  CableCall,
  expectOneParticipant,
  expectSound,
  manifestGaps,
  type OutageReport,
  pause,
} from "../support/outage.ts";
import { describeWith } from "../support/requires.ts";

/** What may be missing more or less than the outage took, and after a connection had to be made anew. */
const SAME_MS = 200;
const RECONNECT_MS = 3000;
/** Two clients come back, and then nothing happens for longer than they would wait for each other. */
const AFTER_RESTART_MS = 25_000;

let call: CableCall | undefined;
afterEach(async () => {
  await call?.close();
  call = undefined;
});

describeWith("an outage", [namespaces], () => {
  test("of media for 0.3 s is repaired, or is a gap no longer than it was", async () => {
    const { r, outage } = await afterCut("media", 300);
    expectOneParticipant(r);
    for (const hole of r.holes) expect(hole.ms).toBeLessThanOrEqual(outage + SAME_MS);
    expect(r.holes.length).toBeLessThanOrEqual(1);
  });

  test("of media for 5 s is a gap of 5 s", async () => {
    const { r, outage } = await afterCut("media", 5000);
    expectOneParticipant(r);
    expectGap(r, outage - SAME_MS, outage + SAME_MS);
    expect(r.manifest.events.filter((e) => e.type === "reconnect")).toEqual([]);
  });

  test("of media for 40 s ends the connection, and the next one goes on in the same file", async () => {
    const { r, outage } = await afterCut("media", 40_000);
    expectOneParticipant(r);
    expectGap(r, outage - SAME_MS, outage + RECONNECT_MS);
    expect(manifestGaps(r.manifest, "video")).toMatchObject([{ cause: "outage" }]);
    expect(r.manifest.events.filter((e) => e.type === "reconnect")).toMatchObject([{ what: "media" }]);
  });

  test("of everything for 40 s is survived by the session and by who was in it", async () => {
    const { r, outage } = await afterCut("all", 40_000);
    const ids = new Set(r.manifest.files.map((f) => f.participantId));
    expect(ids.size).toBe(1);
    expect(new Set(r.manifest.participants.map((p) => p.id))).toEqual(ids);
    expectSound(r);
    // The room gave the participant up in the meantime: the file ended, and another one goes on.
    expectHole(r, outage - SAME_MS, outage + RECONNECT_MS);
  });

  test("of the room server is no gap at all", async () => {
    call = await CableCall.start();
    await call.at(4);
    await call.restartServer();
    await pause(AFTER_RESTART_MS);
    const r = await told("server", call);
    expectOneParticipant(r);
    expect(r.holes).toEqual([]);
    expect(r.manifest.gaps).toEqual([]);
    expect(r.manifest.events.filter((e) => e.type === "reconnect")).toMatchObject([{ what: "signalling" }]);
  });

  test("of the publisher's process is a second file of the same name", async () => {
    call = await CableCall.start();
    await call.at(4);
    await call.restartPublisher();
    await pause(8000);
    const r = await told("publisher", call);
    expectSound(r);
    expect(r.manifest.files.map((f) => f.participant)).toEqual(["Ann", "Ann"]);
    expect(r.manifest.participants.map((p) => p.name)).toEqual(["Ann", "Ann"]);
    expect(r.holes).toHaveLength(1);
  });

  test("in which the recorder's process dies as well is one gap in one session", async () => {
    call = await CableCall.start();
    await call.at(4);
    await call.cable.cut("media");
    process.kill(await call.recording.mediaProcess(), "SIGKILL");
    await pause(5000);
    await call.cable.mend();
    await pause(9000);
    const r = await told("recorder", call);
    expectSound(r);
    expect(new Set(r.manifest.files.map((f) => f.participantId)).size).toBe(1);
    expect(r.holes).toHaveLength(1);
    expect(r.holes[0]?.ms).toBeLessThanOrEqual(5000 + 2 * RECONNECT_MS);
  });
});

async function afterCut(what: "media" | "all", ms: number): Promise<{ r: OutageReport; outage: number }> {
  call = await CableCall.start();
  await call.at(4);
  const outage = await call.cut(what, ms);
  await pause(9000);
  return { r: await told(`${what} ${Math.round(outage)}`, call), outage };
}

async function told(what: string, of: CableCall): Promise<OutageReport> {
  const r = await of.report();
  const { holes, strangers, files, manifest: m } = r;
  const reconnects = m.events.filter((e) => e.type === "reconnect");
  console.log("outage", JSON.stringify({ what, holes, strangers, files, gaps: m.gaps, reconnects }));
  return r;
}

/** Pictures are missing for so long, once. */
function expectHole(r: OutageReport, min: number, max: number): number {
  const [hole, ...more] = r.holes;
  expect(more).toEqual([]);
  expect(hole?.ms).toBeGreaterThanOrEqual(min);
  expect(hole?.ms).toBeLessThanOrEqual(max);
  return hole?.ms ?? 0;
}

/** And the manifest says the same. */
function expectGap(r: OutageReport, min: number, max: number): void {
  const ms = expectHole(r, min, max);
  const gaps = manifestGaps(r.manifest, "video");
  expect(gaps).toHaveLength(1);
  for (const g of gaps) expect(Math.abs(g.toMs - g.fromMs - ms)).toBeLessThanOrEqual(SAME_MS);
}
