import type { RestreamResult, RestreamStatus } from "../../src/bot/restream.ts";
import { type CliResult, type CliRun, startCli } from "./cli.ts";
import { until } from "./until.ts";

/** `roomtap restream` as a process of its own. */
export class Streaming {
  readonly run: CliRun;
  /** What it said of itself, in order. */
  readonly statuses: RestreamStatus[] = [];
  readonly notices: string[] = [];
  #result: RestreamResult | undefined;

  /** Starts to stream a room. The caller ends it. */
  constructor(room: string, args: readonly string[]) {
    this.run = startCli(["restream", room, "--ndjson", ...args]);
    let rest = "";
    this.run.child.stdout?.on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#read(line);
    });
  }

  /** Newest. */
  get status(): RestreamStatus | undefined {
    return this.statuses.at(-1);
  }

  /** Address of its player page. */
  async url(): Promise<string> {
    const [, url = ""] = await this.run.seen(/^watch: (http\S+)$/m);
    return url;
  }

  /** Resolves with the first status that is as wanted. */
  until(what: string, wanted: (s: RestreamStatus) => boolean, capMs = 30_000): Promise<RestreamStatus> {
    return until(what, () => this.statuses.findLast(wanted), capMs);
  }

  /** Ends it as a user does. */
  async end(): Promise<CliResult & { readonly result: RestreamResult | undefined }> {
    this.run.kill("SIGINT");
    return { ...(await this.run.done), result: this.#result };
  }

  #read(line: string): void {
    const message = JSON.parse(line) as { readonly t: string };
    if (message.t === "status") this.statuses.push(message as RestreamStatus);
    else if (message.t === "notice")
      this.notices.push((message as unknown as { readonly text: string }).text);
    else if (message.t === "result") this.#result = message as unknown as RestreamResult;
  }
}
