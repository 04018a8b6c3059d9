import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer, type Server } from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createPush } from "../../src/sinks/push/targets.ts";
import { feedPlan } from "../support/program-feed.ts";
import { someFormat, somePicture } from "../support/program-samples.ts";
import { describeWith, findProgram } from "../support/requires.ts";
import { RtmpServer } from "../support/rtmp-server.ts";
import { until } from "../support/until.ts";

const openssl = { name: "openssl", path: findProgram("openssl"), install: "apt-get install openssl" };

describeWith("RTMP over TLS", [openssl], () => {
  const folder = mkdtempSync(join(tmpdir(), "roomtap-tls-"));
  const sessions: RtmpServer[] = [];
  let server: Server;
  let ca = "";

  beforeAll(async () => {
    const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
    execFileSync(
      openssl.path ?? "openssl",
      [
        ...[
          "req",
          "-x509",
          "-newkey",
          "ec",
          "-pkeyopt",
          "ec_paramgen_curve:prime256v1",
          "-nodes",
          "-days",
          "2",
        ],
        ...["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        ...["-keyout", key, "-out", cert],
      ],
      { stdio: "pipe" },
    );
    ca = readFileSync(cert, "utf8");
    server = createServer({ key: readFileSync(key), cert: ca }, (socket) => {
      const session = new RtmpServer();
      sessions.push(session);
      socket.on("error", () => undefined);
      socket.on("data", (bytes) => {
        for (const out of session.push(bytes)) socket.write(out);
      });
    });
    server.on("tlsClientError", () => undefined);
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
  });

  afterAll(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });

  const push = (host: string, o: { ca?: string }, notices: string[] = []) => {
    const url = `rtmps://${host}:${(server.address() as AddressInfo).port}/live/the-secret-key`;
    const sink = createPush({ kind: "rtmp", url }, feedPlan, {
      ffmpeg: "ffmpeg",
      onNotice: (_, text) => notices.push(text),
      ...o,
    });
    sink.format(someFormat());
    sink.sample(somePicture(0));
    return sink;
  };

  test.each(["localhost", "127.0.0.1"])("a server at %s that is trusted gets the stream", async (host) => {
    const before = sessions.length;
    const sink = push(host, { ca });
    await until("it runs", () => sink.status().state === "running");
    await sink.close();
    const [session] = sessions.slice(before);
    expect(session?.commands.map((c) => c.name)).toContain("publish");
    expect(session?.commands.at(-1)?.name).toBe("deleteStream");
    expect(session?.media.length).toBe(3);
  });

  test("a certificate that nobody vouches for ends the connection before the key is sent", async () => {
    const before = sessions.length;
    const notices: string[] = [];
    const sink = push("localhost", {}, notices);
    const detail = await until("it is refused", () => sink.status().detail);
    expect(detail).toMatch(/self-signed certificate/);
    await sink.close();
    expect(sessions.slice(before).flatMap((s) => s.commands)).toEqual([]);
    expect(notices.join()).not.toContain("the-secret-key");
  });
});
