import { afterEach, expect, test } from "vitest";
import { namespaces } from "../support/netns.ts";
import { CableCall, expectOneParticipant, manifestGaps, pause } from "../support/outage.ts";
import { describeWith } from "../support/requires.ts";
import { until } from "../support/until.ts";

/*
 * The short form of test/long/outage.test.ts.
 */

let call: CableCall | undefined;
afterEach(async () => {
  await call?.close();
  call = undefined;
});

describeWith("outages", [namespaces], () => {
  test("a cut of 5 s is a gap of 5 s, and a server that is killed and started again is none", async () => {
    call = await CableCall.start();
    const { recording } = call;
    await call.at(2);
    const outage = await call.cut("media", 5000);
    await pause(1500);
    await call.restartServer();
    await until("the signalling", () => recording.journal.some((e) => e.t === "outage"), 10_000);
    await pause(2000);
    const r = await call.report();
    const { holes, files } = r;
    console.log("outage", JSON.stringify({ outage, holes, files, gaps: r.manifest.gaps }));
    expectOneParticipant(r);
    expect(holes).toHaveLength(1);
    expect(Math.abs((holes[0]?.ms ?? 0) - outage)).toBeLessThanOrEqual(200);
    const gaps = manifestGaps(r.manifest, "video");
    expect(gaps).toHaveLength(1);
    expect(Math.abs((gaps[0]?.toMs ?? 0) - (gaps[0]?.fromMs ?? 0) - (holes[0]?.ms ?? 0))).toBeLessThan(200);
    expect(r.manifest.events.filter((e) => e.type === "reconnect")).toMatchObject([{ what: "signalling" }]);
  });
});
