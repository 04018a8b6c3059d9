import { spawnSync } from "node:child_process";
import { findProgram, type Program } from "../requires.ts";

const script = `
import gi
for m in ("Gst", "GstSdp", "GstWebRTC"): gi.require_version(m, "1.0")
from gi.repository import Gst
Gst.init(None)
exit(0 if all(map(Gst.ElementFactory.find, ("webrtcbin", "nicesrc", "vp8enc", "opusenc"))) else 1)`;

/** Debian's Python with GStreamer and its webrtcbin; another Python on the PATH may be without them. */
export const gstreamerProgram: Program = {
  name: "GStreamer",
  path: pythonWithGstreamer(),
  install:
    "apt-get install -y python3-gi gir1.2-gst-plugins-bad-1.0 gstreamer1.0-nice gstreamer1.0-plugins-{base,good,bad}",
};

function pythonWithGstreamer(): string | undefined {
  const python = findProgram("/usr/bin/python3", "python3");
  return python !== undefined && spawnSync(python, ["-c", script]).status === 0 ? python : undefined;
}
