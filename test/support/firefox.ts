import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket } from "ws";
import { findProgram, type Program } from "./requires.ts";

/** Firefox from the system, for `describeWith`. */
export function findFirefox(): Program {
  return {
    name: "firefox",
    path: findProgram(process.env.ROOMTAP_FIREFOX ?? "firefox-esr", "firefox"),
    install: "apt-get install -y firefox-esr",
  };
}

/** A made-up camera and microphone that nobody has to allow, and candidates that are plain addresses. */
const preferences = {
  "media.navigator.streams.fake": true,
  "media.navigator.permission.disabled": true,
  "media.peerconnection.ice.loopback": true,
  "media.peerconnection.ice.obfuscate_host_addresses": false,
  "media.autoplay.default": 0,
  "media.autoplay.blocking_policy": 0,
  // Looks for codecs on the network otherwise.
  "media.gmp-manager.updateEnabled": false,
  "app.update.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "datareporting.policy.dataSubmissionEnabled": false,
  "network.captive-portal-service.enabled": false,
  "remote.active-protocols": 1,
};

type Answer = { id?: number; type: string; result?: unknown; error?: string; message?: string };
type Evaluated = { type: string; result?: { value?: unknown }; exceptionDetails?: { text: string } };

/** A headless Firefox with one page, driven by WebDriver BiDi. The caller closes it. */
export class Firefox {
  readonly #process: ChildProcess;
  readonly #profile: string;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, { resolve(v: unknown): void; reject(e: Error): void }>();
  #context = "";
  #next = 1;

  private constructor(process: ChildProcess, profile: string, socket: WebSocket) {
    this.#process = process;
    this.#profile = profile;
    this.#socket = socket;
    socket.on("message", (data) => {
      const m = JSON.parse(String(data)) as Answer;
      const waiting = m.id === undefined ? undefined : this.#waiting.get(m.id);
      if (m.id !== undefined) this.#waiting.delete(m.id);
      if (m.type === "success") waiting?.resolve(m.result);
      else waiting?.reject(new Error(`firefox: ${m.error}: ${m.message}`));
    });
    socket.on("close", () => {
      for (const w of this.#waiting.values()) w.reject(new Error("firefox went away"));
    });
  }

  static async launch(): Promise<Firefox> {
    const { path } = findFirefox();
    if (path === undefined) throw new Error("firefox is missing");
    const profile = mkdtempSync(join(tmpdir(), "roomtap-firefox-"));
    const lines = Object.entries(preferences).map(([k, v]) => `user_pref("${k}", ${JSON.stringify(v)});\n`);
    writeFileSync(join(profile, "user.js"), lines.join(""));
    const child = spawn(
      path,
      ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"],
      { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, MOZ_HEADLESS: "1", HOME: profile } },
    );
    try {
      const url = await new Promise<string>((resolve, reject) => {
        let said = "";
        child.stderr.setEncoding("utf8").on("data", (text: string) => {
          said += text;
          const [, found] = /WebDriver BiDi listening on (ws:\S+)/.exec(said) ?? [];
          if (found !== undefined) resolve(found);
        });
        child.once("error", reject);
        child.once("exit", () => reject(new Error(`firefox ended: ${said.slice(-500)}`)));
      });
      const socket = new WebSocket(`${url}/session`);
      await new Promise((resolve, reject) => {
        socket.once("open", resolve);
        socket.once("error", reject);
      });
      const firefox = new Firefox(child, profile, socket);
      await firefox.#command("session.new", { capabilities: { alwaysMatch: { acceptInsecureCerts: true } } });
      const tree = (await firefox.#command("browsingContext.getTree", {})) as {
        contexts: { context: string }[];
      };
      firefox.#context = tree.contexts[0]?.context ?? "";
      return firefox;
    } catch (error) {
      child.kill("SIGKILL");
      rmSync(profile, { recursive: true, force: true });
      throw error;
    }
  }

  /** Opens a page in the one tab and waits until it is loaded. */
  async goto(url: string): Promise<void> {
    await this.#command("browsingContext.navigate", { context: this.#context, url, wait: "complete" });
  }

  /** Value of an expression in the page, awaited; plain texts, numbers and truths only. Rejects when it throws. */
  async evaluate(expression: string): Promise<unknown> {
    const answer = (await this.#command("script.evaluate", {
      expression,
      target: { context: this.#context },
      awaitPromise: true,
      userActivation: true,
    })) as Evaluated;
    if (answer.type === "exception") throw new Error(`firefox: ${answer.exceptionDetails?.text}`);
    return answer.result?.value;
  }

  async close(): Promise<void> {
    this.#socket.close();
    if (this.#process.exitCode === null) {
      const ended = new Promise((resolve) => {
        this.#process.once("exit", resolve);
      });
      this.#process.kill("SIGTERM");
      const hurry = setTimeout(() => this.#process.kill("SIGKILL"), 5000);
      await ended;
      clearTimeout(hurry);
    }
    rmSync(this.#profile, { recursive: true, force: true });
  }

  #command(method: string, params: object): Promise<unknown> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }
}
