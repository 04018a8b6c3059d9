import { type Browser, chromium } from "playwright-core";
import { findProgram, type Program } from "./requires.ts";

/** Chromium from the system, for `describeWith`. */
export function findChromium(): Program {
  return {
    name: "chromium",
    path: findProgram(process.env.ROOMTAP_CHROMIUM ?? "chromium", "chromium-browser", "google-chrome"),
    install: "apt-get install -y chromium",
  };
}

/**
 * A headless Chromium with fake camera, microphone and screen, whose candidates are plain addresses, also of the
 * loopback. `executable`: a program that starts Chromium with its arguments in its own way. The caller closes it.
 */
export async function launchChromium(
  extraArgs: readonly string[] = [],
  executable?: string,
): Promise<Browser> {
  const path = executable ?? findChromium().path;
  if (path === undefined) throw new Error("chromium is missing");
  return await chromium.launch({
    executablePath: path,
    args: [
      "--no-sandbox",
      "--use-fake-device-for-media-stream",
      "--use-fake-ui-for-media-stream",
      "--autoplay-policy=no-user-gesture-required",
      "--allow-loopback-in-peer-connection",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      // The second: pages of the test talk to servers of the test.
      "--disable-features=WebRtcHideLocalIpsWithMdns,LocalNetworkAccessChecks",
      ...extraArgs,
    ],
  });
}
