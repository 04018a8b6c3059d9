import type { Browser, Page } from "playwright-core";
import { type CliOptions, type CliRun, startCli } from "./cli.ts";

/** A row of `window.roomtap.stats()`. */
export type StatsRow = { type: string; kind: string; peer: string; [counter: string]: unknown };

/** Counters of an outgoing video at a moment (Unix milliseconds). */
export type Sample = {
  readonly at: number;
  readonly framesSent: number;
  readonly keyframes: number;
  readonly targetBitrate: number;
  readonly bytes: number;
  readonly packets: number;
  readonly resent: number;
  readonly nacks: number;
  readonly plis: number;
  readonly width: number;
  readonly height: number;
};

declare const window: {
  roomtap: { stats(): Promise<StatsRow[]> };
  samples: Record<string, number>[];
};

/** `roomtap serve` as a process of its own. */
export type ServedRooms = {
  readonly url: string;
  /** The address that `roomtap record` takes. */
  room(name: string): string;
  close(): Promise<void>;
};

/** Starts `roomtap serve` on a free port. The caller closes it. */
export async function serveRooms(args: readonly string[] = [], o: CliOptions = {}): Promise<ServedRooms> {
  const server: CliRun = startCli(["serve", "--port", "0", "--json", ...args], o);
  try {
    const [line] = await server.seen(/^\{.*\}$/m);
    const { url } = JSON.parse(line) as { url: string };
    return {
      url,
      room: (name) => `${url.replace(/^http/, "ws")}${name}`,
      close: async () => {
        server.kill("SIGINT");
        await server.done;
      },
    };
  } catch (error) {
    server.kill("SIGKILL");
    throw error;
  }
}

/** Somebody at a browser. */
export class Attendee {
  readonly page: Page;

  private constructor(page: Page) {
    this.page = page;
  }

  /**
   * Opens the page of a room in a browser profile of its own. `query`: parameters of the page; with
   * `autojoin: "1"` the attendee is on the way in.
   */
  static async open(
    browser: Pick<Browser, "newContext">,
    url: string,
    room: string,
    query: Record<string, string>,
  ): Promise<Attendee> {
    const page = await (await browser.newContext()).newPage();
    await page.goto(`${url}r/${room}?${new URLSearchParams(query)}`);
    return new Attendee(page);
  }

  /** Comes in with camera and microphone, but for what `more` says. */
  static join(
    browser: Pick<Browser, "newContext">,
    url: string,
    room: string,
    name: string,
    more: Record<string, string> = {},
  ): Promise<Attendee> {
    return Attendee.open(browser, url, room, { name, autojoin: "1", ...more });
  }

  stats(): Promise<StatsRow[]> {
    return this.page.evaluate(() => window.roomtap.stats());
  }

  /** Presses a button, found by the beginning of its name. */
  async press(name: RegExp): Promise<void> {
    await this.page.getByRole("button", { name }).click();
  }

  /** Notes the counters of the camera's stream ten times a second from now on. One receiver only. */
  async watch(): Promise<void> {
    await this.page.evaluate(() => {
      window.samples = [];
      setInterval(async () => {
        const rows = await window.roomtap.stats();
        const row = rows.find((r) => r.type === "outbound-rtp" && r.kind === "video");
        const count = (name: string) => Number(row?.[name] ?? 0);
        if (row === undefined || count("framesSent") === 0) return;
        window.samples.push({
          at: Date.now(),
          framesSent: count("framesSent"),
          keyframes: count("keyFramesEncoded"),
          targetBitrate: count("targetBitrate"),
          bytes: count("bytesSent"),
          packets: count("packetsSent"),
          resent: count("retransmittedPacketsSent"),
          nacks: count("nackCount"),
          plis: count("pliCount"),
          width: count("frameWidth"),
          height: count("frameHeight"),
        });
      }, 100);
    });
  }

  /** What `watch` noted. */
  samples(): Promise<Sample[]> {
    return this.page.evaluate(() => window.samples) as Promise<Sample[]>;
  }

  /** Leaves, as somebody does who closes the tab. */
  async close(): Promise<void> {
    await this.page.context().close();
  }
}

/** A counter at a moment, between the samples around it. */
export function counterAt(samples: readonly Sample[], at: number, counter: "framesSent" | "bytes"): number {
  const next = samples.findIndex((s) => s.at >= at);
  const b = samples[next === -1 ? samples.length - 1 : next];
  const a = samples[Math.max(0, (next === -1 ? samples.length : next) - 1)];
  if (!a || !b) return 0;
  if (a === b || b.at === a.at) return b[counter];
  return a[counter] + ((b[counter] - a[counter]) * (at - a.at)) / (b.at - a.at);
}
