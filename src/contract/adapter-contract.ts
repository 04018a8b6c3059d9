import type { JoinWish, LocalTrack, RoomAdapter, RoomEvent, RoomSession } from "../core/room.ts";
import { PaperHost } from "./paper-host.ts";

/*
 * What every room adapter keeps, as functions for any test runner. They need no network of their own: the links are
 * on paper; the server is the adapter's, a fake one will do.
 */

/** An adapter, and where it can be tried. */
export type AdapterContract = {
  /** A new one for every case. */
  readonly adapter: () => RoomAdapter;
  /** An address that can be joined. */
  readonly target: string | (() => string | Promise<string>);
  /** Addresses of its schemes that nobody can read. */
  readonly invalid?: readonly string[];
  /** An address where nobody answers. */
  readonly unreachable?: string;
  /** What to ask for besides; default: receive everything. */
  readonly wish?: () => Partial<JoinWish>;
  /** Secrets in the address and the wish: nobody may ever read them. */
  readonly secrets?: readonly string[];
  /** For anything that has to happen, milliseconds; default 10 s. */
  readonly patienceMs?: number;
};

/** One rule. `run` rejects with what is wrong. */
export type ContractCase = { readonly name: string; readonly run: () => Promise<void> };

/** How long leaving may take, and what a busy machine makes of it. */
const LEAVE_MS = 2000;
const SLACK_MS = 1500;
/** For how long events are watched. */
const WATCH_MS = 300;
const PATIENCE_MS = 10_000;

/** A stream for adapters that only publish. */
export const contractTrack: LocalTrack = { id: "cam", kind: "video", source: "camera", codec: "vp8" };

/** The rules, for `test(name, run)` of any runner. */
export function adapterContract(o: AdapterContract): ContractCase[] {
  const cases: ContractCase[] = [
    { name: "names its schemes, in lower case and without a colon", run: () => schemes(o) },
    { name: "joins, and leaves within two seconds with nothing left open", run: () => joinsAndLeaves(o) },
    { name: "does not join when that is cancelled before", run: () => cancelled(o) },
    {
      name: "tells of peers before their tracks, and of tracks on links that there are",
      run: () => order(o),
    },
    { name: "shows no secrets", run: () => secrets(o) },
  ];
  for (const [i, address] of (o.invalid ?? []).entries())
    cases.push({
      name: `refuses an address that cannot be read as usage (${i + 1})`,
      run: () => refuses(o, address, ["usage"]),
    });
  const { unreachable } = o;
  if (unreachable !== undefined)
    cases.push({
      name: "rejects with an error of signalling where nobody answers",
      run: () => refuses(o, unreachable, ["signal-refused", "signal-closed", "signal-protocol"]),
    });
  return cases;
}

async function schemes({ adapter }: AdapterContract): Promise<void> {
  const { schemes } = adapter();
  must(schemes.length > 0, "an adapter needs at least one scheme");
  for (const s of schemes) must(/^[a-z][a-z0-9+.-]*$/.test(s), `${s} is not a scheme in lower case`);
}

async function joinsAndLeaves(o: AdapterContract): Promise<void> {
  const t = await join(o);
  await leaves(t);
  must(t.host.misuse.length === 0, t.host.misuse.join("; "));
  const ends = t.events.filter((e) => e.t === "ended");
  must(ends.length === 1, `a session ends once, this one did ${ends.length} times`);
  must(t.events.at(-1)?.t === "ended", "nothing comes after `ended`");
  must(ends[0]?.reason === "left", `leaving ends with \`left\`, not with \`${ends[0]?.reason}\``);
}

async function cancelled(o: AdapterContract): Promise<void> {
  const host = new PaperHost();
  const stop = new AbortController();
  stop.abort();
  const joining = o.adapter().join(host, await targetOf(o), wishOf(o), stop.signal);
  const error = await within(o, "refusing", failureOf(joining));
  must(error !== undefined, "joining went on although it was cancelled");
  must(host.open.length === 0, "a cancelled join left a link open");
}

async function order(o: AdapterContract): Promise<void> {
  const t = await join(o);
  await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
  await leaves(t);
  const peers = new Set<string>();
  const tracks = new Set<string>();
  for (const e of t.events) {
    if (e.t === "peer") {
      must((e.op === "join") !== peers.has(e.peer.id), `peer ${e.peer.id}: ${e.op} out of turn`);
      if (e.op === "join") peers.add(e.peer.id);
      else peers.delete(e.peer.id);
    } else if (e.t === "track") {
      const { id, peerId, linkId, kind } = e.track;
      must(e.op !== "add" || peers.has(peerId), `track ${id}: nobody was told of its peer ${peerId}`);
      must((e.op === "add") !== tracks.has(id), `track ${id}: ${e.op} out of turn`);
      must(
        t.host.links.some((l) => l.id === linkId),
        `track ${id}: there is no link ${linkId}`,
      );
      must(kind === "audio" || kind === "video", `track ${id}: ${kind} is no kind of media`);
      if (e.op === "add") tracks.add(id);
      else if (e.op === "remove") tracks.delete(id);
    }
  }
}

async function secrets(o: AdapterContract): Promise<void> {
  const target = await targetOf(o);
  const t = await join(o, target);
  await leaves(t);
  const label = o.adapter().label?.(target) ?? target.replace(/[?#].*$/, "");
  const seen = [label, ...t.host.said, ...t.events.map((e) => JSON.stringify(e))];
  for (const secret of o.secrets ?? [])
    for (const text of seen)
      must(!text.includes(secret), `a secret shows in: ${text.replaceAll(secret, "***")}`);
}

async function refuses(o: AdapterContract, address: string, codes: readonly string[]): Promise<void> {
  const host = new PaperHost();
  const joining = o.adapter().join(host, address, wishOf(o), new AbortController().signal);
  const error = await within(o, "refusing", failureOf(joining));
  must(error !== undefined, "it was joined");
  const code = error instanceof Error && "code" in error ? String(error.code) : "none";
  must(codes.includes(code), `the error's code is ${code}, not ${codes.join(" or ")}`);
  const message = error instanceof Error ? error.message : "";
  must(message !== "" && !message.includes("\n"), "the error's message is one line");
  for (const secret of o.secrets ?? [])
    must(!message.includes(secret), "the error's message has a secret in it");
  must(host.open.length === 0, "a link was left open");
}

type Joined = {
  readonly o: AdapterContract;
  readonly host: PaperHost;
  readonly session: RoomSession;
  readonly events: RoomEvent[];
  /** Resolves when there are no more events. */
  readonly over: Promise<void>;
};

async function join(o: AdapterContract, target?: string): Promise<Joined> {
  const host = new PaperHost();
  const where = target ?? (await targetOf(o));
  const joining = o.adapter().join(host, where, wishOf(o), new AbortController().signal);
  const session = await within(o, "joining", joining);
  const events: RoomEvent[] = [];
  const over = (async () => {
    for await (const e of session.events) events.push(e);
  })();
  return { o, host, session, events, over };
}

async function leaves({ o, host, session, over }: Joined): Promise<void> {
  const start = performance.now();
  await within(o, "leaving", Promise.all([session.leave(), session.leave()]));
  const took = performance.now() - start;
  must(took < LEAVE_MS + SLACK_MS, `leaving took ${Math.round(took)} ms`);
  await within(o, "the end of the events", over);
  must(host.open.length === 0, `${host.open.length} links were left open`);
}

function wishOf(o: AdapterContract): JoinWish {
  return { name: "Contract", recorder: true, publish: [], receive: true, ...o.wish?.() };
}

async function targetOf({ target }: AdapterContract): Promise<string> {
  return typeof target === "string" ? target : await target();
}

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    return error ?? new Error("it rejected with nothing");
  }
}

async function within<T>(o: AdapterContract, what: string, promise: Promise<T>): Promise<T> {
  const ms = o.patienceMs ?? PATIENCE_MS;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took more than ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function must(kept: boolean, otherwise: string): void {
  if (!kept) throw new Error(otherwise);
}
