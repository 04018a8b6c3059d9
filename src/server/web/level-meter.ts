/** Measures how loud a local track is. */
export class LevelMeter {
  #context: AudioContext | undefined;
  #analyser: AnalyserNode | undefined;
  #source: MediaStreamAudioSourceNode | undefined;
  #track: MediaStreamTrack | undefined;
  readonly #samples = new Float32Array(1024);

  /** Listens to this track from now on. */
  follow(track: MediaStreamTrack | undefined): void {
    if (track === this.#track) return;
    this.#track = track;
    this.#source?.disconnect();
    this.#source = undefined;
    if (!track) return;
    this.#context ??= new AudioContext();
    this.#analyser ??= new AnalyserNode(this.#context, { fftSize: this.#samples.length });
    this.#source = this.#context.createMediaStreamSource(new MediaStream([track]));
    this.#source.connect(this.#analyser);
    // Suspended until the person has touched the page; the meter then stays at rest.
    this.#context.resume().catch(() => {});
  }

  /** Root mean square of the last 20 ms or so: 0 to 1, speech around 0.1. */
  level(): number {
    if (!this.#source) return 0;
    this.#analyser?.getFloatTimeDomainData(this.#samples);
    let sum = 0;
    for (const s of this.#samples) sum += s * s;
    return Math.sqrt(sum / this.#samples.length);
  }
}
