import { connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { createOrigin, type Origin, type OriginOptions } from "../../../src/server/origin/origin.ts";
import type { HlsEdge, HlsFile, HlsSource } from "../../../src/sinks/hls/source.ts";

/** A stream that goes on when a test says so. */
class FakeStream implements HlsSource {
  readonly renditions = ["360p"];
  targetDuration = 1;
  partTarget: number | undefined = 0.25;
  readonly event = false;
  ended = false;
  at: HlsEdge = { nextMsn: 5, parts: 2 };
  playable = true;
  readonly files = new Map<string, HlsFile>([
    [
      "360p/seg-a-000004.m4s",
      { type: "video/iso.segment", body: [Buffer.from("01234"), Buffer.from("56789")], length: 10 },
    ],
  ]);
  readonly #listeners = new Set<() => void>();

  multivariant() {
    return this.playable ? "#EXTM3U\n360p/index.m3u8\n" : undefined;
  }
  playlist(rendition: string, o?: { readonly skip?: boolean }) {
    if (!this.playable || rendition !== "360p") return undefined;
    return `#EXTM3U\n# ${this.at.nextMsn}.${this.at.parts}${o?.skip ? " delta" : ""}\n`;
  }
  edge() {
    return this.playable ? this.at : undefined;
  }
  file(path: string) {
    return this.files.get(path);
  }
  promised(path: string) {
    return path === "360p/seg-a-000005.part-2.m4s";
  }
  onChange(cb: () => void) {
    this.#listeners.add(cb);
    return () => this.#listeners.delete(cb);
  }
  go(change: (s: FakeStream) => void) {
    change(this);
    for (const cb of [...this.#listeners]) cb();
  }
}

const open: Origin[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((o) => o.close()));
});

async function origin(o: Partial<OriginOptions> = {}) {
  const stream = new FakeStream();
  const server = await createOrigin({
    ...{ source: stream, port: 0 },
    figures: () => ({
      ...{
        uptimeSeconds: 12.5,
        participants: 2,
        encoderDelaySeconds: 0.07,
        encodedFrames: 360,
        droppedFrames: 4,
      },
      ...{ encoderStarts: 1, segments: 6 },
      sinks: [{ name: "rtmp", running: false, bytes: 1000, dropped: 7, attempts: 3 }],
      tracks: [
        {
          ...{ participant: 'Ann "the\nCat"', kind: "video", source: "camera", codec: "vp8" },
          ...{ bitrate: 500_000, lossRatio: 0.01, frames: 300 },
        },
      ],
    }),
    ...o,
  });
  open.push(server);
  const get = (path: string, init: RequestInit = {}) =>
    fetch(`http://127.0.0.1:${server.port}${path}`, { redirect: "manual", ...init });
  return { stream, server, get };
}

const text = async (r: Promise<Response>) => (await r).text();
const status = async (r: Promise<Response>) => (await r).status;

describe("playlists", () => {
  test("come as they are to whoever waits for nothing", async () => {
    const { get } = await origin();
    const all = await get("/index.m3u8");
    expect(all.status).toBe(200);
    expect(all.headers.get("content-type")).toBe("application/vnd.apple.mpegurl");
    expect(all.headers.get("cache-control")).toBe("no-cache");
    expect(await text(get("/360p/index.m3u8"))).toBe("#EXTM3U\n# 5.2\n");
    expect(await text(get("/360p/index.m3u8?_HLS_skip=YES"))).toBe("#EXTM3U\n# 5.2 delta\n");
    expect(await status(get("/720p/index.m3u8"))).toBe(404);
  });

  test("are held back until they have what is wished for", async () => {
    const { get, stream } = await origin();
    expect(await text(get("/360p/index.m3u8?_HLS_msn=5&_HLS_part=1"))).toContain("5.2");
    expect(await text(get("/360p/index.m3u8?_HLS_msn=4"))).toContain("5.2");
    const answers: string[] = [];
    const part = text(get("/360p/index.m3u8?_HLS_msn=5&_HLS_part=2")).then((t) => answers.push(`part: ${t}`));
    const segment = text(get("/360p/index.m3u8?_HLS_msn=5")).then((t) => answers.push(`segment: ${t}`));
    const metric = () => text(get("/metrics"));
    for (let shown = ""; !shown.includes("waiting_requests 2"); shown = await metric());
    stream.go((s) => {
      s.at = { nextMsn: 5, parts: 3 };
    });
    await part;
    expect(answers).toEqual(["part: #EXTM3U\n# 5.3\n"]);
    stream.go((s) => {
      s.at = { nextMsn: 6, parts: 0 };
    });
    await segment;
    expect(answers[1]).toBe("segment: #EXTM3U\n# 6.0\n");
  });

  test.each([
    ["_HLS_part=1"],
    ["_HLS_msn=x"],
    ["_HLS_msn=-1"],
    ["_HLS_msn=5&_HLS_part="],
    ["_HLS_msn=5&_HLS_msn=6"],
    ["_HLS_msn=99999999999999999999"],
    ["_HLS_skip=maybe"],
    ["_HLS_msn=8"],
  ])("%s is refused", async (query) => {
    const { get } = await origin();
    expect(await status(get(`/360p/index.m3u8?${query}`))).toBe(400);
  });

  test("that nobody can complete are given up after three target durations", async () => {
    const { get, stream } = await origin();
    stream.targetDuration = 0.1;
    const before = performance.now();
    const answer = await get("/360p/index.m3u8?_HLS_msn=6");
    expect(answer.status).toBe(503);
    expect(answer.headers.get("retry-after")).toBe("1");
    expect(performance.now() - before).toBeGreaterThan(290);
  });

  test("have too many waiting for them at some point", async () => {
    const { get, stream } = await origin({ maxWaiting: 3 });
    const wish = "/360p/index.m3u8?_HLS_msn=5";
    const waiting = Array.from({ length: 3 }, () => status(get(wish)));
    for (let shown = ""; !shown.includes("waiting_requests 3"); shown = await text(get("/metrics")));
    expect(await status(get(wish))).toBe(503);
    stream.go((s) => {
      s.ended = true;
    });
    expect(await Promise.all(waiting)).toEqual([200, 200, 200]);
    expect(await status(get(wish))).toBe(200);
  });

  test("of a stream without parts are never waited for", async () => {
    const { get, stream } = await origin();
    stream.partTarget = undefined;
    expect(await status(get("/360p/index.m3u8?_HLS_msn=6"))).toBe(200);
  });

  test("that are not there yet are waited for by the first players", async () => {
    const { get, stream } = await origin();
    stream.playable = false;
    const first = status(get("/index.m3u8"));
    for (let shown = ""; !shown.includes("waiting_requests 1"); shown = await text(get("/metrics")));
    stream.go((s) => {
      s.playable = true;
    });
    expect(await first).toBe(200);
  });
});

describe("media", () => {
  test("are whole, and may be kept", async () => {
    const { get } = await origin();
    const r = await get("/360p/seg-a-000004.m4s");
    expect([r.status, await r.text()]).toEqual([200, "0123456789"]);
    expect(r.headers.get("content-type")).toBe("video/iso.segment");
    expect(r.headers.get("cache-control")).toBe("public, max-age=3600, immutable");
    const head = await get("/360p/seg-a-000004.m4s", { method: "HEAD" });
    expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([200, "10", ""]);
  });

  test.each([
    ["bytes=2-4", 206, "234", "bytes 2-4/10"],
    ["bytes=7-", 206, "789", "bytes 7-9/10"],
    ["bytes=-3", 206, "789", "bytes 7-9/10"],
    ["bytes=0-99", 206, "0123456789", "bytes 0-9/10"],
    ["bytes=10-", 416, "", "bytes */10"],
    ["bytes=1-2,4-5", 200, "0123456789", null],
    ["bytes=-", 200, "0123456789", null],
  ])("range %s", async (range, code, body, contentRange) => {
    const { get } = await origin();
    const r = await get("/360p/seg-a-000004.m4s", { headers: { range } });
    expect([r.status, await r.text(), r.headers.get("content-range")]).toEqual([code, body, contentRange]);
  });

  test("that were promised are waited for", async () => {
    const { get, stream } = await origin();
    const part = text(get("/360p/seg-a-000005.part-2.m4s"));
    for (let shown = ""; !shown.includes("waiting_requests 1"); shown = await text(get("/metrics")));
    stream.go((s) => {
      s.files.set("360p/seg-a-000005.part-2.m4s", {
        type: "video/iso.segment",
        body: [Buffer.from("part")],
        length: 4,
      });
    });
    expect(await part).toBe("part");
  });

  test("that were not are not there", async () => {
    const { get } = await origin();
    expect(await status(get("/360p/seg-a-000009.m4s"))).toBe(404);
  });
});

describe("whoever asks for something else", () => {
  test.each([
    "/../../etc/passwd",
    "/360p/../../package.json",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/360p/%00",
    "/360p//seg-a-000004.m4s",
    "/hls.js/../player.js",
    "/constructor",
    "/__proto__",
    `/${"a".repeat(4000)}`,
  ])("gets nothing for %s", async (path) => {
    const { server } = await origin();
    // Not through a URL parser, which would tidy it up.
    const { request } = await import("node:http");
    const answer = await new Promise<[number | undefined, string]>((resolve, reject) => {
      const req = request({ port: server.port, host: "127.0.0.1", path }, (res) => {
        let body = "";
        res.setEncoding("utf8").on("data", (d: string) => {
          body += d;
        });
        res.on("end", () => resolve([res.statusCode, body]));
      });
      req.on("error", reject).end();
    });
    expect(answer).toEqual([404, "not found\n"]);
  });

  test("gets nothing by other methods, or under other names", async () => {
    const { get } = await origin();
    expect(await status(get("/index.m3u8", { method: "POST", body: "x" }))).toBe(405);
    expect(await status(get("/index.m3u8", { method: "DELETE" }))).toBe(405);
    const { request } = await import("node:http");
    const { server } = await origin();
    const code = await new Promise((resolve) => {
      request({ port: server.port, host: "127.0.0.1", path: "/", headers: { host: "evil.example" } }, (res) =>
        resolve(res.statusCode),
      ).end();
    });
    expect(code).toBe(421);
  });

  test("no web page of another origin may read a stream that is not public", async () => {
    const { get } = await origin();
    expect((await get("/360p/index.m3u8")).headers.get("access-control-allow-origin")).toBeNull();
    const public_ = await origin({ public: true });
    expect((await public_.get("/360p/index.m3u8")).headers.get("access-control-allow-origin")).toBe("*");
    expect((await public_.get("/metrics")).headers.get("access-control-allow-origin")).toBeNull();
  });
});

describe("a token", () => {
  const token = "s3cret-of-viewers";

  test("keeps everything but /healthz from those who lack it", async () => {
    const { get } = await origin({ token });
    for (const path of ["/", "/index.m3u8", "/360p/index.m3u8", "/360p/seg-a-000004.m4s", "/metrics", "/x"])
      expect(await status(get(path))).toBe(401);
    expect(await status(get("/index.m3u8?token=wrong"))).toBe(401);
    expect(await status(get("/healthz"))).not.toBe(401);
    expect(await status(get("/metrics", { headers: { authorization: `Bearer ${token}` } }))).toBe(200);
  });

  test("is given once; then a cookie stands for it, which is not the token", async () => {
    const { get } = await origin({ token, public: true });
    const page = await get(`/index.m3u8?token=${token}`);
    const cookie = page.headers.get("set-cookie") ?? "";
    expect(cookie).toMatch(/^roomtap_viewer_\d+=[\w-]{20,}; Path=\/; HttpOnly; SameSite=Strict$/);
    expect(cookie).not.toContain(token);
    const media = await get("/360p/seg-a-000004.m4s", { headers: { cookie: cookie.split(";")[0] ?? "" } });
    expect(media.status).toBe(200);
    expect(media.headers.get("cache-control")).toContain("private");
    expect(media.headers.get("access-control-allow-origin")).toBeNull();
    expect(await text(get(`/index.m3u8?token=${token}`))).not.toContain(token);
  });

  test("is remembered for each origin on a host: cookies know no ports", async () => {
    const [one, other] = [await origin({ token, public: true }), await origin({ token, public: true })];
    const cookieOf = async (o: typeof one) =>
      (await o.get(`/index.m3u8?token=${token}`)).headers.get("set-cookie")?.split(";")[0] ?? "";
    const both = [await cookieOf(one), await cookieOf(other)];
    expect(new Set(both.map((c) => c.split("=")[0])).size).toBe(2);
    // An older one of the same name, and one that says nothing, come along.
    const cookie = [`${both[0]?.split("=")[0]}=old`, "roomtap_viewer", ...both].join("; ");
    for (const o of [one, other])
      expect(await status(o.get("/360p/seg-a-000004.m4s", { headers: { cookie } }))).toBe(200);
  });

  test("is needed, or an explicit word, on an address that others reach", async () => {
    await expect(origin({ host: "0.0.0.0" })).rejects.toMatchObject({ code: "usage" });
    await expect(origin({ host: "0.0.0.0", token: "" })).rejects.toMatchObject({ code: "usage" });
  });
});

describe("connections that behave badly", () => {
  /** Sends octets and reads nothing until told. */
  async function raw(server: Origin, text: string) {
    const socket = connect(server.port, "127.0.0.1");
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.on("error", () => undefined);
    socket.pause();
    await new Promise<void>((resolve) => {
      socket.once("connect", () => socket.write(text, () => resolve()));
    });
    return { socket, closed };
  }

  test("one that takes nothing of its answer is cut off, whatever it says meanwhile", async () => {
    const { server, stream } = await origin({ stalledMs: 150 });
    const body = Buffer.alloc(32 << 20);
    stream.files.set("360p/seg-a-000003.m4s", {
      type: "video/iso.segment",
      body: [body],
      length: body.length,
    });
    const { socket, closed } = await raw(
      server,
      "GET /360p/seg-a-000003.m4s HTTP/1.1\r\nHost: localhost\r\n\r\n",
    );
    const more = setInterval(() => socket.write("\r\n"), 20);
    await closed;
    clearInterval(more);
  });

  test("one that asks for more and more without waiting for answers is cut off", async () => {
    const { server } = await origin();
    const wait = "GET /360p/index.m3u8?_HLS_msn=5&_HLS_part=3 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const { closed, socket } = await raw(server, wait.repeat(20));
    socket.resume();
    await closed;
  });

  test("one that names the server in its target gets its answer", async () => {
    const { server } = await origin();
    const ask = async (target: string) => {
      const { socket, closed } = await raw(
        server,
        `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
      );
      let said = "";
      socket.setEncoding("utf8").on("data", (d: string) => {
        said += d;
      });
      socket.resume();
      await closed;
      return said.slice(0, 12);
    };
    expect(await ask(`http://127.0.0.1:${server.port}/index.m3u8?x=1`)).toBe("HTTP/1.1 200");
    expect(await ask("http://elsewhere.example/index.m3u8")).toBe("HTTP/1.1 421");
  });
});

describe("how it is doing", () => {
  test("/healthz says when media stops", async () => {
    const { get, stream } = await origin();
    expect(await (await get("/healthz")).json()).toEqual({ status: "starting" });
    stream.go(() => undefined);
    const ok = await get("/healthz");
    expect([ok.status, await ok.json()]).toEqual([
      200,
      { status: "ok", newestMediaAgeSeconds: expect.any(Number) },
    ]);
    stream.go((s) => {
      s.ended = true;
    });
    const ended = await get("/healthz");
    expect([ended.status, await ended.json()]).toMatchObject([503, { status: "ended" }]);
  });

  test("/metrics says it in Prometheus' words", async () => {
    const { get } = await origin();
    await get("/nothing");
    const r = await get("/metrics");
    expect(r.headers.get("content-type")).toContain("text/plain");
    const lines = (await r.text()).split("\n");
    expect(lines).toEqual(
      expect.arrayContaining([
        'roomtap_origin_requests_total{kind="page",status="404"} 1',
        "roomtap_stream_participants 2",
        "roomtap_stream_encoder_delay_seconds 0.07",
        'roomtap_sink_up{sink="rtmp"} 0',
        'roomtap_sink_dropped_samples_total{sink="rtmp"} 7',
        'roomtap_track_loss_ratio{participant="Ann \\"the\\nCat\\"",kind="video",source="camera",codec="vp8"} 0.01',
      ]),
    );
  });

  test("closing answers those who wait", async () => {
    const { get, server } = await origin();
    const waiting = status(get("/360p/index.m3u8?_HLS_msn=5"));
    for (let shown = ""; !shown.includes("waiting_requests 1"); shown = await text(get("/metrics")));
    const before = performance.now();
    await server.close();
    expect(await waiting).toBe(503);
    expect(performance.now() - before).toBeLessThan(2000);
  });
});
