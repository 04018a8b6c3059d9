import type { IncomingMessage, ServerResponse } from "node:http";
import { type AccessRules, hostAllowed } from "../net/access.ts";
import { type Page, pageFile, securityHeaders } from "./page.ts";

/** Answers plain requests: the page, its files, and `/healthz`. */
export function requestHandler(
  page: Page,
  rules: AccessRules,
): (req: IncomingMessage, res: ServerResponse) => void {
  return (req, res) => {
    const say = (status: number, text: string, headers: Record<string, string> = {}): void => {
      const type = { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" };
      res.writeHead(status, { ...securityHeaders, ...type, ...headers });
      res.end(req.method === "HEAD" ? undefined : `${text}\n`);
    };
    if (!hostAllowed(req.headers.host, rules))
      return say(421, "this server does not answer to that host name");
    if (req.method !== "GET" && req.method !== "HEAD") {
      return say(405, "only GET and HEAD", { allow: "GET, HEAD" });
    }
    const path = (req.url ?? "/").split("?", 1)[0] ?? "/";
    if (path === "/healthz") return say(200, "ok");
    const file = pageFile(page, path);
    if (file) {
      res.writeHead(200, {
        ...securityHeaders,
        "content-type": file.type,
        "content-length": file.body.length,
        "cache-control": "no-cache",
      });
      res.end(req.method === "HEAD" ? undefined : file.body);
      return;
    }
    if (page.size === 0 && path === "/") return say(503, "the web page is not built: run npm run build");
    say(404, "not found");
  };
}
