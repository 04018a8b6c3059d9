import type { RoomtapError } from "../../../src/core/fault.ts";
import type { Decoder, StartDecoder } from "../../../src/sinks/stage/decoder-slot.ts";

/** What a decoder was asked for, and what it got. */
export type FakeDecoder = {
  readonly asked: Parameters<StartDecoder>[0];
  readonly pushed: { readonly timeMs: number; readonly keyframe: boolean }[];
  finished: boolean;
  closed: boolean;
  /** It takes nothing more. */
  full: boolean;
  /** Gives a picture or a piece of sound out. */
  give(timeMs: number, data?: Uint8Array): void;
  die(failure: RoomtapError): void;
};

/** Decoders that do what a test says. */
export function fakeDecoders(): { readonly all: FakeDecoder[]; readonly start: StartDecoder } {
  const all: FakeDecoder[] = [];
  const start: StartDecoder = (asked) => {
    const { picture } = asked;
    const octets = picture ? (picture.width * picture.height * 3) / 2 : 3840;
    const fake: FakeDecoder = {
      asked,
      pushed: [],
      finished: false,
      closed: false,
      full: false,
      give: (timeMs, data) => {
        const room = asked.room?.(octets) ?? new Uint8Array(octets);
        asked.onOutput(timeMs, data ?? room);
      },
      die: (failure) => asked.onEnd(failure),
    };
    all.push(fake);
    const decoder: Decoder = {
      push: (timeMs, keyframe) => {
        if (fake.full) return false;
        fake.pushed.push({ timeMs, keyframe });
        return true;
      },
      finish: () => {
        fake.finished = true;
      },
      close: async () => {
        fake.closed = true;
      },
    };
    return decoder;
  };
  return { all, start };
}
