import { expect, test } from "vitest";
import { multiopus } from "../../../src/core/codecs/multiopus.ts";
import { multiopusFmtp } from "./multiopus.cases.ts";

const packet = Uint8Array.of(0xfc, 1, 2, 3);

test("how streams become channels comes from the signalling, as the header of Ogg and Matroska has it", () => {
  const frame = multiopus.depacketizer(multiopusFmtp).join([packet]);
  expect(frame).toMatchObject({ keyframe: true, duration: 20_000 });
  const config = frame?.config ?? new Uint8Array(0);
  expect(String.fromCharCode(...config.subarray(0, 8))).toBe("OpusHead");
  // Channels; family 1, four streams, two of them coupled, and the mapping.
  expect(config[9]).toBe(6);
  expect([...config.subarray(18)]).toEqual([1, 4, 2, 0, 4, 1, 2, 3, 5]);
});

test.each([
  "",
  "num_streams=4;coupled_streams=2",
  "channel_mapping=0,1;num_streams=0;coupled_streams=0",
  "channel_mapping=0,9;num_streams=2;coupled_streams=0",
  "channel_mapping=0,1;num_streams=1;coupled_streams=2",
  "channel_mapping=0,x;num_streams=2;coupled_streams=0",
  "channel_mapping=0,1,2,3,4,5,6,7,8;num_streams=9;coupled_streams=0",
])("a description that makes no sense is not decoded: %j", (fmtp) => {
  const depacketizer = multiopus.depacketizer(fmtp);
  expect(depacketizer.inspect(packet)).toBeUndefined();
  expect(depacketizer.join([packet])).toBeUndefined();
});
