import { createHash, createHmac, randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import type { IceUrl } from "../core/ice-url.ts";
import type { IceServer } from "../core/room.ts";
import {
  readStun,
  StunAttribute,
  type StunMessage,
  StunMethod,
  stunRefusal,
  writeStunRequest,
  xorAddress,
} from "../core/stun.ts";
import type { HttpProxy } from "./proxy.ts";
import { refusalInWords, TurnBridge } from "./turn-bridge.ts";

/** First wait for an answer; doubled with each of the tries (RFC 8489 section 6.2.1). */
const FIRST_WAIT_MS = 300;
const TRIES = 4;
const UNAUTHORIZED = 401;
const STALE_NONCE = 438;
/** IANA protocol number of UDP, in REQUESTED-TRANSPORT. */
const UDP = 17;

/** What a STUN server answered. `localPort`: of the socket that asked. */
export type StunAnswer = { readonly mapped: string; readonly rttMs: number };

/** What became of an allocation. `error`: why there is none, for people. */
export type TurnAnswer =
  | { readonly relayed: string; readonly mapped?: string; readonly rttMs: number }
  | { readonly error: string };

/** Asks STUN servers for our address, all from one socket: equal answers mean a NAT that keeps ports. */
export async function probeStun(
  urls: readonly IceUrl[],
): Promise<(StunAnswer | { readonly error: string })[]> {
  const socket = createSocket("udp4");
  try {
    socket.bind(0);
    await once(socket, "listening");
    return await Promise.all(
      urls.map(async (url) => {
        if (url.transport !== "udp") return { error: "only UDP is asked" };
        const asker = new Asker(socket, url.host, url.port);
        const started = performance.now();
        const m = await asker.ask((id) => writeStunRequest(StunMethod.binding, id, []));
        if (typeof m === "string") return { error: m };
        const mapped = xorAddress(m, StunAttribute.xorMappedAddress);
        if (mapped === undefined) return { error: stunRefusal(m)?.reason || "its answer has no address" };
        return { mapped, rttMs: rounded(performance.now() - started) };
      }),
    );
  } finally {
    socket.close();
  }
}

/** How a probe goes to its server. */
export type TurnProbeOptions = { readonly insecure?: boolean; readonly proxy?: HttpProxy };

/** Asks a TURN server for an allocation, by the transport of its URL, and gives it back. Never rejects. */
export async function probeTurn(
  url: IceUrl,
  server: IceServer,
  o: TurnProbeOptions = {},
): Promise<TurnAnswer> {
  let problem: string | undefined;
  let bridge: TurnBridge | undefined;
  const socket = createSocket("udp4");
  try {
    bridge = await TurnBridge.open({
      server: url,
      ...o,
      onProblem: (text) => {
        problem ??= text.replace(/^.*?: /, "");
      },
    });
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    const asker = new Asker(socket, "127.0.0.1", bridge.port, () => problem !== undefined);
    return await allocate(asker, server, () => problem);
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  } finally {
    socket.close();
    bridge?.close();
  }
}

async function allocate(
  asker: Asker,
  { username = "", credential = "" }: IceServer,
  problem: () => string | undefined,
): Promise<TurnAnswer> {
  const transport = Uint8Array.from([UDP, 0, 0, 0]);
  const plain = await asker.ask((id) =>
    writeStunRequest(StunMethod.allocate, id, [[StunAttribute.requestedTransport, transport]]),
  );
  if (typeof plain === "string") return { error: problem() ?? plain };
  let said = plain;
  // A nonce may go stale between two requests.
  for (let tries = 0; tries < 3; tries++) {
    const realm = said.attributes.get(StunAttribute.realm);
    const nonce = said.attributes.get(StunAttribute.nonce);
    const refused = said.kind === "error" ? stunRefusal(said) : undefined;
    const asks = refused?.code === UNAUTHORIZED || refused?.code === STALE_NONCE;
    if (!asks || !realm || !nonce || (tries > 0 && refused.code === UNAUTHORIZED)) break;
    const key = createHash("md5")
      .update(`${username}:${Buffer.from(realm)}:${credential}`)
      .digest();
    const sign = (m: Uint8Array) => createHmac("sha1", key).update(m).digest();
    const login = [
      [StunAttribute.username, Buffer.from(username)],
      [StunAttribute.realm, realm],
      [StunAttribute.nonce, nonce],
    ] as const;
    const started = performance.now();
    const next = await asker.ask((id) =>
      writeStunRequest(
        StunMethod.allocate,
        id,
        [[StunAttribute.requestedTransport, transport], ...login],
        sign,
      ),
    );
    if (typeof next === "string") return { error: problem() ?? next };
    const relayed = xorAddress(next, StunAttribute.xorRelayedAddress);
    if (next.kind === "success" && relayed !== undefined) {
      const rttMs = rounded(performance.now() - started);
      const mapped = xorAddress(next, StunAttribute.xorMappedAddress);
      // A lifetime of nothing ends the allocation (RFC 8656 section 7).
      await asker.ask((id) =>
        writeStunRequest(
          StunMethod.refresh,
          id,
          [[StunAttribute.lifetime, new Uint8Array(4)], ...login],
          sign,
        ),
      );
      return { relayed, rttMs, ...(mapped === undefined ? {} : { mapped }) };
    }
    said = next;
  }
  const refused = stunRefusal(said);
  if (refused?.code === UNAUTHORIZED && username === "")
    return { error: "it wants a user name and a password" };
  return { error: refused ? refusalInWords(refused) : "its answer makes no sense" };
}

/** Asks one server and waits for the answer to each question, with retransmissions. */
class Asker {
  readonly #socket: Socket;
  readonly #host: string;
  readonly #port: number;
  readonly #hopeless: () => boolean;

  constructor(socket: Socket, host: string, port: number, hopeless: () => boolean = () => false) {
    this.#socket = socket;
    this.#host = host;
    this.#port = port;
    this.#hopeless = hopeless;
  }

  /** The answer, or why there is none. */
  ask(write: (transaction: Uint8Array) => Uint8Array): Promise<StunMessage | string> {
    const transaction = randomBytes(12);
    const request = write(transaction);
    return new Promise((resolve) => {
      let tries = 0;
      let timer: NodeJS.Timeout;
      const settle = (answer: StunMessage | string) => {
        clearTimeout(timer);
        this.#socket.off("message", hear);
        resolve(answer);
      };
      const hear = (datagram: Uint8Array) => {
        const m = readStun(datagram);
        const ours = m !== undefined && m.kind !== "request" && transaction.equals(m.transaction);
        if (ours) settle(m);
      };
      const again = () => {
        if (this.#hopeless()) return settle("it cannot be reached");
        if (tries === TRIES) return settle("no answer: is UDP blocked, or the server down?");
        this.#socket.send(request, this.#port, this.#host, (error) => {
          if (error) settle(unsent(error));
        });
        timer = setTimeout(again, FIRST_WAIT_MS * 2 ** tries++);
      };
      this.#socket.on("message", hear);
      again();
    });
  }
}

function unsent(error: Error): string {
  const code = "code" in error ? String(error.code) : "";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "its name is not known";
  // What Linux says where a firewall of its own throws a packet away.
  if (code === "EPERM" || code === "EACCES") return "no answer: this machine lets no UDP out to it";
  return error.message;
}

function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}
