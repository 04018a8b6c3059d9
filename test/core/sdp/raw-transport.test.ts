import { expect, test } from "vitest";
import { RAW_DATA_MID, RAW_MID, rawDescription, withTransport } from "../../../src/core/sdp/raw-transport.ts";
import { inventedTransport, negotiator, talker } from "../../support/sdp-shapes.ts";
import { read } from "./corpus.ts";

test("the transport below sees one m-line with the real ICE and DTLS parameters", () => {
  const d = read(rawDescription({ ...inventedTransport, iceLite: true }, { setup: "active", data: false }));
  expect(d.transport).toEqual({ ...inventedTransport, setup: "active", iceLite: true });
  expect(d.media.map((m) => [m.mid, m.kind, m.direction])).toEqual([[RAW_MID, "audio", "sendrecv"]]);
  expect(d.bundle).toEqual([RAW_MID]);
});

test("a data section goes with it only where data was agreed", () => {
  const data = { setup: "passive", data: true, sctpPort: 5001, maxMessageSize: 262_144 } as const;
  const d = read(rawDescription(inventedTransport, data));
  expect(d.bundle).toEqual([RAW_MID, RAW_DATA_MID]);
  expect(d.media[1]).toMatchObject({ kind: "application", sctpPort: 5001, maxMessageSize: 262_144 });
});

test("a description body gets our agent's parameters and the role of the moment", () => {
  const body = negotiator().createOffer(talker);
  const o = { sessionId: "5", version: 2, setup: "actpass" } as const;
  const d = withTransport(body, { ...inventedTransport, setup: "active" }, o);
  expect(d).toMatchObject({ sessionId: "5", version: 2, bundle: ["0", "1"] });
  expect(d.transport).toEqual(inventedTransport);
});
