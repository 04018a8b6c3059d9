import { hueOf, icon, initials, make } from "./dom.ts";
import type { LinkState } from "./peer-link.ts";
import type { Muted, Source } from "./protocol.ts";

/** Called when the browser does not let sound play before the person has touched the page. */
export type Blocked = (retry: () => void) => void;

/** One picture with a name: a person, or a screen that somebody shares. */
export class Tile {
  readonly element: HTMLElement;
  readonly #video = document.createElement("video");
  readonly #stream = new MediaStream();
  readonly #micOff = icon("mic-off");
  readonly #state = make("div", "link-state", make("i", "spinner"), make("span", ""));
  readonly #blocked: Blocked;
  #videoMuted = false;

  constructor(o: { id: string; name: string; screen: boolean; self: boolean; blocked: Blocked }) {
    this.#blocked = o.blocked;
    const kind = `${o.screen ? " shared" : ""}${o.self ? " self" : ""}${o.self && !o.screen ? " mirror" : ""}`;
    const label = o.screen ? `${o.self ? "Your" : `${o.name}’s`} screen` : o.self ? "You" : o.name;
    const avatar = make("div", "avatar", make("span", "", initials(o.name)));
    const name = make("span", "name", label);
    this.element = make("article", `tile no-video${kind}`, this.#video, avatar);
    this.element.append(make("div", "label", this.#micOff, name), this.#state);
    this.element.setAttribute("aria-label", label);
    this.element.style.setProperty("--hue", String(hueOf(o.id)));
    this.#micOff.toggleAttribute("hidden", true);
    this.#state.hidden = true;
    this.#video.autoplay = true;
    this.#video.playsInline = true;
    // Our own sound stays here.
    this.#video.muted = o.self;
    this.#video.srcObject = this.#stream;
    this.#video.addEventListener("resize", () => {
      this.element.classList.toggle("contain", this.#video.videoHeight > this.#video.videoWidth);
    });
  }

  /** Shows exactly these tracks; undefined: none. */
  setTracks(video: MediaStreamTrack | undefined, audio: MediaStreamTrack | undefined): void {
    const want = [video, audio].filter((t) => t !== undefined);
    for (const t of this.#stream.getTracks()) if (!want.includes(t)) this.#stream.removeTrack(t);
    for (const t of want) if (!this.#stream.getTracks().includes(t)) this.#stream.addTrack(t);
    this.#showVideo();
    if (want.length > 0) this.#play();
  }

  setMuted(muted: Muted): void {
    this.#micOff.toggleAttribute("hidden", !muted.audio);
    this.#videoMuted = muted.video;
    this.#showVideo();
  }

  setState(state: LinkState): void {
    this.#state.hidden = state === "connected";
    const text = this.#state.querySelector("span");
    if (text) text.textContent = state === "interrupted" ? "Connection is weak" : "Connecting";
  }

  setSpeaking(speaking: boolean): void {
    this.element.classList.toggle("speaking", speaking);
  }

  #showVideo(): void {
    const shown = this.#stream.getVideoTracks().length > 0 && !this.#videoMuted;
    this.element.classList.toggle("no-video", !shown);
  }

  #play(): void {
    this.#video.play().catch((e: unknown) => {
      if (e instanceof DOMException && e.name === "NotAllowedError") this.#blocked(() => this.#play());
    });
  }
}

/** The tiles of one participant: a face, and a screen while it is shared. */
export class Participant {
  readonly face: Tile;
  screen: Tile | undefined;
  readonly #makeScreen: () => Tile;

  constructor(o: { id: string; name: string; self: boolean; blocked: Blocked }) {
    this.face = new Tile({ ...o, screen: false });
    this.#makeScreen = () => new Tile({ ...o, screen: true });
  }

  /** Shows what the participant sends now. */
  setTracks(tracks: ReadonlyMap<Source, MediaStreamTrack>): void {
    this.face.setTracks(tracks.get("camera"), tracks.get("microphone"));
    const screen = tracks.get("screen");
    if (screen) {
      this.screen ??= this.#makeScreen();
      this.screen.setTracks(screen, tracks.get("screen-audio"));
    } else {
      this.screen?.element.remove();
      this.screen = undefined;
    }
  }

  remove(): void {
    this.face.element.remove();
    this.screen?.element.remove();
  }
}
