import { type ExitCodeValue, errorExit, RoomtapError } from "../core/fault.ts";
import { locateFfmpeg } from "../ffmpeg/locate.ts";
import { prepareLayers, prepareMedia } from "../sources/prepare.ts";
import type { NoticeMessage, StatusMessage } from "./job.ts";
import { checkRoom, type RoomOptions, roomCall } from "./join.ts";
import { supervise } from "./supervisor.ts";

/** What to publish, and where. */
export type PublishOptions = RoomOptions & {
  /** `test` for the ground-truth clip, or the path of anything ffmpeg reads; default `test`. */
  readonly media?: string;
  readonly video?: "vp8" | "h264" | "none";
  readonly audio?: "opus" | "none";
  /** Send the video in three sizes, where the other side takes them: 1/4, 1/2 and all of width and height. */
  readonly simulcast?: boolean;
  readonly durationMs?: number;
  /** File that gets one line per video frame really sent. */
  readonly sentLog?: string;
  readonly ffmpeg?: string;
  /** Aborting leaves the room. */
  readonly stop?: AbortSignal;
  /** Share of the encoding done, 0..1, while media is prepared. */
  readonly onPrepare?: (share: number) => void;
  readonly onStatus?: (status: StatusMessage) => void;
  readonly onNotice?: (notice: Pick<NoticeMessage, "level" | "text">) => void;
};

/**
 * Sends a clip into a room, in a loop, until `durationMs`, `stop` or the room's end. Rejects with a RoomtapError
 * when the media cannot be prepared or the room cannot be joined. Resolves with the exit code.
 */
export async function publish(o: PublishOptions): Promise<ExitCodeValue> {
  await checkRoom(o);
  const video = o.video ?? "vp8";
  const audio = o.audio ?? "opus";
  if (video === "none" && audio === "none") {
    throw new RoomtapError("usage", "there is nothing to publish without audio and video", {
      hint: "leave out --video none or --audio none",
    });
  }
  if (o.simulcast && video === "none") {
    throw new RoomtapError("usage", "there is no video to be sent in several sizes", {
      hint: "leave out --simulcast, or --video none",
    });
  }
  const preparation = {
    media: o.media ?? "test",
    video,
    audio,
    ffmpeg: await locateFfmpeg(o.ffmpeg),
    onProgress: o.onPrepare ?? (() => undefined),
    ...(o.durationMs === undefined ? {} : { durationMs: o.durationMs }),
    ...(o.stop ? { signal: o.stop } : {}),
  };
  const layerFiles = o.simulcast ? await prepareLayers(preparation) : [];
  const mediaFile = layerFiles.pop() ?? (await prepareMedia(preparation));
  const startedAt = Date.now();
  const child = supervise({
    job: (attempt) => ({
      job: "publish",
      ...roomCall(o, "Roomtap publisher"),
      mediaFile,
      ...(layerFiles.length > 0 ? { layerFiles } : {}),
      video,
      audio,
      ...(o.durationMs === undefined
        ? {}
        : { durationMs: Math.max(1, o.durationMs - (attempt === 0 ? 0 : Date.now() - startedAt)) }),
      ...(o.sentLog === undefined ? {} : { sentLog: o.sentLog }),
    }),
    onStatus: o.onStatus ?? (() => undefined),
    onNotice: o.onNotice ?? (() => undefined),
    courier: o.courier,
  });
  if (o.stop?.aborted) child.stop();
  o.stop?.addEventListener("abort", () => child.stop(), { once: true });
  const done = await child.done;
  if (done.error) {
    const code = done.error.code in errorExit ? (done.error.code as keyof typeof errorExit) : "internal";
    throw new RoomtapError(
      code,
      done.error.message,
      done.error.hint === undefined ? {} : { hint: done.error.hint },
    );
  }
  return done.exit;
}
