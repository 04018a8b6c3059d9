#!/usr/bin/env node
// Whoever presses Ctrl-C while everything loads means it as later: end properly.
let interrupts = 0;
const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
const note = () => {
  if (++interrupts > 2) process.exit(130);
};
for (const signal of signals) process.on(signal, note);
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`error: roomtap needs Node.js 20.19 or newer, this is ${process.versions.node}`);
  console.error("hint: install a current Node.js from nodejs.org or your distribution");
  process.exit(2);
}
const { main } = await import("../dist/cli/main.js").catch((error) => {
  if (error?.code !== "ERR_MODULE_NOT_FOUND" || !String(error.message).includes("/dist/")) throw error;
  console.error("error: roomtap is not built");
  console.error("hint: run npm ci (or npm run build) in the checkout");
  process.exit(1);
});
await main(() => {
  for (const signal of signals) process.off(signal, note);
  return interrupts;
});
