import type { DeviceSource, LocalMedia, MediaProblem } from "./local-media.ts";

const kinds: Record<DeviceSource, MediaDeviceKind> = { microphone: "audioinput", camera: "videoinput" };

/** Two selects that show the devices there are, and change between them. */
export class DevicePicker {
  readonly #media: LocalMedia;
  readonly #selects: Record<DeviceSource, HTMLSelectElement>;
  readonly #onProblem: (problem: MediaProblem) => void;

  constructor(
    media: LocalMedia,
    selects: Record<DeviceSource, HTMLSelectElement>,
    onProblem: (problem: MediaProblem) => void,
  ) {
    this.#media = media;
    this.#selects = selects;
    this.#onProblem = onProblem;
    for (const source of ["microphone", "camera"] as const) {
      selects[source].addEventListener("change", () => void this.#choose(source));
    }
    navigator.mediaDevices?.addEventListener("devicechange", () => void this.refresh());
  }

  /** Reads the list anew; labels are there once a device was allowed. */
  async refresh(): Promise<void> {
    const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
    for (const source of ["microphone", "camera"] as const) {
      const select = this.#selects[source];
      const current = this.#media.tracks.get(source)?.track.getSettings().deviceId;
      const options = devices
        .filter((d) => d.kind === kinds[source] && d.deviceId !== "")
        .map(
          (d, i) => new Option(d.label || `${source} ${i + 1}`, d.deviceId, false, d.deviceId === current),
        );
      if (options.length === 0) options.push(new Option(`No ${source} to choose`, ""));
      select.replaceChildren(...options);
      select.disabled = options.length < 2 && options[0]?.value === "";
    }
  }

  async #choose(source: DeviceSource): Promise<void> {
    const problem = await this.#media.openDevice(source, this.#selects[source].value);
    if (problem) this.#onProblem(problem);
    await this.refresh();
  }
}
