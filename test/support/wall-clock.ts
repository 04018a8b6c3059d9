import type { Browser, Page } from "playwright-core";

/*
 * A picture that says when it was taken: a bar code of the wall clock, drawn by the page that sends it and read by the
 * page that shows it. Both run on one machine, so that the difference is the delay of everything in between.
 *
 * Blocks from the left: black, white, black, white; 20 bits of Unix milliseconds; how many of these are set, modulo 16.
 */

/** What a viewer saw. Times in milliseconds. */
export type Sighting = {
  /** Unix time of the moment it was on the screen. */
  readonly at: number;
  /** From the moment the picture was drawn. */
  readonly latency: number;
};

/** Code of the page that sends: its camera is a canvas with the clock, its microphone a tone. */
const SENDER = `
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const tracks = [];
    if (wanted?.video) {
      const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 360 });
      const context = canvas.getContext("2d");
      const draw = () => {
        const now = Date.now() % 2 ** 20;
        const bits = now.toString(2).padStart(20, "0");
        const ones = bits.replaceAll("0", "").length % 16;
        const code = "0101" + bits + ones.toString(2).padStart(4, "0");
        context.fillStyle = "hsl(" + ((now / 20) % 360) + " 60% 40%)";
        context.fillRect(0, 0, 640, 360);
        for (let i = 0; i < 28; i++) {
          context.fillStyle = code[i] === "1" ? "#fff" : "#000";
          context.fillRect((640 * i) / 28, 120, 640 / 28, 120);
        }
      };
      setInterval(draw, 1000 / 30);
      draw();
      tracks.push(...canvas.captureStream(30).getVideoTracks());
    }
    if (wanted?.audio) {
      const audio = new AudioContext();
      const tone = audio.createOscillator();
      const out = audio.createMediaStreamDestination();
      tone.connect(out);
      tone.start();
      tracks.push(...out.stream.getAudioTracks());
    }
    return new MediaStream(tracks);
  };
`;

/** Code of the page that shows. */
const VIEWER = `
  window.sightings = [];
  const video = document.querySelector("video");
  const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 360 });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const look = () => {
    context.drawImage(video, 0, 0, 640, 360);
    const { data } = context.getImageData(0, 180, 640, 1);
    let code = "";
    for (let i = 0; i < 28; i++) code += data[4 * Math.round((640 * (i + 0.5)) / 28)] > 127 ? "1" : "0";
    const bits = code.slice(4, 24);
    const ones = bits.replaceAll("0", "").length % 16;
    const at = Date.now();
    if (code.startsWith("0101") && parseInt(code.slice(24), 2) === ones)
      window.sightings.push({ at, latency: ((at % 2 ** 20) - parseInt(bits, 2) + 2 ** 20) % 2 ** 20 });
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
`;

/** Opens a page whose camera shows the clock. The caller closes its context. */
export async function clockPage(browser: Pick<Browser, "newContext">, url: string): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  await page.addInitScript({ content: SENDER });
  await page.goto(url);
  return page;
}

/** Notes from now on what clock every new picture of the page's video shows. */
export async function watchClock(page: Page): Promise<void> {
  await page.evaluate(`(() => {${VIEWER}})()`);
}

/** What `watchClock` noted. */
export async function sightings(page: Page): Promise<Sighting[]> {
  return (await page.evaluate("window.sightings")) as Sighting[];
}
