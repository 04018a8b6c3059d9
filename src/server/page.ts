import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The files of the web page in memory, by URL path: nothing else on the disk can be asked for. */
export type Page = ReadonlyMap<string, PageFile>;

/** One file as it is served. */
export type PageFile = { readonly type: string; readonly body: Buffer };

/** Where the page lies: next to this module, in the build as in the source tree. */
export function defaultWebRoot(): string {
  return fileURLToPath(new URL("./web/", import.meta.url));
}

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

/**
 * Reads the page. Empty when it was not built: browsers run the compiled scripts, which the source tree does not
 * hold. The server then still carries native peers.
 */
export async function loadPage(root: string): Promise<Page> {
  const names = await readdir(root).catch((): string[] => []);
  const page = new Map<string, PageFile>();
  if (!names.includes("index.html") || !names.includes("room.js")) return page;
  for (const name of names) {
    const type = types[extname(name)];
    if (type !== undefined) page.set(`/${name}`, { type, body: await readFile(join(root, name)) });
  }
  return page;
}

/** The file for a request path; every room's address shows the same page. */
export function pageFile(page: Page, path: string): PageFile | undefined {
  return page.get(path === "/" || /^\/r\/[^/]+$/.test(path) ? "/index.html" : path);
}

/** Headers of every answer: the page runs its own scripts and nothing else, and nobody frames it. */
export const securityHeaders: Readonly<Record<string, string>> = {
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "media-src 'self' blob: mediastream:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; "),
  "permissions-policy":
    "camera=(self), microphone=(self), display-capture=(self), fullscreen=(self), autoplay=(self), " +
    "geolocation=(), payment=(), usb=()",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};
