import { DevicePicker } from "./devices.ts";
import { byId, clearToasts, setToggle, showScreen, toast } from "./dom.ts";
import type { LevelMeter } from "./level-meter.ts";
import { type DeviceSource, LocalMedia } from "./local-media.ts";
import { Mesh, type MeshView } from "./mesh.ts";
import type { LinkState } from "./peer-link.ts";
import type { Muted, Peer, Source } from "./protocol.ts";
import type { EndReason } from "./signalling.ts";
import { Stage } from "./stage.ts";
import { Participant } from "./tiles.ts";

/** Above this a voice counts as speaking. */
const SPEAKING_LEVEL = 0.02;
const COPIED_MS = 2000;

/** Where a call takes place. */
export type CallOptions = {
  room: string;
  name: string;
  token: string | undefined;
  codec: string | undefined;
  invite: string;
};

/** The call screen. One object lives as long as the page; `start` and the ending frame each call. */
export class Call implements MeshView {
  readonly #media: LocalMedia;
  readonly #meter: LevelMeter;
  readonly #onEnd: (reason: EndReason | "left") => void;
  readonly #stage = new Stage(
    byId("stage", HTMLElement),
    byId("grid", HTMLElement),
    byId("screens", HTMLElement),
  );
  readonly #people = new Map<string, { peer: Peer; tiles: Participant }>();
  readonly #picker: DevicePicker;
  readonly #blocked = new Set<() => void>();
  #self: Participant | undefined;
  #mesh: Mesh | undefined;
  #invite = "";
  #timer: number | undefined;

  constructor(media: LocalMedia, meter: LevelMeter, onEnd: (reason: EndReason | "left") => void) {
    this.#media = media;
    this.#meter = meter;
    this.#onEnd = onEnd;
    this.#picker = new DevicePicker(
      media,
      {
        microphone: byId("call-mic-select", HTMLSelectElement),
        camera: byId("call-cam-select", HTMLSelectElement),
      },
      (problem) => toast(problem.text, "error"),
    );
    const click = (id: string, act: () => void) => {
      byId(id, HTMLButtonElement).addEventListener("click", act);
    };
    click("mic", () => void this.#toggle("microphone"));
    click("cam", () => void this.#toggle("camera"));
    click("share", () => void this.#share());
    click("leave", () => this.leave());
    click("copy", () => void this.#copy());
    click("alone-copy", () => void this.#copy());
    click("unblock", () => this.#unblock());
    click("devices-open", () => {
      void this.#picker.refresh();
      byId("devices", HTMLDialogElement).showModal();
    });
    document.addEventListener("keydown", (e) => this.#key(e));
  }

  /** The running room, for statistics. */
  get mesh(): Mesh | undefined {
    return this.#mesh;
  }

  start(o: CallOptions): void {
    this.#invite = o.invite;
    byId("call-room", HTMLElement).textContent = o.room;
    byId("alone-link", HTMLInputElement).value = o.invite;
    byId("share", HTMLButtonElement).hidden = typeof navigator.mediaDevices?.getDisplayMedia !== "function";
    byId("devices-open", HTMLButtonElement).hidden = !LocalMedia.available;
    document.title = `${o.room} · Roomtap`;
    this.#self = new Participant({ id: "self", name: o.name, self: true, blocked: () => {} });
    this.#self.face.setState("connected");
    this.#media.onChange = (source, local) => {
      this.#mesh?.setTrack(source, local);
      this.#showSelf();
    };
    showScreen("call");
    this.#mesh = new Mesh({
      room: o.room,
      name: o.name,
      token: o.token,
      codec: o.codec,
      local: this.#media.tracks,
      muted: this.#muted(),
      view: this,
    });
    this.#showSelf();
    this.#arrange();
    this.#timer = window.setInterval(() => this.#listen(), 200);
  }

  leave(): void {
    if (!this.#mesh) return;
    this.#mesh.leave();
    this.ended("left");
  }

  joined(resumed: boolean): void {
    byId("reconnecting", HTMLElement).hidden = true;
    if (!resumed) this.#arrange();
  }

  peerJoined(peer: Peer): void {
    const { id, name } = peer;
    const blocked = (retry: () => void) => {
      this.#blocked.add(retry);
      byId("unblock", HTMLButtonElement).hidden = false;
    };
    const tiles = new Participant({ id, name, self: false, blocked });
    tiles.face.setState("connecting");
    this.#people.set(id, { peer, tiles });
    if (peer.recorder) toast(`${name} is recording this room`);
    this.#arrange();
  }

  peerLeft(peer: Peer): void {
    this.#people.get(peer.id)?.tiles.remove();
    this.#people.delete(peer.id);
    this.#arrange();
  }

  peerMuted(id: string, muted: Muted): void {
    this.#people.get(id)?.tiles.face.setMuted(muted);
  }

  peerTracks(id: string, tracks: ReadonlyMap<Source, MediaStreamTrack>): void {
    this.#people.get(id)?.tiles.setTracks(tracks);
    this.#arrange();
  }

  peerState(id: string, state: LinkState): void {
    this.#people.get(id)?.tiles.face.setState(state);
  }

  signallingLost(): void {
    byId("reconnecting", HTMLElement).hidden = false;
  }

  ended(reason: EndReason | "left"): void {
    window.clearInterval(this.#timer);
    this.#mesh = undefined;
    this.#self?.remove();
    this.#self = undefined;
    for (const { tiles } of this.#people.values()) tiles.remove();
    this.#people.clear();
    this.#blocked.clear();
    byId("unblock", HTMLButtonElement).hidden = true;
    byId("reconnecting", HTMLElement).hidden = true;
    byId("devices", HTMLDialogElement).close();
    clearToasts();
    document.title = "Roomtap";
    this.#onEnd(reason);
  }

  #muted(): Muted {
    return { audio: !this.#media.isOn("microphone"), video: !this.#media.isOn("camera") };
  }

  #arrange(): void {
    const shown = [...this.#people.values()].filter(({ peer }) => !peer.recorder);
    const recorders = [...this.#people.values()].filter(({ peer }) => peer.recorder);
    this.#stage.show([...(this.#self ? [this.#self] : []), ...shown.map(({ tiles }) => tiles)]);
    byId("count-number", HTMLElement).textContent = String(shown.length + 1);
    byId("alone", HTMLElement).hidden = shown.length > 0;
    const badge = byId("recording", HTMLElement);
    badge.hidden = recorders.length === 0;
    badge.title = `Recorded by ${recorders.map(({ peer }) => peer.name).join(", ")}`;
  }

  #showSelf(): void {
    const muted = this.#muted();
    const [mic, cam] = [!muted.audio, !muted.video];
    const tracks = new Map<Source, MediaStreamTrack>();
    for (const [source, { track }] of this.#media.tracks)
      if (track.kind === "video") tracks.set(source, track);
    this.#self?.setTracks(tracks);
    this.#self?.face.setMuted(muted);
    const key = (name: string, letter: string) => `${name} (${letter})`;
    setToggle(
      byId("mic", HTMLButtonElement),
      mic,
      "mic",
      key(mic ? "Mute microphone" : "Unmute microphone", "M"),
    );
    setToggle(
      byId("cam", HTMLButtonElement),
      cam,
      "cam",
      key(cam ? "Turn camera off" : "Turn camera on", "V"),
    );
    const sharing = tracks.has("screen");
    setToggle(
      byId("share", HTMLButtonElement),
      sharing,
      "screen",
      sharing ? "Stop sharing your screen" : "Share your screen",
    );
    this.#meter.follow(this.#media.tracks.get("microphone")?.track);
    this.#mesh?.setMuted(muted);
    this.#arrange();
  }

  async #toggle(source: DeviceSource): Promise<void> {
    if (!LocalMedia.available) {
      toast("Browsers give camera and microphone to secure pages only.", "error");
    } else if (this.#media.tracks.has(source)) {
      this.#media.setOn(source, !this.#media.isOn(source));
      this.#showSelf();
    } else {
      const problem = await this.#media.openDevice(source);
      if (problem) toast(problem.text, "error");
    }
  }

  async #share(): Promise<void> {
    if (this.#media.tracks.has("screen")) {
      this.#media.stopScreen();
      return;
    }
    try {
      await this.#media.shareScreen();
    } catch {
      toast("The screen could not be shared.", "error");
    }
  }

  async #copy(): Promise<void> {
    const text = byId("copy-text", HTMLElement);
    const button = byId("alone-copy", HTMLButtonElement);
    try {
      await navigator.clipboard.writeText(this.#invite);
    } catch {
      // No clipboard on insecure pages: the link is shown, ready to be copied by hand.
      byId("alone", HTMLElement).hidden = false;
      byId("alone-link", HTMLInputElement).select();
      return;
    }
    text.textContent = "Copied";
    button.textContent = "Copied";
    toast("The link is in your clipboard");
    window.setTimeout(() => {
      text.textContent = "Copy link";
      button.textContent = "Copy";
    }, COPIED_MS);
  }

  #unblock(): void {
    const retries = [...this.#blocked];
    this.#blocked.clear();
    byId("unblock", HTMLButtonElement).hidden = true;
    for (const retry of retries) retry();
  }

  #key(e: KeyboardEvent): void {
    const typing = e.target instanceof HTMLInputElement || e.target instanceof HTMLSelectElement;
    if (!this.#mesh || typing || e.repeat || e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key === "m" || e.key === "M") void this.#toggle("microphone");
    if (e.key === "v" || e.key === "V") void this.#toggle("camera");
  }

  #listen(): void {
    const own = this.#media.isOn("microphone") ? this.#meter.level() : 0;
    this.#self?.face.setSpeaking(own > SPEAKING_LEVEL);
    for (const [id, { link }] of this.#mesh?.links ?? []) {
      this.#people.get(id)?.tiles.face.setSpeaking(link.audioLevel() > SPEAKING_LEVEL);
    }
  }
}
