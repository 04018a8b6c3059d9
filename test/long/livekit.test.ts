import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RecordControl as Control, record as Record } from "../../src/bot/record.ts";
import { decodeCheck } from "../../src/ffmpeg/decode-check.ts";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { keyframeHeights } from "../support/keyframe-heights.ts";
import { LiveKitOracle } from "../support/livekit-oracle.ts";
import { Recording } from "../support/recording.ts";
import { describeWith } from "../support/requires.ts";
import { type LiveKitServer, liveKitProgram, startLiveKit } from "../support/servers/livekit.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { until } from "../support/until.ts";

/** The public API, as it is built. */
const { record, RecordControl }: { record: typeof Record; RecordControl: typeof Control } = await import(
  new URL("../../dist/index.js", import.meta.url).href
);

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describeWith("a LiveKit server, for minutes", [liveKitProgram], () => {
  let server: LiveKitServer;
  let proxy: TcpProxy;
  let directory: string;
  let ffmpeg: string;

  beforeAll(async () => {
    server = await startLiveKit();
    proxy = await TcpProxy.start(Number(server.host.split(":")[1]));
    directory = await mkdtemp(join(tmpdir(), "roomtap-livekit-"));
    ffmpeg = await locateFfmpeg();
  });

  afterAll(async () => {
    await proxy?.close();
    await server?.close();
    await rm(directory, { recursive: true, force: true });
  });

  test.each([
    ["two connections", ""],
    ["one connection", "?connections=1"],
  ])(
    "other layers every two seconds for a minute over %s, and signalling that breaks, tear no frame",
    async (name, query) => {
      const oracle = new LiveKitOracle("publish", server, name.replace(" ", "-"));
      const control = new RecordControl();
      const stop = new AbortController();
      try {
        await until("the client's video", () => oracle.published, 60_000);
        let started = false;
        const recording = record({
          room: `livekit+ws://127.0.0.1:${proxy.port}/${name.replace(" ", "-")}${query}`,
          apiKey: server.apiKey,
          apiSecret: server.apiSecret,
          out: join(directory, name),
          format: "mkv",
          pictures: false,
          control,
          stop: stop.signal,
          onStatus: (s) => {
            started ||= s.phase === "recording";
          },
        });
        await until("media", () => started, 60_000);
        const wishes = ["low", "high", "medium"] as const;
        for (let i = 0; i < 30; i++) {
          const wish = wishes[(i * 2) % 3];
          if (wish) control.prefer(wish);
          await pause(2000);
          if (i % 10 === 5) proxy.cut();
        }
        stop.abort();
        const { files } = await recording;
        expect(files).toHaveLength(1);
        const check = await decodeCheck(files[0]?.path ?? "", { ffmpeg });
        const heights = await keyframeHeights(files[0]?.path ?? "");
        console.log(
          "livekit minute",
          JSON.stringify({ name, frames: check.tracks, changes: heights.length }),
        );
        expect([check.errors, check.messages]).toEqual([0, []]);
        expect(check.tracks[0]?.frames).toBeGreaterThan(15 * 60 * 0.9);
        expect(heights.length).toBeGreaterThanOrEqual(25);
      } finally {
        stop.abort();
        await oracle.close();
      }
    },
  );

  test("a token that ends during the session is followed by the server's own", async () => {
    // The server forgives a minute: ten seconds are left.
    const token = server.token(
      "old",
      { roomJoin: true, room: "token", canSubscribe: true, hidden: true },
      -50,
    );
    const recording = new Recording(
      `livekit+ws://127.0.0.1:${proxy.port}/token`,
      join(directory, "token"),
      [],
      {
        env: { ROOMTAP_TOKEN: token },
      },
    );
    try {
      await recording.run.seen(/in the room/, 60_000);
      await pause(15_000);
      proxy.cut();
      await recording.run.seen(/signalling is back/, 60_000);
      recording.run.kill("SIGINT");
      const { stderr } = await recording.run.done;
      expect(stderr).not.toMatch(/does not let us in/);
    } finally {
      recording.run.kill("SIGKILL");
    }
  });
});
