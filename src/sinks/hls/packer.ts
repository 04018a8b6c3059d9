import { box } from "../../core/containers/mp4/boxes.ts";
import { cmafFragment, cmafHeader } from "../../core/containers/mp4/cmaf.ts";
import type { TsWriter } from "../../core/containers/mpegts/writer.ts";
import { transportStream } from "../../core/media/transport-stream.ts";
import { type ProgramFormat, VIDEO_CLOCK } from "../program/program.ts";
import type { Piece } from "./cutter.ts";
import type { HlsFile } from "./source.ts";

/** Packs pieces of one format into a container. */
export type Packer = {
  readonly format: ProgramFormat;
  readonly type: HlsFile["type"];
  readonly extension: "m4s" | "ts";
  /** The initialization section; undefined: the container needs none. */
  readonly header: Uint8Array | undefined;
  piece(p: Piece, segmentStart: boolean): Uint8Array[];
};

/** Sound that goes into one PES packet, ticks of 90 kHz: overhead against how evenly the stream flows. */
const PES_SOUND = VIDEO_CLOCK / 10;

/** undefined: the container cannot hold the format. */
export function packerFor(container: "fmp4" | "ts", format: ProgramFormat): Packer | undefined {
  if (container === "fmp4") return fragments(format);
  const writer = transportStream({ video: format.video, audio: format.audio });
  return writer && transport(format, writer);
}

function fragments(format: ProgramFormat): Packer {
  let sequence = 0;
  return {
    ...{ format, type: "video/iso.segment", extension: "m4s" },
    header: cmafHeader(format.video, format.audio),
    piece: (p, segmentStart) => {
      const chunks = cmafFragment(++sequence, p.video, p.audio, { segmentStart });
      // While a picture is shown and no sound comes: something to fetch.
      return chunks.length > 0 ? chunks : [box("free")];
    },
  };
}

function transport(format: ProgramFormat, writer: TsWriter): Packer {
  const ticks = (time: number) => (time * VIDEO_CLOCK) / format.audio.sampleRate;
  return {
    ...{ format, type: "video/mp2t", extension: "ts", header: undefined },
    piece: ({ video, audio }, segmentStart) => {
      const out = segmentStart ? [writer.tables()] : [];
      let at = 0;
      for (const picture of video) {
        out.push(writer.video(picture));
        const heard = picture.time + picture.duration;
        const from = at;
        while (at < audio.length && ticks(audio[at]?.time ?? 0) < heard) at++;
        const waiting = audio[from];
        // Little by little, but not for every picture.
        if (waiting && picture !== video.at(-1) && heard - ticks(waiting.time) < PES_SOUND) at = from;
        else if (at > from) out.push(writer.audio(audio.slice(from, at)));
      }
      if (at < audio.length) out.push(writer.audio(audio.slice(at)));
      return out;
    },
  };
}
