import { Counter, Gauge, Registry } from "prom-client";

/** What a stream tells of itself, whenever it is asked. */
export type StreamFigures = {
  readonly uptimeSeconds: number;
  readonly participants: number;
  /** From the newest picture that went into the encoder to the newest that came out. */
  readonly encoderDelaySeconds: number;
  /** Pictures encoded, and left out because the encoder was too slow; how often it was started. */
  readonly encodedFrames: number;
  readonly droppedFrames: number;
  readonly encoderStarts: number;
  readonly segments: number;
  /** Ways out by name. */
  readonly sinks: readonly {
    readonly name: string;
    readonly running: boolean;
    readonly bytes: number;
    readonly dropped: number;
    readonly attempts: number;
  }[];
  /** What comes from the room. */
  readonly tracks: readonly {
    readonly participant: string;
    readonly kind: string;
    readonly source: string;
    readonly codec: string;
    readonly bitrate: number;
    readonly lossRatio: number;
    readonly frames: number;
  }[];
};

/** Requests as they were answered. */
export type RequestKind = "page" | "playlist" | "segment" | "part" | "metrics" | "other";

/** Prometheus metrics of a stream and its origin, in a registry of their own. */
export class OriginMetrics {
  readonly #registry = new Registry();
  readonly #requests: Counter<"kind" | "status">;
  readonly #gauges = new Map<string, Gauge<string>>();

  constructor(figures: () => StreamFigures, waiting: () => number, age: () => number | undefined) {
    this.#requests = new Counter({
      name: "roomtap_origin_requests_total",
      help: "HTTP requests, by what was asked for and how it was answered.",
      labelNames: ["kind", "status"],
      registers: [this.#registry],
    });
    this.#gauge("roomtap_origin_waiting_requests", "Playlist and part requests that wait.", [], (g) =>
      g.set(waiting()),
    );
    this.#gauge("roomtap_stream_newest_media_age_seconds", "Age of the newest part or segment.", [], (g) =>
      g.set(age() ?? Number.NaN),
    );
    const one = (name: string, help: string, value: (f: StreamFigures) => number) =>
      this.#gauge(`roomtap_stream_${name}`, help, [], (g) => g.set(value(figures())));
    one("uptime_seconds", "Since the stream began.", (f) => f.uptimeSeconds);
    one("participants", "In the room, without recorders.", (f) => f.participants);
    one(
      "encoder_delay_seconds",
      "From a picture's way into the encoder to its way out.",
      (f) => f.encoderDelaySeconds,
    );
    one("encoded_frames_total", "Pictures encoded.", (f) => f.encodedFrames);
    one("dropped_frames_total", "Pictures left out: the encoder was too slow.", (f) => f.droppedFrames);
    one("encoder_starts_total", "How often the encoder was started.", (f) => f.encoderStarts);
    one(
      "encoder_speed_ratio",
      "Pictures that are encoded of those that are due; below 1 it is too slow.",
      (f) => f.encodedFrames / Math.max(1, f.encodedFrames + f.droppedFrames),
    );
    one("segments_total", "Segments of the best rendition.", (f) => f.segments);
    const sinks = (name: string, help: string, value: (s: StreamFigures["sinks"][number]) => number) =>
      this.#gauge(`roomtap_sink_${name}`, help, ["sink"], (g) => {
        for (const s of figures().sinks) g.set({ sink: s.name }, value(s));
      });
    sinks("up", "1 while it runs.", (s) => (s.running ? 1 : 0));
    sinks("bytes_total", "Octets carried away.", (s) => s.bytes);
    sinks("dropped_samples_total", "Samples dropped: it was too slow, or away.", (s) => s.dropped);
    sinks("attempts_total", "How often it was started.", (s) => s.attempts);
    const tracks = (name: string, help: string, value: (t: StreamFigures["tracks"][number]) => number) =>
      this.#gauge(`roomtap_track_${name}`, help, ["participant", "kind", "source", "codec"], (g) => {
        for (const { participant, kind, source, codec, ...t } of figures().tracks)
          g.set({ participant, kind, source, codec }, value({ participant, kind, source, codec, ...t }));
      });
    tracks("bitrate_bps", "Payload of the last second, bit/s.", (t) => t.bitrate);
    tracks("loss_ratio", "Packets lost for good of those expected.", (t) => t.lossRatio);
    tracks("frames_total", "Frames received.", (t) => t.frames);
  }

  /** A request was answered. */
  request(kind: RequestKind, status: number): void {
    this.#requests.inc({ kind, status: `${status}` });
  }

  /** All of it, in Prometheus' text format. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  #gauge(
    name: string,
    help: string,
    labelNames: readonly string[],
    collect: (g: Gauge<string>) => void,
  ): void {
    const gauge: Gauge<string> = new Gauge({
      ...{ name, help, labelNames: [...labelNames], registers: [this.#registry] },
      collect: () => {
        // Who has left is not there any more.
        if (labelNames.length > 0) gauge.reset();
        collect(gauge);
      },
    });
    this.#gauges.set(name, gauge);
  }
}
