import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram, type Program } from "./requires.ts";

/** An ffmpeg that has this encoder. */
export function ffmpegWith(encoder: string): Program {
  return {
    name: `ffmpeg with ${encoder}`,
    path: [findProgram("ffmpeg"), findProgram("/usr/bin/ffmpeg")].find((path) => path && has(path, encoder)),
    install: "apt install ffmpeg",
  };
}

function has(path: string, encoder: string): boolean {
  const list = execFileSync(path, ["-hide_banner", "-encoders"], { encoding: "utf8" });
  return list.includes(` ${encoder} `);
}

/** Encodes synthetic media into files of one test file. */
export class Workshop {
  readonly #directory = mkdtempSync(join(tmpdir(), "roomtap-encoder-"));

  /** The file that ffmpeg writes with these arguments; made once for each name. Throws what ffmpeg says. */
  make(program: Program, name: string, args: readonly string[]): Uint8Array {
    const file = join(this.#directory, name);
    if (!existsSync(file)) {
      execFileSync(program.path ?? "ffmpeg", ["-nostdin", "-v", "error", "-y", ...args, file], {
        stdio: "pipe",
      });
    }
    return new Uint8Array(readFileSync(file));
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Frames of an IVF file: a header whose length stands at octet 6, then 12 octets before every frame. */
export function ivfFrames(file: Uint8Array): Uint8Array[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const frames: Uint8Array[] = [];
  for (let at = view.getUint16(6, true); at + 12 <= file.length; ) {
    const end = at + 12 + view.getUint32(at, true);
    frames.push(file.subarray(at + 12, end));
    at = end;
  }
  return frames;
}
