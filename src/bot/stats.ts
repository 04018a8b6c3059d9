import { type ErrorCode, ExitCode, type ExitCodeValue, errorExit, RoomtapError } from "../core/fault.ts";
import type { NoticeMessage, StatusMessage } from "./job.ts";
import { checkRoom, type RoomOptions, roomCall } from "./join.ts";
import { supervise } from "./supervisor.ts";

/** What to watch, and who is told. */
export type StatsOptions = RoomOptions & {
  /** Milliseconds; absent: until `stop` is aborted. */
  readonly durationMs?: number;
  /** Ceiling for each incoming video, bit/s; default 4 Mbit/s. */
  readonly maxBitrate?: number;
  readonly stop?: AbortSignal;
  /** About once a second. */
  readonly onStatus: (status: StatusMessage) => void;
  readonly onNotice?: (notice: Pick<NoticeMessage, "level" | "text">) => void;
};

const MAX_BITRATE = 4_000_000;

/**
 * Joins a room and measures what comes, without keeping any of it. Resolves with the exit code: `noMedia` when nothing
 * came at all. Rejects with a RoomtapError.
 */
export async function watchStats(o: StatsOptions): Promise<ExitCodeValue> {
  await checkRoom(o);
  let came = false;
  const child = supervise({
    job: () => ({
      job: "relay",
      ...roomCall(o, "Roomtap statistics"),
      maxBitrate: o.maxBitrate ?? MAX_BITRATE,
      measureOnly: true,
    }),
    onStatus: (s) => {
      came ||= s.participants.some((p) => p.tracks.some((t) => t.frames > 0));
      o.onStatus(s);
    },
    onNotice: o.onNotice ?? (() => undefined),
    courier: o.courier,
  });
  const stop = () => child.stop();
  if (o.stop?.aborted) stop();
  o.stop?.addEventListener("abort", stop, { once: true });
  const timer = o.durationMs === undefined ? undefined : setTimeout(stop, o.durationMs);
  const { error, exit } = await child.done;
  clearTimeout(timer);
  if (error) {
    const code: ErrorCode = error.code in errorExit ? (error.code as ErrorCode) : "internal";
    throw new RoomtapError(code, error.message, error.hint === undefined ? {} : { hint: error.hint });
  }
  return exit === ExitCode.ok && !came ? ExitCode.noMedia : exit;
}
