/** A box of ISO/IEC 14496-12: its type, and where its content is. */
type Box = { readonly type: string; readonly from: number; readonly to: number };

const CONTAINERS = new Set(["moov", "trak", "mdia", "moof", "traf"]);

/** Boxes in their order, those of containers after their container. Throws where one is not whole. */
function* boxes(b: Buffer, from = 0, to = b.length): Generator<Box> {
  for (let at = from; at < to; ) {
    const size = b.readUInt32BE(at);
    const type = b.toString("latin1", at + 4, at + 8);
    if (size < 8 || at + size > to) throw new Error(`${type} of ${size} octets does not fit at ${at}`);
    yield { type, from: at + 8, to: at + size };
    if (CONTAINERS.has(type)) yield* boxes(b, at + 8, at + size);
    at += size;
  }
}

/** Id of the track of pictures that an initialization section names. Throws where there is none. */
export function videoTrackId(init: Buffer): number {
  let id = 0;
  for (const { type, from } of boxes(init)) {
    // Version 1 has 64-bit times.
    if (type === "tkhd") id = init.readUInt32BE(from + (init[from] === 1 ? 20 : 12));
    else if (type === "hdlr" && init.toString("latin1", from + 8, from + 12) === "vide") return id;
  }
  throw new Error("no pictures in this stream");
}

/** Pictures in a part: samples of the track. */
export function pictureCount(part: Buffer, track: number): number {
  let id = 0;
  let count = 0;
  for (const { type, from } of boxes(part)) {
    if (type === "tfhd") id = part.readUInt32BE(from + 4);
    else if (type === "trun" && id === track) count += part.readUInt32BE(from + 4);
  }
  return count;
}
