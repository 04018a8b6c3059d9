import { ascii, u8 } from "../bytes.ts";
import type { Rotation } from "../frame.ts";
import {
  type CaptureTime,
  readAbsSendTime,
  readAudioLevel,
  readCaptureTime,
  readRotation,
  readTransportSeq,
} from "./extension-values.ts";
import { ExtensionReader, ExtensionUri } from "./extensions.ts";
import type { RtpView } from "./packet.ts";

/** What the header extensions of one packet say. `ExtensionMap.read` fills one struct again and again. */
export type PacketExtensions = {
  mid: string | undefined;
  rid: string | undefined;
  repairedRid: string | undefined;
  /** 24 bits of 6.18 seconds. */
  absSendTime: number | undefined;
  transportSeq: number | undefined;
  /** -dBov, 0 (loudest) to 127; `voice` belongs to it. */
  audioLevel: number | undefined;
  voice: boolean;
  rotation: Rotation | undefined;
  captureTime: CaptureTime | undefined;
};

/** A struct without any extension. */
export function noExtensions(): PacketExtensions {
  return {
    mid: undefined,
    rid: undefined,
    repairedRid: undefined,
    absSendTime: undefined,
    transportSeq: undefined,
    audioLevel: undefined,
    voice: false,
    rotation: undefined,
    captureTime: undefined,
  };
}

/** Names remembered per map; a hostile sender's further names only cost it an allocation each. */
const MAX_NAMES = 32;

/**
 * Negotiated header extensions: id to URI. SFUs number them differently per m-section, so each section has
 * its own map.
 */
export class ExtensionMap {
  readonly #uris: ReadonlyMap<number, string>;
  readonly #ids = new Map<string, number>();
  readonly #reader = new ExtensionReader();
  readonly #names: string[] = [];

  constructor(uris: ReadonlyMap<number, string>) {
    this.#uris = uris;
    for (const [id, uri] of uris) if (!this.#ids.has(uri)) this.#ids.set(uri, id);
  }

  /** URI of an id, where negotiated. */
  uriOf(id: number): string | undefined {
    return this.#uris.get(id);
  }

  /** Id of a URI, where negotiated. */
  idOf(uri: string): number | undefined {
    return this.#ids.get(uri);
  }

  /** Reads the known extensions of a packet into `out`. False: the block is malformed; the part before that counts. */
  read(v: RtpView, out: PacketExtensions): boolean {
    out.mid = undefined;
    out.rid = undefined;
    out.repairedRid = undefined;
    out.absSendTime = undefined;
    out.transportSeq = undefined;
    out.audioLevel = undefined;
    out.voice = false;
    out.rotation = undefined;
    out.captureTime = undefined;
    if (v.extLength === 0) return true;
    const r = this.#reader;
    r.begin(v);
    while (r.next()) this.#element(v.buf, r, out);
    return !r.malformed;
  }

  #element(b: Uint8Array, r: ExtensionReader, out: PacketExtensions): void {
    switch (this.#uris.get(r.id)) {
      case ExtensionUri.absSendTime:
        out.absSendTime = readAbsSendTime(b, r.offset, r.length);
        break;
      case ExtensionUri.transportCc:
        out.transportSeq = readTransportSeq(b, r.offset, r.length);
        break;
      case ExtensionUri.mid:
        out.mid = this.#name(b, r.offset, r.length);
        break;
      case ExtensionUri.rid:
        out.rid = this.#name(b, r.offset, r.length);
        break;
      case ExtensionUri.repairedRid:
        out.repairedRid = this.#name(b, r.offset, r.length);
        break;
      case ExtensionUri.audioLevel: {
        const a = readAudioLevel(b, r.offset, r.length);
        out.audioLevel = a?.level;
        out.voice = a?.voice ?? false;
        break;
      }
      case ExtensionUri.videoOrientation:
        out.rotation = readRotation(b, r.offset, r.length);
        break;
      case ExtensionUri.absCaptureTime:
        out.captureTime = readCaptureTime(b, r.offset, r.length);
        break;
    }
  }

  /** The text of an element. Names repeat on every packet, so a known one is found without making a string. */
  #name(b: Uint8Array, offset: number, length: number): string | undefined {
    if (length === 0) return undefined;
    for (const known of this.#names) if (isText(b, offset, length, known)) return known;
    const name = ascii(b, offset, offset + length);
    if (this.#names.length < MAX_NAMES) this.#names.push(name);
    return name;
  }
}

function isText(b: Uint8Array, offset: number, length: number, text: string): boolean {
  if (text.length !== length) return false;
  for (let i = 0; i < length; i++) if (u8(b, offset + i) !== text.charCodeAt(i)) return false;
  return true;
}
