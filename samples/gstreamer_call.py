"""Calls Roomtap with GStreamer's webrtcbin: sends a file, or writes what it publishes.

    apt-get install python3-gi gir1.2-gst-plugins-bad-1.0 gstreamer1.0-nice gstreamer1.0-plugins-{good,bad}
    roomtap record offer-listen://127.0.0.1:8080/offer
    /usr/bin/python3 samples/gstreamer_call.py send http://127.0.0.1:8080/offer/Ann talk.webm

    roomtap publish offer-listen://127.0.0.1:8080/offer
    /usr/bin/python3 samples/gstreamer_call.py receive http://127.0.0.1:8080/offer call.mkv --seconds 20
"""

import argparse
import json
import urllib.request

import gi

for module in ("Gst", "GstSdp", "GstWebRTC"):
    gi.require_version(module, "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

SEND = """webrtcbin name=rtc bundle-policy=max-bundle filesrc location={file} ! decodebin name=in
  in. ! videoconvert ! clocksync ! queue ! vp8enc deadline=1 keyframe-max-dist=60 target-bitrate=800000 !
    rtpvp8pay picture-id-mode=15-bit ! application/x-rtp,media=video,encoding-name=VP8,payload=96 ! rtc.
  in. ! audioconvert ! audioresample ! clocksync ! queue ! opusenc !
    rtpopuspay ! application/x-rtp,media=audio,encoding-name=OPUS,payload=111 ! rtc."""
RECEIVE = """webrtcbin name=rtc bundle-policy=max-bundle matroskamux name=out ! filesink location={file}
  rtpvp8depay name=VP8 ! queue ! out. rtpopusdepay name=OPUS ! opusparse ! queue ! out."""
TAKEN = (
    "application/x-rtp,media=video,encoding-name=VP8,clock-rate=90000,payload=96",
    "application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,payload=111",
)

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
parser.add_argument("way", choices=["send", "receive"])
parser.add_argument("url")
parser.add_argument("file")
parser.add_argument("--seconds", type=int, default=10)
args = parser.parse_args()
Gst.init(None)
loop = GLib.MainLoop()
pipeline = Gst.parse_launch((SEND if args.way == "send" else RECEIVE).format(file=args.file))
rtc = pipeline.get_by_name("rtc")


def offer(*_):
    rtc.emit("create-offer", None, Gst.Promise.new_with_change_func(offered))


def offered(promise):
    reply = promise.get_reply()  # What it holds does not outlive it.
    rtc.emit("set-local-description", reply.get_value("offer"), Gst.Promise.new())


def post(*_):
    if rtc.get_property("ice-gathering-state") != GstWebRTC.WebRTCICEGatheringState.COMPLETE:
        return
    body = {"type": "offer", "sdp": rtc.get_property("local-description").sdp.as_text()}
    request = urllib.request.Request(args.url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    sdp = GstSdp.SDPMessage.new_from_text(json.load(urllib.request.urlopen(request))["sdp"])[1]
    answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, sdp)
    rtc.emit("set-remote-description", answer, Gst.Promise.new())


def write(_, pad):
    if pad.direction == Gst.PadDirection.SRC:
        codec = pad.get_current_caps().get_structure(0).get_string("encoding-name")
        pad.link(pipeline.get_by_name(codec).get_static_pad("sink"))


def end(*_):
    for codec in ("VP8", "OPUS") if args.way == "receive" else ():
        pipeline.get_by_name(codec).get_static_pad("sink").send_event(Gst.Event.new_eos())
    GLib.timeout_add(500, loop.quit)


rtc.connect("on-negotiation-needed", offer)
rtc.connect("notify::ice-gathering-state", post)
rtc.connect("notify::connection-state", lambda *_: print(rtc.get_property("connection-state").value_nick, flush=True))
rtc.connect("pad-added", write)
for caps in TAKEN if args.way == "receive" else ():
    way = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
    rtc.emit("add-transceiver", way, Gst.Caps.from_string(caps))
pipeline.set_state(Gst.State.PLAYING)
GLib.timeout_add_seconds(args.seconds, end)
loop.run()
pipeline.set_state(Gst.State.NULL)
