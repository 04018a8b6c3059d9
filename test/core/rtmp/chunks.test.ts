import { expect, test } from "vitest";
import { concat } from "../../../src/core/bytes.ts";
import { randomInt, seededRandom } from "../../../src/core/random.ts";
import { ChunkReader, chunksOf, MessageType, type OutgoingMessage } from "../../../src/core/rtmp/chunks.ts";

const message = (o: Partial<OutgoingMessage> = {}): OutgoingMessage => ({
  type: MessageType.video,
  stream: 1,
  chunkStream: 6,
  time: 40,
  payload: Uint8Array.from({ length: 300 }, (_, i) => i & 0xff),
  ...o,
});
const plain = ({ type, stream, payload }: OutgoingMessage) => ({ type, stream, payload });

test("a message is cut into chunks, and put together again however they arrive", () => {
  const octets = chunksOf(message(), 128);
  expect(octets.length).toBe(12 + 300 + 2);
  expect([...octets.slice(0, 12)]).toEqual([6, 0, 0, 40, 0, 1, 44, 9, 1, 0, 0, 0]);
  expect(octets[12 + 128]).toBe(0xc6);
  for (const step of [1, 7, 128, 314]) {
    const reader = new ChunkReader();
    const out = Array.from({ length: Math.ceil(octets.length / step) }, (_, i) =>
      reader.push(octets.slice(i * step, (i + 1) * step)),
    ).flat();
    expect(out).toEqual([plain(message())]);
  }
});

test("messages of several chunk streams may be mixed", () => {
  const video = message();
  const audio = message({ type: MessageType.audio, chunkStream: 4, payload: new Uint8Array(10).fill(9) });
  const cut = chunksOf(video, 128);
  const mixed = concat([cut.slice(0, 140), chunksOf(audio, 128), cut.slice(140)]);
  expect(new ChunkReader().push(mixed)).toEqual([plain(audio), plain(video)]);
});

test("a time of more than 24 bits stands in every chunk, and counts on from 0 after 49 days", () => {
  const late = message({ time: 2 ** 32 + 0x1000000 });
  const octets = chunksOf(late, 128);
  expect(octets.length).toBe(12 + 4 + 300 + 2 * 5);
  expect([...octets.slice(1, 4), ...octets.slice(12, 16)]).toEqual([255, 255, 255, 1, 0, 0, 0]);
  expect(new ChunkReader().push(octets)).toEqual([plain(late)]);
});

test("the size of chunks follows the sender", () => {
  const size = Uint8Array.of(0, 0, 16, 0);
  const octets = concat([
    chunksOf(message({ type: MessageType.setChunkSize, stream: 0, payload: size }), 128),
    chunksOf(message(), 4096),
  ]);
  expect(new ChunkReader().push(octets)).toEqual([plain(message())]);
});

test("headers that leave out what did not change are understood, and numbers of two and three octets", () => {
  const first = chunksOf(message({ payload: Uint8Array.of(1, 2) }), 128);
  const sameLength = Uint8Array.of(0x86, 0, 0, 20, 3, 4);
  const same = Uint8Array.of(0xc6, 5, 6);
  const wide = Uint8Array.of(0x00, 10, 0, 0, 0, 0, 0, 1, 9, 1, 0, 0, 0, 7);
  const wider = Uint8Array.of(0x01, 10, 1, 0, 0, 0, 0, 0, 1, 9, 1, 0, 0, 0, 8);
  const read = new ChunkReader().push(concat([first, sameLength, same, wide, wider]));
  expect(read.map((m) => [...m.payload])).toEqual([[1, 2], [3, 4], [5, 6], [7], [8]]);
});

test("an aborted message is forgotten", () => {
  const torn = chunksOf(message(), 128).slice(0, 140);
  const abort = message({
    type: MessageType.abort,
    stream: 0,
    chunkStream: 2,
    payload: Uint8Array.of(0, 0, 0, 6),
  });
  const read = new ChunkReader().push(concat([torn, chunksOf(abort, 128), chunksOf(message(), 128)]));
  expect(read).toEqual([plain(message())]);
});

test.each([
  ["a chunk that continues nothing", Uint8Array.of(0xc6, 1, 2, 3)],
  ["a message of 16 MiB", Uint8Array.of(6, 0, 0, 0, 255, 255, 255, 9, 1, 0, 0, 0)],
  [
    "chunks of no octets",
    chunksOf(message({ type: MessageType.setChunkSize, payload: new Uint8Array(4) }), 128),
  ],
])("%s ends the reading", (_, octets) => {
  const reader = new ChunkReader();
  expect(reader.push(octets)).toEqual([]);
  expect(reader.failed).toBe(true);
  expect(reader.push(chunksOf(message(), 128))).toEqual([]);
});

test("random octets never throw, and never hold much", () => {
  const random = seededRandom(11);
  for (let i = 0; i < 500; i++) {
    const reader = new ChunkReader();
    for (let n = 0; n < 20 && !reader.failed; n++)
      reader.push(Uint8Array.from({ length: 50 }, () => (random() < 0.5 ? 0 : randomInt(random, 256))));
    expect(typeof reader.failed).toBe("boolean");
  }
});
