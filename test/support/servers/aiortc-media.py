"""aiortc at the other end of JSON offers, as a server that answers them or as a client that makes them.

    aiortc-media.py serve [--play FILE] [--record FILE]   prints its address; answers offers at /offer
    aiortc-media.py send URL --play FILE                  sends a file
    aiortc-media.py receive URL --record FILE             writes what it gets

Ends, and completes the file, when its standard input does.
"""

import argparse
import asyncio
import json
import sys
import urllib.request

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaPlayer, MediaRecorder


class End:
    """One connection, what it plays and what it records."""

    def __init__(self, args):
        self.pc = RTCPeerConnection()
        self.player = MediaPlayer(args.play) if args.play else None
        self.recorder = MediaRecorder(args.record) if args.record else None
        self.pc.on("track", self.on_track)
        self.pc.on("connectionstatechange", self.on_state)

    def on_track(self, track):
        if self.recorder:
            self.recorder.addTrack(track)

    async def on_state(self):
        print(self.pc.connectionState, flush=True)
        if self.pc.connectionState == "connected" and self.recorder:
            await self.recorder.start()
            self.report = asyncio.create_task(self.tell())

    async def tell(self):
        while self.pc.connectionState == "connected":
            for s in (await self.pc.getStats()).values():
                if s.type == "inbound-rtp" and s.kind == "audio":
                    print(f"heard {s.packetsReceived} packets", flush=True)
            await asyncio.sleep(0.5)

    def play(self):
        for track in (self.player.audio, self.player.video) if self.player else ():
            if track:
                self.pc.addTrack(track)

    async def describe(self, made):
        await self.pc.setLocalDescription(made)
        d = self.pc.localDescription
        return {"sdp": d.sdp, "type": d.type}

    async def answer(self, offer):
        await self.pc.setRemoteDescription(RTCSessionDescription(offer["sdp"], offer["type"]))
        self.play()
        return await self.describe(await self.pc.createAnswer())

    async def call(self, url):
        self.play()
        if not self.player:
            self.pc.addTransceiver("audio", "recvonly")
            self.pc.addTransceiver("video", "recvonly")
        offer = await self.describe(await self.pc.createOffer())
        request = urllib.request.Request(
            url, json.dumps(offer).encode(), {"Content-Type": "application/json"}
        )
        body = await asyncio.to_thread(lambda: urllib.request.urlopen(request).read())
        answer = json.loads(body)
        await self.pc.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))

    async def close(self):
        if self.recorder:
            await self.recorder.stop()
        await self.pc.close()


async def serve(args, ends):
    async def handle(reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            status, reply = "404 Not Found", b""
            if lines[0].startswith("POST /offer "):
                end = End(args)
                ends.append(end)
                status, reply = "200 OK", json.dumps(await end.answer(json.loads(body))).encode()
            fields = f"Content-Type: application/json\r\nContent-Length: {len(reply)}\r\nConnection: close"
            writer.write(f"HTTP/1.1 {status}\r\n{fields}\r\n\r\n".encode() + reply)
            await writer.drain()
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/offer", flush=True)


async def main(args):
    ends = []
    if args.what == "serve":
        await serve(args, ends)
    else:
        ends.append(End(args))
        await ends[0].call(args.url)
    await asyncio.to_thread(sys.stdin.read)
    for end in ends:
        await end.close()


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
parser.add_argument("what", choices=["serve", "send", "receive"])
parser.add_argument("url", nargs="?")
parser.add_argument("--play")
parser.add_argument("--record")
asyncio.run(main(parser.parse_args()))
