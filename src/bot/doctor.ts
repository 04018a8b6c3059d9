import { mkdtemp, readFile, rm } from "node:fs/promises";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { RoomtapError } from "../core/fault.ts";
import { type IceUrl, iceUrlInWords, parseIceUrl } from "../core/ice-url.ts";
import type { IceServer, NetworkWish } from "../core/room.ts";
import { ffmpegCapabilities } from "../ffmpeg/capabilities.ts";
import { locateFfmpeg } from "../ffmpeg/locate.ts";
import { probeStun, probeTurn } from "../net/ice-probe.ts";
import { proxyFor } from "../net/proxy.ts";
import { addonVersion } from "../peer/addon-version.ts";
import type { RoomOptions } from "./join.ts";
import { publish } from "./publish.ts";
import { record } from "./record.ts";

/** What is examined. */
export type DoctorOptions = {
  /** Where a call can be made: a room that nobody else is in. Its network is what is examined. */
  readonly room: RoomOptions;
  readonly ffmpeg?: string;
  /** How long the call is, milliseconds; default 4 s. */
  readonly callMs?: number;
  readonly stop?: AbortSignal;
  /** What is done now, for people. */
  readonly onStep?: (text: string) => void;
};

/** Whether something is as it should be. `bad`: a call does not work; `poor`: one may not. */
export type Health = "good" | "poor" | "bad";

/** One thing that was looked at. */
export type Finding = {
  /** `ffmpeg`, `addresses`, `addon`, `stun`, `nat`, `turn`, `udp`, `proxy`, `call`. */
  readonly about: string;
  readonly health: Health;
  readonly text: string;
  /** What to change. */
  readonly advice?: string;
};

/** What the call over the path that was found was like. */
export type DoctorCall = {
  readonly local: string;
  readonly remote: string;
  readonly bitrate: number;
  /** Packets lost for good, 0..1. */
  readonly loss: number;
  readonly rttMs?: number;
};

/** The report. Plain data. */
export type Diagnosis = {
  readonly works: boolean;
  readonly versions: { readonly node: string; readonly addon: string; readonly ffmpeg?: string };
  readonly addresses: readonly string[];
  readonly stun: readonly {
    readonly server: string;
    readonly mapped?: string;
    readonly rttMs?: number;
    readonly error?: string;
  }[];
  readonly nat: "none" | "keeps ports" | "symmetric" | "unknown";
  readonly turn: readonly {
    readonly server: string;
    readonly transport: string;
    readonly relayed?: string;
    readonly rttMs?: number;
    readonly error?: string;
  }[];
  readonly udpBlocked?: boolean;
  readonly proxy?: string;
  readonly call?: DoctorCall;
  readonly findings: readonly Finding[];
};

const CALL_MS = 4000;
const START_MS = 45_000;

/** Looks at everything that a call needs, and makes one. Rejects only where it is used wrongly. */
export async function examine(o: DoctorOptions): Promise<Diagnosis> {
  const findings: Finding[] = [];
  const find = (about: string, health: Health, text: string, advice?: string) =>
    findings.push({ about, health, text, ...(advice === undefined ? {} : { advice }) });
  const step = o.onStep ?? (() => undefined);
  const addon = addonVersion();
  if (addon === undefined)
    find(
      "addon",
      "bad",
      "the native addon (node-datachannel) is not installed",
      "npm install, on a platform that has a build of it",
    );
  step("ffmpeg");
  const ffmpeg = await lookAtFfmpeg(o, find);
  const addresses = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter((a) => !a.internal)
    .map((a) => a.address);
  if (addresses.length === 0)
    find(
      "addresses",
      "poor",
      "this machine has no address but the loopback",
      "only rooms on this machine can be joined",
    );
  else find("addresses", "good", addresses.join(", "));
  const servers = (o.room.network?.iceServers ?? []).flatMap((server) =>
    server.urls.flatMap((text) => {
      const url = parseIceUrl(text);
      return url ? [{ url, server }] : [];
    }),
  );
  step("STUN and TURN servers");
  const [stun, turn] = await Promise.all([askStun(servers), askTurn(servers, o.room.network)]);
  for (const s of stun)
    find(
      "stun",
      s.error === undefined ? "good" : "poor",
      `${s.server}: ${s.error ?? `we are ${s.mapped} to it, ${s.rttMs} ms away`}`,
    );
  for (const t of turn)
    find(
      "turn",
      t.error === undefined ? "good" : "poor",
      `${t.server}: ${t.error ?? `relays for us at ${t.relayed}, ${t.rttMs} ms away`}`,
      t.error?.includes("certificate")
        ? "give it a certificate for its name, or accept any with --insecure"
        : undefined,
    );
  const nat = natOf(
    stun.flatMap((s) => s.mapped ?? []),
    addresses,
  );
  if (nat !== "unknown")
    find(
      "nat",
      nat === "symmetric" ? "poor" : "good",
      NAT[nat],
      nat === "symmetric"
        ? "a TURN server is needed for peers behind another such NAT: --ice turn:..."
        : undefined,
    );
  const udpBlocked = blocked(stun, turn);
  if (udpBlocked)
    find(
      "udp",
      "poor",
      "no server answers by UDP: it seems to be blocked",
      turn.some((t) => t.transport !== "udp" && t.error === undefined)
        ? undefined
        : "name a TURN server by TLS at port 443: --ice turns:USER:PASSWORD@HOST:443",
    );
  const proxy = proxyInWords(find);
  step("a call");
  const call = ffmpeg === undefined ? undefined : await tryCall(o, ffmpeg.path, find);
  return {
    works: call !== undefined,
    versions: {
      node: process.versions.node,
      addon: addon ?? "missing",
      ...(ffmpeg ? { ffmpeg: ffmpeg.version } : {}),
    },
    ...{ addresses, stun, nat, turn, findings },
    ...(udpBlocked === undefined ? {} : { udpBlocked }),
    ...(proxy === undefined ? {} : { proxy }),
    ...(call === undefined ? {} : { call }),
  };
}

type Find = (about: string, health: Health, text: string, advice?: string) => void;
type Named = { readonly url: IceUrl; readonly server: IceServer };

async function lookAtFfmpeg(
  o: DoctorOptions,
  find: Find,
): Promise<{ path: string; version: string } | undefined> {
  try {
    const path = await locateFfmpeg(o.ffmpeg);
    const { version, encoders, protocols } = await ffmpegCapabilities(path);
    const lacks = [
      ...["libx264", "libopus", "aac"].filter((e) => !encoders.has(e)),
      ...["rtmp", "srt"].filter((p) => !protocols.has(p)),
    ];
    find(
      "ffmpeg",
      lacks.length === 0 ? "good" : "poor",
      `ffmpeg ${version}${lacks.length === 0 ? "" : `, without ${lacks.join(", ")}`}`,
      lacks.length === 0 ? undefined : "install a newer ffmpeg, or name one with --ffmpeg",
    );
    return { path, version };
  } catch (error) {
    const e = error instanceof RoomtapError ? error : new RoomtapError("internal", String(error));
    find("ffmpeg", "bad", e.message, e.hint);
    return undefined;
  }
}

async function askStun(servers: readonly Named[]): Promise<Diagnosis["stun"]> {
  const urls = servers.map((s) => s.url).filter((url) => url.kind === "stun");
  if (urls.length === 0) return [];
  const answers = await probeStun(urls);
  return urls.map((url, i) => ({ server: iceUrlInWords(url), ...answers[i] }));
}

async function askTurn(servers: readonly Named[], network: NetworkWish = {}): Promise<Diagnosis["turn"]> {
  return await Promise.all(
    servers
      .filter(({ url }) => url.kind === "turn")
      .map(async ({ url, server }) => {
        const proxy = url.transport === "udp" ? undefined : proxyFor(url.host);
        const { insecure } = network;
        const answer = await probeTurn(url, server, {
          ...(insecure === undefined ? {} : { insecure }),
          ...(proxy === undefined ? {} : { proxy }),
        });
        return { server: iceUrlInWords(url), transport: url.transport, ...answer };
      }),
  );
}

const NAT = {
  none: "no NAT: servers see an address of ours",
  "keeps ports": "a NAT that gives every destination the same port of ours: peers can reach us",
  symmetric:
    "a NAT that gives every destination another port of ours (symmetric): most peers cannot reach us",
} as const;

/** As far as the addresses that servers see of one socket tell (RFC 5780 section 4.3). */
function natOf(mapped: readonly string[], own: readonly string[]): Diagnosis["nat"] {
  const [first] = mapped;
  if (first === undefined) return "unknown";
  if (own.includes(first.replace(/:\d+$/, "").replace(/^\[|\]$/g, ""))) return "none";
  if (mapped.length < 2) return "unknown";
  return mapped.every((m) => m === first) ? "keeps ports" : "symmetric";
}

/** Undefined: nobody was asked by UDP. */
function blocked(stun: Diagnosis["stun"], turn: Diagnosis["turn"]): boolean | undefined {
  const asked = [...stun, ...turn.filter((t) => t.transport === "udp")];
  if (asked.length === 0) return undefined;
  return asked.every((a) => a.error?.startsWith("no answer") === true);
}

function proxyInWords(find: Find): string | undefined {
  try {
    const proxy = proxyFor("example.com");
    if (!proxy) return undefined;
    const text = `${proxy.host}:${proxy.port}`;
    find("proxy", "good", `signalling and TURN by TCP and TLS go through ${text}`);
    return text;
  } catch (error) {
    find(
      "proxy",
      "bad",
      error instanceof Error ? error.message : String(error),
      "write HTTPS_PROXY=http://host:port",
    );
    return undefined;
  }
}

/** A publisher and a recorder in one room, both by the network that was asked for. */
async function tryCall(o: DoctorOptions, ffmpeg: string, find: Find): Promise<DoctorCall | undefined> {
  const folder = await mkdtemp(join(tmpdir(), "roomtap-doctor-"));
  const publishing = new AbortController();
  const recording = new AbortController();
  const stop = () => {
    publishing.abort();
    recording.abort();
  };
  o.stop?.addEventListener("abort", stop, { once: true });
  const late = setTimeout(stop, START_MS + (o.callMs ?? CALL_MS));
  const common = { ...o.room, ffmpeg };
  const published = publish({ ...common, name: "doctor", stop: publishing.signal });
  published.catch(() => recording.abort());
  const notices: string[] = [];
  try {
    const { session } = await record({
      ...common,
      ...{ name: "doctor's recorder", out: folder, pictures: false, participant: "doctor" },
      durationMs: o.callMs ?? CALL_MS,
      stop: recording.signal,
      onNotice: (n) => {
        if (n.level === "warn") notices.push(n.text);
      },
    });
    publishing.abort();
    await published;
    const call = await callOf(session);
    if (!call) {
      const why = notices.at(-1);
      find(
        "call",
        "bad",
        why === undefined ? "a call came to no media" : `a call came to no media: ${why}`,
        o.room.network?.relayOnly
          ? "the TURN server must let us relay to peers; leave out --relay-only to see whether a direct way works"
          : "name a TURN server: --ice turn:USER:PASSWORD@HOST",
      );
      return undefined;
    }
    const rtt = call.rttMs === undefined ? "" : `, ${Math.round(call.rttMs)} ms round trip`;
    const rate = (call.bitrate / 1e6).toFixed(2);
    find(
      "call",
      call.loss > 0.02 ? "poor" : "good",
      `a call works: ${call.local} to ${call.remote}, ${rate} Mbit/s, ${(100 * call.loss).toFixed(1)} % lost${rtt}`,
    );
    return call;
  } catch (error) {
    const e = error instanceof RoomtapError ? error : new RoomtapError("internal", String(error));
    find("call", "bad", e.message, e.hint);
    return undefined;
  } finally {
    clearTimeout(late);
    o.stop?.removeEventListener("abort", stop);
    stop();
    await published.catch(() => undefined);
    await rm(folder, { recursive: true, force: true });
  }
}

async function callOf(session: string): Promise<DoctorCall | undefined> {
  const manifest: {
    statistics: { tracks: { statistics: Stats }[]; connections: Stats[] }[];
    files: { durationMs: number }[];
  } = JSON.parse(await readFile(join(session, "manifest.json"), "utf8"));
  const seconds = Math.max(...manifest.files.map((f) => f.durationMs)) / 1000;
  const all = (lists: readonly Stats[]) => lists.flatMap((s) => Object.values(s));
  const connection = all(manifest.statistics.flatMap((s) => s.connections));
  const inbound = all(manifest.statistics.flatMap((s) => s.tracks.map((t) => t.statistics))).filter(
    (s) => s.type === "inbound-rtp",
  );
  const side = (type: string) => {
    const c = connection.findLast((s) => s.type === type);
    const by = c?.relayProtocol === undefined ? "" : ` by TURN over ${String(c.relayProtocol).toUpperCase()}`;
    return c && `${c.candidateType} ${c.address}:${c.port}${by}`;
  };
  const [local, remote] = [side("local-candidate"), side("remote-candidate")];
  const sum = (key: string) => inbound.reduce((n, s) => n + Number(s[key] ?? 0), 0);
  const received = sum("packetsReceived");
  if (local === undefined || remote === undefined || received === 0 || !(seconds > 0)) return undefined;
  const lost = Math.max(0, sum("packetsLost"));
  const own = connection.find((s) => s.type === "transport")?.roomtap as
    | { roundTripTime?: number }
    | undefined;
  return {
    ...{
      local,
      remote,
      bitrate: Math.round((8 * sum("bytesReceived")) / seconds),
      loss: lost / (lost + received),
    },
    ...(own?.roundTripTime === undefined ? {} : { rttMs: 1000 * own.roundTripTime }),
  };
}

type Stats = Readonly<Record<string, Readonly<Record<string, unknown>>>>;
