"""A room as aiortc alone would send it: one decoded film through MediaRelay, and an encoder for each viewer.

    python -m benchmarks.peers.stock_room FILM

Prints one JSON line with its WHEP address when it listens. The alternative to encoding once; board and silence for a
microphone are left out or cheap, in its favour.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
from typing import Any

import uvicorn
from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.codecs import h264
from aiortc.contrib.media import MediaPlayer, MediaRelay
from aiortc.mediastreams import AudioStreamTrack
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

BITRATE_BPS = 1_500_000


async def serve(film: str) -> None:
    """Serve until killed."""
    h264.DEFAULT_BITRATE = BITRATE_BPS  # what Estrade's camera layer has
    player, relay = MediaPlayer(film, loop=True), MediaRelay()
    assert player.video is not None, "the film has a picture"
    picture = player.video
    connections: list[RTCPeerConnection] = []

    async def whep(request: Request) -> Response:
        offer = (await request.body()).decode()
        pc = RTCPeerConnection()
        connections.append(pc)
        pc.addTrack(AudioStreamTrack())
        pc.addTrack(relay.subscribe(picture))
        wanted = [codec for codec in RTCRtpSender.getCapabilities("video").codecs if codec.mimeType == "video/H264"]
        video: Any = next(one for one in pc.getTransceivers() if one.kind == "video")
        video.setCodecPreferences(wanted)
        await pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await pc.setLocalDescription(await pc.createAnswer())
        return Response(pc.localDescription.sdp, 201, media_type="application/sdp")

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        app = Starlette(routes=[Route("/whep", whep, methods=["POST"])])
        print(json.dumps({"whep": f"http://127.0.0.1:{listener.getsockname()[1]}/whep"}), flush=True)
        await uvicorn.Server(uvicorn.Config(app, log_level="warning")).serve([listener])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.stock_room", description=__doc__)
    parser.add_argument("film")
    asyncio.run(serve(parser.parse_args().film))


if __name__ == "__main__":
    main()
