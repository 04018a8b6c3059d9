import { Call } from "./call.ts";
import { byId, showScreen } from "./dom.ts";
import { LevelMeter } from "./level-meter.ts";
import { Lobby } from "./lobby.ts";
import { type DeviceSource, LocalMedia } from "./local-media.ts";
import { cleanRoom, inviteLink, readParams } from "./params.ts";
import type { EndReason } from "./signalling.ts";
import { type StreamStats, streamStats } from "./stats.ts";

declare global {
  interface Window {
    roomtap: { stats(): Promise<StreamStats[]> };
  }
}

const params = readParams(new URL(location.href));
const media = new LocalMedia();
const meter = new LevelMeter();
const wanted: DeviceSource[] = [
  ...(params.audio ? (["microphone"] as const) : []),
  ...(params.video ? (["camera"] as const) : []),
];
const lobby = new Lobby(media, meter, join);
const call = new Call(media, meter, ended);
let token = params.token;

window.roomtap = { stats: () => streamStats(call.mesh) };
window.addEventListener("pagehide", () => call.leave());

const endings: Record<EndReason | "left", [title: string, text: string]> = {
  left: ["You left the room", "The others stay as long as they like."],
  kicked: ["You were removed", "Somebody who runs this server ended your visit."],
  "room-full": ["The room is full", "Wait until somebody leaves, then try again."],
  auth: ["This server needs a token", "Ask whoever invited you."],
  protocol: ["The server refused this page", "Reload it: the server may be newer than the page."],
  replaced: ["You joined elsewhere", "Another tab or window took your place in the room."],
};

function join(entry: { name: string; token: string | undefined }): void {
  const { room, codec } = params;
  if (room === undefined) return;
  token = entry.token;
  lobby.close();
  call.start({ room, name: entry.name, token, codec, invite: inviteLink(room, token) });
}

function ended(reason: EndReason | "left"): void {
  if (reason === "auth") {
    void lobby.open([]).then(() => lobby.askToken());
    return;
  }
  media.stopAll();
  const [title, text] = endings[reason];
  byId("ended-title", HTMLElement).textContent = title;
  byId("ended-text", HTMLElement).textContent = text;
  showScreen("ended");
  byId("ended-again", HTMLButtonElement).focus();
}

function showLanding(): void {
  byId("landing-form", HTMLFormElement).addEventListener("submit", (e) => {
    e.preventDefault();
    const input = byId("landing-room", HTMLInputElement);
    const room = cleanRoom(input.value);
    if (room !== undefined) location.assign(inviteLink(room, token));
    else {
      input.setCustomValidity("Use letters and digits.");
      input.reportValidity();
      input.setCustomValidity("");
    }
  });
  showScreen("landing");
  byId("landing-room", HTMLInputElement).focus();
}

function showInsecure(): void {
  byId("insecure-origin", HTMLElement).textContent = location.origin;
  byId("insecure-https", HTMLAnchorElement).href = location.href.replace(/^http:/, "https:");
  byId("insecure-watch", HTMLButtonElement).addEventListener("click", () => void lobby.open([]));
  showScreen("insecure");
}

async function enter(): Promise<void> {
  if (params.room === undefined) {
    showLanding();
    return;
  }
  if (new URL(location.href).searchParams.has("token")) {
    // The token leaves the address line's query, from where it would travel in requests.
    const url = new URL(location.href);
    url.searchParams.delete("token");
    url.hash = new URLSearchParams({ token: token ?? "" }).toString();
    history.replaceState(null, "", url);
  }
  lobby.fill(params);
  byId("ended-again", HTMLButtonElement).addEventListener("click", () => void lobby.open(wanted));
  if (!LocalMedia.available && !params.autojoin) {
    showInsecure();
    return;
  }
  await lobby.open(wanted);
  if (params.autojoin) join(lobby.entry());
}

// A video element that waits for a peer's first frame holds the load event up, so nobody joins before it.
window.addEventListener("load", () => void enter());
