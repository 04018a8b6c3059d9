/*
 * An HTTP proxy that makes tunnels: node connect-proxy.mjs HOST PORT USER:PASSWORD. Says a line once it listens, and one for
 * every tunnel. Ends with its standard input.
 */
import { createServer } from "node:http";
import { connect } from "node:net";

const [host, port, login] = process.argv.slice(2);
const wanted = `Basic ${Buffer.from(login).toString("base64")}`;
const server = createServer((_, response) => response.writeHead(405).end());
server.on("connect", (request, near) => {
  near.on("error", () => undefined);
  if (request.headers["proxy-authorization"] !== wanted) {
    near.end("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n");
    return;
  }
  const { hostname, port: to } = new URL(`http://${request.url}`);
  const far = connect(Number(to || 80), hostname, () => {
    console.log(`tunnel to ${request.url}`);
    near.write("HTTP/1.1 200 Connection established\r\n\r\n");
    far.pipe(near).pipe(far);
  });
  far.on("error", () => near.destroy());
});
server.listen(Number(port), host, () => console.log("listening"));
process.stdin.resume().on("end", () => process.exit(0));
