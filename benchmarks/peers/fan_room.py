"""A room's sending side alone, with a stream that is encoded already, so that nothing but the fan-out costs anything.

    python -m benchmarks.peers.fan_room estrade 127.0.0.1

Prints one JSON line with its WHEP address when it listens. ``aiortc`` instead of ``estrade``: the same frames leave
through aiortc's own sender.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import socket
import time
from collections.abc import Coroutine
from functools import partial
from typing import Any

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agent.on_air import Departures
from agent.streams import wire_path
from agent.streams.clock import RoomClock
from agent.streams.encoders import EncodedFrame
from agent.streams.fanout import Fan
from agent.streams.feed import PictureFeed, SoundFeed
from agent.streams.offers import read_offer
from agent.streams.pacing import Pacer
from agent.streams.viewer import ViewerConnection
from benchmarks.peers.fan_stream import Player
from protocol.messages import OnAir


class Room:
    """The agent's own viewers, feeds and fans, without devices and encoders."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._call_later = loop.call_later
        self._clock, self._pacer = RoomClock(), Pacer(time.monotonic, loop.call_later)
        self._departures = Departures()
        self._departures.lesson_is("benchmark")
        self.player = Player(self._play)
        self._fans = {
            "camera": Fan("720p", make_key=self.player.make_key, on_use=lambda _: None, replay_frames=30),
            "sound": Fan("32k", make_key=lambda: None, on_use=lambda _: None, replay_frames=0),
        }
        self._viewers: dict[str, ViewerConnection] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def _play(self, frame: EncodedFrame) -> None:
        self._fans[frame.track].deliver(frame)

    async def whep(self, request: Request) -> Response:
        viewer = ViewerConnection(
            f"v{len(self._viewers)}",
            read_offer((await request.body()).decode(), OnAir()),
            self._clock,
            self._pacer,
            (),
            on_connected=self._connected,
            on_gone=lambda viewer, reason: None,
            on_told=lambda viewer, message: None,
            on_packet=partial(self._departures.packet_left, "benchmark"),
            spawn=self._spawn,
        )
        self._viewers[viewer.id] = viewer
        return Response(await viewer.answer({"camera": "3.1"}), 201, media_type="application/sdp")

    def _connected(self, viewer: ViewerConnection) -> None:
        for track, sender in viewer.senders.items():
            if track == "sound":
                SoundFeed(sender).want(self._fans[track])
                continue
            feed = PictureFeed(sender, now=time.monotonic, call_later=self._call_later)
            sender.on_key, sender.on_drained = feed.want_key, feed.drained
            feed.want(self._fans[track])

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def serve(path: str, host: str) -> None:
    """Serve until killed."""
    if path == "aiortc":
        wire_path.direct_path = lambda peer: None
    room = Room()
    with socket.socket() as listener:
        listener.bind((host, 0))
        app = Starlette(routes=[Route("/whep", room.whep, methods=["POST"])])
        print(json.dumps({"whep": f"http://{host}:{listener.getsockname()[1]}/whep"}), flush=True)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        await asyncio.gather(room.player.run(), server.serve([listener]))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.fan_room", description=__doc__)
    parser.add_argument("path", choices=("estrade", "aiortc"))
    parser.add_argument("host")
    given = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    uvloop.run(serve(given.path, given.host))


if __name__ == "__main__":
    main()
