import type { LocalTrack } from "./peer-link.ts";
import type { Source } from "./protocol.ts";

/** The two kinds of device a person chooses. */
export type DeviceSource = "microphone" | "camera";

/** What could not be had, in words for the person. */
export type MediaProblem = { source: DeviceSource; text: string };

const wishes: Record<DeviceSource, MediaTrackConstraints> = {
  microphone: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  camera: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 } },
};

/** Camera, microphone and screen of this page. A muted track keeps running and sends black or silence. */
export class LocalMedia {
  readonly tracks = new Map<Source, LocalTrack>();
  /** Called whenever a track came, changed or went. */
  onChange: (source: Source, local: LocalTrack | undefined) => void = () => {};

  /** Whether the page may ask for devices at all: browsers allow it on secure pages only. */
  static get available(): boolean {
    return window.isSecureContext && navigator.mediaDevices !== undefined;
  }

  /** Opens what is wanted, each on its own when both together fail. */
  async open(wanted: readonly DeviceSource[]): Promise<MediaProblem[]> {
    if (wanted.length === 2) {
      try {
        const { microphone: audio, camera: video } = wishes;
        const stream = await navigator.mediaDevices.getUserMedia({ audio, video });
        for (const track of stream.getTracks()) {
          this.#set(track.kind === "audio" ? "microphone" : "camera", track);
        }
        return [];
      } catch {
        // One of the two may still work; the single attempts below say which does not, and why.
      }
    }
    const problems: MediaProblem[] = [];
    for (const source of wanted) {
      const problem = await this.openDevice(source);
      if (problem) problems.push(problem);
    }
    return problems;
  }

  /** Opens one device, or changes to another one. */
  async openDevice(source: DeviceSource, deviceId?: string): Promise<MediaProblem | undefined> {
    const wish = { ...wishes[source], ...(deviceId && { deviceId: { exact: deviceId } }) };
    // Some cameras cannot be opened twice; the old one is let go first.
    const enabled = this.isOn(source) || !this.tracks.has(source);
    if (deviceId) this.tracks.get(source)?.track.stop();
    try {
      const constraints = source === "camera" ? { video: wish } : { audio: wish };
      const [track] = (await navigator.mediaDevices.getUserMedia(constraints)).getTracks();
      if (track) {
        track.enabled = enabled;
        this.#set(source, track);
      }
      return undefined;
    } catch (e) {
      if (deviceId) this.#remove(source);
      return { source, text: explain(source, e) };
    }
  }

  /** Asks for a screen; false when the person declined. */
  async shareScreen(): Promise<boolean> {
    let stream: MediaStream;
    try {
      stream = await navigator.mediaDevices.getDisplayMedia({
        video: { frameRate: { ideal: 30, max: 30 } },
        audio: true,
      });
    } catch (e) {
      if (e instanceof DOMException && e.name === "NotAllowedError") return false;
      throw e;
    }
    for (const track of stream.getTracks()) {
      if (track.kind === "video") track.contentHint = "detail";
      this.#set(track.kind === "video" ? "screen" : "screen-audio", track, stream);
    }
    return true;
  }

  stopScreen(): void {
    this.#remove("screen");
    this.#remove("screen-audio");
  }

  /** Whether a device is there and not muted. */
  isOn(source: DeviceSource): boolean {
    return this.tracks.get(source)?.track.enabled ?? false;
  }

  setOn(source: DeviceSource, on: boolean): void {
    const local = this.tracks.get(source);
    if (local) local.track.enabled = on;
  }

  stopAll(): void {
    for (const source of [...this.tracks.keys()]) this.#remove(source);
  }

  #set(source: Source, track: MediaStreamTrack, stream?: MediaStream): void {
    this.tracks.get(source)?.track.stop();
    const local = { track, stream: stream ?? this.#deviceStream() };
    this.tracks.set(source, local);
    // Fires when the device is unplugged or sharing is stopped from the browser's own bar; not on stop().
    track.onended = () => {
      if (this.tracks.get(source)?.track === track) {
        if (source === "screen") this.stopScreen();
        else this.#remove(source);
      }
    };
    this.onChange(source, local);
  }

  /** Camera and microphone belong together: receivers play them in step. */
  #deviceStream(): MediaStream {
    const known = this.tracks.get("microphone") ?? this.tracks.get("camera");
    return known?.stream ?? new MediaStream();
  }

  #remove(source: Source): void {
    const local = this.tracks.get(source);
    if (!local) return;
    local.track.stop();
    this.tracks.delete(source);
    this.onChange(source, undefined);
  }
}

function explain(source: DeviceSource, e: unknown): string {
  const name = e instanceof DOMException ? e.name : "";
  switch (name) {
    case "NotAllowedError":
      return `The browser blocks the ${source}. Allow it with the icon in the address bar.`;
    case "NotFoundError":
    case "OverconstrainedError":
      return `No ${source} was found.`;
    case "NotReadableError":
    case "AbortError":
      return `The ${source} is in use by another program.`;
    default:
      return `The ${source} could not be opened.`;
  }
}
