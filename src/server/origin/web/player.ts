/*
 * Plays the live stream of the server that this page comes from: with hls.js where there are Media Source Extensions,
 * else with the browser's own player (iPhones).
 */

import type HlsPlayer from "hls.js";

declare const Hls: typeof HlsPlayer;

/** What tests, and curious people at the console, look at. */
declare global {
  interface Window {
    roomtap: {
      /** How long ago what is shown happened, milliseconds; undefined: not known. */
      readonly latencyMs: number | undefined;
      /** How often the picture stood still since it began. */
      readonly stalls: number;
      readonly currentTime: number;
      readonly state: State;
    };
  }
}

type State = "loading" | "playing" | "waiting" | "ended" | "failed";

const STREAM = "/index.m3u8";
const RETRY_MS = 2000;
/** More than this behind where playing at the edge would be: the button brings one back there. */
const AWAY_S = 3;
/** Nearer than this to where it shall be is near enough, seconds. */
const NEAR_S = 0.15;
/** After standing still it does not hurry for so long. */
const CALM_MS = 3000;

const element = <T extends HTMLElement>(id: string): T => {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no ${id}`);
  return found as T;
};

const stage = element("stage");
const video = element<HTMLVideoElement>("video");
const title = element("notice-title");
const text = element("notice-text");
const play = element<HTMLButtonElement>("play");
const unmute = element<HTMLButtonElement>("unmute");
const mute = element<HTMLButtonElement>("mute");
const live = element<HTMLButtonElement>("live");
const latency = element<HTMLOutputElement>("latency");
const quality = element<HTMLSelectElement>("quality");

let player: HlsPlayer | undefined;
let state: State = "loading";
let stalls = 0;
let stalledAt = 0;
let wanted = true;

const sentences: Record<Exclude<State, "playing">, readonly [string, string]> = {
  loading: ["Waiting for the stream", "It begins by itself."],
  waiting: ["Catching up", "The connection is slow, or the stream pauses."],
  ended: ["The stream is over", ""],
  failed: ["Cannot play this stream", "The server does not answer, or the address is no longer valid."],
};

function show(next: State): void {
  state = next;
  stage.dataset.state = next;
  if (next === "playing") return;
  [title.textContent, text.textContent] = sentences[next];
}

/** Unix milliseconds of what is shown. */
function playingAt(): number | undefined {
  const date = player?.playingDate;
  if (date) return date.getTime();
  const start = (video as { getStartDate?: () => Date }).getStartDate?.().getTime();
  return start === undefined || Number.isNaN(start) ? undefined : start + 1000 * video.currentTime;
}

window.roomtap = {
  get latencyMs() {
    const at = playingAt();
    return at === undefined ? undefined : Date.now() - at;
  },
  get stalls() {
    return stalls;
  },
  get currentTime() {
    return video.currentTime;
  },
  get state() {
    return state;
  },
};

async function start(): Promise<void> {
  play.hidden = true;
  try {
    await video.play();
  } catch {
    // Not even without sound: the browser wants a tap.
    play.hidden = !wanted;
  }
}

/** Where playing at the edge would be, seconds. */
function edge(): number | undefined {
  if (player?.liveSyncPosition) return player.liveSyncPosition;
  const { seekable } = video;
  return seekable.length > 0 ? seekable.end(seekable.length - 1) - 1 : undefined;
}

/**
 * A start on a busy machine ends up further behind than need be: a little faster, unheard, until it is where it shall be.
 * (hls.js does the same, but wants a second in the buffer first, which a low-latency stream never has.)
 */
function catchUp(): void {
  const { latency = 0, targetLatency } = player ?? {};
  const behind = targetLatency ? latency - targetLatency : 0;
  const calm = performance.now() - stalledAt > CALM_MS;
  const hurry = state === "playing" && calm && behind > NEAR_S;
  video.playbackRate = hurry ? Math.min(1.1, 1 + behind / 10) : 1;
}

function refresh(): void {
  if (player?.lowLatencyMode) catchUp();
  const at = window.roomtap.latencyMs;
  latency.textContent = at === undefined || state !== "playing" ? "" : `${(at / 1000).toFixed(1)} s behind`;
  const target = edge();
  const away = target !== undefined && target - video.currentTime > AWAY_S;
  live.dataset.atEdge = `${state === "playing" && !away && !video.paused}`;
  mute.setAttribute("aria-pressed", `${!video.muted && video.volume > 0}`);
  unmute.hidden = !(video.muted && state === "playing");
}

function withMediaSource(): void {
  const lowLatency = new URLSearchParams(location.search).get("latency") !== "normal";
  const hls = new Hls({
    lowLatencyMode: lowLatency,
    // The page's policy has no place for scripts made on the fly.
    enableWorker: false,
    backBufferLength: 30,
    // After each stall it stays further behind; by default a whole second.
    liveSyncOnStallIncrease: 0.25,
    manifestLoadPolicy: patient(20),
    playlistLoadPolicy: patient(20),
    fragLoadPolicy: patient(8),
  });
  player = hls;
  hls.on(Hls.Events.MANIFEST_PARSED, (_, { levels }) => {
    quality.replaceChildren(
      new Option("Auto", "-1"),
      ...levels.map((level, i) => new Option(`${level.height}p`, `${i}`)),
    );
    element("quality-field").hidden = levels.length < 2;
    void start();
  });
  hls.on(Hls.Events.ERROR, (_, data) => {
    if (!data.fatal) return;
    if (data.type === Hls.ErrorTypes.MEDIA_ERROR) {
      hls.recoverMediaError();
      return;
    }
    hls.destroy();
    player = undefined;
    show(data.response?.code === 401 || data.response?.code === 404 ? "failed" : "loading");
    setTimeout(withMediaSource, RETRY_MS);
  });
  hls.loadSource(STREAM);
  hls.attachMedia(video);
}

/** Live: what is not there comes, and what fails is tried again soon. */
function patient(seconds: number) {
  const retry = { maxNumRetry: 6, retryDelayMs: 500, maxRetryDelayMs: 3000 };
  return {
    default: {
      maxTimeToFirstByteMs: seconds * 1000,
      maxLoadTimeMs: seconds * 1000,
      timeoutRetry: retry,
      errorRetry: retry,
    },
  };
}

function withOwnPlayer(): void {
  video.src = STREAM;
  video.addEventListener("error", () => {
    show("loading");
    setTimeout(() => video.load(), RETRY_MS);
  });
  void start();
}

video.addEventListener("playing", () => show("playing"));
video.addEventListener("ended", () => show("ended"));
video.addEventListener("waiting", () => {
  if (state === "playing" && !video.seeking) {
    stalls++;
    stalledAt = performance.now();
  }
  if (state === "playing") show("waiting");
});
video.addEventListener("timeupdate", () => {
  if (state === "waiting" && video.readyState > 2) show("playing");
});
play.addEventListener("click", () => void start());
unmute.addEventListener("click", () => {
  video.muted = false;
  refresh();
});
mute.addEventListener("click", () => {
  video.muted = !video.muted;
  refresh();
});
live.addEventListener("click", () => {
  const target = edge();
  if (target !== undefined) video.currentTime = target;
  void start();
});
video.addEventListener("click", () => {
  wanted = video.paused;
  if (video.paused) void start();
  else {
    video.pause();
    play.hidden = false;
  }
});
quality.addEventListener("change", () => {
  if (player) player.nextLevel = Number(quality.value);
});
element("full").addEventListener("click", () => {
  if (document.fullscreenElement) void document.exitFullscreen();
  else if (stage.requestFullscreen) void stage.requestFullscreen();
  else (video as { webkitEnterFullscreen?: () => void }).webkitEnterFullscreen?.();
});
setInterval(refresh, 500);

show("loading");
if (Hls.isSupported()) withMediaSource();
else if (video.canPlayType("application/vnd.apple.mpegurl")) withOwnPlayer();
else show("failed");
