"""Calls Roomtap with aiortc (pip install aiortc): sends a file, or writes what it publishes.

    roomtap record offer-listen://127.0.0.1:8080/offer
    python3 samples/aiortc_call.py send http://127.0.0.1:8080/offer/Ann talk.webm

    roomtap publish offer-listen://127.0.0.1:8080/offer
    python3 samples/aiortc_call.py receive http://127.0.0.1:8080/offer call.mkv --seconds 20
"""

import argparse
import asyncio
import json
import urllib.request

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaPlayer, MediaRecorder


def post(url, offer):
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(offer).encode(), headers)
    return json.loads(urllib.request.urlopen(request).read())


async def call(args):
    pc = RTCPeerConnection()
    recorder = MediaRecorder(args.file) if args.way == "receive" else None
    connected = asyncio.Event()

    @pc.on("connectionstatechange")
    def on_state():
        print(pc.connectionState, flush=True)
        if pc.connectionState == "connected":
            connected.set()

    if recorder:
        pc.on("track", recorder.addTrack)
        for kind in ("audio", "video"):
            pc.addTransceiver(kind, direction="recvonly")
    else:
        player = MediaPlayer(args.file)
        for track in filter(None, (player.audio, player.video)):
            pc.addTrack(track)

    await pc.setLocalDescription(await pc.createOffer())
    offer = {"sdp": pc.localDescription.sdp, "type": pc.localDescription.type}
    answer = await asyncio.to_thread(post, args.url, offer)
    await pc.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))
    await connected.wait()
    if recorder:
        await recorder.start()
    await asyncio.sleep(args.seconds)
    if recorder:
        await recorder.stop()
    await pc.close()


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
parser.add_argument("way", choices=["send", "receive"])
parser.add_argument("url")
parser.add_argument("file")
parser.add_argument("--seconds", type=float, default=10)
asyncio.run(call(parser.parse_args()))
