import { DevicePicker } from "./devices.ts";
import { byId, setToggle, showScreen } from "./dom.ts";
import type { LevelMeter } from "./level-meter.ts";
import { type DeviceSource, LocalMedia, type MediaProblem } from "./local-media.ts";
import type { Params } from "./params.ts";

/** What a person decided before joining. */
export type Entry = { name: string; token: string | undefined };

const NAME_KEY = "roomtap.name";

/** The screen before the call: own picture, devices, name. */
export class Lobby {
  readonly #media: LocalMedia;
  readonly #meter: LevelMeter;
  readonly #video = byId("preview", HTMLVideoElement);
  readonly #mic = byId("lobby-mic", HTMLButtonElement);
  readonly #cam = byId("lobby-cam", HTMLButtonElement);
  readonly #name = byId("lobby-name", HTMLInputElement);
  readonly #token = byId("lobby-token", HTMLInputElement);
  readonly #problem = byId("lobby-problem", HTMLElement);
  readonly #picker: DevicePicker;
  #timer: number | undefined;

  constructor(media: LocalMedia, meter: LevelMeter, onJoin: (entry: Entry) => void) {
    this.#media = media;
    this.#meter = meter;
    this.#picker = new DevicePicker(
      media,
      {
        microphone: byId("lobby-mic-select", HTMLSelectElement),
        camera: byId("lobby-cam-select", HTMLSelectElement),
      },
      (problem) => this.#complain([problem]),
    );
    this.#mic.addEventListener("click", () => void this.#toggle("microphone"));
    this.#cam.addEventListener("click", () => void this.#toggle("camera"));
    byId("lobby-form", HTMLFormElement).addEventListener("submit", (e) => {
      e.preventDefault();
      onJoin(this.entry());
    });
  }

  /** What the form says now; the name is remembered for the next time. */
  entry(): Entry {
    const name = this.#name.value.trim();
    remember(name);
    return { name: name || "Guest", token: this.#token.value || undefined };
  }

  fill(params: Params): void {
    byId("lobby-room", HTMLElement).textContent = params.room ?? "";
    this.#name.value = params.name || recall();
    this.#token.value = params.token ?? "";
  }

  /** Opens the wanted devices and shows them. */
  async open(wanted: readonly DeviceSource[]): Promise<void> {
    showScreen("lobby");
    this.#media.onChange = () => this.#show();
    byId("lobby-devices", HTMLElement).hidden = !LocalMedia.available;
    byId("lobby-join", HTMLButtonElement).focus();
    this.#show();
    this.#timer ??= window.setInterval(() => this.#tick(), 100);
    if (!LocalMedia.available) return;
    byId("preview-text", HTMLElement).textContent = "Asking for camera and microphone";
    const missing = wanted.filter((source) => !this.#media.tracks.has(source));
    this.#complain(await this.#media.open(missing));
    byId("preview-text", HTMLElement).textContent = "Camera is off";
    this.#show();
    await this.#picker.refresh();
  }

  /** Asks for the server's token: it was missing or wrong. */
  askToken(): void {
    byId("lobby-token-field", HTMLElement).hidden = false;
    this.#token.value = "";
    this.#problem.textContent = "This server lets nobody in without its token. Ask whoever invited you.";
    this.#problem.hidden = false;
    this.#token.focus();
  }

  close(): void {
    window.clearInterval(this.#timer);
    this.#timer = undefined;
    this.#video.srcObject = null;
  }

  #complain(problems: readonly MediaProblem[]): void {
    this.#problem.hidden = problems.length === 0;
    const comfort = this.#media.tracks.size === 0 ? ["You can still join to watch and listen."] : [];
    this.#problem.textContent = [...problems.map((p) => p.text), ...comfort].join(" ");
  }

  async #toggle(source: DeviceSource): Promise<void> {
    if (!LocalMedia.available) return;
    if (this.#media.tracks.has(source)) {
      this.#media.setOn(source, !this.#media.isOn(source));
    } else {
      const problem = await this.#media.openDevice(source);
      this.#complain(problem ? [problem] : []);
      await this.#picker.refresh();
    }
    this.#show();
  }

  #show(): void {
    const mic = this.#media.isOn("microphone");
    const cam = this.#media.isOn("camera");
    setToggle(this.#mic, mic, "mic", mic ? "Mute microphone" : "Unmute microphone");
    setToggle(this.#cam, cam, "cam", cam ? "Turn camera off" : "Turn camera on");
    byId("preview-off", HTMLElement).hidden = cam;
    const camera = this.#media.tracks.get("camera")?.track;
    const shown = this.#video.srcObject;
    const same = shown instanceof MediaStream && shown.getTracks()[0] === camera;
    if (!same) this.#video.srcObject = camera ? new MediaStream([camera]) : null;
    this.#meter.follow(this.#media.tracks.get("microphone")?.track);
  }

  #tick(): void {
    const level = Math.min(1, this.#meter.level() * 4);
    byId("lobby-level", HTMLElement).style.setProperty("--level", level.toFixed(2));
  }
}

/** Storage may be switched off; a name typed again is no loss. */
function remember(name: string): void {
  try {
    localStorage.setItem(NAME_KEY, name);
  } catch {}
}

function recall(): string {
  try {
    return localStorage.getItem(NAME_KEY) ?? "";
  } catch {
    return "";
  }
}
